"""A network with neurons of every model of the package, and one of a model that only tests know."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import ltc2hw
from ltc2hw.dynamics import MODELS, Model, constant, fires, gate, mix, model, port, register, state
from ltc2hw.dynamics.expression import Expression, where
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.limits import LIMITS

INPUTS, SIZE, OUTPUTS = 6, 7, 3


@model(source="made for the tests", sends=("spikes", "membrane"), unit=("tired",))
def gated_and_tired() -> Mapping[str, Expression]:
    """A gated membrane, and a threshold that rises with fatigue."""
    membrane, tired = state("membrane"), state("tired")
    current = register(port("current") + constant("offset", 0.05), "current")
    tau = gate(port("tau") + constant("tau.bias", 0.3) - constant("tau.own", 0.2) * current, "tau")
    charged = mix(membrane, current, tau)
    rested = constant("rested", 0.8, low=0, high=1)
    fatigue = mix(state("spikes"), tired, rested)
    threshold = register(constant("threshold", 0.3) + 0.25 * fatigue, "threshold")
    spikes = fires(charged, threshold)
    return {
        "current": current,
        "tau": tau,
        "membrane": where(spikes, 0.0, charged),
        "tired": fatigue,
        "threshold": threshold,
        "spikes": spikes,
    }


CONSTANTS: Mapping[str, Mapping[str, float]] = {
    "lif": {"current_decay": 0.6},
    "cuba": {"current_decay": 0.6},
    "readout": {"tau_mem.bias": -1.0},
}
"""Constants that let neurons of small networks spike, where defaults do not."""

NAMES: tuple[str, ...] = (*MODELS, "own")


def found(name: str) -> Model | str:
    """The model of a name of :data:`NAMES`."""
    return gated_and_tired if name == "own" else name


def zoo(rng: np.random.Generator, names: tuple[str, ...] = NAMES, *, drive: float = 1.0) -> Network:
    """A graded input, a recurrent population of every model beside each other, one readout."""
    populations: list[Input | Neurons] = [Input("input", INPUTS, graded=True)]
    projections: list[Projection] = []

    def link(source: str, variable: str, target: str, port: str, shape: tuple[int, int]) -> None:
        weights = Dense(rng.normal(0, drive / np.sqrt(shape[1]), shape))
        projections.append(
            Projection(source, variable, target, port, weights, int(source == target))
        )

    populations.append(Neurons("out", OUTPUTS, "readout", CONSTANTS["readout"]))
    for name in names:
        label = f"n_{name}"
        neurons = Neurons(label, SIZE, found(name), CONSTANTS.get(name, {}))
        populations.append(neurons)
        for port_name in neurons.ports:
            link("input", "value", label, port_name, (SIZE, INPUTS))
        sent = "spikes" if "spikes" in neurons.variables else "membrane"
        if sent == "spikes":
            link(label, sent, label, neurons.ports[0], (SIZE, SIZE))
        link(label, sent, "out", "current", (OUTPUTS, SIZE))
    return Network(tuple(populations), tuple(projections), "out", {"origin": "zoo"})


def zoo_samples(rng: np.random.Generator, steps: int, batch: int) -> FloatArray:
    """Samples (T, B, INPUTS) that make most of the models spike."""
    samples: FloatArray = rng.normal(0.3, 1.0, (steps, batch, INPUTS))
    return samples


def fixed_zoo(seed: int = 0, names: tuple[str, ...] = NAMES) -> tuple[FixedNetwork, FloatArray]:
    """The zoo on loihi2, and samples for it."""
    rng = np.random.default_rng(seed)
    network = zoo(rng, names, drive=2.0)
    x = zoo_samples(rng, 40, 3)
    options = ltc2hw.QuantizeOptions(allow=tuple(LIMITS))
    return ltc2hw.quantize(network, "loihi2", x, options), x
