"""What charts are drawn from: fronts and histograms against independent counts."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import ltc2hw
from ltc2hw.comparison.marks import Mark, Point, bin_width, binned, pareto_front
from ltc2hw.comparison.tally import weight_histograms
from ltc2hw.errors import InvalidValueError
from tests.random_networks import random_network


@pytest.mark.parametrize("higher", [True, False])
def test_a_front_is_what_no_other_beats(higher: bool) -> None:
    rng = np.random.default_rng(3)
    points = [
        Point(str(i), float(rng.integers(0, 8)) / 8, cost=float(rng.integers(1, 9)))
        for i in range(40)
    ]
    sign = 1 if higher else -1

    def beats(a: Point, b: Point) -> bool:
        better = sign * a.value >= sign * b.value and a.cost <= b.cost
        return better and (a.value, a.cost) != (b.value, b.cost)

    wanted = {(p.value, p.cost) for p in points if not any(beats(q, p) for q in points)}
    front = pareto_front(points, higher_is_better=higher)
    assert len(front) == len(wanted)
    assert {(p.value, p.cost) for p in front} == wanted
    assert [p.cost for p in front] == sorted(p.cost for p in front)


@pytest.mark.parametrize(
    ("step", "lowest", "highest"), [(0.25, -2.0, 1.75), (0.01, -1.28, 1.27), (0.5, 0.0, 0.0)]
)
def test_bins_hold_all_values_and_fit_the_grid(step: float, lowest: float, highest: float) -> None:
    values = np.random.default_rng(0).normal(0, 0.8, 5000)
    values[:2] = 4.0, -7.3
    found = binned("w", values, step, lowest, highest)
    assert sum(found.counts) == 5000
    edges = np.array(found.edges)
    assert edges[0] <= -7.3
    assert edges[-1] >= 4.0
    np.testing.assert_allclose(np.diff(edges), edges[1] - edges[0])
    # The grid's steps begin at a bin, and hold whole bins or are held by one.
    width = edges[1] - edges[0]
    assert np.isclose(((lowest - step / 2 - edges[0]) / width) % 1, [0, 1], atol=1e-6).any()
    ratio = step / width if width <= step else width / step
    assert math.isclose(ratio, round(ratio), rel_tol=1e-9)
    levels = np.rint(values / step) * step
    assert found.beyond == np.sum((levels > highest + step / 4) | (levels < lowest - step / 4))
    assert found.levels == round((highest - lowest) / step) + 1


def test_values_that_are_all_alike_have_a_bin() -> None:
    for value in (0.0, 3.0, -100.0):
        found = binned("w", [value] * 5, 1.0, -4.0, 3.0)
        assert sum(found.counts) == 5
    assert binned("w", [], 1.0, -4.0, 3.0).counts == ()


def test_bins_are_never_many() -> None:
    for step, span in itertools.product((1e-6, 0.3, 7.0), (1e-3, 1.0, 1e4)):
        assert max(span, step) / bin_width(step, span, 80) <= 160


def test_a_network_clips_what_its_histograms_say() -> None:
    rng = np.random.default_rng(2)
    network = random_network(rng, hidden=(20,))
    x = rng.uniform(-1, 1, (6, 8, 5))
    fixed = ltc2hw.quantize(network, "loihi2", x, ltc2hw.QuantizeOptions(weight_bits=3))
    found = weight_histograms(network, fixed)
    made = ltc2hw.quantization.report.read_report(fixed.provenance)
    assert made is not None
    clipped = {row.name: row.clipped for row in made.tensors}
    assert sum(clipped[own.name] for own in found) > 0
    for own, real, projection in zip(found, network.projections, fixed.projections, strict=True):
        assert own.beyond == clipped[own.name]
        assert own.levels == 8
        assert sum(own.counts) == real.weights.values.size
        values = projection.weights.values / 2**projection.weight_fraction
        assert own.lowest <= values.min()
        assert values.max() <= own.highest
        assert np.all(values / own.step == np.rint(values / own.step))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.3, None, "interval of x is 0.3 to None"),
        (0.6, 0.4, "interval of x is 0.6 to 0.4; expected low <= high"),
        (float("nan"), 1.0, "low end of x is nan"),
        (0.0, float("inf"), "high end of x is inf"),
    ],
)
def test_intervals_are_whole(low: float, high: float | None, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        Mark("x", 0.5, low, high)
    with pytest.raises(InvalidValueError, match=said):
        Point("x", 0.5, low, high, cost=1.0)


def test_numbers_are_finite_and_numbers() -> None:
    with pytest.raises(InvalidValueError, match="value of x is nan; expected a finite number"):
        Mark("x", float("nan"))
    with pytest.raises(InvalidValueError, match="cost of x is inf"):
        Point("x", 0.5, cost=float("inf"))
    with pytest.raises(InvalidValueError, match="value of x is '1'"):
        Mark("x", "1")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="grid of w is -1 to 1 by 0"):
        binned("w", [1.0], 0.0, -1.0, 1.0)
    with pytest.raises(InvalidValueError, match=r"w\[1\] is nan"):
        binned("w", [1.0, float("nan")], 1.0, -1.0, 1.0)
