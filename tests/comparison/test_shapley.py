"""Shares from few sets: what is known of them exactly, and how far they are from all sets'."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from ltc2hw.comparison.shapley import (
    Guess,
    chosen_sets,
    pair_weights,
    relative_strengths,
    share_weights,
)
from ltc2hw.numbers.words import FloatArray


def over_orders(values: FloatArray, count: int) -> FloatArray:
    """Shapley values by their definition: the mean over all orders of joining."""
    found = np.zeros(count)
    orders = list(permutations(range(count)))
    for order in orders:
        members = 0
        for player in order:
            found[player] += values[members | 1 << player] - values[members]
            members |= 1 << player
    return found / len(orders)


def shares_of(guess: Guess, values: FloatArray) -> FloatArray:
    return np.array([estimate.weights @ values for estimate in guess.shares()])


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_weights_are_means_over_all_orders(count: int) -> None:
    values = np.random.default_rng(count).normal(size=1 << count)
    np.testing.assert_allclose(
        share_weights(count) @ values, over_orders(values, count), atol=1e-12
    )
    sets = chosen_sets(np.ones(count), 1 << count)
    assert sorted(sets) == list(range(1 << count))
    measured = values[list(sets)]
    guess = Guess(count, sets, measured)
    np.testing.assert_allclose(shares_of(guess, measured), over_orders(values, count), atol=1e-12)
    assert [estimate.error for estimate in guess.shares()] == [0.0] * count


def test_players_that_do_not_interact_have_what_they_do() -> None:
    own = np.array([3.0, -1.0, 0.5, 0.0, 2.0, 0.25, 1.0])
    values = np.array([sum(own[i] for i in range(7) if s >> i & 1) for s in range(1 << 7)])
    sets = list(chosen_sets(relative_strengths(np.abs(own)), 20))
    found = Guess(7, sets, values[sets])
    np.testing.assert_allclose(shares_of(found, values[sets]), own, atol=1e-4)
    between = found.estimate(pair_weights(7, 0, 4))
    assert between.weights @ values[sets] == pytest.approx(0.0, abs=1e-4)


def test_pairs_have_what_they_do_together() -> None:
    """Two of six players lose the same: three alone, three together."""
    values = np.array([3.0 * bool(s & 0b11) + (s >> 2 & 1) for s in range(1 << 6)])
    sets = list(chosen_sets(np.array([1.0, 1.0, 0.6, 0.1, 0.1, 0.1]), 24))
    found = Guess(6, sets, values[sets])
    np.testing.assert_allclose(
        shares_of(found, values[sets]), [1.5, 1.5, 1.0, 0.0, 0.0, 0.0], atol=1e-3
    )
    assert found.estimate(pair_weights(6, 0, 1)).weights @ values[sets] == pytest.approx(
        -3, abs=1e-2
    )
    assert found.estimate(pair_weights(6, 0, 2)).weights @ values[sets] == pytest.approx(
        0, abs=1e-2
    )


def saturating(rng: np.random.Generator, count: int) -> FloatArray:
    """Losses that add up less the more there are, as accuracy does, and that interact."""
    signs = np.arange(1 << count)[:, None] >> np.arange(count) & 1
    effects = rng.exponential(size=count) * rng.choice([1.0, 0.3, 0.05], count)
    pairs = rng.normal(0, 0.1, (count, count))
    total = signs @ effects + np.einsum("si,ij,sj->s", signs, pairs, signs)
    return np.asarray(np.tanh(total))


def test_guessed_shares_are_near_exact_ones_and_know_how_near() -> None:
    misses, inside, orders = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = saturating(rng, 8)
        exact = share_weights(8) @ values
        alone = [abs(values[1 << i]) + abs(values[255] - values[255 ^ 1 << i]) for i in range(8)]
        sets = list(chosen_sets(relative_strengths(np.array(alone)), 28))
        assert len(set(sets)) == 28
        measured = values[sets]
        guess = Guess(8, sets, measured)
        found = shares_of(guess, measured)
        assert found.sum() == pytest.approx(values[255], abs=1e-12)
        errors = np.array([estimate.error for estimate in guess.shares()])
        scale = np.abs(values).max()
        misses.append(np.sqrt(np.mean((found - exact) ** 2)) / scale)
        inside.append(np.mean(np.abs(found - exact) <= 1.96 * errors))
        order = rng.permutation(8)
        ways = []
        for way in (order, order[::-1], np.roll(order, 4), np.roll(order, 4)[::-1]):
            members = np.cumsum([0, *(1 << way)])
            gains = np.zeros(8)
            gains[way] = np.diff(values[members])
            ways.append(gains)
        orders.append(np.sqrt(np.mean((np.mean(ways, axis=0) - exact) ** 2)) / scale)
    assert np.mean(misses) < 0.025
    assert np.mean(misses) < np.mean(orders) / 1.5
    assert 0.9 <= np.mean(inside) <= 1.0


def test_values_that_are_all_equal_are_shared_by_nobody() -> None:
    sets = chosen_sets(np.ones(6), 20)
    guess = Guess(6, sets, np.full(20, 0.7))
    assert shares_of(guess, np.full(20, 0.7)) == pytest.approx(np.zeros(6), abs=1e-12)
    assert max(estimate.error for estimate in guess.shares()) < 1e-100


def test_nothing_is_drawn() -> None:
    strengths = np.random.default_rng(0).random(8)
    assert chosen_sets(strengths, 26) == chosen_sets(strengths, 26)
    assert chosen_sets(strengths, 2) == chosen_sets(strengths, 18)
