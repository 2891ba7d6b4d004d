"""Charts of plain numbers, for any report; needs matplotlib (the extra ``plot``).

Each is a figure, drawn within :func:`~ltc2hw.comparison.drawing.in_style` or by
:func:`~ltc2hw.comparison.drawing.picture`. Where there is nothing to draw, the figure says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ltc2hw.comparison.drawing import (
    BOTH_COLOR,
    FLOAT_COLOR,
    INTEGER_COLOR,
    LONGEST_NAME,
    QUIET_COLOR,
    WORD_COLOR,
    new_figure,
    shortened,
    whole_numbers,
)
from ltc2hw.comparison.marks import Histogram, Mark, Point, pareto_front
from ltc2hw.comparison.tables import change_text, naming, score_text
from ltc2hw.numbers.words import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BARS = 18
"""Of a waterfall; the smallest of more are one bar together."""

MOST_LINES = 8
"""Over steps; of more the highest are drawn."""

MOST_LABELS = 10
"""Names beside points; of more only the chosen one's."""

MOST_LEVELS = 40
"""Of a grid that is drawn line by line; a finer one is drawn as a range."""

WIDE = 20.0
"""Ratio of the largest to the smallest cost from which on their axis is logarithmic."""


def nothing(text: str) -> Figure:
    """A figure that says why it is empty.

    >>> [text.get_text() for text in nothing("no spikes").axes[0].texts]
    ['no spikes']
    """
    figure, (axes,) = new_figure(0.7)
    axes.set_axis_off()
    axes.text(0.0, 0.5, text, va="center", transform=axes.transAxes, color=BOTH_COLOR)
    return figure


def in_axis_units(metric: str, values: Sequence[float]) -> FloatArray:
    """Scores as their axis shows them: accuracy in per cent.

    >>> in_axis_units("accuracy", [0.5]).tolist(), in_axis_units("mse", [0.5]).tolist()
    ([50.0], [0.5])
    """
    return np.asarray(values, dtype=np.float64) * (100.0 if metric == "accuracy" else 1.0)


def ladder(rungs: Sequence[Mark], metric: str = "accuracy") -> Figure:
    """Scores of stages from float, above, to integer, with their intervals.

    >>> len(ladder([Mark("float64", 0.9), Mark("integer", 0.8, 0.75, 0.85)]).axes[0].texts)
    2
    """
    if not rungs:
        return nothing("no stages were measured")
    figure, (axes,) = new_figure(0.38 * len(rungs) + 0.9)
    shown = in_axis_units(metric, [rung.value for rung in rungs])
    ends = in_axis_units(metric, [end for rung in rungs for end in rung.interval]).reshape(-1, 2)
    rows = np.arange(len(rungs))[::-1]
    axes.plot(shown, rows, color=QUIET_COLOR, linewidth=1, zorder=1)
    axes.hlines(rows, ends[:, 0], ends[:, 1], color=QUIET_COLOR, linewidth=4, alpha=0.45, zorder=1)
    colors = [FLOAT_COLOR, *[QUIET_COLOR] * (len(rows) - 2), INTEGER_COLOR][: len(rows)]
    axes.scatter(shown, rows, color=colors, s=42, zorder=2)
    span = widest(ends)
    axes.set_xlim(ends.min() - 0.25 * span, ends.max() + 0.75 * span)
    for rung, value, row in zip(rungs, ends[:, 1], rows, strict=True):
        beside(axes, score_text(metric, rung.value), value, row)
    axes.set_yticks(rows, [shortened(rung.name) for rung in rungs])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(shortened(naming(metric).axis))
    return figure


def widest(places: npt.ArrayLike) -> float:
    """Span of an axis: that of its places, but not so little that rounding looks like a change.

    >>> widest([90.0, 80.0]), widest([90.0, 90.0])
    (10.0, 1.8)
    """
    values = np.asarray(places, dtype=np.float64)
    return max(float(np.ptp(values)), 0.02 * float(np.abs(values).max()), 1e-9)


def beside(axes: Axes, text: str, x: float, y: float) -> None:
    """Write to the right of a place."""
    axes.annotate(text, (x, y), xytext=(7, 0), textcoords="offset points", va="center")


