"""Intervals hold what they are about as often as they say."""

from __future__ import annotations

from math import comb, factorial

import numpy as np
import pytest

from ltc2hw.comparison.intervals import bootstrap, change, mcnemar, newcombe, spread
from ltc2hw.numbers.words import FloatArray


def verdicts(both: int, lost: int, won: int, neither: int) -> tuple[FloatArray, FloatArray]:
    before = np.repeat([1.0, 1.0, 0.0, 0.0], [both, lost, won, neither])
    after = np.repeat([1.0, 0.0, 1.0, 0.0], [both, lost, won, neither])
    return before, after


@pytest.mark.parametrize(
    "chances", [(0.9, 0.06, 0.02, 0.02), (0.5, 0.3, 0.05, 0.15), (0.25, 0.25, 0.25, 0.25)]
)
def test_newcombes_interval_covers_what_it_says(chances: tuple[float, ...]) -> None:
    """The exact coverage, summed over all tables of 30 answers."""
    count, covered = 30, 0.0
    truth = chances[2] - chances[1]
    for both in range(count + 1):
        for lost in range(count + 1 - both):
            for won in range(count + 1 - both - lost):
                cells = (both, lost, won, count - both - lost - won)
                low, high = newcombe(*verdicts(*cells))
                ways = factorial(count)
                weight = 1.0
                for cell, chance in zip(cells, chances, strict=True):
                    ways //= factorial(cell)
                    weight *= chance**cell
                covered += ways * weight * (low <= truth <= high)
    assert 0.93 <= covered <= 0.995


def test_an_interval_holds_its_mean_and_turns_with_the_sign() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        before, after = (rng.random((2, 40)) < rng.random((2, 1))).astype(float)
        there, back = change(before, after), change(after, before)
        assert there.mean == after.mean() - before.mean()
        assert -1 <= there.low <= there.mean <= there.high <= 1
        assert (back.low, back.high) == pytest.approx((-there.high, -there.low))


def test_mcnemars_test_is_a_coin_thrown_for_each_changed_answer() -> None:
    scipy = pytest.importorskip("scipy.stats")
    for lost, won in ((0, 0), (1, 0), (9, 2), (30, 30), (140, 60)):
        found = mcnemar(*verdicts(11, lost, won, 5))
        expected = scipy.binomtest(lost, lost + won).pvalue if lost + won else 1.0
        assert found == pytest.approx(expected, rel=1e-12)
    assert mcnemar(*verdicts(0, 5, 0, 0)) == 2 * comb(5, 0) / 2**5


def test_means_of_other_scores_lie_within_a_bootstrap() -> None:
    inside = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        before = rng.exponential(size=80)
        low, high = bootstrap(rng.normal(0.3, 1.0, 80), seed)
        inside.append(low <= 0.3 <= high)
        assert change(before, before + 0.25).low == pytest.approx(0.25)
    assert 0.85 <= np.mean(inside) <= 1.0
    differences = np.random.default_rng(1).normal(size=30)
    assert bootstrap(differences, 4) == bootstrap(differences, 4) != bootstrap(differences, 5)


def test_a_spread_is_the_standard_error_and_never_none() -> None:
    differences = np.random.default_rng(2).normal(size=(400, 3))
    expected = differences.std(axis=0) / np.sqrt(400)
    np.testing.assert_allclose(spread(differences, 0.0), expected)
    assert np.all(spread(differences, 3.0) > expected)
