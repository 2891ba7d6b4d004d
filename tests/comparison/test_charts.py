"""Charts: what stands where, and what is said where there is nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ltc2hw.comparison.charts import (
    MOST_BARS,
    MOST_LINES,
    bars_to_show,
    histograms,
    ladder,
    lines_over_steps,
    pareto,
    waterfall,
)
from ltc2hw.comparison.drawing import IN_THE_DARK, in_both_schemes, in_style, picture
from ltc2hw.comparison.marks import Mark, Point, binned


def labels(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def spans(axes: Axes) -> list[tuple[float, float]]:
    """Where each bar begins and ends."""
    return [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]  # type: ignore[attr-defined]


def test_a_waterfall_goes_from_float_to_integer() -> None:
    bars = [Mark("a", 0.05, 0.03, 0.06), Mark("b", -0.01, -0.02, 0.01), Mark("c", 0.02)]
    with in_style():
        (axes,) = waterfall(0.9, bars, 0.8).axes
    assert labels(axes) == ["float", "a", "b", "c", "rest", "integer"]
    wanted = [(90, 85), (85, 86), (86, 84), (84, 80)]
    np.testing.assert_allclose(spans(axes), wanted, atol=1e-9)
    texts = [text.get_text() for text in axes.texts]
    assert texts == [
        "-5.00 points", "+1.00 points", "-2.00 points", "-4.00 points", "90.00 %", "80.00 %",
    ]  # fmt: skip
    intervals = [
        tuple(sorted(segment[:, 0]))
        for collection in axes.collections
        if hasattr(collection, "get_segments")
        for segment in collection.get_segments()
    ]
    np.testing.assert_allclose(
        intervals, [(84, 87), (84, 87), (84, 84), (80, 80)], atol=1e-9
    )  # fmt: skip


def test_a_waterfall_of_errors_rises() -> None:
    bars = [Mark("a", 0.5), Mark("b", -0.1)]
    (axes,) = waterfall(1.0, bars, 1.4, "mse", higher_is_better=False).axes
    assert labels(axes) == ["float", "a", "b", "integer"]
    np.testing.assert_allclose(spans(axes), [(1.0, 1.5), (1.5, 1.4)])
    assert [text.get_text() for text in axes.texts] == ["+0.5", "-0.1", "1", "1.4"]


def test_many_bars_keep_the_sum_and_the_largest() -> None:
    losses = np.random.default_rng(1).normal(0, 0.01, 50)
    bars = [Mark(f"part {i}", float(loss)) for i, loss in enumerate(losses)]
    shown = bars_to_show(bars)
    assert len(shown) == MOST_BARS
    assert shown[-1].name == f"{50 - MOST_BARS + 1} others"
    assert sum(bar.value for bar in shown) == pytest.approx(losses.sum())
    kept = list(shown[:-1])
    largest = np.sort(np.abs(losses))[::-1][: MOST_BARS - 1]
    np.testing.assert_allclose(sorted((abs(b.value) for b in kept), reverse=True), largest)
    assert [bars.index(bar) for bar in kept] == sorted(bars.index(bar) for bar in kept)


def test_a_ladder_shows_intervals_where_it_has_them() -> None:
    rungs = [Mark("float64", 0.9), Mark("+ weights", 0.85, 0.8, 0.88), Mark("integer", 0.84)]
    (axes,) = ladder(rungs).axes
    assert labels(axes) == ["float64", "+ weights", "integer"]
    (lines,) = (c for c in axes.collections if hasattr(c, "get_segments"))
    ends = [segment[:, 0].tolist() for segment in lines.get_segments()]
    np.testing.assert_allclose(ends, [(90, 90), (80, 88), (84, 84)])
    left, right = axes.get_xlim()
    assert left < 80 < 90 < right


def test_lines_have_gaps_where_nothing_was_measured() -> None:
    series = {f"p{i}": [float("nan"), float(i), i + 1.0] for i in range(MOST_LINES + 3)}
    figure = lines_over_steps(series | {"never": [float("nan")] * 3}, "error")
    (axes,) = figure.axes
    names = [str(line.get_label()) for line in axes.lines]
    assert names == [f"p{i}" for i in range(3, MOST_LINES + 3)]
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(looks) == MOST_LINES
    assert figure.legends[0].get_title().get_text() == "and 3 lower ones"


def test_legends_have_every_name_whole_within_the_picture() -> None:
    """Those too that begin with an underscore, which matplotlib would leave out, and long ones."""
    for names in (
        ["__proto__", "_a", "b"],
        [f"population_{i}_of_quite_a_long_name" for i in "abcd"],
    ):
        with in_style():
            figure = lines_over_steps({name: [0.0, 0.5] for name in names})
            figure.draw_without_rendering()
        (legend,) = figure.legends
        texts = legend.get_texts()
        assert [text.get_text().strip() for text in texts] == names
        for text in texts:
            box = text.get_window_extent()
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.width


def test_a_single_step_is_marked_as_one() -> None:
    with in_style():
        figure = lines_over_steps({"hidden": [0.5]})
        figure.draw_without_rendering()
    assert all(tick == round(tick) for tick in figure.axes[0].get_xticks())


def test_a_front_is_marked_and_the_chosen_one_named() -> None:
    points = [Point(f"{c}", 1 - 1 / c, cost=float(c)) for c in range(2, 40)]
    points.append(Point("mixed", 0.3, cost=100.0, chosen=True))
    (axes,) = pareto(points, "bytes").axes
    assert [text.get_text() for text in axes.texts] == ["mixed"]
    assert axes.get_xscale() == "log"
    places = {str(c.get_label()): len(np.asarray(c.get_offsets())) for c in axes.collections}
    assert (places["tried"], places["front"], places["chosen"]) == (39, 38, 1)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: ladder([]), "no stages were measured"),
        (lambda: lines_over_steps({}), "no steps were measured"),
        (lambda: lines_over_steps({"a": []}), "no steps were measured"),
        (lambda: pareto([]), "nothing was tried"),
        (lambda: histograms([]), "there are no weights"),
        (lambda: histograms([binned("w", [], 1, 0, 1)]), "there are no weights"),
    ],
)
def test_charts_of_nothing_say_so(draw: Callable[[], Figure], said: str) -> None:
    (axes,) = draw().axes
    assert [text.get_text() for text in axes.texts] == [said]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: waterfall(0.9, [], 0.9),
        lambda: waterfall(0.0, [Mark("$x$ <b>", 0.0)], 0.0, "mse", higher_is_better=False),
        lambda: ladder([Mark("a", 0.0)], "mse"),
        lambda: lines_over_steps({"x" * 300: [1.0]}, "$y"),
        lambda: pareto([Point("p", 0.0, cost=0.0)]),
        lambda: histograms([binned("w", [3.0] * 3, 2.0**-40, 0.0, 2.0**-40)]),
        lambda: histograms([binned("ひ", np.ones(1), 1.0, -8.0, 7.0)]),
    ],
)
def test_extremes_are_drawn_in_light_and_dark(draw: Callable[[], Figure]) -> None:
    svg = in_both_schemes(picture("title", "caption", draw).svg).decode("utf-8")
    ET.fromstring(svg)
    for light in IN_THE_DARK:
        assert f": {light}" not in svg
    used = set(re.findall(r"var\((--[\w-]+)\)", svg))
    assert used
    assert all(svg.count(f"{name}:") == 2 for name in used)
