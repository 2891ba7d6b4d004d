"""Static LTC networks as LIF networks: the same spikes, and a way to loihi1."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.converters.populations import LTC
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.network import Network
from ltc2hw.numbers.weights import Sparse
from tests.random_networks import random_network, real


def spiking_static(seed: int) -> Network:
    """Two static LTC layers without adaptation; the second one is the output."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, gate="static", hidden=(9, 4), graded=False)
    populations = tuple(
        replace(p, adaptation_strength=real(0.0)) if isinstance(p, LTC) else p
        for p in network.populations
        if p.name != "readout"
    )
    projections = [p for p in network.projections if p.target != "readout"]
    first = projections[0]
    projections[0] = replace(first, weights=Sparse.from_array(first.weights.to_array()))
    return Network(populations, tuple(projections), "hidden1")


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_spikes_are_the_same_in_float(seed: int) -> None:
    """An identity of equations; a membrane may only meet its threshold in the last bits."""
    network = spiking_static(seed)
    x = (np.random.default_rng(seed).random((15, 4, 5)) < 0.4).astype(float)
    before = ltc2hw.simulate(network, x)
    after = ltc2hw.simulate(ltc2hw.static_form(network), x)
    for name in ("hidden0", "hidden1"):
        assert np.array_equal(before.spikes[name], after.spikes[name])
        difference = before.states[name]["membrane"] - after.states[name]["membrane"]
        assert np.max(np.abs(difference)) < 1e-12


def test_it_fits_loihi1() -> None:
    """The remedy that the refusal names works."""
    network = ltc2hw.static_form(spiking_static(1))
    x = (np.random.default_rng(2).random((15, 4, 5)) < 0.4).astype(float)
    fixed = ltc2hw.quantize(network, "loihi1", x)
    agreement = (
        ltc2hw.simulate(fixed, x, engine="integer").outputs == ltc2hw.simulate(network, x).outputs
    )
    assert agreement.mean() > 0.9


@pytest.mark.parametrize(
    ("gate", "feature"),
    [("event", "a gate that reads its state"), ("dense", "an adaptive threshold")],
)
def test_what_is_not_static_is_refused_by_name(gate: str, feature: str) -> None:
    """Nothing is dropped in silence."""
    network = random_network(np.random.default_rng(0), gate=gate)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match=feature):
        ltc2hw.static_form(network)
