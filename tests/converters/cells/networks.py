"""Small float networks, each with one feature, for the export columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.converters.populations import LIF, LTC, Gate, Readout
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import Port, Variable
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense
from ltc2hw.quantization.quantize import quantize

SIZE = 3

ONE, ZERO, HALF = np.ones(SIZE), np.zeros(SIZE), np.full(SIZE, 0.5)


def lif(name: str = "a", **changes: Any) -> Neurons:
    given = {"current_decay": HALF, "membrane_decay": HALF, "threshold": ONE, "bias": ZERO}
    return LIF(name, SIZE, **{**given, **changes})


def ltc(name: str = "a", **changes: Any) -> Neurons:
    given = {
        "threshold": ONE,
        "adaptation_strength": ONE,
        "bias_current": ZERO,
        "tau_mem": Gate(0.3),
        "tau_adp": Gate(0.2),
    }
    return LTC(name, SIZE, **{**given, **changes})


def readout(name: str = "a", **changes: Any) -> Neurons:
    return Readout(name, SIZE, **{"bias_current": ZERO, "tau_mem": Gate(0.4), **changes})


def link(
    source: str,
    target: str,
    delay: int = 0,
    variable: Variable = "spikes",
    port: Port = "current",
) -> Projection:
    weights = Dense(0.5 + np.arange(SIZE * SIZE).reshape(SIZE, SIZE) / 10)
    return Projection(source, variable, target, port, weights, delay)


def network(*parts: FloatPopulation | Projection, graded: bool = False) -> Network:
    """A network of these parts; the first population gets the input unless a link says so."""
    populations = [part for part in parts if not isinstance(part, Projection)]
    links = [part for part in parts if isinstance(part, Projection)]
    if not any(part.source == "input" for part in links):
        variable: Variable = "value" if graded else "spikes"
        links.insert(0, link("input", populations[0].name, variable=variable))
    return Network((Input("input", SIZE, graded), *populations), tuple(links), populations[-1].name)


def quantized(float_network: Network) -> FixedNetwork:
    """Integers of a network of spiking inputs."""
    return quantize(float_network, "loihi2", calibration=np.ones((2, 1, SIZE)))


ROW = Conv(np.ones((2, 1, 3)), (1, 6))
PLANE = Conv(np.ones((2, 1, 1, 3)), (1, 1, 6))


def image(weights: Conv, port: Port = "current") -> Network:
    """A convolution to LIF neurons, or to a gate of LTC neurons."""
    decays = {"current_decay": 0.5, "membrane_decay": 0.5}
    model, constants = ("lif", decays) if port == "current" else ("ltc", {})
    populations = (
        Input("input", weights.shape[1], shape=weights.sources),
        Neurons("a", weights.shape[0], model, constants, shape=weights.targets),
    )
    return Network(populations, (Projection("input", "spikes", "a", port, weights),), "a")
