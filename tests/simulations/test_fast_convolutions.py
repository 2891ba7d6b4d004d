"""Convolutions in the fast engine: the bits of the specification, whatever the geometry."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.graph.expansion import without_kernels
from ltc2hw.simulations import fast, integer
from ltc2hw.simulations.fast.kinds import WIDE
from ltc2hw.simulations.fast.engine import plan_of
from tests.random_networks import random_samples
from tests.simulations.convolutions import random_network_of_convolutions
from tests.simulations.traces import assert_same_state, assert_same_trace

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=60)
@given(SEEDS)
def test_same_bits_as_integer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network_of_convolutions(rng)
    x = random_samples(rng, network, int(rng.integers(1, 7)), int(rng.integers(1, 40)))
    found = fast.simulate(network, x, "all")
    assert_same_trace(found, integer.simulate(network, x, "all"))
    assert_same_trace(fast.simulate(without_kernels(network), x, "all"), found)


@settings(max_examples=20)
@given(SEEDS)
def test_same_bits_of_wide_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network_of_convolutions(rng, wide=True)
    assert plan_of(network).types is WIDE
    x = random_samples(rng, network, 4, int(rng.integers(1, 5)))
    assert_same_trace(fast.simulate(network, x, "all"), integer.simulate(network, x, "all"))


@settings(max_examples=15)
@given(SEEDS, st.lists(st.integers(1, 8), max_size=3))
def test_runs_continue_where_they_stopped(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    network = random_network_of_convolutions(rng)
    x = random_samples(rng, network, 9, 3)
    whole = integer.simulate(network, x, "all")
    state = None
    for first, last in pairwise([0, *sorted(set(cuts)), 9]):
        part = fast.simulate(network, x[first:last], "all", state=state)
        for key, array in whole.recorded().items():
            np.testing.assert_array_equal(part.recorded()[key], array[first:last])
        state = part.state
    assert state is not None
    assert_same_state(state, whole.state)