def waterfall(
    start: float,
    bars: Sequence[Mark],
    end: float,
    metric: str = "accuracy",
    *,
    higher_is_better: bool = True,
) -> Figure:
    """The float score above, what each part costs, and the integer score below.

    Bars are losses, positive where the score becomes worse, whatever the score is. They keep their
    order. What they leave of the difference is a bar of its own, called *rest*.

    >>> bars = Mark("weights", 0.06, 0.04, 0.08), Mark("threshold", -0.01)
    >>> [label.get_text() for label in waterfall(0.9, bars, 0.84).axes[0].get_yticklabels()]
    ['float', 'weights', 'threshold', 'rest', 'integer']
    """
    sign = 1.0 if higher_is_better else -1.0
    shown = bars_to_show(bars)
    rest = sign * (start - end) - sum(bar.value for bar in shown)
    if abs(rest) > 1e-9 * max(abs(start), abs(end), 1.0):
        shown = (*shown, Mark("rest", rest))
    figure, (axes,) = new_figure(0.3 * (len(shown) + 2) + 0.9)
    rows = np.arange(len(shown) + 2)[::-1]
    after = start - sign * np.cumsum([0.0, *(bar.value for bar in shown)])
    levels = in_axis_units(metric, [*after])
    places: list[float] = [*levels]
    for index, (bar, row) in enumerate(zip(shown, rows[1:], strict=False)):
        before, behind = float(levels[index]), float(levels[index + 1])
        color = INTEGER_COLOR if bar.value > 0 else FLOAT_COLOR
        axes.barh(row, behind - before, left=before, height=0.58,
                  color=QUIET_COLOR if bar.name == "rest" else color)  # fmt: skip
        axes.plot([behind, behind], [row, row - 1], color=QUIET_COLOR, linewidth=0.8)
        ends = in_axis_units(metric, [after[index] - sign * loss for loss in bar.interval])
        axes.hlines(row, ends.min(), ends.max(), color=BOTH_COLOR, linewidth=1.2, zorder=3)
        places += [*ends]
        rightmost = max(before, behind, float(ends.max()))
        beside(axes, change_text(metric, -sign * bar.value), rightmost, row)
    for score, row, color in ((start, rows[0], FLOAT_COLOR), (end, rows[-1], INTEGER_COLOR)):
        (place,) = in_axis_units(metric, [score])
        axes.scatter([place], [row], color=color, s=42, zorder=3)
        beside(axes, score_text(metric, score), float(place), row)
    span = widest(places)
    axes.set_xlim(min(places) - 0.08 * span, max(places) + 0.32 * span)
    names = ["float", *(shortened(bar.name) for bar in shown), "integer"]
    axes.set_yticks(rows, names)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(shortened(naming(metric).axis))
    axes.grid(axis="y", visible=False)
    return figure


def bars_to_show(bars: Sequence[Mark], most: int = MOST_BARS) -> tuple[Mark, ...]:
    """The bars in their order; of too many the smallest are summed in one.

    >>> bars_to_show([Mark("a", 0.1), Mark("b", 0.2), Mark("c", -0.3)], most=2)[1].name
    '2 others'
    """
    if len(bars) <= most:
        return tuple(bars)
    order = sorted(range(len(bars)), key=lambda index: -abs(bars[index].value))
    kept = set(order[: most - 1])
    others = [bars[index].value for index in order[most - 1 :]]
    shown = tuple(bar for index, bar in enumerate(bars) if index in kept)
    return (*shown, Mark(f"{len(others)} others", sum(others)))


LINES = ("-", "--", "-.", ":")
COLORS = (FLOAT_COLOR, INTEGER_COLOR, "#009e73", "#cc79a7")


