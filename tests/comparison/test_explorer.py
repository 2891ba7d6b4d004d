"""The part of a page where samples are explored, in a real browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
import pytest

import ltc2hw
from ltc2hw.comparison.compare import compare
from ltc2hw.comparison.excerpt import room_for, worth_seeing
from ltc2hw.comparison.explorer import explored, in_script, script
from ltc2hw.comparison.page import page_html, style
from ltc2hw.comparison.report import Excerpt, Membrane, Report
from ltc2hw.files.texts import printable
from ltc2hw.graph.fixed import FixedNetwork, variable_fraction
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.weights import Dense
from tests.browser import Browser, open_browser
from tests.random_networks import random_network

STEPS, COUNT = 9, 30

SHOWN = 5.1e-6
"""Of a number, what six digits leave open."""


@dataclass(frozen=True)
class Compared:
    """A report and both runs of its samples."""

    report: Report
    fixed: FixedNetwork
    real: Trace
    integer: Trace
    labels: npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def compared() -> Compared:
    rng = np.random.default_rng(11)
    network = random_network(rng, hidden=(14, 9))
    x = rng.uniform(-1, 1, (STEPS, COUNT, 5))
    labels = ltc2hw.simulate(network, x).outputs[-1].argmax(axis=1)
    fixed = ltc2hw.quantize(network, "loihi2", x, ltc2hw.QuantizeOptions(weight_bits=3))
    return Compared(
        compare(network, fixed, x, labels, ("integer",), task="random"),
        fixed,
        ltc2hw.simulate(network, x, record="all"),
        ltc2hw.simulate(fixed, x, "integer", "all"),
        labels,
    )


class Parts(HTMLParser):
    """Attributes of a page's elements, and what stands in its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in self.inside:
            self.inside[tag].append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem in self.inside:
            self.inside[self.cdata_elem][-1] += data


