"""The pictures of a report, as SVG; needs matplotlib (the extra ``plot``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ltc2hw.comparison.charts import histograms, ladder, lines_over_steps, waterfall
from ltc2hw.comparison.drawing import (
    BOTH_COLOR,
    COMMON_COLOR,
    FLOAT_COLOR,
    INTEGER_COLOR,
    LONGEST_UPRIGHT,
    QUIET_COLOR,
    WORD_COLOR,
    Picture,
    new_figure,
    picture,
    shortened,
    whole_numbers,
)
from ltc2hw.comparison.excerpt import PICTURED_NEURONS
from ltc2hw.comparison.marks import Mark
from ltc2hw.comparison.report import Membrane, Range, Report
from ltc2hw.comparison.tables import change_text
from ltc2hw.graph.sequences import Mask
from ltc2hw.numbers.words import FloatArray, IntArray

LARGEST_RASTERS = 3
LARGEST_MEMBRANES = 4
LARGEST_CAUSES = 14
LARGEST_HISTOGRAMS = 8

MOST_MARKS = 100
"""That are drawn one by one; more are an image, which is the smaller then."""


def pictures(report: Report) -> tuple[Picture, ...]:
    """All pictures for which the report has data, in reading order."""
    return tuple(
        picture(title, caption, partial(draw, report))
        for title, caption, has_data, draw in PICTURES
        if has_data(report)
    )


def draw_ladder(report: Report) -> Figure:
    """Score at each stage from float to integer, between what it lies against float's."""
    first = report.ladder[0].score
    # No answers beyond all of them can be right.
    least, most = (0.0, 1.0) if report.metric == "accuracy" else (-np.inf, np.inf)
    rungs = [
        Mark(s.name, s.score, max(first + s.low, least), min(first + s.high, most))
        for s in report.ladder
    ]
    return ladder(rungs, report.metric)


def draw_account(report: Report) -> Figure:
    """What every part has of the loss, from the float score down to the integers'."""
    shares = () if report.account is None else report.account.shares
    bars = [Mark(s.name, s.score.share, s.score.low, s.score.high) for s in shares]
    start, end = report.ladder[0].score, report.ladder[-1].score
    return waterfall(start, bars, end, report.metric, higher_is_better=report.higher_is_better)


def draw_errors(report: Report) -> Figure:
    """How far each population's state is off at each step."""
    assert report.drift is not None
    return lines_over_steps(report.drift.errors, "error (relative RMS)")


def draw_differing(report: Report) -> Figure:
    """How many spikes of each population differ at each step."""
    assert report.drift is not None
    differing = report.drift.differing
    return lines_over_steps(
        {name: [100 * share for share in shares] for name, shares in differing.items()},
        "neurons whose spike differs (%)",
    )


def draw_causes(report: Report) -> Figure:
    """How far each cause alone moves the outputs, and what it does to the score."""
    causes = report.causes[:LARGEST_CAUSES]
    figure, (axes,) = new_figure(0.27 * len(causes) + 0.9)
    rows = np.arange(len(causes))[::-1]
    errors = np.array([100 * cause.output_error for cause in causes])
    axes.barh(rows, errors, color=INTEGER_COLOR, height=0.62)
    for cause, error, row in zip(causes, errors, rows, strict=True):
        change = cause.score - report.ladder[0].score
        note = f"{error:.2g} %" + (f", {change_text(report.metric, change)}" if change else "")
        axes.annotate(note, (error, row), xytext=(4, 0), textcoords="offset points", va="center")
    axes.set_yticks(rows, [shortened(cause.name) for cause in causes])
    axes.set_xlim(0, float(errors.max()) * 1.6 or 1.0)
    axes.set_xlabel("change of the outputs (% RMS)")
    axes.grid(axis="y", visible=False)
    return figure


def draw_rasters(report: Report) -> Figure:
    """Spikes of one sample: common ones, and those of only one side."""
    names = list(report.excerpt.float_spikes)[:LARGEST_RASTERS]
    heights = [max(1.4, min(3.6, 0.05 * report.excerpt.float_spikes[n].shape[1])) for n in names]
    figure, all_axes = new_figure(sum(heights) + 0.9, len(names), heights)
    colors = ListedColormap(["#ffffff00", FLOAT_COLOR, INTEGER_COLOR, COMMON_COLOR])
    for axes, name in zip(all_axes, names, strict=True):
        first = report.excerpt.float_spikes[name] > 0
        second = report.excerpt.integer_spikes[name] > 0
        steps, neurons = first.shape
        axes.imshow(
            halves(first, second).T, cmap=colors, vmin=0, vmax=3, aspect="auto",
            interpolation="nearest", origin="lower",
            extent=(-0.5, steps - 0.5, -0.5, neurons - 0.5),
        )  # fmt: skip
        axes.grid(visible=False)
        axes.set_ylabel(f"{shortened(name, LONGEST_UPRIGHT)}\nneuron")
        whole_numbers(axes.xaxis)
    all_axes[-1].set_xlabel(f"step of sample {report.excerpt.sample}")
    legend = [
        Patch(color=color, label=label)
        for color, label in (
            (COMMON_COLOR, "both"),
            (FLOAT_COLOR, "float only (upper half)"),
            (INTEGER_COLOR, "integer only (lower half)"),
        )
    ]
    figure.legend(handles=legend, loc="outside upper left", ncols=3)
    return figure