def lines_over_steps(series: Mapping[str, Sequence[float]], label: str = "error") -> Figure:
    """A line for each name over steps from 0; NaN is a gap.

    >>> axes = lines_over_steps({"hidden": [0.0, 0.5], "readout": [0.0, 0.1]}).axes[0]
    >>> axes.get_xlabel(), axes.get_ylabel(), len(axes.lines)
    ('step', 'error', 2)
    """
    lines = {name: np.asarray(values, dtype=np.float64) for name, values in series.items()}
    seen = {name: values for name, values in lines.items() if np.isfinite(values).any()}
    if not seen:
        return nothing("no steps were measured")
    highest = sorted(seen, key=lambda name: -float(np.nanmax(seen[name])))[:MOST_LINES]
    # Long names stand below each other.
    columns = 2 if max(map(len, highest)) <= LONGEST_NAME // 2 else 1
    rows = -(-len(highest) // columns)
    figure, (axes,) = new_figure(2.5 + 0.16 * rows)
    for index, name in enumerate(name for name in seen if name in highest):
        line = LINES[(index + index // len(COLORS)) % len(LINES)]
        color = COLORS[index % len(COLORS)]
        marker = "o" if np.count_nonzero(np.isfinite(seen[name])) == 1 else None
        # A legend leaves out what begins with an underscore.
        shown = f" {shortened(name)}" if name.startswith("_") else shortened(name)
        axes.plot(seen[name], color=color, linestyle=line, marker=marker, label=shown)
    left = len(seen) - len(highest)
    title = f"and {left} lower ones" if left else None
    figure.legend(loc="outside upper left", ncols=columns, title=title)
    if min(float(np.nanmin(values)) for values in seen.values()) >= 0:
        axes.set_ylim(bottom=0)
    whole_numbers(axes.xaxis)
    axes.set_xlabel("step")
    axes.set_ylabel(shortened(label))
    return figure


def pareto(
    points: Sequence[Point],
    cost: str = "bytes",
    metric: str = "accuracy",
    *,
    higher_is_better: bool = True,
) -> Figure:
    """Score against cost: what was tried, the front of it, and what was chosen.

    >>> axes = pareto([Point("4 bits", 0.9, cost=2), Point("8 bits", 0.91, cost=4)]).axes[0]
    >>> axes.get_xlabel(), [text.get_text() for text in axes.texts]
    ('bytes', ['4 bits', '8 bits'])
    """
    if not points:
        return nothing("nothing was tried")
    figure, (axes,) = new_figure(3.2)
    front = pareto_front(points, higher_is_better=higher_is_better)
    x = np.array([point.cost for point in points], dtype=np.float64)
    y = in_axis_units(metric, [point.value for point in points])
    ends = in_axis_units(metric, [end for point in points for end in point.interval])
    axes.vlines(x, ends[0::2], ends[1::2], color=QUIET_COLOR, linewidth=1.2, zorder=1)
    axes.scatter(x, y, color=QUIET_COLOR, s=24, zorder=2, label="tried")
    costs = [point.cost for point in front]
    scores = in_axis_units(metric, [point.value for point in front])
    axes.step(costs, scores, where="post", color=FLOAT_COLOR, linewidth=1, zorder=2)
    axes.scatter(costs, scores, color=FLOAT_COLOR, marker="D", s=30, zorder=3, label="front")
    chosen = [point for point in points if point.chosen]
    if chosen:
        best = in_axis_units(metric, [point.value for point in chosen])
        axes.scatter([point.cost for point in chosen], best, facecolor="none", marker="o", s=130,
                     edgecolor=INTEGER_COLOR, linewidth=2, zorder=4, label="chosen")  # fmt: skip
    named = front if len(front) <= MOST_LABELS else ()
    for point in dict.fromkeys((*named, *chosen)):
        (height,) = in_axis_units(metric, [point.value])
        axes.annotate(shortened(point.name), (point.cost, height), xytext=(6, -11),
                      textcoords="offset points", fontsize=8)  # fmt: skip
    if x.min() > 0 and x.max() > WIDE * x.min():
        axes.set_xscale("log")
    axes.margins(0.14)
    axes.set_xlabel(shortened(cost))
    axes.set_ylabel(shortened(naming(metric).axis))
    figure.legend(loc="outside upper left", ncols=3)
    return figure


def histograms(found: Sequence[Histogram]) -> Figure:
    """How often values of each tensor occur, above the grid that integers have for them.

    >>> from ltc2hw.comparison.marks import binned
    >>> values = binned("hidden weights", [0.0, 0.1, 0.7], step=0.25, lowest=-1.0, highest=0.75)
    >>> histograms([values]).axes[0].get_title()
    'hidden weights: 8 levels, step 0.25'
    """
    drawn = [histogram for histogram in found if histogram.counts]
    if not drawn:
        return nothing("there are no weights")
    figure, all_axes = new_figure(1.45 * len(drawn) + 0.5, len(drawn), shared=False)
    for axes, histogram in zip(all_axes, drawn, strict=True):
        histogram_on(axes, histogram)
    all_axes[-1].set_xlabel("value in real units; grey: what integers can be")
    return figure


def histogram_on(axes: Axes, histogram: Histogram) -> None:
    """Counts on a logarithmic axis, so that a single value far out is seen, and the grid."""
    edges = np.array(histogram.edges)
    counts = np.array(histogram.counts)
    half = histogram.step / 2
    axes.axvspan(histogram.lowest - half, histogram.highest + half, color=WORD_COLOR, zorder=0)
    if histogram.levels <= MOST_LEVELS:
        for level in histogram.lowest + histogram.step * np.arange(histogram.levels):
            axes.axvline(level, color=QUIET_COLOR, linewidth=0.6, zorder=1)
    centres = (edges[:-1] + edges[1:]) / 2
    within = (centres > histogram.lowest - half) & (centres < histogram.highest + half)
    for here, color in ((within, FLOAT_COLOR), (~within, INTEGER_COLOR)):
        axes.stairs(np.where(here, counts, 0), edges, fill=True, color=color, zorder=2)
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.6)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.minorticks_off()
    axes.grid(visible=False)
    axes.set_ylabel("values")
    clipped = f", {histogram.beyond:,} clipped" if histogram.beyond else ""
    levels = f"{histogram.levels:,} levels, step {histogram.step:.3g}{clipped}"
    axes.set_title(f"{shortened(histogram.name)}: {levels}", fontweight="normal", fontsize=9)
