"""Scales, biases, thresholds and ranges: each does what it says, and says what it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.dynamics import MODELS
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.dequantize import dequantize
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.remedies.arriving import means
from ltc2hw.quantization.remedies.biases import corrected_biases, entries
from ltc2hw.quantization.remedies.ranges import recalibrated
from ltc2hw.quantization.remedies.scales import scaled_by_arrivals
from ltc2hw.quantization.remedies.thresholds import balanced_thresholds, spike_counts
from tests.random_networks import random_network

X = "input.value->out.current"


def options(**changes: Any) -> ltc2hw.QuantizeOptions:
    return ltc2hw.QuantizeOptions(allow=tuple(LIMITS), **changes)


def readout_of(matrix: FloatArray) -> Network:
    link = Projection("input", "value", "out", "current", Dense(matrix))
    outputs, inputs = matrix.shape
    return Network(
        (Input("input", inputs, True), Neurons("out", outputs, "readout")), (link,), "out"
    )


def constants_of(network: Network, name: str) -> Mapping[str, FloatArray]:
    population = network.population(name)
    assert isinstance(population, Neurons)
    return population.constants


def arriving_error(network: Network, fixed: FixedNetwork, x: FloatArray) -> float:
    """Mean squared error of what arrives from the input."""
    rows = x.reshape(-1, x.shape[2])
    first, second = (n.projections[0].weights for n in (network, dequantize(fixed)))
    return float(np.mean((first.apply(rows) - second.apply(rows)) ** 2))


def test_a_scale_follows_what_arrives() -> None:
    """The largest weights hear nothing: they may be clipped, and the others keep their bits."""
    rng = np.random.default_rng(1)
    matrix = rng.uniform(-1, 1, (6, 8))
    matrix[:, 3] = rng.choice([-9.0, 9.0], 6)
    network = readout_of(matrix)
    x = rng.uniform(-1, 1, (10, 8, 8))
    x[:, :, 3] = 0.0
    asked = options(weight_bits=3)
    chosen = scaled_by_arrivals(network, "loihi2", x, asked)
    assert chosen == replace(asked, scale=chosen.scale)
    assert chosen.scale[X] > 0
    plain, better = (ltc2hw.quantize(network, "loihi2", x, o) for o in (asked, chosen))
    assert arriving_error(network, better, x) < 0.2 * arriving_error(network, plain, x)
    # All candidates, one by one: none is better.
    for move in (-2, -1, 0, 1, 2, 3, 4):
        other = ltc2hw.quantize(network, "loihi2", x, options(weight_bits=3, scale={X: move}))
        assert arriving_error(network, better, x) <= arriving_error(network, other, x) + 1e-12


def test_other_scales_are_kept() -> None:
    network = random_network(np.random.default_rng(1))
    x = np.random.default_rng(2).uniform(-1, 1, (6, 4, 5))
    asked = options(weight_bits=4, scale={"input": -1, "input.value->hidden0.current": 7})
    chosen = scaled_by_arrivals(network, "loihi2", x, asked)
    assert chosen.scale["input"] == -1
    assert chosen.scale.get("input.value->hidden0.current", 0) != 7
    with pytest.raises(UnknownNameError, match="name of bits is 'nothing'"):
        scaled_by_arrivals(network, "loihi2", x, options(bits={"nothing": 4}))
    with pytest.raises(ShapeError):
        scaled_by_arrivals(network, "loihi2", x[:, :, :2], asked)


def test_an_outlier_of_the_input_costs_no_bits() -> None:
    """One value of ten thousand is 40 times as large as all others."""
    rng = np.random.default_rng(1)
    network = readout_of(rng.uniform(-1, 1, (3, 8)))
    x = rng.uniform(0, 1, (20, 64, 8))
    x[3, 5, 2] = 40.0
    asked = options(bits={"input": 5})
    chosen = recalibrated(network, "loihi2", x, asked)
    assert chosen == replace(asked, scale={"input": chosen.scale["input"]})
    pair = [ltc2hw.quantize(network, "loihi2", x, o) for o in (asked, chosen)]
    assert pair[1].input.fraction == pair[0].input.fraction + chosen.scale["input"]
    off = []
    for fixed in pair:
        values, _ = fixed.input.word.encode(x, fixed.input.fraction)
        off.append(float(np.mean((x - np.ldexp(values.astype(float), -fixed.input.fraction)) ** 2)))
    assert off[1] < 0.5 * off[0]
    even = rng.integers(0, 32, (20, 64, 8)) / 32
    assert recalibrated(network, "loihi2", even, asked) == asked


def test_messages_are_rounded_as_the_chip_cuts_them() -> None:
    rng = np.random.default_rng(1)
    network = random_network(rng, gate="dense")
    x = rng.uniform(-1, 1, (10, 8, 5))
    x[2, 3] *= 60.0
    asked = options(message_bits=5)
    chosen = recalibrated(network, "loihi2", x, asked)
    assert any(name.startswith("message:hidden0.") for name in chosen.scale)
    assert isinstance(ltc2hw.quantize(network, "loihi2", x, chosen), FixedNetwork)
    lif = random_network(rng, graded=False, model="LIF")
    spikes = (rng.random((10, 8, 5)) < 0.5).astype(float)
    assert recalibrated(lif, "loihi2", spikes, asked) == asked


@pytest.mark.parametrize("name", MODELS)
def test_models_have_a_constant_for_what_arrives_or_none(name: str) -> None:
    found = entries(Neurons("cells", 1, name).worked_out())
    assert set(found) == {
        "ltc": {"current", "tau_mem", "tau_adp"},
        "readout": {"current", "tau_mem"},
        "lif": {"current"},
        "adlif": {"current"},
        "izhikevich": {"current"},
        "if_subtract": {"current"},
        "if_subtract_delayed": {"current"},
    }.get(name, set())


def test_the_mean_of_what_arrives_is_given_back() -> None:
    """On the same samples, rounding then takes nothing on average from what lands anywhere."""
    rng = np.random.default_rng(3)
    network = random_network(rng, hidden=(14,), gate="event")
    x = rng.uniform(0, 1, (10, 30, 5))
    asked = options(weight_bits=3)
    fixed = ltc2hw.quantize(network, "loihi2", x, asked)
    corrected = corrected_biases(network, fixed, x)
    assert corrected.projections == network.projections
    heard = means(network, x)
    real = dequantize(fixed)
    names = {
        "current": "bias_current", "tau_mem": "tau_mem.bias", "tau_adp": "tau_adp.bias",
    }  # fmt: skip
    for target in ("hidden0", "readout"):
        for port, constant in names.items():
            landing = [
                (p, q, mean)
                for p, q, mean in zip(network.projections, real.projections, heard, strict=True)
                if (p.target, p.port) == (target, port)
            ]
            if not landing:
                continue
            before, after = (constants_of(n, target)[constant] for n in (network, corrected))
            arrives = sum(p.weights.apply(mean[None])[0] for p, _, mean in landing)
            got = sum(q.weights.apply(mean[None])[0] for _, q, mean in landing)
            assert np.allclose(arrives + before, got + after, atol=1e-12)
            assert not np.allclose(before, after)


def test_the_bias_of_lavas_lif_counts_what_its_current_adds_up() -> None:
    """A constant shift of what arrives comes to shift / decay in the membrane's drive."""
    rng = np.random.default_rng(3)
    network = random_network(rng, model="LIF", graded=False, hidden=(8,))
    x = (rng.random((30, 10, 5)) < 0.5).astype(float)
    fixed = ltc2hw.quantize(network, "loihi2", x, options(weight_bits=3))
    corrected = corrected_biases(network, fixed, x)
    before, after = (constants_of(n, "hidden0") for n in (network, corrected))
    lost = sum(
        (p.weights.to_array() - q.weights.to_array()) @ mean
        for p, q, mean in zip(
            network.projections, dequantize(fixed).projections, means(network, x), strict=True
        )
        if p.target == "hidden0"
    )
    decay = before["current_decay"]
    assert np.allclose(after["bias"], before["bias"] + lost / decay)
    with pytest.raises(InvalidValueError, match="quantize this float network"):
        corrected_biases(random_network(rng, model="LIF", graded=False, hidden=(4,)), fixed, x)


