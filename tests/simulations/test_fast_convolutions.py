"""Convolutions in the fast engine: the bits of the specification, whatever the geometry."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedProjection
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import Word
from ltc2hw.simulations import fast, integer
from ltc2hw.simulations.fast.engine import plan_of
from ltc2hw.simulations.fast.kinds import WIDE
from ltc2hw.simulations.fast.memory import most_samples
from ltc2hw.targets import load_target
from tests.random_networks import random_lif, random_samples
from tests.shared_data import shared_data
from tests.simulations.convolutions import gesture_network, random_network_of_convolutions
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


def test_same_bits_on_clips_of_an_event_camera() -> None:
    with np.load(shared_data("dvs-gesture", "ten-clips.npz")) as clips:
        clip = np.repeat(np.arange(10), np.diff(clips["offsets"]))
        step = clips["t_us"].astype(np.int64) // 10_000
        pixel = (clips["p"].astype(np.int64) * 128 + clips["y"]) * 128 + clips["x"]
        taken = (step >= 50) & (step < 54)
        x = np.zeros((4, 10, 2 * 128 * 128))
        x[step[taken] - 50, clip[taken], pixel[taken]] = 1
    network = gesture_network(np.random.default_rng(0))
    found = fast.simulate(network, x, "all")
    assert all(spikes.any() for spikes in found.spikes.values())
    assert_same_trace(found, integer.simulate(network, x, "all"))


def test_sums_that_fit_by_their_signs_are_narrow() -> None:
    kernel = np.full((1, 300, 1, 1), 127)
    kernel[:, 150:] = -127
    for weights, narrow in ((kernel, True), (np.abs(kernel), False)):
        network = one_convolution(Conv(weights, (300, 1, 2)))
        assert plan_of(network).tables.fans["narrow"].tolist() == [narrow]
        x = np.zeros((3, 2, 600))
        x[0] = 1
        x[1, :, :300] = 1
        x[2, :, 300:] = 1
        assert_same_trace(fast.simulate(network, x, "all"), integer.simulate(network, x, "all"))


def test_images_lie_channels_last_and_share_constants() -> None:
    kernel = np.ones((16, 1, 1, 1), dtype=np.int64)
    network = one_convolution(Conv(kernel, (1, 16, 16)))
    neurons = network.populations[1]
    assert isinstance(neurons, FixedNeurons)
    threshold = np.repeat(np.arange(1, 17), 256)
    network = replace(
        network,
        populations=(network.input, neurons.with_constants({"threshold": threshold})),
    )
    record = plan_of(network).tables.populations[1]
    assert record["shared"]
    assert record["size"] == 4096
    x = (np.random.default_rng(0).random((9, 2, 256)) < 0.3).astype(float)
    assert_same_trace(fast.simulate(network, x, "all"), integer.simulate(network, x, "all"))


def test_large_images_go_sample_by_sample() -> None:
    small = one_convolution(Conv(np.ones((1, 1, 3, 3), dtype=np.int64), (1, 8, 8)))
    large = one_convolution(Conv(np.ones((16, 1, 3, 3), dtype=np.int64), (1, 200, 200)))
    assert most_samples(plan_of(small), 32) == 32
    assert most_samples(plan_of(large), 32) == 1


def alike(neurons: FixedNeurons) -> FixedNeurons:
    """Neurons that all have the constants of the first."""
    constants = {name: np.full_like(c, c[0]) for name, c in neurons.constants.items()}
    return neurons.with_constants(constants)


def one_convolution(conv: Conv) -> FixedNetwork:
    """Spikes through a convolution to LIF neurons."""
    rng, size = np.random.default_rng(0), int(np.prod(conv.targets))
    neurons = random_lif(rng, "out", size, load_target("loihi2"), extreme=False)
    populations = (
        FixedInput("input", conv.shape[1], False, Word(1, signed=False), 0, shape=conv.sources),
        replace(alike(neurons), shape=conv.targets),
    )
    projection = FixedProjection("input", "spikes", "out", "current", conv, 8, 0, 6)
    return FixedNetwork(populations, (projection,), "out", "loihi2")