def decoded(packed: dict[str, Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """What the page's script makes of an array, by other means."""
    if "value" in packed:
        return np.full(shape, packed["value"])
    found = np.frombuffer(base64.b64decode(packed["data"]), np.dtype(packed["kind"]))
    if packed["kind"] == "u1":
        return np.unpackbits(found, bitorder="little")[: np.prod(shape)].reshape(shape)
    return found.reshape(shape)


def test_the_page_holds_the_trace(compared: Compared) -> None:
    data = json.loads(in_script(explored(compared.report)))
    assert [sample["sample"] for sample in data["samples"]] == [
        excerpt.sample for excerpt in compared.report.excerpts
    ]
    for sample in data["samples"]:
        s = sample["sample"]
        for population in sample["populations"]:
            name, size = population["name"], population["size"]
            assert population["neurons"] == [*range(size)]
            for side, trace in (("float", compared.real), ("integer", compared.integer)):
                found = decoded(population[side], (size, STEPS))
                assert np.array_equal(found.T, trace.spikes[name][:, s])
            assert len(population["membranes"]) == size
            for kept in population["membranes"]:
                place = slice(None), s, kept["neuron"]
                states = compared.integer.states[name]
                integers = decoded(kept["integer"], (STEPS,))
                assert np.array_equal(integers, states["membrane"][place])
                assert kept["fraction"] == variable_fraction(
                    compared.fixed.population(name), "membrane"
                )
                real = compared.real.states[name]["membrane"][place]
                assert np.array_equal(decoded(kept["float"], (STEPS,)), real.astype(np.float32))
        assert sample["outputs"]["indices"] == [0, 1, 2]
        real_outputs = compared.real.outputs[:, s].astype(np.float32)
        assert np.array_equal(decoded(sample["outputs"]["float"], (3, STEPS)).T, real_outputs)


def test_a_page_loads_and_runs_only_itself(compared: Compared) -> None:
    page = Parts(page_html(compared.report, ()))
    attributes = {key: own for tag, own in page.found for key in own}
    assert "src" not in attributes
    assert "href" not in attributes
    assert not any(key.startswith("on") or key == "style" for key in attributes)
    (policy,) = (own["content"] or "" for tag, own in page.found if "http-equiv" in own)
    data, run = page.inside["script"]
    (look,) = page.inside["style"]
    assert run == script()
    assert json.loads(data)["samples"]
    for kind, text in (("script", run), ("style", look)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_large_runs_have_pages_of_bounded_size() -> None:
    """Two layers of 600 neurons over 784 steps: eight samples, the neurons that differ most."""
    rng = np.random.default_rng(0)
    wires = [
        Projection("x", "spikes", "a", "current", Dense(np.ones((600, 1)))),
        Projection("a", "spikes", "b", "current", Dense(np.ones((600, 600)))),
    ]
    network = Network(
        (Input("x", 1), Neurons("a", 600, "lif"), Neurons("b", 600, "lif")), tuple(wires), "b"
    )
    count, neurons = room_for(network, 784, 1000)
    assert (count, neurons) == (8, 7)
    spikes = [(rng.random((784, 600)) < 0.1).astype(np.float64) for _ in range(4)]
    curve = rng.normal(size=784)
    first, second = ({"a": spikes[i], "b": spikes[i + 1]} for i in (0, 2))
    membranes = tuple(
        Membrane(name, neuron, curve, curve, curve, np.rint(curve * 2**20) / 2**20,
                 curve, curve, 20)
        for name in first
        for neuron in worth_seeing(first[name], second[name])[:neurons]
    )  # fmt: skip
    outputs = rng.normal(size=(784, 40))
    excerpt = Excerpt(3, first, second, membranes, outputs, outputs + 0.1, 1.0, 0.0, 39, 39, 2)
    report = replace(BARE, excerpts=(excerpt,) * count)
    data = explored(report)
    (a, b), own = data["samples"][0]["populations"], data["samples"][0]["outputs"]
    assert len(a["neurons"]) == len(b["neurons"]) == 256
    assert set(worth_seeing(first["a"], second["a"])[:200]) < set(a["neurons"])
    assert len(a["membranes"]) == 7
    assert len(own["indices"]) == 9
    assert {39, 2} < set(own["indices"])
    assert len(in_script(data)) < 4_500_000


BARE = Report(
    task="", target="loihi2", metric="accuracy", higher_is_better=True, reference="integer",
    scores={}, float_scores={}, samples={}, explained=0, exact={}, spikes={}, divergence=None,  # type: ignore[arg-type]
    saturations={}, utilization={}, weight_ranges=(), state_ranges=(), ladder=(), causes=(),
    provenance={}, excerpts=(),
)  # fmt: skip


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_texts_and_lines_stand_out(scheme: int) -> None:
    """Texts have a contrast of 4.5, lines and marks one of 3, as WCAG 2.1 AA asks."""
    blocks = re.findall(r":root \{(.*?)\}", style(), re.DOTALL)
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[scheme]))
    wanted = dict.fromkeys(("ink", "quiet", "good", "bad", "mark"), 4.5)
    wanted |= dict.fromkeys(("float", "integer", "both", "focus"), 3.0)
    for name, least in wanted.items():
        for ground in ("ground", "paper"):
            high, low = sorted((luminance(colors[name]), luminance(colors[ground])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= least, (name, ground)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def page(compared: Compared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    compared.report.save(path)
    return path


@pytest.fixture(autouse=True)
def _fresh(request: pytest.FixtureRequest) -> None:
    """Each test that opens a page has a wide window in light colours."""
    if "browser" in request.fixturenames:
        found: Browser = request.getfixturevalue("browser")
        found.size(1280)
        found.scheme("light")


def numbers(browser: Browser) -> dict[str, tuple[float, float]]:
    """Float and integer numbers under the cursor, by their name."""
    rows = browser.texts("#explorer-numbers tr > *")
    cells = [rows[i : i + 5] for i in range(0, len(rows), 5)]
    return {cell[0].split(" (")[0]: (float(cell[1]), float(cell[2])) for cell in cells}


def choice(browser: Browser) -> dict[str, str]:
    """What the page's address names."""
    found: dict[str, str] = browser.value(
        "Object.fromEntries(new URLSearchParams(location.hash.slice(1)))"
    )
    return found


def expected(compared: Compared, own: dict[str, str]) -> dict[str, tuple[float, float]]:
    """What the table should hold, from the runs of all samples."""
    step, sample = int(own["step"]), int(own["sample"])
    name, neuron = own["population"], int(own["neuron"])

    def pair(population: str, variable: str, index: int) -> tuple[float, float]:
        runs = (compared.real.recorded(), compared.integer.recorded())
        real, integer = (float(run[population, variable][step, sample, index]) for run in runs)
        fraction = variable_fraction(compared.fixed.population(population), variable)
        return real, integer / 2**fraction

    found = {variable: pair(name, variable, neuron) for variable in ("membrane", "threshold")}
    found["spike"] = pair(name, "spikes", neuron)
    return found | {f"output {index}": pair("readout", "membrane", index) for index in range(3)}


def check(browser: Browser, compared: Compared) -> dict[str, str]:
    """Whether table and raster are those of the chosen sample, and what is chosen."""
    own, found = choice(browser), numbers(browser)
    wanted = expected(compared, own)
    assert found.keys() == wanted.keys()
    for name, pair in wanted.items():
        assert found[name] == pytest.approx(pair, rel=SHOWN, abs=1e-9), name
    name, sample = own["population"], int(own["sample"])
    first = compared.real.spikes[name][:, sample] > 0
    second = compared.integer.spikes[name][:, sample] > 0
    drawn = browser.value(
        "['float', 'integer', 'both'].map((side) => (document.querySelector("
        "`#explorer-raster .spike.${side}`).getAttribute('d').match(/M/g) || []).length)"
    )
    assert drawn == [int(s.sum()) for s in (first & ~second, second & ~first, first & second)]
    spiking = [int(side[:, int(own["neuron"])].sum()) for side in (first, second)]
    marks = [f"#explorer-membrane .mark.{side}" for side in ("float", "integer")]
    assert [len(browser.texts(selector)) for selector in marks] == spiking
    return own


TOP = "document.getElementById('explorer-section').getBoundingClientRect().top"
"""How far below the window's upper edge the part to explore begins."""


def test_addresses_choose(compared: Compared, page: Path, browser: Browser) -> None:
    samples = [excerpt.sample for excerpt in compared.report.excerpts]
    for sample, population, neuron, step in (
        (samples[0], "hidden0", 3, 0),
        (samples[-1], "hidden1", 8, 8),
        (samples[3], "hidden0", 13, 5),
    ):
        wanted = {
            "sample": str(sample), "population": population, "neuron": str(neuron),
            "step": str(step),
        }  # fmt: skip
        browser.open(page, f"#{urlencode(wanted)}")
        assert check(browser, compared) == wanted
        # Who follows a link sees what it names.
        assert abs(browser.value(TOP)) < 2
        assert browser.complaints() == []
        assert browser.requests() == [page.as_uri()]


@pytest.mark.parametrize(
    "fragment", ["", "#", "#sample=99999&step=3", "#sample=x&neuron=-1", "#%", "#__proto__=1"]
)
def test_addresses_of_nothing_show_where_the_first_sample_parts(
    compared: Compared, page: Path, browser: Browser, fragment: str
) -> None:
    browser.open(page, fragment)
    assert check(browser, compared) == parting(compared, compared.report.excerpt.sample)
    assert browser.complaints() == []


def parting(compared: Compared, sample: int) -> dict[str, str]:
    """Where a sample's spikes first differ, from the runs of all samples."""
    found = [
        (step, place, neuron, name)
        for place, name in enumerate(("hidden0", "hidden1"))
        for step, neuron in np.argwhere(
            compared.real.spikes[name][:, sample] != compared.integer.spikes[name][:, sample]
        ).tolist()
    ]
    step, _, neuron, name = min(found)
    return {
        "sample": str(sample), "population": name, "neuron": str(neuron), "step": str(step),
    }  # fmt: skip


def test_links_with_places_beyond_the_end_stay_within(
    compared: Compared, page: Path, browser: Browser
) -> None:
    sample = compared.report.excerpts[1].sample
    browser.open(page, f"#sample={sample}&population=hidden1&neuron=999&step=999")
    own = check(browser, compared)
    assert (own["sample"], own["population"], own["step"]) == (str(sample), "hidden1", "8")


def test_everything_is_reached_by_the_keyboard(page: Path, browser: Browser) -> None:
    browser.open(page)
    wanted = {
        "sample": ("combobox", "Sample"),
        "population": ("combobox", "Population"),
        "neuron": ("combobox", "Neuron"),
        "step": ("slider", "Step"),
        "first": ("button", "First difference"),
        "next": ("button", "Next difference of this neuron"),
        "charts": ("group", "Charts of the sample"),
    }
    for name, told in wanted.items():
        browser.press("Tab")
        assert browser.value("document.activeElement.id") == f"explorer-{name}"
        outline = browser.value(
            "(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])"
            "(getComputedStyle(document.activeElement))"
        )
        assert outline == ["solid", "3px"]
        assert (browser.role(), browser.name()) == told


def test_controls_choose_by_keyboard(compared: Compared, page: Path, browser: Browser) -> None:
    samples = [str(excerpt.sample) for excerpt in compared.report.excerpts]
    browser.open(page)
    before = check(browser, compared)
    browser.press("Tab")
    browser.press("ArrowDown")
    after = check(browser, compared)
    assert (before["sample"], after["sample"]) == (samples[0], samples[1])
    browser.press("Tab")
    other = "hidden1" if after["population"] == "hidden0" else "hidden0"
    browser.press("ArrowDown" if other == "hidden1" else "ArrowUp")
    after = check(browser, compared)
    assert after["population"] == other
    first, second = (
        trace.spikes[other][:, int(samples[1])] for trace in (compared.real, compared.integer)
    )
    assert int(after["neuron"]) == worth_seeing(first, second)[0]
    browser.press("Tab")
    browser.press("Home")
    assert check(browser, compared)["neuron"] == "0"
    browser.press("ArrowDown", 2)
    assert check(browser, compared)["neuron"] == "2"
    browser.press("Tab")
    browser.press("End")
    assert check(browser, compared)["step"] == "8"
    browser.press("ArrowLeft", 3)
    assert check(browser, compared)["step"] == "5"
    browser.press("Tab")
    browser.press("Enter")
    assert check(browser, compared) == parting(compared, int(samples[1]))
    assert browser.complaints() == []


def test_charts_choose_by_keyboard(compared: Compared, page: Path, browser: Browser) -> None:
    samples = [str(excerpt.sample) for excerpt in compared.report.excerpts]
    browser.open(page, f"#sample={samples[0]}&population=hidden0&neuron=4&step=4")
    browser.value("document.getElementById('explorer-charts').focus()")
    for key, times, name, wanted in (
        ("ArrowRight", 2, "step", "6"),
        ("ArrowLeft", 1, "step", "5"),
        ("Home", 1, "step", "0"),
        ("ArrowLeft", 1, "step", "0"),
        ("End", 1, "step", "8"),
        ("ArrowRight", 1, "step", "8"),
        ("ArrowDown", 1, "neuron", "5"),
        ("ArrowUp", 9, "neuron", "0"),
        ("ArrowDown", 20, "neuron", "13"),
        ("PageDown", 2, "sample", samples[2]),
        ("PageUp", 1, "sample", samples[1]),
    ):
        browser.press(key, times)
        assert check(browser, compared)[name] == wanted, (key, times)
    browser.press("d")
    own = check(browser, compared)
    assert own == parting(compared, int(samples[1]))
    differing = np.flatnonzero(
        compared.real.spikes[own["population"]][:, int(samples[1]), int(own["neuron"])]
        != compared.integer.spikes[own["population"]][:, int(samples[1]), int(own["neuron"])]
    ).tolist()
    for step in [*differing[1:], differing[0]]:
        browser.press("n")
        assert check(browser, compared)["step"] == str(step)


def test_a_click_chooses_step_and_neuron(compared: Compared, page: Path, browser: Browser) -> None:
    browser.open(page)
    assert browser.value(TOP) > 0
    browser.value("document.getElementById('explorer-charts').scrollIntoView()")
    population = choice(browser)["population"]
    left, top = browser.value(
        "(({left, top}) => [left, top])"
        "(document.getElementById('explorer-row').getBoundingClientRect())"
    )
    cell = browser.value(
        "document.getElementById('explorer-row').getBoundingClientRect().width"
    ) / STEPS  # fmt: skip
    for kind in ("mousePressed", "mouseReleased"):
        browser.call(
            "Input.dispatchMouseEvent", type=kind, x=left + 6.5 * cell, y=top + 3,
            button="left", clickCount=1,
        )  # fmt: skip
    own = check(browser, compared)
    assert (own["step"], own["population"]) == ("6", population)


@pytest.mark.parametrize("width", [320, 360, 768, 1280, 2560])
def test_no_width_scrolls_the_page_sideways(page: Path, browser: Browser, width: int) -> None:
    browser.size(width)
    browser.open(page)
    inside, room = browser.value("[document.documentElement.scrollWidth, innerWidth]")
    assert inside <= room == width
    assert browser.value("document.getElementById('explorer-raster').clientWidth") >= 200


def test_colours_follow_the_scheme_and_print_is_light(page: Path, browser: Browser) -> None:
    for scheme, medium, ground in (
        ("light", "screen", "rgb(246, 247, 249)"),
        ("dark", "screen", "rgb(18, 22, 27)"),
        ("light", "print", "rgb(255, 255, 255)"),
        ("dark", "print", "rgb(255, 255, 255)"),
    ):
        browser.scheme(scheme, medium)
        browser.open(page)
        found = browser.value("getComputedStyle(document.body).backgroundColor")
        assert found == ground, (scheme, medium)
        shown = browser.value(
            "getComputedStyle(document.querySelector('#explorer-section .controls')).display"
        )
        assert (shown == "none") == (medium == "print")


def test_without_scripts_all_else_is_shown(page: Path, browser: Browser) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        assert browser.value("getComputedStyle(document.querySelector('.explorer')).display") == (
            "none"
        )
        assert "With JavaScript" in browser.value("document.body.innerText")
        sizes = browser.value("Array.from(document.images, (image) => image.naturalWidth)")
        assert len(sizes) == page.read_text("utf-8").count("<img ") > 9
        assert min(sizes) > 0
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


HOSTILE = (
    "</script><script>window.broken=1</script>",
    '"><img src=x onerror="window.broken=1">',
    "'];window.broken=1;//<!--",
    "${window.broken=1}&amp;&lt;b&gt;\u202e\n\u2028 ]]>",
)


def renamed(excerpt: Excerpt, names: dict[str, str]) -> Excerpt:
    """The same sample of populations of other names, which no network could have."""
    return replace(
        excerpt,
        float_spikes={names[name]: own for name, own in excerpt.float_spikes.items()},
        integer_spikes={names[name]: own for name, own in excerpt.integer_spikes.items()},
        membranes=tuple(replace(m, population=names[m.population]) for m in excerpt.membranes),
    )


def test_hostile_names_stay_names(compared: Compared, browser: Browser, tmp_path: Path) -> None:
    names = {"hidden0": HOSTILE[0], "hidden1": HOSTILE[3]}
    report = replace(
        compared.report,
        task=HOSTILE[0],
        provenance=dict(zip(HOSTILE, HOSTILE, strict=True)),
        excerpts=tuple(
            replace(renamed(own, names), label=None, float_answer=None, integer_answer=None)
            for own in compared.report.excerpts
        ),
    )
    for metric, population in zip(HOSTILE, [*names.values()] * 2, strict=True):
        own = replace(report, metric=metric)
        (tmp_path / "page.html").write_text(page_html(own, ()), encoding="utf-8")
        sample = report.excerpts[2].sample
        fragment = urlencode({"sample": sample, "population": printable(population)})
        browser.open(tmp_path / "page.html", f"#{fragment}")
        assert browser.complaints() == []
        assert browser.requests() == [(tmp_path / "page.html").as_uri()]
        assert browser.value("typeof window.broken") == "undefined"
        assert browser.value("document.images.length") == 0
        assert browser.value("document.scripts.length") == 2
        found = browser.texts("#explorer-population option")
        assert found == [printable(name) for name in names.values()]
        assert choice(browser)["population"] == printable(population)
        assert printable(population) in browser.texts("#explorer-raster-name")[0]
        assert printable(population) in browser.texts("#explorer-reading")[0]
        assert printable(metric) in browser.texts("#explorer-sample option")[0]


def test_networks_without_spikes_show_their_outputs(browser: Browser, tmp_path: Path) -> None:
    wire = Projection("x", "value", "out", "current", Dense(np.array([[0.3, -0.2], [0.1, 0.4]])))
    network = Network((Input("x", 2, graded=True), Neurons("out", 2, "readout")), (wire,), "out")
    x = np.random.default_rng(1).uniform(-1, 1, (5, 4, 2))
    fixed = ltc2hw.quantize(network, "loihi2", x)
    targets = ltc2hw.simulate(network, x).outputs[-1] + 0.01
    report = compare(network, fixed, x, targets, ("integer",))
    (tmp_path / "page.html").write_text(page_html(report, ()), encoding="utf-8")
    browser.open(tmp_path / "page.html", f"#sample={report.excerpts[1].sample}&step=2")
    assert browser.complaints() == []
    assert choice(browser) == {"sample": str(report.excerpts[1].sample), "step": "2"}
    assert [*numbers(browser)] == ["output 0", "output 1"]
    own = report.excerpts[1]
    assert numbers(browser)["output 1"] == pytest.approx(
        (own.float_outputs[2, 1], own.integer_outputs[2, 1]), rel=SHOWN
    )
    assert browser.value("document.getElementById('explorer-population').disabled")
    assert len(browser.texts("#explorer-outputs .line")) == 4


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_few_steps_and_numbers_beyond_all_bounds_are_shown(
    compared: Compared, browser: Browser, tmp_path: Path, steps: int
) -> None:
    own = compared.report.excerpts[0]
    outputs = own.float_outputs[:steps].copy()
    outputs[:, 0], outputs[-1, 1], outputs[0, 2] = 1e300, np.nan, np.inf
    cut = replace(
        own,
        float_outputs=outputs,
        integer_outputs=own.integer_outputs[:steps],
        float_spikes={name: spikes[:steps] for name, spikes in own.float_spikes.items()},
        integer_spikes={name: spikes[:steps] for name, spikes in own.integer_spikes.items()},
        membranes=tuple(
            replace(
                m,
                float_membrane=m.float_membrane[:steps],
                integer_membrane=m.integer_membrane[:steps],
                float_threshold=np.full(steps, np.inf),
                integer_threshold=m.integer_threshold[:steps],
            )
            for m in own.membranes
        ),
    )
    report = replace(compared.report, excerpts=(cut,))
    (tmp_path / "page.html").write_text(page_html(report, ()), encoding="utf-8")
    browser.open(tmp_path / "page.html", f"#sample={own.sample}&step={steps - 1}")
    assert browser.complaints() == []
    cells = browser.texts("#explorer-numbers tr > *")
    rows = {cells[i].split(" (")[0]: cells[i + 1] for i in range(0, len(cells), 5)}
    assert (rows["output 0"], rows["output 1"]) == ("1e+300", "NaN")
    assert rows["threshold"] == "Infinity"
    paths = browser.value(
        "Array.from(document.querySelectorAll('#explorer-section path'),"
        " (path) => path.getAttribute('d'))"
    )
    assert len(paths) > 9
    assert not any("NaN" in path or "Infinity" in path for path in paths)