@pytest.mark.parametrize("each", [True, False])
def test_rates_come_nearer_and_only_thresholds_change(each: bool) -> None:
    rng = np.random.default_rng(3)
    network = random_network(rng, hidden=(16,), gate="static")
    x = rng.uniform(-1, 1, (20, 30, 5))
    asked = options(weight_bits=2)
    balanced = balanced_thresholds(network, "loihi2", x, asked, each=each)
    assert balanced.projections == network.projections
    before, after = (constants_of(n, "hidden0") for n in (network, balanced))
    for name, values in before.items():
        assert np.array_equal(values, after[name]) == (name != "threshold"), name
    if not each:
        assert np.ptp(after["threshold"] / before["threshold"]) < 1e-12
    wanted = spike_counts(network, x)["hidden0"]
    off = [
        np.abs(spike_counts(ltc2hw.quantize(n, "loihi2", x, asked), x)["hidden0"] - wanted).sum()
        for n in (network, balanced)
    ]
    assert off[1] < (0.7 if each else 1.0) * off[0]


def test_counts_are_those_of_the_samples_own_steps() -> None:
    rng = np.random.default_rng(3)
    network = random_network(rng, hidden=(6,), gate="static")
    x, lengths = rng.uniform(-1, 1, (9, 70, 5)), rng.integers(1, 10, 70)
    expected = np.zeros(6)
    for sample, steps in enumerate(lengths):
        trace = ltc2hw.simulate(network, x[:steps, sample : sample + 1], engine="float64")
        expected += trace.spikes["hidden0"].sum(axis=(0, 1))
    assert np.array_equal(spike_counts(network, x, lengths)["hidden0"], expected)


def test_a_network_that_is_in_balance_stays() -> None:
    """On the ideal target rates are those of the float network, and nothing is moved."""
    rng = np.random.default_rng(3)
    network = random_network(rng, hidden=(6,), gate="static")
    x = rng.uniform(-1, 1, (9, 10, 5))
    assert balanced_thresholds(network, "ideal", x, rounds=1) == network
    with pytest.raises(InvalidValueError, match="rounds is 0"):
        balanced_thresholds(network, "ideal", x, rounds=0)
    assert isinstance(ltc2hw.quantize(network, "ideal", x).population("hidden0"), FixedNeurons)