def halves(first: Mask, second: Mask) -> IntArray:
    """Places (T, N) in two halves (T, 2 N), so that both sides are told apart without colour.

    Spikes of one side fill its half alone (1 above, 2 below), common ones both (3).

    >>> halves(np.array([[True, True, False]]), np.array([[False, True, True]]))
    array([[0, 1, 3, 3, 2, 0]])
    """
    both = first & second
    lower, upper = np.where(second, 2 + both, 0), np.where(first, 1 + 2 * both, 0)
    halved: IntArray = np.stack([lower, upper], axis=2).reshape(len(first), -1)
    return halved


def draw_membranes(report: Report) -> Figure:
    """Membranes and thresholds of the neurons that spike most."""
    membranes = first_membranes(report.excerpt.membranes)
    figure, all_axes = new_figure(1.35 * len(membranes) + 0.8, len(membranes))
    for axes, membrane in zip(all_axes, membranes, strict=True):
        _draw_membrane(axes, membrane)
    all_axes[-1].set_xlabel("step (membranes are shown after the reset, spikes at the threshold)")
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3)
    return figure


def first_membranes(membranes: Sequence[Membrane]) -> list[Membrane]:
    """The first neurons of each population, as many as there is room for."""
    places = Counter[str]()
    first = []
    for membrane in membranes:
        if places[membrane.population] < PICTURED_NEURONS:
            first.append(membrane)
        places[membrane.population] += 1
    return first[:LARGEST_MEMBRANES]


def _draw_membrane(axes: Axes, membrane: Membrane) -> None:
    steps = np.arange(len(membrane.float_membrane))
    for side, color, line, size, values, thresholds, spikes in (
        (
            "float", FLOAT_COLOR, "-", 36, membrane.float_membrane, membrane.float_threshold,
            membrane.float_spikes,
        ),
        (
            "integer", INTEGER_COLOR, "--", 10, membrane.integer_membrane,
            membrane.integer_threshold, membrane.integer_spikes,
        ),
    ):  # fmt: skip
        membrane_on(axes, steps, (values, thresholds, spikes), color, line, size, f", {side}")
    axes.set_ylabel(f"{shortened(membrane.population, LONGEST_UPRIGHT)}\nneuron {membrane.neuron}")
    whole_numbers(axes.xaxis)


def membrane_on(
    axes: Axes,
    steps: npt.NDArray[np.int64],
    lines: tuple[FloatArray, FloatArray, npt.NDArray[Any]],
    color: str,
    line: str,
    size: int,
    side: str,
) -> None:
    """Draw a membrane, its threshold, and its spikes at the threshold, (T,) each."""
    values, thresholds, spikes = lines
    fired = spikes > 0
    axes.plot(steps, values, color=color, linestyle=line, label=f"membrane{side}")
    axes.plot(
        steps, thresholds, color=color, linestyle=line, linewidth=0.8, alpha=0.7,
        label=f"threshold{side}",
    )  # fmt: skip
    axes.scatter(
        steps[fired], thresholds[fired], color=color, marker="^", s=size, zorder=3,
        label=f"spike{side}", rasterized=np.count_nonzero(fired) > MOST_MARKS,
    )  # fmt: skip


def draw_outputs(report: Report) -> Figure:
    """Outputs of one sample."""
    excerpt = report.excerpt
    figure, (axes,) = new_figure(3.0)
    palette = mpl.colormaps["tab10"]
    steps = np.arange(len(excerpt.float_outputs))
    for index in range(min(excerpt.float_outputs.shape[1], 10)):
        color = palette(index)
        axes.plot(steps, excerpt.float_outputs[:, index], color=color, label=str(index))
        axes.plot(steps, excerpt.integer_outputs[:, index], color=BOTH_COLOR, linestyle=":")
    axes.set_xlabel("step")
    axes.set_ylabel("output")
    whole_numbers(axes.xaxis)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="output")
    return figure


def draw_weight_ranges(report: Report) -> Figure:
    """Bits that the weights of each projection use."""
    return _draw_ranges(report.weight_ranges)


def draw_histograms(report: Report) -> Figure:
    """Weights of each projection and their grid, coarsest grids first."""
    found = sorted(report.weight_histograms, key=lambda histogram: histogram.levels)
    return histograms(found[:LARGEST_HISTOGRAMS])


def draw_state_ranges(report: Report) -> Figure:
    """Bits that each state used over all samples and steps."""
    return _draw_ranges(report.state_ranges)


def _draw_ranges(ranges: Sequence[Range]) -> Figure:
    """Bars of all ranges, in a figure as high as they need."""
    figure, (axes,) = new_figure(0.27 * len(ranges) + 0.9)
    ranges_on(axes, ranges)
    return figure


