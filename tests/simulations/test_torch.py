"""The torch engine against the integer engine: the same bits, on the CPU and on a GPU if any."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedInput
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import Overflow, Word
from ltc2hw.simulations import integer
from tests.random_networks import random_fixed_network, random_samples
from tests.simulations.traces import assert_same_trace

torch = pytest.importorskip("torch")
engine = import_module("ltc2hw.simulations.torch")

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=40)
@given(seed=SEEDS, extreme=st.booleans())
def test_same_bits_as_integer(device: str, seed: int, extreme: bool) -> None:
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, extreme=extreme)
    x = random_samples(rng, network, int(rng.integers(1, 20)), int(rng.integers(1, 6)))
    found = engine.simulate(network, x, "all", device=device)
    assert_same_trace(found, integer.simulate(network, x, "all"))


@settings(max_examples=10)
@given(SEEDS)
def test_words_that_wrap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, models=("LTC",))
    word = Word(24, overflow=Overflow.WRAP)
    populations = tuple(
        p if isinstance(p, FixedInput) else replace(p, state=word) for p in network.populations
    )
    network = replace(network, populations=populations)
    x = random_samples(rng, network, 9, 3)
    assert_same_trace(engine.simulate(network, x, "all"), integer.simulate(network, x, "all"))


@settings(max_examples=10)
@given(SEEDS, st.integers(1, 11))
def test_runs_continue_where_they_stopped(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng)
    x = random_samples(rng, network, 12, 3)
    first = ltc2hw.simulate(network, x[:cut], "torch", "all")
    second = ltc2hw.simulate(network, x[cut:], "torch", "all", state=first.state)
    expected = integer.simulate(network, x[cut:], "all", integer.simulate(network, x[:cut]).state)
    assert_same_trace(second, expected)


def test_sums_beyond_doubles_are_refused() -> None:
    rng = np.random.default_rng(0)
    network = random_fixed_network(rng, models=("LIF",))
    wide = tuple(
        replace(p, weights=Dense(np.full(p.weights.shape, 1 << 26)), bits=28, exponent=0)
        for p in network.projections
    )
    source = FixedInput("input", network.input.size, True, Word(24), 0)
    populations = (source, *(p for p in network.populations if not isinstance(p, FixedInput)))
    wide = tuple(replace(p, variable="value") if p.source == "input" else p for p in wide)
    beyond = replace(network, populations=populations, projections=wide)
    with pytest.raises(InvalidValueError, match=r"2\^53"):
        engine.simulate(beyond, np.zeros((1, 1, source.size)))


@pytest.mark.parametrize("device", ["no-such-device", "cuda:99", 7.5])
def test_devices_that_are_not_there_are_named(device: str) -> None:
    network = random_fixed_network(np.random.default_rng(0), largest=3)
    with pytest.raises(InvalidValueError, match=r"device is .*expected a device that torch sees"):
        engine.simulate(network, np.zeros((1, 1, network.input.size)), device=device)
