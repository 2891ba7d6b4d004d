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
from ltc2hw.learning.learned import Learning
from ltc2hw.learning.rule import Parameter, feedback_matrix, surrogate_slope
from ltc2hw.learning.values import constant_name
from ltc2hw.numbers.nonlinearity import Nonlinearity
from ltc2hw.numbers.operators import expanded
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


def drawn(rng: np.random.Generator, name: str, size: int, found: Model) -> Neurons:
    """Neurons whose constants are near their defaults, those of self terms and biases not 0."""
    constants = {}
    for described in found.constants:
        value = described.default * rng.uniform(0.9, 1.1, size)
        value = value + (described.default == 0) * rng.normal(0, 0.3, size)
        constants[described.name] = np.clip(value, described.low, described.high)
    if found.name == "ltc":
        constants["threshold"] = rng.uniform(0.1, 0.3, size)
    return Neurons(name, size, found, constants)


def network_of(
    found: Model,
    seed: int,
    ends: tuple[Ends, ...] | None = None,
    outputs: int = OUTPUTS,
    hidden: int = HIDDEN,
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
    sizes = {"input": INPUTS, "readout": outputs, **dict.fromkeys(layers, hidden)}

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
            *(drawn(rng, name, hidden, found) for name in layers),
            drawn(rng, "readout", outputs, find_model("readout")),
        ),
        tuple(Projection(s, v, t, p, weights((s, v, t, p, d)), d) for s, v, t, p, d in ends),
        "readout",
    )


def with_gates(network: Network, function: Nonlinearity) -> Network:
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
        self,
        rule: FPTTRule,
        x: FloatArray,
        goals: FloatArray,
        followed: tuple[str, ...],
        last: bool = False,
    ) -> torch.Tensor:
        """Loss of the sequence, with the states of some populations followed through time.

        ``last``: that of the last step alone.
        """
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
            if t == STEPS - 1 or not last:
                total = total + rule.step_weight(t, STEPS) * loss
        return total

    def descent(
        self,
        rule: FPTTRule,
        parameters: tuple[Parameter, ...],
        x: FloatArray,
        goals: FloatArray,
        last: bool = False,
    ) -> dict[Parameter, FloatArray]:
        """Descent of every parameter."""
        found = {}
        for name in dict.fromkeys(p.population for p in parameters):
            followed = {"instantaneous": (), "eligibility": (name,)}.get(
                rule.descent, (name, self.network.output)
            )
            own = [p for p in parameters if p.population == name]
            tensors = [self.tensor(p) for p in own]
            loss = self.loss(rule, x, goals, followed, last)
            gradients = torch.autograd.grad(loss, tensors, allow_unused=True)
            for parameter, tensor, gradient in zip(own, tensors, gradients, strict=True):
                grad = np.zeros(tensor.shape) if gradient is None else gradient.numpy()
                if parameter.projection is not None:
                    weights = self.network.projections[parameter.projection].weights
                    grad = grad[expanded(weights).coordinates]
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
def test_descents_of_whole_sequences_are_autograds(
    name: str, descent: Any, function: Nonlinearity
) -> None:
    network = with_gates(network_of(HIDDEN_MODELS[name], seed=3), function)
    if name == "alif" and descent == "instantaneous":
        network = with_gates(network_of(find_model("ltc"), seed=8), function)
    found = check(network, FPTTRule(descent=descent, error="softmax"))
    assert np.abs(found[Parameter("hidden", "current", "weights", 1)]).max() > 1e-6  # it spikes


LAYERS: tuple[Ends, ...] = (
    ("input", "value", "hidden", "current", 0),
    ("hidden", "spikes", "hidden", "tau_mem", 2),
    ("hidden", "spikes", "second", "current", 0),
    ("hidden", "membrane", "second", "tau_adp", 0),
    ("hidden", "current", "second", "tau_mem", 0),
    ("second", "spikes", "second", "current", 1),
    ("second", "spikes", "hidden", "tau_adp", 1),
    ("second", "spikes", "readout", "current", 0),
    ("hidden", "membrane", "readout", "current", 0),
    ("second", "current", "readout", "tau_mem", 0),
)
"""Two layers, both read, with gates that events steer and gates that nothing steers."""

STATIC: tuple[Ends, ...] = (
    ("input", "value", "hidden", "current", 0),
    ("input", "value", "hidden", "tau_adp", 0),
    ("hidden", "spikes", "hidden", "current", 1),
    ("hidden", "spikes", "readout", "current", 0),
    ("hidden", "membrane", "readout", "current", 0),
)
"""A readout whose gate nothing steers."""

CURRENTS = {"hidden": ("current", "tau_mem", "tau_adp"), "readout": ("current",)}
"""Every port but the gate of the readout."""


