"""Calibration samples of unequal lengths: what comes after an end is not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.quantization import calibration
from ltc2hw.quantization.calibration import BATCH, measure
from tests.random_networks import GateKind, Model, random_network, random_samples


@pytest.mark.parametrize("gate", ["event", "dense"])
def test_ranges_are_those_of_every_sample_alone(gate: GateKind) -> None:
    rng = np.random.default_rng(1)
    network = random_network(rng, gate=gate)
    x = random_samples(rng, network, 8, BATCH + 3)
    # The largest values come last, where most samples have ended.
    x *= np.linspace(0.2, 3, 8)[:, None, None]
    lengths = rng.integers(1, 8, x.shape[1])
    alone = [measure(network, x[:end, b : b + 1]) for b, end in enumerate(lengths)]
    found = measure(network, x, lengths)
    assert found.largest is not None
    for key in found.largest:
        for values, of in ((found.largest, "largest"), (found.highest, "highest")):
            wanted = np.max([getattr(one, of)[key] for one in alone], axis=0)
            np.testing.assert_allclose(values[key], wanted, rtol=1e-9, atol=1e-12)
    assert found.steps == lengths.max() < measure(network, x).steps
    whole = measure(network, x)
    assert whole.largest is not None
    assert any(np.any(whole.largest[key] > found.largest[key]) for key in found.largest)


def test_what_comes_after_an_end_changes_no_integer() -> None:
    rng = np.random.default_rng(2)
    network = random_network(rng)
    x = random_samples(rng, network, 6, 10)
    lengths = rng.integers(1, 6, 10)
    clean = ltc2hw.quantize(network, "loihi2", x, lengths=lengths)
    x[np.arange(6)[:, None] >= lengths] = np.nan
    assert ltc2hw.quantize(network, "loihi2", x, lengths=lengths) == clean


def test_a_membrane_that_fires_after_an_end_has_not_come_back() -> None:
    network = random_network(np.random.default_rng(3), hidden=(1,), inputs=1, model="LIF")
    hidden = Neurons("hidden0", 1, "if_subtract")
    populations = (network.input, hidden, network.populations[2])
    projections = tuple(
        replace(p, weights=p.weights.with_values(np.ones(p.weights.values.shape)))
        for p in network.projections
        if p.delay == 0
    )
    network = Network(populations, projections, "readout")
    x = np.array([-3.0, 2.0, 2.0, 2.0]).reshape(4, 1, 1)
    assert measure(network, x).recovered["hidden0"][0] == 3.0
    assert measure(network, x, [2]).recovered["hidden0"][0] == 0.0


@pytest.mark.parametrize("model", ["LIF", "LTC"])
def test_runs_in_pieces_note_the_same(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    network = random_network(rng, model=model)
    x = random_samples(rng, network, 9, 6)
    lengths = np.array([9, 1, 4, 9, 2, 7])
    whole = [measure(network, x), measure(network, x, lengths)]
    sizes = calibration.run_sizes(network)
    assert sizes == (64, calibration.MEMORY // (8 * recorded(network)) // 64)
    monkeypatch.setattr(calibration, "MEMORY", 8 * recorded(network) * 8)
    monkeypatch.setattr(calibration, "CACHED", 4 * max(p.size for p in network.populations))
    assert calibration.run_sizes(network) == (4, 2)
    for before, ends in zip(whole, (None, lengths), strict=True):
        now = measure(network, x, ends)
        assert now.largest is not None
        assert before.largest is not None
        assert now.steps == before.steps
        for field in ("largest", "highest", "recovered"):
            for key, values in getattr(before, field).items():
                found = getattr(now, field)[key]
                np.testing.assert_allclose(found, values, rtol=1e-12, atol=1e-15)
    assert any(np.any(depth > 0) for depth in whole[0].recovered.values()) == (model == "LIF")


def recorded(network: Network) -> int:
    """Numbers that one step of one sample records."""
    return sum(p.size * len(p.recordable) for p in network.populations)


def test_lengths_that_fit_nothing() -> None:
    network = random_network(np.random.default_rng(4))
    x = np.zeros((4, 2, 5))
    with pytest.raises(InvalidValueError, match=r"lengths\[1\] is 5; expected 1 to 4"):
        ltc2hw.quantize(network, "loihi2", x, lengths=[4, 5])
    with pytest.raises(ShapeError, match="lengths"):
        ltc2hw.quantize(network, "loihi2", x, lengths=[4])
    with pytest.raises(InvalidValueError, match="lengths is given without samples"):
        ltc2hw.quantize(network, "loihi2", lengths=[4])
