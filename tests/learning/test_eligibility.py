"""Descents with a memory, over whole sequences, against torch's autograd and plain recursions.

Autograd differentiates the whole sequence, with the stated detachments: of what a population
learns, its own states are followed through time; the states of all others, and messages of the
past, are held fixed. Where the readout's leak filters, its states are followed, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ltc2hw import FPTTRule, Network
from ltc2hw.dynamics.expression import Expression, constant, fires, port, register, state, where
from ltc2hw.dynamics.model import Model, model
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.graph.network import Input, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.learning.descent import kept
from ltc2hw.learning.rule import Parameter
from ltc2hw.learning.values import constant_name
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations.plasticity.float64 import FloatLearner
from tests.learning.torch_programs import by_torch, plan

STEPS, INPUTS, HIDDEN, OUTPUTS = 30, 3, 4, 3

Ends = tuple[str, str, str, str, int]


@model(sends=("spikes", "membrane"), source="this test")
def tired() -> Mapping[str, Expression]:
    """Leaky neurons whose threshold rises with their own spikes; a port that opens a second way."""
    drive = register(port("current") + constant("rest", 0.1) - 0.5 * state("fatigue"), "drive")
    charged = register(0.75 * state("membrane") + drive, "membrane")
    spikes = fires(charged, constant("threshold", 0.5) + state("fatigue"))
    late = register(port("late") + constant("late.bias", 0.1), "late")
    return {
        "drive": drive,
        "late": late,
        "membrane": where(spikes, charged - constant("threshold", 0.5), charged),
        "fatigue": register(0.875 * state("fatigue") + 0.25 * spikes * late, "fatigue"),
        "spikes": spikes,
    }


SCALES = {"adlif": 8.0, "brf": 60.0, "izhikevich": 0.3}
"""How strong what arrives must be for a model to spike."""

HIDDEN_MODELS: dict[str, Model] = {
    "tired": tired,
    **{name: find_model(name) for name in MODELS if name != "readout"},
}


def drawn(rng: np.random.Generator, name: str, size: int, found: Model, **given: Any) -> Neurons:
    """Neurons whose constants are near their defaults, those of self terms and biases not 0."""
    constants = {}
    for described in found.constants:
        value = described.default * rng.uniform(0.9, 1.1, size)
        value = value + (described.default == 0) * rng.normal(0, 0.3, size)
        constants[described.name] = np.clip(value, described.low, described.high)
    return Neurons(name, size, found, {**constants, **given})


def network_of(
    found: Model, seed: int, ends: tuple[Ends, ...] | None = None, outputs: int = OUTPUTS
) -> Network:
    """Layers on an input, with recurrence, and a readout; connections as given."""
    rng = np.random.default_rng(seed)
    gates = [gate for gate in found.ports if gate != "current"]
    scale = SCALES.get(found.name, 1.5)
    if ends is None:
        ends = (
            ("input", "value", "hidden", "current", 0),
            ("hidden", "spikes", "hidden", "current", 1),
            *((source, sent, "hidden", gate, delay) for gate in gates
              for source, sent, delay in (("input", "value", 0), ("hidden", "spikes", 1))),
            ("hidden", "spikes", "readout", "current", 0),
            ("hidden", "spikes", "readout", "tau_mem", 0),
            ("hidden", "membrane", "readout", "current", 0),
        )  # fmt: skip
        if "membrane" not in found.sends:
            ends = ends[:-1]
    layers = [name for name in ("hidden", "second") if any(name in (e[0], e[2]) for e in ends)]
    sizes = {"input": INPUTS, "readout": outputs, **dict.fromkeys(layers, HIDDEN)}

    def weights(end: Ends) -> Dense | Sparse:
        source, _, target, landing, delay = end
        matrix = rng.normal(0, 1, (sizes[target], sizes[source])) / np.sqrt(sizes[source])
        if target != "readout" and landing == "current":
            matrix = scale * matrix
        return (
            Sparse.from_array(matrix * (rng.random(matrix.shape) < 0.7)) if delay else Dense(matrix)
        )

    return Network(
        (
            Input("input", INPUTS, graded=True),
            *(drawn(rng, name, HIDDEN, found) for name in layers),
            drawn(rng, "readout", outputs, find_model("readout")),
        ),
        tuple(Projection(s, v, t, p, weights((s, v, t, p, d)), d) for s, v, t, p, d in ends),
        "readout",
    )


def with_gates(network: Network, function: str) -> Network:
    """The network with another non-linearity in all gates."""
    populations = [
        replace(p, functions=dict.fromkeys(p.model.gates, function))
        if isinstance(p, Neurons)
        else p
        for p in network.populations
    ]
    return replace(network, populations=tuple(populations))


def sequence(rule: FPTTRule, seed: int, outputs: int = OUTPUTS) -> tuple[FloatArray, FloatArray]:
    """Samples (T, N_in) and goals (T, N_out)."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (STEPS, INPUTS))
    if rule.error == "linear":
        return x, rng.normal(0, 1, (STEPS, outputs))
    return x, np.eye(outputs)[rng.integers(0, outputs, STEPS)]


