"""Reports: the promised JSON, and pages that need nothing but themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.comparison.compare import compare
from ltc2hw.comparison.drift_texts import findings
from ltc2hw.comparison.page import page_html, to_html
from ltc2hw.comparison.report import Bound, Exactness, Place, Range, Report
from ltc2hw.comparison.tables import Table, change_text, score_text, summary, tables
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.network import Network
from tests.random_networks import random_network

VOID = {"meta", "img", "br", "input"}


def make_report(outputs: str = "classes", model: str = "LTC") -> Report:
    rng = np.random.default_rng(21)
    network = random_network(rng, hidden=(6, 5), model="LIF" if model == "LIF" else "LTC")
    x = rng.uniform(-1, 1, (7, 12, 5))
    labels = ltc2hw.simulate(network, x).outputs[-1]
    targets = labels.argmax(axis=1) if outputs == "classes" else labels + 0.1
    fixed = ltc2hw.quantize(network, "loihi2", x)
    report = compare(network, fixed, x, targets, ("integer",), task="random")
    return replace(
        report,
        exact={"lava": Exactness(1234, 0), "fast": Exactness(1234, 0)},
        bounds=(Bound("mismatches, at most", 0, 0, True),),
    )


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report()


class PageReader(HTMLParser):
    """Collects what a browser would load, and checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read_page(page: str) -> PageReader:
    reader = PageReader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_json_holds_what_is_promised(report: Report, tmp_path: Path) -> None:
    report.save(tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert content == report.to_dict()
    assert content["task"] == "random"
    assert content["target"] == "loihi2"
    assert content["accuracy"] == report.scores
    assert content["samples"] == {"float64": 12, "integer": 12}
    assert content["exact"]["lava"] == {"compared": 1234, "mismatches": 0, "first": None}
    assert set(content["spike_agreement"]) == {"hidden0", "hidden1"}
    assert set(content["saturations"]) == {"input", "hidden0", "hidden1", "readout"}
    assert content["utilization"]["neurons"] == [14, 1048576]
    assert [stage["name"] for stage in content["ladder"]][::7] == ["float64", "integer"]


def test_regression_reports_say_mse(tmp_path: Path) -> None:
    report = make_report(outputs="values")
    assert "accuracy" not in report.to_dict()
    assert report.to_dict()["mse"] == report.scores
    report.save(tmp_path / "report.md")
    assert "Mean squared error" in (tmp_path / "report.md").read_text("utf-8")
    assert "squared error" in read_page(page_html(report, ())).text


@pytest.fixture(scope="module")
def saved_page(report: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    report.save(path)
    return path.read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_shows_every_table(report: Report, saved_page: str) -> None:
    page = read_page(saved_page)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.loaded)
    assert page.tags.count("img") == len(page.loaded) == 13
    assert not {"link", "iframe"} & set(page.tags)
    assert page.tags.count("script") == 2
    for table in tables(report):
        assert table.title in page.text
        for cell in (cell for row in table.rows for cell in row):
            assert cell in page.text


def test_the_page_says_first_where_the_runs_part(report: Report, saved_page: str) -> None:
    assert report.drift is not None
    text = read_page(saved_page).text
    sentences = findings(report.drift)
    assert len(sentences) == 1 + len(report.drift.populations) == 4
    for sentence in sentences:
        assert text.index(sentence) < text.index("Explore")
    assert "Where the runs part" not in page_html(replace(report, drift=None), ())
    # What tells where the score went comes before samples, what shows these after them.
    places = [
        saved_page.index(f"<h2>{title}</h2>")
        for title in ("Where the runs part", "From float to integer", "Account",
                      "Error over steps", "Every cause alone", "Weights and their grid")
    ]  # fmt: skip
    explorer = saved_page.index('<h2 id="explorer-title">Explore</h2>')
    assert places == sorted(places)
    assert places[3] < explorer < places[4]


def test_the_same_report_gives_the_same_page(report: Report, saved_page: str) -> None:
    assert to_html(report) == saved_page


def test_lif_networks_and_silent_ones_have_pages_too() -> None:
    report = make_report("values", "LIF")
    silent = replace(
        report, spikes={}, causes=(), weight_ranges=(),
        excerpts=(replace(report.excerpt, float_spikes={}, integer_spikes={}, membranes=()),),
    )  # fmt: skip
    pages = read_page(to_html(report)), read_page(to_html(silent))
    assert [len(page.loaded) for page in pages] == [13, 7]


def test_markdown_has_a_heading_per_table(report: Report, tmp_path: Path) -> None:
    report.save(tmp_path / "report.md")
    lines = (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("## ")] == [
        f"## {table.title}" for table in tables(report)
    ]
    for table in tables(report):
        start = lines.index(f"## {table.title}") + 2
        for line in lines[start : start + 2 + len(table.rows)]:
            assert line.count("|") - line.count("\\|") == len(table.header) + 1


def test_hostile_texts_stay_texts(report: Report, tmp_path: Path) -> None:
    hostile = replace(
        report, task="<script>alert(1)</script>", provenance={"a|b": "<img src=x>\n| c |"}
    )
    assert read_page(page_html(hostile, ())).tags.count("script") == 2
    hostile.save(tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "| a\\|b | &lt;img src=x> \\| c \\| |" in text
    assert "# &lt;script>alert(1)&lt;/script> on loihi2" in text
    assert "<" not in text


def test_markdown_shows_texts_as_they_are(report: Report, tmp_path: Path) -> None:
    origin = r"[a](javascript:b) ![c](d) `e` *f* _g_ tau_mem &amp; \x \x1b[31m" + "\x1b[31m"
    replace(report, provenance={"origin": origin}).save(tmp_path / "report.md")
    assert (
        r"| origin | \[a\](javascript:b) !\[c\](d) \`e\` \*f\* \_g\_ tau_mem &amp;amp; \\x"
        r" \\x1b\[31m\\x1b\[31m |"
    ) in (tmp_path / "report.md").read_text("utf-8")


def test_pictures_hold_any_name() -> None:
    """Long ones, and letters that the pictures' font lacks; any warning would be an error."""
    rng = np.random.default_rng(3)
    network = random_network(rng, hidden=(3,))
    long, foreign = "x" * 252, "ひ"
    names = {p.name: p.name for p in network.populations} | {"hidden0": long, "readout": foreign}
    network = Network(
        tuple(replace(p, name=names[p.name]) for p in network.populations),
        tuple(
            replace(p, source=names[p.source], target=names[p.target]) for p in network.projections
        ),
        foreign,
    )
    x = rng.uniform(-1, 1, (4, 3, 5))
    fixed = ltc2hw.quantize(network, "loihi2", x)
    labels = np.zeros(3, dtype=int)
    page = to_html(compare(network, fixed, x, labels, ("integer",)))
    read_page(page)
    assert long in page
    assert foreign in page


def test_other_suffixes_and_missing_folders_are_named(report: Report, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"ending in \.json, \.md, \.html"):
        report.save(tmp_path / "report.pdf")
    with pytest.raises(FileNotFoundError, match=r"nowhere.report\.md"):
        report.save(tmp_path / "nowhere" / "report.md")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_extra_is_named() -> None:
    script = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from ltc2hw.errors import MissingExtraError\n"
        "from ltc2hw.comparison.report import find_renderer\n"
        "find_renderer('report.md')\n"
        "try:\n    find_renderer('report.html')\n"
        "except MissingExtraError as error:\n    print(error.extra)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "plot\n"


def test_a_summary_counts_mismatches(report: Report) -> None:
    first = Place("hidden0", "membrane", 1, 2, 3, 4, 5)
    wrong = replace(report, exact={"lava": Exactness(1000, 7, first)})
    assert wrong.mismatches == 7
    assert "7 of 1,000 integers of lava differ" in summary(wrong)
    assert "no other engine" in summary(replace(report, exact={}))


@pytest.mark.parametrize(
    ("low", "high", "minimum", "maximum", "unused"),
    [
        (-128, 127, -128, 127, 0),
        (-128, 0, -128, 127, 0),
        (-127, 64, -128, 127, 0),
        (-64, 63, -128, 127, 1),
        (-65, 63, -128, 127, 0),
        (0, 0, -128, 127, 7),
        (-1, 0, -128, 127, 7),
        (0, 1, -128, 127, 6),
        (0, 255, 0, 255, 0),
        (0, 127, 0, 255, 1),
        (0, 1, 0, 1, 0),
        (0, 0, 0, 255, 7),
    ],
)
def test_unused_bits(low: int, high: int, minimum: int, maximum: int, unused: int) -> None:
    assert Range("x", low, high, minimum, maximum).bits_unused == unused


def test_texts_of_scores() -> None:
    assert score_text("accuracy", 1.0) == "100.00 %"
    assert change_text("accuracy", 0.005) == "+0.50 points"
    assert change_text("mse", -0.001) == "-0.001"
    table = Table("t", ("name", "value"), (("a", "1"), ("b", "none")))
    assert not table.is_numeric(1)
