"""Parts of an integer network: all of them together are the integers, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ltc2hw import quantize, simulate
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.errors import UnknownNameError
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, variable_fraction
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.trace import ALL
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.mixing import Kind, Part, partly_fixed, parts, rounded_samples
from ltc2hw.quantization.scaling import QuantizeOptions
from tests.dynamics.running import random_case
from tests.random_networks import GATE_KINDS, random_network, random_samples

EVERY_LIMIT = QuantizeOptions(allow=tuple(LIMITS))


@pytest.fixture(params=[False, True], ids=["readable", "compiled"], autouse=True)
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The float engine runs programs by their readable meaning, and as vector instructions."""
    monkeypatch.setattr("ltc2hw.simulations.float64.worth_code", lambda *_: request.param)


def assert_integers(network: Network, fixed: FixedNetwork, x: FloatArray) -> None:
    """Everything that a run of all parts records is what the integers stand for."""
    whole = partly_fixed(network, fixed, parts(network, fixed))
    real = simulate(whole, rounded_samples(fixed, x), "float64", ALL).recorded()
    integer = simulate(fixed, x, "integer", ALL).recorded()
    assert set(real) == set(integer)
    for (name, variable), values in integer.items():
        fraction = variable_fraction(fixed.population(name), variable)
        np.testing.assert_array_equal(
            real[name, variable], np.ldexp(values.astype(float), -fraction), f"{name}.{variable}"
        )


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("target", ["loihi2", "ideal"])
def test_all_parts_of_random_networks_are_the_integers(seed: int, target: str) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(
        rng,
        gate=GATE_KINDS[seed % 3],
        nonlinearity="plan" if seed % 2 else "sigmoid",
        hidden=(12, 7)[: 1 + seed % 2],
        graded=seed % 5 > 0,
        model="LTC" if seed % 4 else "LIF",
    )
    x = random_samples(rng, network, 12, 4)
    bits = int(rng.integers(2, 9))
    options = QuantizeOptions(weight_bits=bits, allow=tuple(LIMITS), fine_states=bool(seed % 2))
    calibration = x[:, :2] / 3 if network.input.graded else x
    fixed = quantize(network, target, calibration, options)
    assert_integers(network, fixed, x)


@pytest.mark.parametrize("name", tuple(MODELS))
@pytest.mark.parametrize("seed", range(3))
def test_all_parts_of_every_model_are_the_integers(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    constants, arriving = random_case(name, rng)
    size, model = arriving.shape[2], find_model(name)
    ports = tuple(
        Projection("x", "value", "neurons", port, Dense(np.eye(size))) for port in model.ports
    )
    own = Projection("neurons", model.sends[0], "neurons", model.ports[-1], Dense(np.eye(size)), 1)
    network = Network(
        (Input("x", size, True), Neurons("neurons", size, model, constants)),
        (*ports, replace(own, weights=Dense(rng.normal(0, 0.02, (size, size))))),
        "neurons",
    )
    x = arriving[:40]
    fixed = quantize(network, "loihi2", x, EVERY_LIMIT)
    assert_integers(network, fixed, x)


def test_a_word_alone_cuts_what_its_register_is_made_of() -> None:
    """``u + trunc(decay u)``: the leak of a membrane below one unit is lost, by that part alone."""
    network = Network(
        (
            Input("x", 1, True),
            Neurons("out", 1, "readout", {"tau_mem.bias": -7.0}, {"tau_mem": "plan"}),
        ),
        (Projection("x", "value", "out", "current", Dense(np.ones((1, 1)))),),
        "out",
    )
    x = np.ones((4, 1, 1))
    fixed = quantize(network, "loihi2", x, EVERY_LIMIT)
    names = [str(part) for part in parts(network, fixed)]
    assert names == [
        "x samples", "out tau_mem function", "out membrane word",
        "out current saturation", "out tau_mem saturation",
    ]  # fmt: skip
    alone = partly_fixed(network, fixed, (Part(Kind.WORD, "out", "membrane"),))
    fraction = variable_fraction(fixed.population("out"), "membrane")
    cut, whole = (simulate(n, x, "float64", ()).outputs.ravel() for n in (alone, network))
    expected, membrane = [], 0.0
    for _ in x:
        step = np.trunc((1.0 - membrane) * whole[0] * 2.0**fraction) * 2.0**-fraction
        membrane += step
        expected.append(membrane)
    assert cut.tolist() == expected
    assert np.all(cut <= whole)
    assert partly_fixed(network, fixed, ()) == network


def test_a_saturation_alone_clips_at_the_ends_of_its_word() -> None:
    network = random_network(np.random.default_rng(0), hidden=(4,))
    x = random_samples(np.random.default_rng(1), network, 5, 3)
    fixed = quantize(network, "loihi2", x, EVERY_LIMIT)
    chosen = Part(Kind.SATURATION, "hidden0", "current")
    assert chosen in parts(network, fixed)
    hidden = fixed.population("hidden0")
    assert not isinstance(hidden, FixedInput)
    end = np.ldexp(hidden.formats.held["current"].numbers[1], -hidden.formats.ports["current"])
    loud = 1000.0 * x
    alone = partly_fixed(network, fixed, (chosen,))
    got = simulate(alone, loud, "float64", ALL).states["hidden0"]["current"]
    assert (
        got.max()
        == end
        < simulate(network, loud, "float64", ALL).states["hidden0"]["current"].max()
    )


@pytest.mark.parametrize(
    "part",
    [
        Part(Kind.WORD, "hidden0", "nonsense"),
        Part(Kind.SATURATION, "hidden0", "spikes"),
        Part(Kind.WEIGHTS, "nobody"),
        Part(Kind.CONSTANT, "nobody", "threshold"),
        Part(Kind.FUNCTION, "hidden0", "current"),
        Part(Kind.MESSAGE, "hidden0", "membrane"),
        Part(Kind.INPUT, "hidden0"),
    ],
    ids=str,
)
def test_parts_of_nothing_are_refused_by_name(part: Part) -> None:
    rng = np.random.default_rng(0)
    network = random_network(rng)
    fixed = quantize(network, "loihi2", rng.uniform(-1, 1, (5, 8, 5)), EVERY_LIMIT)
    with pytest.raises(UnknownNameError, match=str(part)):
        partly_fixed(network, fixed, (part,))