def summed(learner: FloatLearner, x: FloatArray, goals: FloatArray) -> dict[Parameter, FloatArray]:
    """Descent of a whole sequence in a network that does not change."""
    learning = learner.start()
    total: dict[Parameter, FloatArray] = {}
    for t in range(STEPS):
        _, descent, learning = learner.descend(learner.network, learning, x[t], goals[t], t, STEPS)
        for parameter, own in descent.items():
            total[parameter] = total.get(parameter, np.zeros_like(own)) + own
    return total


class TorchNetwork:
    """A network's whole sequence on tensors, and its gradients."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.weights = [
            torch.tensor(p.weights.to_array(), requires_grad=True) for p in network.projections
        ]
        self.constants = {
            p.name: {n: torch.tensor(v, requires_grad=True) for n, v in p.constants.items()}
            for p in network.populations
            if isinstance(p, Neurons)
        }

    def loss(
        self, rule: FPTTRule, x: FloatArray, goals: FloatArray, followed: tuple[str, ...]
    ) -> torch.Tensor:
        """Loss of the sequence, with the states of some populations followed through time."""
        neurons = [p for p in self.network.populations if isinstance(p, Neurons)]
        states = {
            p.name: {s: torch.zeros(p.size, dtype=torch.float64) for s in p.model.states}
            for p in neurons
        }
        past: list[dict[tuple[str, str], torch.Tensor]] = []
        total = torch.zeros((), dtype=torch.float64)
        for t in range(STEPS):
            sent = {("input", "value"): torch.tensor(x[t])}
            for p in neurons:
                ports = {port: torch.zeros(p.size, dtype=torch.float64) for port in p.ports}
                for connection, weights in zip(self.network.projections, self.weights, strict=True):
                    if connection.target != p.name:
                        continue
                    key, delay = (connection.source, connection.variable), connection.delay
                    if delay > t:
                        continue
                    message = past[t - delay][key].detach() if delay else sent[key]
                    ports[connection.port] = ports[connection.port] + weights @ message
                own = states[p.name]
                if p.name not in followed:
                    own = {name: value.detach() for name, value in own.items()}
                leaves = {
                    Operation.PARAMETER: self.constants[p.name],
                    Operation.PORT: ports,
                    Operation.STATE: own,
                }
                sigmoid = "sigmoid" in p.functions.values()
                results = by_torch(p.model.program, leaves, torch.sigmoid if sigmoid else plan)
                sent |= {(p.name, name): value for name, value in results.items()}
                states[p.name] = {s: results[s] for s in p.model.states}
            past.append(sent)
            said = sent[self.network.output, "membrane"]
            goal = torch.tensor(goals[t])
            if rule.error == "linear":
                loss = ((said - goal) ** 2).sum() / 2
            else:
                loss = -(goal * torch.log_softmax(said, 0)).sum()
            total = total + rule.step_weight(t, STEPS) * loss
        return total

    def descent(
        self, rule: FPTTRule, parameters: tuple[Parameter, ...], x: FloatArray, goals: FloatArray
    ) -> dict[Parameter, FloatArray]:
        """Descent of every parameter."""
        found = {}
        for name in dict.fromkeys(p.population for p in parameters):
            followed = {"instantaneous": (), "eligibility": (name,)}.get(
                rule.descent, (name, self.network.output)
            )
            own = [p for p in parameters if p.population == name]
            tensors = [self.tensor(p) for p in own]
            loss = self.loss(rule, x, goals, followed)
            gradients = torch.autograd.grad(loss, tensors, allow_unused=True)
            for parameter, tensor, gradient in zip(own, tensors, gradients, strict=True):
                grad = np.zeros(tensor.shape) if gradient is None else gradient.numpy()
                if parameter.projection is not None:
                    weights = self.network.projections[parameter.projection].weights
                    grad = grad[weights.coordinates]
                found[parameter] = -grad
        return found

    def tensor(self, parameter: Parameter) -> torch.Tensor:
        if parameter.projection is not None:
            return self.weights[parameter.projection]
        return self.constants[parameter.population][constant_name(self.network, parameter)]


def check(network: Network, rule: FPTTRule, seed: int = 0) -> dict[Parameter, FloatArray]:
    outputs = network.population("readout").size
    x, goals = sequence(rule, seed, outputs)
    learner = FloatLearner(network, rule)
    found = summed(learner, x, goals)
    wanted = TorchNetwork(network).descent(rule, learner.parameters, x, goals)
    assert found.keys() == wanted.keys()
    for parameter, own in found.items():
        np.testing.assert_allclose(
            own, wanted[parameter], rtol=1e-10, atol=1e-10, err_msg=str(parameter)
        )
    return found


@pytest.mark.parametrize("name", HIDDEN_MODELS)
@pytest.mark.parametrize("descent", ["instantaneous", "eligibility"])
@pytest.mark.parametrize("function", ["plan", "sigmoid"])
def test_descents_of_whole_sequences_are_autograds(name: str, descent: Any, function: str) -> None:
    network = with_gates(network_of(HIDDEN_MODELS[name], seed=3), function)
    if name == "alif" and descent == "instantaneous":
        network = with_gates(network_of(find_model("ltc"), seed=8), function)
    found = check(network, FPTTRule(descent=descent, error="softmax"))
    hidden = [p for p in found if p.population == "hidden"]
    assert any(np.abs(found[p]).max() > 1e-6 for p in hidden)
