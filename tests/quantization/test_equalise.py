"""A factor for each neuron changes nothing on reals, and lets weights of few bits hold all rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ltc2hw
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.dynamics import MODELS
from ltc2hw.dynamics.expression import Expression, constant, fires, port, register
from ltc2hw.dynamics.model import model
from ltc2hw.dynamics.models import find_model
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.remedies.equalise import equalisable, equalise, with_factors
from ltc2hw.quantization.remedies.symmetry import holds, symmetry
from tests.random_networks import GATE_KINDS, random_network
from tests.zoo import gated_and_tired, zoo, zoo_samples

WITHOUT = {"brf", "izhikevich"}
"""Models that add what arrives to a plain number, or square it."""


@model(output="sent", sends=("sent",), source="made for the tests")
def rectified() -> dict[str, Expression]:
    """A graded neuron: what is above 0 of what arrives."""
    held = register(port("current") + constant("bias", 0.0), "current")
    positive = fires(held, constant("zero", 0.0))
    return {"current": held, "sent": register(positive * held, "sent")}


@pytest.mark.parametrize("name", MODELS)
def test_powers_follow_from_the_program_and_hold_to_the_last_bit(name: str) -> None:
    found = symmetry(find_model(name))
    assert (found is None) == (name in WITHOUT)
    if found is None:
        return
    rng = np.random.default_rng(1)
    base = find_model(name)
    constants = {
        c.name: rng.uniform(max(c.low, 0.05), min(c.high, 1.0), 40) for c in base.constants
    }
    population = Neurons("cells", 40, base, constants)
    assert holds(population, found)
    for name_of, power in found.constants.items():
        other = replace(found, constants={**found.constants, name_of: power + 1})
        assert not holds(population, other), name_of


def test_a_plain_number_beside_what_arrives_has_no_powers() -> None:
    assert symmetry(gated_and_tired) is None


def outputs(network: Network, x: FloatArray) -> dict[tuple[str, str], FloatArray]:
    trace = ltc2hw.simulate(network, x, engine="float64", record=("spikes", "adaptation"))
    found = {key: values for key, values in trace.recorded().items() if key[1] == "spikes"}
    return {**found, ("", "outputs"): trace.outputs}


@pytest.mark.parametrize("gate", GATE_KINDS)
@pytest.mark.parametrize("neurons", ["LTC", "LIF"])
def test_every_spike_stays(gate: str, neurons: str) -> None:
    """Two layers, gates of every kind, delays: powers of two are exact."""
    rng = np.random.default_rng(6)
    network = random_network(rng, gate=gate, hidden=(9, 8), model=neurons)  # type: ignore[arg-type]
    x = rng.uniform(-1, 1, (40, 6, 5))
    before = outputs(network, x)
    assert before["hidden0", "spikes"].mean() > 0.01
    factors = np.ldexp(1.0, rng.integers(-6, 7, 9))
    moved = with_factors(network, "hidden0", equalisable(network)["hidden0"], factors)
    assert moved != network
    for found in (moved, equalise(network, 4)):
        after = outputs(found, x)
        for key, values in before.items():
            assert np.array_equal(values, after[key]), key


def test_every_model_of_the_package_stays_in_one_network() -> None:
    rng = np.random.default_rng(2)
    network, x = zoo(rng, drive=2.0), zoo_samples(rng, 30, 2)
    found = set(equalisable(network))
    assert found == {f"n_{name}" for name in MODELS if name not in WITHOUT}
    before, after = outputs(network, x), outputs(equalise(network, 3), x)
    for key, values in before.items():
        assert np.array_equal(values, after[key]), key


@pytest.mark.parametrize("bits", [4, 3])
def test_rows_of_all_sizes_keep_their_bits(bits: int) -> None:
    """One neuron with weights 100 times as large, and none the worse for it."""
    rng = np.random.default_rng(6)
    plain = random_network(rng, gate="static", hidden=(12,), graded=False)
    x = (rng.random((40, 6, 5)) < 0.4).astype(float)
    factors = np.where(np.arange(12) == 3, 128.0, 1.0)
    planted = with_factors(plain, "hidden0", equalisable(plain)["hidden0"], factors)
    options = ltc2hw.QuantizeOptions(weight_bits=bits, allow=tuple(LIMITS))

    def error(network: Network) -> float:
        fixed = ltc2hw.quantize(network, "loihi2", x, options)
        spikes = ltc2hw.simulate(fixed, x, engine="integer").spikes["hidden0"]
        return float(np.mean(spikes != outputs(plain, x)["hidden0", "spikes"]))

    assert error(equalise(planted, bits)) <= 0.7 * error(planted)
    equal = equalise(planted, bits).projections[0].weights.to_array()
    largest = np.abs(equal).max(axis=1)
    assert largest.max() / largest.min() < 16


def test_finer_factors_keep_the_function_up_to_rounding() -> None:
    rng = np.random.default_rng(6)
    network = random_network(rng, gate="event", hidden=(12,))
    x = rng.uniform(-1, 1, (30, 6, 5))
    finer = equalise(network, 3, per_octave=8)
    assert finer != equalise(network, 3)
    before, after = outputs(network, x), outputs(finer, x)
    assert np.array_equal(before["hidden0", "spikes"], after["hidden0", "spikes"])
    assert np.allclose(before["", "outputs"], after["", "outputs"], rtol=1e-9)


@pytest.mark.parametrize("sparse", [False, True])
def test_scale_moves_from_a_graded_layer_to_what_reads_it(sparse: bool) -> None:
    """Two layers of which one channel is 64 times as large, taken back by the next."""
    rng = np.random.default_rng(3)
    first, second = rng.normal(0, 1, (6, 4)), rng.normal(0, 1, (3, 6))
    first[2] *= 64.0
    second[:, 2] /= 64.0
    kind = Sparse.from_array if sparse else Dense
    cells, out = Neurons("cells", 6, rectified), Neurons("out", 3, "readout")
    network = Network(
        (Input("input", 4, True), cells, out),
        (
            Projection("input", "value", "cells", "current", kind(first)),
            Projection("cells", "sent", "out", "current", kind(second)),
        ),
        "out",
    )
    x = rng.uniform(-1, 1, (10, 8, 4))
    equal = equalise(network, 4)
    assert np.array_equal(outputs(network, x)["", "outputs"], outputs(equal, x)["", "outputs"])
    rows = np.abs(equal.projections[0].weights.to_array()).max(axis=1)
    assert rows.max() / rows.min() < 8

    def error(found: Network) -> float:
        options = ltc2hw.QuantizeOptions(weight_bits=4, allow=tuple(LIMITS))
        fixed = ltc2hw.quantize(found, "loihi2", x, options)
        got = real_outputs(fixed, ltc2hw.simulate(fixed, x, engine="integer"))
        return float(np.abs(got - outputs(network, x)["", "outputs"]).mean())

    assert error(equal) < 0.5 * error(network)


@pytest.mark.parametrize("groups", [1, 2])
def test_neurons_of_a_channel_share_a_factor(groups: int) -> None:
    rng = np.random.default_rng(3)
    kernel = rng.normal(0, 1, (4, 2 // groups, 3, 3)) * [[[[1]]], [[[1]]], [[[50]]], [[[1]]]]
    next_kernel = rng.normal(0, 1, (2, 4 // groups, 2, 2))
    cells = Neurons("cells", 36, rectified, shape=(4, 3, 3))
    network = Network(
        (Input("input", 72, True, (2, 6, 6)), cells, Neurons("out", 8, "readout", shape=(2, 2, 2))),
        (
            Projection(
                "input", "value", "cells", "current", Conv(kernel, (2, 6, 6), 2, 1, groups=groups)
            ),
            Projection(
                "cells", "sent", "out", "current", Conv(next_kernel, (4, 3, 3), groups=groups)
            ),
        ),
        "out",
    )
    x = rng.uniform(-1, 1, (4, 5, 72))
    equal = equalise(network, 4)
    assert np.array_equal(outputs(network, x)["", "outputs"], outputs(equal, x)["", "outputs"])
    first = equal.projections[0].weights
    assert isinstance(first, Conv)
    largest = np.abs(first.kernel).max(axis=(1, 2, 3))
    assert largest.max() / largest.min() < 16
    factors = np.repeat(np.ldexp(1.0, rng.integers(-3, 4, 4)), 9)
    moved = with_factors(network, "cells", equalisable(network)["cells"], factors)
    assert np.array_equal(outputs(network, x)["", "outputs"], outputs(moved, x)["", "outputs"])


def test_what_has_no_factor_is_refused_by_name() -> None:
    network = random_network(np.random.default_rng(1))
    with pytest.raises(InvalidValueError, match="population readout to equalise is without a fac"):
        equalise(network, only=("readout",))
    with pytest.raises(InvalidValueError, match="factors per octave is 0"):
        equalise(network, per_octave=0)


def test_a_readout_alone_is_left_as_it_is() -> None:
    """Its answer would be multiplied."""
    link = Projection("input", "spikes", "out", "current", Dense(np.array([[0.5, 8.0]])))
    network = Network((Input("input", 2), Neurons("out", 1, "readout")), (link,), "out")
    assert equalise(network) == network


def test_one_large_weight_takes_no_bits_from_other_neurons() -> None:
    """Its own neuron alone is rounded with it; two projections share each neuron's factor."""
    rng = np.random.default_rng(6)
    plain = random_network(rng, gate="static", hidden=(12,), graded=False)
    place = next(i for i, p in enumerate(plain.projections) if p.source == p.target)
    matrix = plain.projections[place].weights.to_array().copy()
    matrix[5, 2] = 40.0 * np.abs(matrix).max()
    planted = list(plain.projections)
    planted[place] = replace(planted[place], weights=Dense(matrix))
    network = replace(plain, projections=tuple(planted))
    equal = equalise(network, 4)
    x = (rng.random((40, 6, 5)) < 0.4).astype(float)
    for key, values in outputs(network, x).items():
        assert np.array_equal(values, outputs(equal, x)[key])
    options = ltc2hw.QuantizeOptions(weight_bits=4, allow=tuple(LIMITS))
    lost = []
    for found in (network, equal):
        fixed = ltc2hw.quantize(found, "loihi2", x, options)
        mantissas = fixed.projections[place].weights.to_array()
        lost.append(np.count_nonzero(np.delete(mantissas, 5, axis=0) == 0))
    assert lost[1] < 0.3 * lost[0]