def one_leak(network: Network) -> Network:
    """The network with a readout that forgets alike in all its outputs."""
    readout = network.population("readout")
    assert isinstance(readout, Neurons)
    gate = {"tau_mem.bias": -0.7, "tau_mem.from_state": 0.0, "tau_mem.from_current": 0.0}
    own = {n: np.full(readout.size, v) for n, v in gate.items()}
    populations = (*network.populations[:-1], readout.with_constants({**readout.constants, **own}))
    return replace(network, populations=populations)


@pytest.mark.parametrize("descent", ["instantaneous", "eligibility"])
@pytest.mark.parametrize("error", ["softmax", "linear"])
def test_layers_that_hand_errors_on_learn_as_autograd_does(descent: Any, error: Any) -> None:
    found = check(network_of(find_model("ltc"), 4, LAYERS), FPTTRule(descent=descent, error=error))
    assert all(np.abs(found[p]).max() > 1e-6 for p in found if p.projection is not None), found


@pytest.mark.parametrize("name", ["ltc", "alif", "adlif", "cuba", "brf"])
def test_a_readout_s_common_leak_filters_exactly(name: str) -> None:
    ends = STATIC if name == "ltc" else tuple(e for e in STATIC if e[3] == "current")
    network = one_leak(network_of(find_model(name), 5, ends))
    ports = {**CURRENTS, "hidden": network.population("hidden").ports}
    rule = FPTTRule(descent="filtered", ports=ports, weighting="uniform")
    found = check(network, rule)
    without = check(network, replace(rule, descent="eligibility"))
    weights = next(p for p in found if p.population == "hidden")
    assert np.abs(found[weights] - without[weights]).max() > 1e-3


@pytest.mark.parametrize("name", ["ltc", "tired"])
def test_one_output_filters_exactly_whatever_its_gate(name: str) -> None:
    rule = FPTTRule(descent="filtered", error="linear")
    check(network_of(HIDDEN_MODELS[name], 6, outputs=1), rule)


@pytest.mark.parametrize("descent", ["eligibility", "filtered"])
def test_random_feedback_takes_the_place_of_the_weights(descent: Any) -> None:
    """Symmetric feedback through a readout that has the random weights says the same."""
    network = one_leak(network_of(find_model("ltc"), 7, STATIC[:-1]))
    rule = FPTTRule(descent=descent, feedback="random", ports=CURRENTS)
    index = len(network.projections) - 1
    random = feedback_matrix(rule, index, (OUTPUTS, HIDDEN))
    x, goals = sequence(rule, 1)
    learner = FloatLearner(network, rule)
    exact = FloatLearner(network, replace(rule, feedback="symmetric"))
    learning = learner.start()
    found: Mapping[Parameter, FloatArray] = {}
    for t in range(STEPS):
        _, descent_of, after = learner.descend(network, learning, x[t], goals[t], t, STEPS)
        # The random weights as the readout's own, for the way back alone.
        step_error = goals[t] - softmax(after.registers["readout"]["membrane"][0])
        projections = list(network.projections)
        projections[index] = replace(projections[index], weights=Dense(random))
        other = replace(network, projections=tuple(projections))
        said = other_output(exact, other, learning, x[t])
        goal = said + step_error
        linear = FloatLearner(other, replace(rule, feedback="symmetric", error="linear"))
        _, wanted, _ = linear.descend(other, learning, x[t], goal, t, STEPS)
        for parameter in descent_of:
            if parameter.population == "hidden":
                np.testing.assert_allclose(descent_of[parameter], wanted[parameter], atol=1e-12)
        learning, found = after, descent_of
    assert any(np.any(own) for own in found.values())


def softmax(u: FloatArray) -> FloatArray:
    powers = np.exp(u - u.max())
    result: FloatArray = powers / powers.sum()
    return result


def other_output(
    learner: FloatLearner, network: Network, learning: Learning, x: FloatArray
) -> FloatArray:
    done, _ = learner.forward(network, learning.registers, x)
    result: FloatArray = learner.said(network, done)[0]
    return result


def test_without_a_past_the_descent_is_the_instantaneous_one_to_the_bit() -> None:
    network = network_of(find_model("ltc"), 9, LAYERS)
    rules = FPTTRule(), FPTTRule(descent="eligibility")
    x, goals = sequence(rules[0], 2)
    now, then = (FloatLearner(network, rule) for rule in rules)
    learning = then.start()
    for t in range(STEPS):
        cleared = learning.rested(learning.registers)
        _, wanted, _ = now.descend(network, replace(learning, eligibility={}), x[t], goals[t], t, 9)
        _, found, learning = then.descend(network, cleared, x[t], goals[t], t, 9)
        assert all(np.array_equal(found[p], wanted[p]) for p in found)


