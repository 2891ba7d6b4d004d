"""The four kinds of numbers of the fast engine: which one a network takes, and the same bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.converters.populations import FixedLTC
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.numbers.words import Word
from ltc2hw.simulations import fast, integer
from ltc2hw.simulations.fast import kinds
from ltc2hw.simulations.fast.arithmetic import product, small_product
from ltc2hw.simulations.fast.engine import plan_of
from ltc2hw.simulations.fast.kinds import NARROW, SHORT, SINGLE, WIDE, Types
from ltc2hw.simulations.fast.rounding import EXISTS, restore_rounding, round_toward_zero
from ltc2hw.simulations.fast.short import to_short, to_single
from ltc2hw.simulations.fast.widths import INT32, fits_product
from ltc2hw.simulations.fast.widths import SINGLE as LARGEST_SINGLE
from tests.random_networks import random_fixed_network, random_network, random_samples
from tests.simulations.traces import assert_same_trace

SEEDS = st.integers(0, 2**32 - 1)
KINDS = (SINGLE, SHORT, NARROW, WIDE) if EXISTS else (SHORT, NARROW, WIDE)
SIGNS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def types_of(network: FixedNetwork) -> Types:
    """The numbers that a network takes."""
    return plan_of(network).types


def largest_fitting(fits: Callable[[int], bool], limit: int) -> int:
    """Largest number up to a limit that fits, where 0 does and no larger number does again."""
    low, high = 0, limit + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def rounded(value: int, bits: int) -> int:
    """``rsz`` of Python's integers."""
    return (1 if value >= 0 else -1) * (abs(value) >> bits)


@numba.njit
def short_product(factor: int, value: int, bits: int) -> Any:
    return np.int64(product(to_short(factor), to_short(value), bits))


@numba.njit
def short_small_product(factor: int, value: int, bits: int) -> Any:
    return np.int64(small_product(to_short(factor), to_short(value), bits))


@numba.njit
def single_product(factor: int, value: int, bits: int) -> Any:
    before = round_toward_zero()
    scaled = to_single(factor) / to_single(np.int64(1) << bits)
    result = np.int64(product(scaled, to_single(value), bits))
    restore_rounding(before)
    return result


@settings(max_examples=300)
@given(st.integers(0, LARGEST_SINGLE), st.integers(0, LARGEST_SINGLE), st.integers(0, 30))
def test_single_products_are_exact_up_to_24_bits(factor: int, value: int, bits: int) -> None:
    if not EXISTS:
        pytest.skip("the rounding mode cannot be set here")
    assume(factor * value >> bits < LARGEST_SINGLE)
    for sign, other_sign in SIGNS:
        f, v = sign * factor, other_sign * value
        assert single_product(f, v, bits) == rounded(f * v, bits)
    assert np.float32(1) / np.float32(3) == np.float32(1 / 3)  # the mode is what it was


@settings(max_examples=300)
@given(st.integers(0, INT32), st.integers(0, 32), st.data())
def test_products_are_exact_up_to_their_limit(value: int, bits: int, data: Any) -> None:
    assume(fits_product(0, value, bits))
    limit = largest_fitting(lambda factor: fits_product(factor, value, bits), INT32)
    inner = data.draw(st.tuples(st.integers(0, limit), st.integers(0, value)))
    for factor, other in ((limit, value), (limit, max(value - 1, 0)), inner):
        for sign, other_sign in SIGNS:
            f, v = sign * factor, other_sign * other
            assert short_product(f, v, bits) == rounded(f * v, bits)


@given(st.integers(1, INT32), st.integers(0, 30))
def test_small_products_are_exact_up_to_32_bits(value: int, bits: int) -> None:
    for sign, other_sign in SIGNS:
        f, v = sign * (INT32 // value), other_sign * value
        assert short_small_product(f, v, bits) == rounded(f * v, bits)


def test_products_beyond_the_proof_are_refused() -> None:
    assert fits_product(1 << 15, 1 << 24, 12)
    assert not fits_product(1 << 15, 1 << 24, 8)  # the result has 32 bits
    assert not fits_product(1 << 16, 1 << 10, 15)  # the lower piece has 32 bits
    assert not fits_product(1, 1, 31)


def test_every_kind_of_number_is_chosen() -> None:
    rng = np.random.default_rng(0)
    drawn = [types_of(random_fixed_network(rng)) for _ in range(60)]
    assert set(drawn) == set(KINDS)
    network = random_network(rng)
    x = random_samples(rng, network, 5, 2)
    for target, types in (("loihi2", KINDS[0]), ("ideal", WIDE)):
        assert types_of(ltc2hw.quantize(network, target, x)) is types


@settings(max_examples=20)
@given(SEEDS)
def test_every_kind_of_number_gives_the_same_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, constants=Word(int(rng.choice([22, 24]))))
    x = random_samples(rng, network, int(rng.integers(1, 25)), int(rng.integers(1, 40)))
    expected = integer.simulate(network, x, "all")
    assert_same_trace(fast.simulate(network, x, "all"), expected)
    for refused, lost in (("fits_single", SINGLE), ("fits_short", SHORT), ("fits_narrow", NARROW)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kinds, refused, lambda network, sums: False)
            copy = replace(network)
            assert types_of(copy) is not lost
            assert_same_trace(fast.simulate(copy, x, "all"), expected)


def with_bias(network: FixedNetwork, name: str, bias: int) -> FixedNetwork:
    """The network with a current bias of ± ``bias`` in all neurons of a population."""
    population = network.population(name)
    assert isinstance(population, FixedLTC)
    signs = np.where(np.arange(population.size) % 2, 1, -1)
    changed = replace(population, bias_current=bias * signs)
    populations = tuple(changed if p is population else p for p in network.populations)
    return replace(network, populations=populations)


def drawn_with(rng: np.random.Generator, taken: tuple[Types, ...]) -> tuple[FixedNetwork, str]:
    """A network with such numbers where its first hidden population has no bias, and its name."""
    while True:
        extreme = bool(rng.integers(2))
        network = random_fixed_network(rng, models=("LTC",), extreme=extreme, constants=Word(22))
        name = network.populations[1].name
        if types_of(with_bias(network, name, 0)) in taken:
            return network, name


@pytest.mark.parametrize("taken", [KINDS[:-2], KINDS[:1]])
@settings(max_examples=15)
@given(SEEDS)
def test_networks_at_the_limit_of_32_bits(taken: tuple[Types, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    network, name = drawn_with(rng, taken)
    limit = (1 << 23) - 1
    largest = largest_fitting(lambda b: types_of(with_bias(network, name, b)) in taken, limit)
    x = random_samples(rng, network, 15, 3)
    for bias in (largest, min(largest + 1, limit)):
        at_limit = with_bias(network, name, bias)
        assert_same_trace(fast.simulate(at_limit, x, "all"), integer.simulate(at_limit, x, "all"))


def test_membranes_beyond_all_currents_are_refused() -> None:
    rng = np.random.default_rng(5)
    network = random_network(rng)
    x = random_samples(rng, network, 5, 2)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    state = {name: dict(values) for name, values in fast.simulate(fixed, x).state.items()}
    name = fixed.populations[1].name
    state[name]["membrane"][0, 0] = (1 << 23) - 1
    with pytest.raises(InvalidValueError, match=f"state {name}.membrane"):
        fast.simulate(fixed, x, state=state)
