"""Reconstruction: integers come closer to float, and what is chosen is what quantization gives."""

from __future__ import annotations

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import ShapeError
from ltc2hw.graph.decision import Classification, Regression, decided_by
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.mixing import real_tensors, tensor_of
from ltc2hw.quantization.remedies.messages import Moments
from ltc2hw.quantization.remedies.reconstruction import (
    made_up_for,
    on_grid,
    reconstructed,
    scaled_least,
)
from ltc2hw.quantization.remedies.rounding import RIDGE, Rows
from ltc2hw.quantization.scaling import QuantizeOptions
from tests.random_networks import random_network

COARSE = QuantizeOptions(weight_bits=3, allow=tuple(LIMITS))


def integrating(seed: int) -> Network:
    """Integrate-and-fire neurons between graded inputs and a readout."""
    rng = np.random.default_rng(seed)
    links = (
        Projection("x", "value", "cells", "current", Dense(rng.normal(0, 0.5, (16, 5)))),
        Projection("cells", "spikes", "out", "current", Dense(rng.normal(0, 0.5, (3, 16)))),
    )
    cells = Neurons("cells", 16, "if_subtract", {"threshold": rng.uniform(0.5, 2.0, 16)})
    return Network((Input("x", 5, graded=True), cells, Neurons("out", 3, "readout")), links, "out")


def convolved(seed: int) -> Network:
    """A convolution with two groups, whose channels have a factor each."""
    rng = np.random.default_rng(seed)
    kernel = Conv(rng.normal(0, 0.5, (4, 1, 2, 2)), (2, 3, 3), groups=2)
    links = (
        Projection("x", "value", "cells", "current", kernel),
        Projection("cells", "spikes", "out", "current", Dense(rng.normal(0, 0.5, (3, 16)))),
    )
    cells = Neurons("cells", 16, "if_subtract", shape=(4, 2, 2))
    first = Input("x", 18, graded=True, shape=(2, 3, 3))
    return Network((first, cells, Neurons("out", 3, "readout")), links, "out")


def recurrent(seed: int) -> Network:
    """LTC neurons that hear themselves."""
    return random_network(np.random.default_rng(seed), inputs=5, hidden=(16,), outputs=3)


def error(network: Network, fixed: ltc2hw.FixedNetwork, x: FloatArray) -> float:
    """Squared distance of the outputs from float, by what is public."""
    real = ltc2hw.simulate(network, x, "float64").outputs
    found = ltc2hw.simulate(fixed, x, "integer", ("membrane",)).real(fixed.output, "membrane")
    return float(np.mean((found - real) ** 2))


@pytest.mark.parametrize("make", [integrating, convolved, recurrent])
def test_outputs_come_closer_to_float(make: object) -> None:
    assert callable(make)
    network = make(3)
    rng = np.random.default_rng(4)
    x, unseen = (rng.uniform(-1, 1, (8, 120, network.input.size)) for _ in range(2))
    before = dict(ltc2hw.quantization.mixing.float_tensors(network))
    made = reconstructed(network, "loihi2", x, COARSE)
    fixed = ltc2hw.quantize(made, "loihi2", x, on_grid(COARSE, network))
    for rounding in ("nearest", "arriving"):
        asked = QuantizeOptions(weight_bits=3, allow=tuple(LIMITS), rounding=rounding)  # type: ignore[arg-type]
        other = ltc2hw.quantize(network, "loihi2", x, asked)
        assert error(network, fixed, unseen) < 0.9 * error(network, other, unseen)
    # Weights are exactly what the integers hold, and the network that was given is as it was.
    held = real_tensors(fixed)
    for projection in made.projections:
        assert np.array_equal(projection.weights.values, held[tensor_of(projection)])
    after = ltc2hw.quantization.mixing.float_tensors(network)
    assert all(np.array_equal(values, after[name]) for name, values in before.items())


def test_what_makes_up_for_other_messages_is_the_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    x, q = rng.normal(size=(2, 500, 6))
    q = 0.7 * x + 0.3 * q
    rows = Rows(
        rng.normal(size=(4, 6)), np.zeros((4, 6), int), np.ones(6), np.full((4, 6), -1),
        np.full((4, 6), 1),
    )  # fmt: skip
    found = made_up_for(rows, Moments(q.T @ q / 500, x.T @ q / 500)).real
    # A ridge toward the weights themselves is more samples, in which both messages are the same.
    damping = np.sqrt(500 * RIDGE * np.mean(q**2)) * np.eye(6)
    solved = np.linalg.lstsq(
        np.concatenate([q, damping]), np.concatenate([x, damping]) @ rows.real.T, rcond=None
    )[0]
    assert np.allclose(found, solved.T)


def test_factors_err_no_more_than_any_of_those_tried_by_hand() -> None:
    rng = np.random.default_rng(1)
    real = rng.normal(size=(5, 4)) * np.array([[1.0], [10.0], [0.1], [100.0], [0.0]])
    rows = Rows(real, np.zeros((5, 4), int), np.ones(4), np.full((5, 4), -3), np.full((5, 4), 3))
    power = np.eye(4)
    factors, [[mantissas]] = scaled_least([[(rows, power)]])
    errors = np.sum((real - mantissas / factors[:, None]) ** 2, axis=1)
    for octave in np.arange(-2.0, 1.01, 0.125):
        reach = np.abs(real).max(axis=1, keepdims=True)
        factor = np.divide(3.0, reach, out=np.ones((5, 1)), where=reach > 0) * 2.0**octave
        nearest = np.clip(np.rint(real * factor), -3, 3) / factor
        assert np.all(errors <= np.sum((real - nearest) ** 2, axis=1) + 1e-12)


def test_what_decides_is_what_a_decision_reads() -> None:
    outputs = np.random.default_rng(2).normal(size=(5, 7, 4))
    last = decided_by(Classification(), outputs)
    assert last.shape == (1, 7, 4)
    assert np.array_equal(last[0].argmax(axis=1), outputs[-1].argmax(axis=1))
    assert np.allclose(last.sum(axis=2), 0.0)
    assert np.array_equal(decided_by(Regression(2), outputs)[0], outputs[-2:].mean(axis=0))
    ends = np.array([1, 2, 3, 4, 5, 5, 5])
    own = decided_by(Regression(), outputs, ends)[0]
    assert np.array_equal(own, outputs[ends - 1, np.arange(7)])
    heads = decided_by(Classification(heads=(2, 2)), outputs)[0]
    assert np.allclose(heads[:, :2].sum(axis=1), 0.0)
    assert np.allclose(heads[:, 2:].sum(axis=1), 0.0)


def test_wrong_samples_are_refused() -> None:
    with pytest.raises(ShapeError):
        reconstructed(integrating(0), "loihi2", np.zeros((3, 2)), COARSE)
    with pytest.raises(ShapeError):
        reconstructed(integrating(0), "loihi2", np.zeros((3, 2, 4)), COARSE)
