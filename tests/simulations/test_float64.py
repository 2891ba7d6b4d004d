"""The float64 engine against the paper's equations, written out for one neuron."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters.populations import LIF, LTC, Gate, Readout
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.network import Input, Network, Projection
from tests.random_networks import dense, real


def sigmoid(x: float) -> float:
    """Logistic function."""
    return 1 / (1 + math.exp(-x))


def test_one_ltc_neuron_follows_the_equations_by_hand() -> None:
    """All terms non-zero: input and recurrence into three ports, both self terms, adaptation."""
    network = Network(
        (
            Input("input", 1, graded=True),
            LTC(
                "n", 1, real(0.1), real(1.8), real(0.05), Gate(-0.5, 0.7, 0.3), Gate(0.4, -0.6, 0.2)
            ),
            Readout("out", 1, real(-0.1), Gate(-1.0, 0.25, 0.5)),
        ),
        (
            Projection("input", "value", "n", "current", dense([[0.9]])),
            Projection("n", "spikes", "n", "current", dense([[-0.4]]), 1),
            Projection("input", "value", "n", "tau_mem", dense([[0.8]])),
            Projection("n", "spikes", "n", "tau_mem", dense([[0.6]]), 1),
            Projection("input", "value", "n", "tau_adp", dense([[-0.7]])),
            Projection("n", "spikes", "n", "tau_adp", dense([[0.5]]), 1),
            Projection("n", "spikes", "out", "current", dense([[2.0]])),
            Projection("n", "membrane", "out", "tau_mem", dense([[0.3]]), 2),
        ),
        "out",
    )
    x = np.random.default_rng(0).uniform(0, 1, 25)
    trace = ltc2hw.simulate(network, x[:, None, None], record="all")
    u = eta = s = out = 0.0
    sent = [0.0, 0.0]
    spikes = 0.0
    for t, value in enumerate(x):
        i = 0.9 * value - 0.4 * s + 0.05
        tau = sigmoid(0.8 * value + 0.6 * s - 0.5 + 0.7 * u + 0.3 * i)
        rho = sigmoid(-0.7 * value + 0.5 * s + 0.4 - 0.6 * eta + 0.2 * i)
        u = u + tau * (i - u)
        eta = rho * eta + (1 - rho) * s
        s = float(u > 0.1 + 1.8 * eta)
        u = u * (1 - s)
        spikes += s
        i_out = 2.0 * s - 0.1
        tau_out = sigmoid(0.3 * sent[t] - 1.0 + 0.25 * out + 0.5 * i_out)
        out = out + tau_out * (i_out - out)
        sent.append(u)
        states = {key: array[t, 0, 0] for key, array in trace.recorded().items()}
        assert states["n", "membrane"] == pytest.approx(u, abs=1e-12)
        assert states["n", "adaptation"] == pytest.approx(eta, abs=1e-12)
        assert states["n", "spikes"] == s
        assert trace.outputs[t, 0, 0] == pytest.approx(out, abs=1e-12)
    assert 0 < spikes < 25


def test_one_lif_neuron_follows_the_equations_by_hand() -> None:
    """Decaying current and membrane, bias, strict threshold, hard reset."""
    network = Network(
        (Input("input", 1), LIF("n", 1, real(0.3), real(0.1), real(1.0), real(0.02))),
        (Projection("input", "spikes", "n", "current", dense([[0.4]])),),
        "n",
    )
    x = (np.random.default_rng(1).random(40) < 0.4).astype(float)
    trace = ltc2hw.simulate(network, x[:, None, None], record="all")
    i = v = 0.0
    for t, value in enumerate(x):
        i = 0.7 * i + 0.4 * value
        v = 0.9 * v + i + 0.02
        s = float(v > 1.0)
        v = v * (1 - s)
        assert trace.states["n"]["membrane"][t, 0, 0] == pytest.approx(v, abs=1e-12)
        assert trace.outputs[t, 0, 0] == s
    assert trace.outputs.sum() > 3


def test_numbers_beyond_double_precision_are_named() -> None:
    """1e300 times 1e10 is no double; the readout would say inf, or NaN, for ever after."""
    network = Network(
        (Input("input", 2, graded=True), Readout("out", 1, real(0.0), Gate(0.0))),
        (Projection("input", "value", "out", "current", dense([[1e300, -1e300]])),),
        "out",
    )
    for sample in ([1e10, 0.0], [1e10, 1e10]):
        x = np.array([sample, [0.0, 0.0]])[:, None]
        with pytest.raises(InvalidValueError, match="beyond double precision; expected finite"):
            ltc2hw.simulate(network, x)
    assert np.isfinite(ltc2hw.simulate(network, np.ones((2, 1, 2))).outputs).all()
