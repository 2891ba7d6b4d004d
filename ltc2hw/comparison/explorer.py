"""The part of a page where samples are explored: its data, its markup, and the script beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.comparison.excerpt import worth_seeing
from ltc2hw.comparison.report import Excerpt, Membrane, Report
from ltc2hw.files.texts import printable
from ltc2hw.graph.trace import Array
from ltc2hw.numbers.words import FloatArray

MOST_ROWS = 256
"""Neurons of a raster; of more, those whose spikes differ most."""

RASTERS = 3_600_000
"""Steps of neurons in all rasters together, unless two rows each are more: a megabyte of page."""

MOST_OUTPUTS = 16
"""Outputs that are kept; of more, those that answer or differ most."""

OUTPUTS = 60_000
"""Steps of outputs of all samples together, unless three of each are more."""


def script() -> str:
    """The script that draws, as the page holds it."""
    return files("ltc2hw.comparison").joinpath("explorer.js").read_text("utf-8")


def in_script(content: Any) -> str:
    r"""JSON that nothing in it can end: neither a script element nor a comment.

    >>> in_script({"name": "</script><!--"})
    '{"name":"\\u003c/script\\u003e\\u003c!--"}'
    """
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def explored(report: Report) -> dict[str, Any]:
    """What the script reads: the excerpts, arrays packed in base64."""
    count = len(report.excerpts)
    return {
        "metric": printable(report.metric),
        "higher": report.higher_is_better,
        "samples": [sample_data(excerpt, count) for excerpt in report.excerpts],
    }


def sample_data(excerpt: Excerpt, count: int) -> dict[str, Any]:
    """One of so many samples."""
    steps = len(excerpt.float_outputs)
    names = list(excerpt.float_spikes)
    room = max(2, min(MOST_ROWS, RASTERS // (count * steps * max(1, len(names)))))
    return {
        "sample": excerpt.sample,
        "steps": steps,
        "label": excerpt.label,
        "answers": None
        if excerpt.float_answer is None
        else [excerpt.float_answer, excerpt.integer_answer],
        "verdicts": [excerpt.float_verdict, excerpt.integer_verdict],
        "first": first_difference(excerpt),
        "populations": [population_data(excerpt, name, room) for name in names],
        "outputs": outputs_data(excerpt, count),
    }


def first_difference(excerpt: Excerpt) -> list[int] | None:
    """Step, population (by place) and neuron of the first spike that differs, if any does."""
    found = []
    for place, name in enumerate(excerpt.float_spikes):
        differing = np.argwhere(excerpt.float_spikes[name] != excerpt.integer_spikes[name])
        if len(differing):
            step, neuron = differing[0].tolist()
            found.append([step, place, neuron])
    return min(found, default=None)


def population_data(excerpt: Excerpt, name: str, room: int) -> dict[str, Any]:
    """Spikes of at most so many neurons, and membranes of those that have one."""
    first, second = excerpt.float_spikes[name], excerpt.integer_spikes[name]
    order = worth_seeing(first, second)
    own = first_difference(excerpt)
    if own is not None and list(excerpt.float_spikes)[own[1]] == name:
        # The cursor can go where the sides part.
        order = list(dict.fromkeys([own[2], *order])) if own[2] not in order[:room] else order
    shown = sorted(order[:room])
    membranes = [m for m in excerpt.membranes if m.population == name]
    return {
        "name": printable(name),
        "size": first.shape[1],
        "neurons": shown,
        "telling": order[0],
        "float": bits(first[:, shown]),
        "integer": bits(second[:, shown]),
        "membranes": [membrane_data(m) for m in membranes if m.neuron in set(shown)],
    }


def membrane_data(membrane: Membrane) -> dict[str, Any]:
    """Membranes and thresholds of a neuron; integers as they are, with their fraction."""
    integers = np.rint(np.ldexp(membrane.integer_membrane, membrane.fraction))
    return {
        "neuron": membrane.neuron,
        "fraction": membrane.fraction,
        "float": packed(membrane.float_membrane, "f4"),
        "integer": packed(integers, narrowest(integers)),
        "thresholds": [
            packed(values, "f4")
            for values in (membrane.float_threshold, membrane.integer_threshold)
        ],
    }


def outputs_data(excerpt: Excerpt, count: int) -> dict[str, Any]:
    """Outputs of one of so many samples, and which of them to look at."""
    first, second = excerpt.float_outputs, excerpt.integer_outputs
    steps, size = first.shape
    room = max(3, min(MOST_OUTPUTS, OUTPUTS // (count * steps)))
    order = np.argsort(-np.abs(first - second).max(axis=0), kind="stable").tolist()
    answers = (excerpt.label, excerpt.float_answer, excerpt.integer_answer)
    telling = list(dict.fromkeys(index for index in answers if index is not None)) or order[:1]
    shown = sorted(list(dict.fromkeys([*telling, *order]))[:room])
    return {
        "size": size,
        "indices": shown,
        "telling": telling,
        "float": packed(first[:, shown].T, "f4"),
        "integer": packed(second[:, shown].T, "f4"),
    }


def narrowest(integers: FloatArray) -> str:
    """The narrowest type that holds whole numbers.

    >>> narrowest(np.array([-5.0, 40000.0])), narrowest(np.array([2.0**40]))
    ('i4', 'f8')
    """
    largest = float(np.abs(integers).max(initial=0.0))
    if largest < 1 << 15:
        return "i2"
    return "i4" if largest < 1 << 31 else "f8"


def packed(values: npt.NDArray[Any], kind: str) -> dict[str, Any]:
    """An array as base64 of little-endian numbers, or the one value that all of it has.

    What is too large for four bytes takes eight.

    >>> packed(np.array([1.0, 2.0]), "i2"), packed(np.array([0.5, 0.5]), "f4")
    ({'kind': 'i2', 'data': 'AQACAA=='}, {'value': 0.5})
    """
    finite = values[np.isfinite(values)]
    if values.ndim == 1 and values.size == finite.size and np.all(values == values[:1]):
        return {"value": float(values[0])}
    if kind == "f4" and np.abs(finite).max(initial=0.0) > np.finfo(np.float32).max:
        kind = "f8"
    flat = np.ascontiguousarray(values).astype(f"<{kind}")
    return {"kind": kind, "data": base64.b64encode(flat.tobytes()).decode("ascii")}


def bits(spikes: Array) -> dict[str, Any]:
    """Spikes (T, N) as a bit each, neuron by neuron.

    >>> bits(np.array([[1, 0], [1, 0], [0, 1]]))
    {'kind': 'u1', 'data': 'Iw=='}
    """
    flat = np.packbits(np.ascontiguousarray(spikes.T) > 0, bitorder="little")
    return {"kind": "u1", "data": base64.b64encode(flat.tobytes()).decode("ascii")}


def explorer_html(report: Report) -> str:
    """The section, hidden until the script has filled it, with its data."""
    data = in_script(explored(report))
    return MARKUP.replace("DATA", data)


LABELS: Mapping[str, str] = {"sample": "Sample", "population": "Population", "neuron": "Neuron"}

KEYS: Sequence[tuple[str, str]] = (
    ("← →", "step"),
    ("↑ ↓", "neuron"),
    ("Page Up, Page Down", "sample"),
    ("Home, End", "first and last step"),
    ("d", "first difference of the sample"),
    ("n", "next difference of the neuron"),
)
"""Of the charts, where they have the focus."""


def svg(name: str) -> str:
    """A chart that the script fills, named by its heading."""
    return f'<svg id="explorer-{name}" role="img" aria-labelledby="explorer-{name}-name"></svg>'


MARKUP = f"""<noscript><section><h2>Explore</h2>
<p>With JavaScript, samples, neurons and steps can be chosen here.</p></section></noscript>
<section id="explorer-section" class="explorer" aria-labelledby="explorer-title" hidden>
<h2 id="explorer-title">Explore</h2>
<p>Samples that tell most, those first whose answers became worse. Choose one, a population, a
neuron and a step; the address of the page keeps the choice.</p>
<div class="controls">
{
    "".join(
        f'<label>{text} <select id="explorer-{name}"></select></label>'
        for name, text in LABELS.items()
    )
}
<label for="explorer-step"><span>Step <output id="explorer-stepvalue"></output></span>
<input type="range" id="explorer-step" min="0" value="0"></label>
<button type="button" id="explorer-first">First difference</button>
<button type="button" id="explorer-next">Next difference of this neuron</button>
</div>
<p id="explorer-reading" role="status"></p>
<p class="legend"><span class="both">both spike</span>
<span class="float">float only: upper half, ▲, solid lines</span>
<span class="integer">integer only: lower half, ▼, dashed lines</span>
<span class="part">first differing spike</span></p>
<div id="explorer-charts" class="charts" tabindex="0" role="group"
 aria-label="Charts of the sample" aria-describedby="explorer-keys">
<div id="explorer-rasterpart"><h3 id="explorer-raster-name"></h3>
<div id="explorer-rasterbox" class="tall">{svg("raster")}</div></div>
<div id="explorer-membranebox"><h3 id="explorer-membrane-name"></h3>
{svg("membrane")}</div>
<h3 id="explorer-outputs-name"></h3>
{svg("outputs")}
</div>
<p id="explorer-nomembrane" hidden>The membrane of this neuron is not in the page: there is room for
those whose spikes differ most.</p>
<p id="explorer-keys" class="keys">In the charts: {
    "; ".join(f"<kbd>{keys}</kbd> {text}" for keys, text in KEYS)
}.</p>
<div id="explorer-table"><table><caption>Numbers under the cursor, in real units</caption>
<thead><tr><th scope="col"><span class="unseen">what</span></th>
{
    "".join(
        f'<th scope="col" class="number">{text}</th>'
        for text in ("float", "integer", "difference", "as stored")
    )
}</tr></thead>
<tbody id="explorer-numbers"></tbody></table></div>
<script type="application/json" id="explorer-data">DATA</script>
</section>"""
