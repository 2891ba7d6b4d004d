"""Random convolutional networks through every engine: the same numbers as written out."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import Word
from ltc2hw.simulations import integer
from tests.convolution.random_conv_networks import (
    conv_samples,
    random_conv_network,
    random_fixed_conv_network,
)
from tests.convolution.test_networks import events, gated_network
from tests.simulations.traces import assert_same_trace

pytest.importorskip("torch")
torch_loop = import_module("tests.convolution.torch_loop")

ENGINES = ("integer", "torch", "fast")
"""Engines of integers that take convolutions."""
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=15)
@given(seed=SEEDS, extreme=st.booleans())
def test_every_engine_gives_the_integers_of_the_expansion(
    engine: str, seed: int, extreme: bool
) -> None:
    rng = np.random.default_rng(seed)
    network = random_fixed_conv_network(rng, extreme=extreme)
    x = conv_samples(rng, network, loudest=2.0)
    found = ltc2hw.simulate(network, x, engine, "all")
    assert_same_trace(found, integer.simulate(without_kernels(network), x, "all"))


@settings(max_examples=10)
@given(SEEDS, st.integers(1, 8))
def test_runs_of_torch_continue_where_they_stopped(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_fixed_conv_network(rng)
    x = conv_samples(rng, network)
    first = ltc2hw.simulate(network, x[:cut], "torch", "all")
    second = ltc2hw.simulate(network, x[cut:], "torch", "all", state=first.state)
    start = integer.simulate(network, x[:cut]).state
    assert_same_trace(second, integer.simulate(network, x[cut:], "all", start))


def test_kernels_are_held_by_torch_as_kernels_and_their_sums_bounded() -> None:
    arithmetic = import_module("ltc2hw.simulations.torch_arithmetic")
    network = gated_fixed_network()
    device = arithmetic.torch.device("cpu")
    for projection, placed in zip(
        network.projections, arithmetic.placed_weights(network, device), strict=True
    ):
        held = placed.kernel if isinstance(projection.weights, Conv) else placed.matrix
        assert held.numel() == projection.weights.values.size
    loud = replace(network.input, graded=True, word=Word(46))
    projection = replace(network.projections[0], variable="value", exponent=0)
    beyond = FixedNetwork((loud, network.population("one")), (projection,), "one", "ideal")
    with pytest.raises(InvalidValueError, match=r"largest sum of input to one.current.*2\^53"):
        arithmetic.placed_weights(beyond, device)


def gated_fixed_network() -> FixedNetwork:
    """Two convolutional LTC populations with event gates."""
    return ltc2hw.quantize(gated_network(), "loihi2", calibration=events())


def test_the_random_networks_have_all_that_they_are_for() -> None:
    seen = set()
    for seed in range(30):
        network = random_fixed_conv_network(np.random.default_rng(seed), extreme=seed % 2 == 0)
        seen |= features_of(network)
        rng = np.random.default_rng(seed)
        trace = integer.simulate(network, conv_samples(rng, network, loudest=2.0), "all")
        seen |= {"message saturates" for counts in trace.saturations.values()
                 for name in counts if name.startswith("message")}  # fmt: skip
        seen |= {"spikes" for spikes in trace.spikes.values() if spikes.any()}
    wanted = {
        "1-D", "2-D", "strided", "dilated", "padded on one side", "grouped", "depthwise", "delayed",
        "recurrent", "graded", "second port", "ltc", "lif", "alif", "message saturates", "spikes",
    }  # fmt: skip
    assert wanted <= seen


def features_of(network: FixedNetwork) -> set[str]:
    """What a network has of that which may go wrong."""
    seen = {p.model.name for p in network.populations[1:]}  # type: ignore[union-attr]
    for projection in network.projections:
        conv = projection.weights
        if not isinstance(conv, Conv):
            continue
        target = network.population(projection.target)
        seen |= {
            name
            for name, found in {
                f"{len(conv.stride)}-D": True,
                "strided": max(conv.stride) > 1,
                "dilated": max(conv.dilation) > 1,
                "padded on one side": any(before != after for before, after in conv.padding),
                "grouped": 1 < conv.groups < conv.sources[0],
                "depthwise": 1 < conv.groups == conv.sources[0],
                "delayed": projection.delay > 0 and projection.source != projection.target,
                "recurrent": projection.source == projection.target,
                "graded": projection.variable not in ("spikes", "value"),
                "second port": projection.port != target.ports[0],
            }.items()
            if found
        }
    return seen


@settings(max_examples=15)
@given(SEEDS)
def test_float64_gives_the_numbers_of_a_loop_in_torch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_conv_network(rng)
    x = conv_samples(rng, network)
    recorded = ltc2hw.simulate(network, x, "float64", "all").recorded()
    for name, variables in torch_loop.simulate(network, x).items():
        for variable, values in variables.items():
            np.testing.assert_allclose(recorded[name, variable], values, rtol=0, atol=1e-9)