# --- the recursion of LTC neurons in two numbers per synapse, in plain Python -------------------


def test_ltc_neurons_are_the_recursion_of_two_numbers() -> None:
    """Coordinates are the membrane before its reset and the adaptation, not the registers."""
    network = with_gates(network_of(find_model("ltc"), 11, STATIC[:-1]), "plan")
    rule = FPTTRule(descent="eligibility", error="linear")
    x, goals = sequence(rule, 3)
    learner = FloatLearner(network, rule)
    learning = learner.start()
    eps: dict[tuple[int, int], tuple[float, ...]] = {}
    hidden = network.population("hidden")
    assert isinstance(hidden, Neurons)
    c = {name: values.tolist() for name, values in hidden.constants.items()}
    before = [{"charged": 0.0, "psi": 0.0, "s": 0.0, "u": 0.0, "eta": 0.0} for _ in range(HIDDEN)]
    weights = network.projections[0].weights.to_array()
    for t in range(STEPS):
        done, _ = learner.forward(network, learning.registers, x[t])
        _, descent, learning = learner.descend(network, learning, x[t], goals[t], t, STEPS)
        credit = credit_of(learner, network, done, goals[t], t)
        assert weights.shape == (HIDDEN, INPUTS)
        for j in range(HIDDEN):
            now = {n: float(v[0, j]) for n, v in done.produced["hidden"].items()}
            b, k = before[j], c["adaptation_strength"][j]
            argument = {
                "tau_mem": c["tau_mem.bias"][j] + c["tau_mem.from_state"][j] * b["u"]
                + c["tau_mem.from_current"][j] * now["current"],
                "tau_adp": float(done.ports["hidden"]["tau_adp"][0, j]) + c["tau_adp.bias"][j]
                + c["tau_adp.from_state"][j] * b["eta"]
                + c["tau_adp.from_current"][j] * now["current"],
            }  # fmt: skip
            tau, rho, current = now["tau_mem"], now["tau_adp"], now["current"]
            fall = (current - b["u"]) * line(argument["tau_mem"])
            fade = (b["eta"] - b["s"]) * line(argument["tau_adp"])
            m = 1 - tau + fall * c["tau_mem.from_state"][j]
            r = rho + fade * c["tau_adp.from_state"][j]
            a = [
                [m * ((1 - b["s"]) - b["charged"] * b["psi"]), m * b["charged"] * b["psi"] * k],
                [(1 - rho) * b["psi"], r - (1 - rho) * k * b["psi"]],
            ]
            enters = (
                tau + fall * c["tau_mem.from_current"][j],
                fade * c["tau_adp.from_current"][j],
            )
            charged = b["u"] + tau * (current - b["u"])
            distance = charged - now["threshold"]
            psi = float(surrogate_slope("multi_gaussian", np.array([distance]))[0])
            for i in range(INPUTS):
                e = eps.get((j, i), (0.0, 0.0))
                eps[j, i] = tuple(
                    a[n][0] * e[0] + a[n][1] * e[1] + enters[n] * float(x[t][i]) for n in range(2)
                )
                wanted = credit[j] * psi * (eps[j, i][0] - k * eps[j, i][1])
                found = descent[Parameter("hidden", "current", "weights", 0)][j * INPUTS + i]
                assert abs(found - wanted) < 1e-12
            before[j] = {
                "charged": charged, "psi": psi, "s": now["spikes"], "u": now["membrane"],
                "eta": now["adaptation"],
            }  # fmt: skip
    assert any(abs(e[1]) > 1e-3 for e in eps.values())


def line(x: float) -> float:
    """Slope of PLAN."""
    size = abs(x)
    return next((s for end, s in ((1.0, 0.25), (2.375, 0.125), (5.0, 0.03125)) if size < end), 0.0)


def credit_of(
    learner: FloatLearner, network: Network, done: Any, goal: FloatArray, t: int
) -> list[float]:
    """Credit of the hidden spikes: the readout's errors through its gate and its weights."""
    produced = done.produced["readout"]
    readout = network.population("readout")
    assert isinstance(readout, Neurons)
    c, u = readout.constants, produced["membrane"][0]
    tau, current = produced["tau_mem"][0], produced["current"][0]
    before = (u - tau * current) / (1 - tau)
    argument = (
        c["tau_mem.bias"] + c["tau_mem.from_state"] * before + c["tau_mem.from_current"] * current
    )
    error = learner.rule.step_weight(t, STEPS) * (goal - u)
    slopes = np.array([line(float(g)) for g in argument])
    factor = error * (tau + c["tau_mem.from_current"] * (current - before) * slopes)
    weights = network.projections[-1].weights.to_array()
    return [sum(float(weights[k, j] * factor[k]) for k in range(OUTPUTS)) for j in range(HIDDEN)]