def ranges_on(axes: Axes, ranges: Sequence[Range]) -> None:
    """Diverging bars on a scale of bits: representable in grey, occurring in colour."""
    rows = np.arange(len(ranges))[::-1]
    for color, height, ends in (
        (WORD_COLOR, 0.8, [(entry.minimum, entry.maximum) for entry in ranges]),
        (INTEGER_COLOR, 0.45, [(entry.low, entry.high) for entry in ranges]),
    ):
        low, high = (_signed_bits(np.array(end)) for end in zip(*ends, strict=True))
        # The outline keeps a state visible that has a single value.
        axes.barh(rows, high - low, left=low, color=color, edgecolor=color, height=height)
    axes.axvline(0, color=QUIET_COLOR, linewidth=0.8)
    axes.set_yticks(rows, [shortened(entry.name) for entry in ranges])
    axes.set_xlabel("sign · log2(1 + |integer|), bits")
    axes.grid(axis="y", visible=False)


def _signed_bits(values: FloatArray) -> FloatArray:
    bits: FloatArray = np.sign(values) * np.log2(1.0 + np.abs(values))
    return bits


def draw_divergence(report: Report) -> Figure:
    """Samples by the step of their first differing spike."""
    figure, (axes,) = new_figure(2.6)
    counts = report.divergence.first_step
    axes.stairs(counts, np.arange(len(counts) + 1) - 0.5, fill=True, color=INTEGER_COLOR)
    axes.set_title(f"{report.divergence.never} samples never differ", fontweight="normal")
    axes.set_xlabel("step of the first differing spike")
    axes.set_ylabel("samples")
    whole_numbers(axes.xaxis)
    whole_numbers(axes.yaxis)
    return figure


def draw_activity(report: Report) -> Figure:
    """Spikes per neuron at each step."""
    names = list(report.spikes)
    figure, all_axes = new_figure(2.0 * len(names) + 0.6, len(names))
    for axes, name in zip(all_axes, names, strict=True):
        rates = report.spikes[name]
        axes.plot(rates.float_rate, color=FLOAT_COLOR, label="float")
        axes.plot(rates.integer_rate, color=INTEGER_COLOR, linestyle="--", label="integer")
        axes.set_ylim(bottom=0)
        axes.set_ylabel(f"{shortened(name, LONGEST_UPRIGHT)}\nspikes per neuron")
        whole_numbers(axes.xaxis)
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2)
    all_axes[-1].set_xlabel("step")
    return figure


def has_membranes(report: Report) -> bool:
    """Whether some population shows what its spikes come from."""
    return bool(report.excerpt.membranes)


def has_spikes(report: Report) -> bool:
    """Whether some population spikes."""
    return bool(report.spikes)


def has_account(report: Report) -> bool:
    """Whether the loss is shared out between parts."""
    return report.account is not None


def always(report: Report) -> bool:
    """Every report has a ladder, ranges and outputs."""
    return True


Row = tuple[str, str, Callable[[Report], bool], Callable[[Report], Figure]]

WHY: tuple[Row, ...] = (
    (
        "From float to integer",
        "The score as the integer network's properties are added one after another; bars behind "
        "are between what that lies.",
        always,
        draw_ladder,
    ),
    (
        "Account",
        "What every part has of the loss, with its interval; together they are the loss.",
        has_account,
        draw_account,
    ),
    (
        "Error over steps",
        "How far the states of each population are from the float run, over some samples.",
        lambda report: report.drift is not None and bool(report.drift.errors),
        draw_errors,
    ),
    (
        "Differing spikes over steps",
        "Of each population, over the same samples.",
        lambda report: report.drift is not None and bool(report.drift.differing),
        draw_differing,
    ),
)
"""Title, caption, whether there is anything to draw, and how: what tells where the score went."""

PICTURES: tuple[Row, ...] = (
    *WHY,
    (
        "Every cause alone",
        "Only the named numbers are rounded, everything else stays float; worst first.",
        lambda report: bool(report.causes),
        draw_causes,
    ),
    (
        "Spikes of one sample",
        "Of the sample that lost most, or the first in which spikes differ: float spikes fill the "
        "upper half of a place, integer spikes the lower one.",
        has_spikes,
        draw_rasters,
    ),
    (
        "Membranes and thresholds",
        "The neurons of that sample that differ most or spike most, in real units.",
        has_membranes,
        draw_membranes,
    ),
    (
        "Outputs of the sample",
        "Float in colour, integer dotted.",
        always,
        draw_outputs,
    ),
    (
        "First differing spike",
        "When the spike trains of a sample part.",
        has_spikes,
        draw_divergence,
    ),
    (
        "Activity",
        "Spikes per neuron at each step, over all samples.",
        has_spikes,
        draw_activity,
    ),
    (
        "Weights",
        "Mantissas of each projection against what its width can represent (grey).",
        lambda report: bool(report.weight_ranges),
        draw_weight_ranges,
    ),
    (
        "Weights and their grid",
        "How often float weights occur (logarithmic), and the values that integers have for them.",
        lambda report: any(histogram.counts for histogram in report.weight_histograms),
        draw_histograms,
    ),
    (
        "States",
        "Integers that occurred in any sample and step against what the register holds (grey).",
        always,
        draw_state_ranges,
    ),
)
"""All of them, in reading order."""
