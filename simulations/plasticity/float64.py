"""The float64 three-factor reference of on-chip FPTT: no autograd, and equal to it.

Every gradient is a post-synaptic factor times the message that the synapse carried. With the state
of the past held fixed this is the exact gradient of the step's loss, for event and static gates.
For dense gates it is exact except for what the rule's ``own_current`` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import TrainingError
from ltc2hw.graph import Port
from ltc2hw.network import LTC, FloatPopulation, Gate, Network, Projection, Readout
from ltc2hw.nonlinearity import evaluate_slope
from ltc2hw.plasticity import (
    FPTTRule,
    Memory,
    Parameter,
    Term,
    check_labels,
    check_targets,
    feedback_matrix,
    fptt_update,
    learning_populations,
    parameter_name,
    plastic_parameters,
    surrogate_slope,
)
from ltc2hw.simulations.driver import Plan, Step, Values, sent_message, step, zero_state
from ltc2hw.simulations.float64 import FloatArithmetic, gate_argument
from ltc2hw.simulations.plasticity.credit import Factors, backward, carries_error
from ltc2hw.simulations.samples import check_samples
from ltc2hw.trace import Array, State
from ltc2hw.words import FloatArray

Memories = Mapping[Parameter, Memory]


@dataclass(frozen=True)
class Learning:
    """What a learning network remembers between steps."""

    memories: Memories
    registers: State
    step: int
    """Updates done so far."""


@dataclass(frozen=True)
class Update:
    """What one learning step computed: readout (N_out,), loss, gradient of each parameter."""

    output: FloatArray
    loss: float
    gradients: Mapping[Parameter, FloatArray]


@dataclass(frozen=True)
class Learned:
    """A stream of S samples of T steps learned: the network after it, and how it went.

    ``outputs``: readout (T, S, N_out) as it was while learning; ``losses``: (S,), the weighted
    sum over each sample's steps.
    """

    network: Network
    learning: Learning
    outputs: FloatArray
    losses: FloatArray


class FloatLearner:
    """On-chip FPTT in float64 for one network and one rule; see :class:`FPTTRule`.

    Raises:
        InvalidValueError, UnknownNameError: if the network has no plastic path, or none to what
            the rule names.
    """

    def __init__(self, network: Network, rule: FPTTRule) -> None:
        self.network = network
        self.rule = rule
        self.reached = learning_populations(network, LTC, Readout)
        self.parameters = plastic_parameters(network, rule, self.reached)
        self.plan = Plan.of(network)
        self.crossed = tuple(
            index
            for index, connection in enumerate(network.projections)
            if carries_error(connection, self.reached, own_current=rule.own_current)
        )
        self.arithmetic = FloatArithmetic()
        self.credit = FloatCredit(rule)

    def start(self) -> Learning:
        """Memories of the network as it is (``Φ̄ = Φ``, ``λ = 0``), registers at zero."""
        memories = {}
        for parameter in self.parameters:
            value = read_parameter(self.network, parameter)
            memories[parameter] = Memory(value, value, np.zeros_like(value))
        return Learning(memories, self.rest(), 0)

    def rest(self) -> State:
        """Registers (1, N) at zero."""
        return zero_state(self.network, 1, np.float64)

    def adapted(self, memories: Memories) -> Network:
        """The network that computes with the memories' values."""
        values = {parameter: memory.value for parameter, memory in memories.items()}
        return write_parameters(self.network, values)

    def step(
        self, learning: Learning, x: FloatArray, target: FloatArray, weight: float
    ) -> tuple[Update, Learning]:
        """One step: run, compare, learn.

        x: (N_in,); target: (N_out,), one-hot for labels; ``weight`` of the step's loss.
        """
        network = self.adapted(learning.memories)
        sample: Values = {str(network.input.variables[0]): x[None]}
        done, registers = step(self.arithmetic, network, self.plan, sample, learning.registers)
        output = done.produced[network.output]["membrane"]
        error, loss = output_error(self.rule, output, target, weight)
        factors = backward(
            self.credit, network, self.plan, self.crossed, learning.registers, done, error
        )
        gradients = {
            parameter: gradient(network, parameter, factors, learning.registers, done)
            for parameter in self.parameters
        }
        memories = {
            parameter: fptt_update(self.rule, learning.memories[parameter], gradients[parameter])
            for parameter in self.parameters
        }
        return Update(output[0], loss, gradients), Learning(memories, registers, learning.step + 1)

    def check_finite(self, learning: Learning) -> None:
        """Raise if a parameter has left the real numbers.

        Raises:
            TrainingError: naming the parameter and the update.
        """
        for parameter, memory in learning.memories.items():
            if not all(np.all(np.isfinite(numbers)) for numbers in memory):
                name = parameter_name(self.network, parameter)
                raise TrainingError(
                    f"{name} diverged before update {learning.step}; lower the learning rate"
                )


def learn(
    network: Network,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    rule: FPTTRule,
    learning: Learning | None = None,
    *,
    reset: bool = True,
) -> Learned:
    """Learn from a stream: S samples x (T, S, N_in), one after the other, an update every step.

    ``targets``: labels (S,) for the softmax error, reals (T, S, N_out) for the linear one.
    ``reset`` sets the registers to zero before each sample. ``learning`` continues an earlier run.

    Raises:
        ShapeError, InvalidValueError: for samples, labels or targets that do not fit.
        TrainingError: if a parameter diverges.
    """
    learner = FloatLearner(network, rule)
    samples = check_samples(x, network.input.size, network.input.graded)
    steps, count, _ = samples.shape
    wanted = float_targets(rule, targets, steps, count, network.population(network.output).size)
    state = learner.start() if learning is None else learning
    outputs = np.zeros(wanted.shape)
    losses = np.zeros(count)
    for s in range(count):
        if reset:
            state = replace(state, registers=learner.rest())
        for t in range(steps):
            weight = rule.step_weight(t, steps)
            update, state = learner.step(state, samples[t, s], wanted[t, s], weight)
            outputs[t, s] = update.output
            losses[s] += update.loss
        learner.check_finite(state)
    return Learned(learner.adapted(state.memories), state, outputs, losses)


def float_targets(
    rule: FPTTRule, targets: npt.ArrayLike, steps: int, samples: int, outputs: int
) -> FloatArray:
    """Targets (T, S, N_out) of every step: one-hot labels, or the reals as they are."""
    if rule.error == "linear":
        return check_targets(targets, (steps, samples, outputs))
    labels = check_labels(targets, samples, outputs)
    return np.broadcast_to(np.eye(outputs)[labels], (steps, samples, outputs))


def output_error(
    rule: FPTTRule, output: FloatArray, target: FloatArray, weight: float
) -> tuple[FloatArray, float]:
    """Descent direction of the step's loss at the readout (B, N_out), and the loss.

    ``weight (target - softmax(u))`` or ``weight (target - u)``; the loss is the cross-entropy or
    half the squared distance.
    """
    if rule.error == "linear":
        difference = target - output
        return weight * difference, 0.5 * weight * float(np.sum(difference**2))
    shifted = output - output.max(axis=1, keepdims=True)
    logarithm = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return weight * (target - np.exp(logarithm)), -weight * float(np.sum(target * logarithm))


class FloatCredit:
    """Post-synaptic factors in real numbers."""

    dtype: npt.DTypeLike = np.float64

    def __init__(self, rule: FPTTRule) -> None:
        self.rule = rule

    def factors(
        self, population: FloatPopulation, registers: Values, step: Step, credit: Values
    ) -> Mapping[Port, Array]:
        """``F``, ``F_m``, ``F_ρ`` of an LTC population, ``F``, ``F_m`` of a readout."""
        produced, ports = step.produced[population.name], step.ports[population.name]
        if isinstance(population, LTC):
            return ltc_factors(self.rule, population, registers, produced, ports, credit)
        assert isinstance(population, Readout)
        return readout_factors(population, registers, produced, ports, credit)

    def current_factor(self, factor: Array, credit: Array) -> Array:
        """Their sum."""
        total: Array = factor + credit
        return total

    def feedback(self, index: int, connection: Projection, factor: Array) -> Array:
        """``factor @ B``, with B the weights or a fixed random matrix of their shape."""
        if self.rule.feedback == "random":
            matrix = feedback_matrix(self.rule, index, connection.weights.shape)
        else:
            matrix = connection.weights.to_array()
        credit: Array = factor @ matrix
        return credit


def ltc_factors(
    rule: FPTTRule,
    population: LTC,
    registers: Values,
    produced: Values,
    ports: Values,
    credit: Values,
) -> Mapping[Port, Array]:
    """Post-synaptic factors of LTC neurons, all (B, N).

    With the credit ``L`` of the spikes, ``L_u`` of the sent membrane, ``L_η`` of the sent
    adaptation, ``u'`` the membrane before its reset and ``d = u' - θ``::

        D   = ψ(d) (L - u' L_u);   C = D + (1 - s) L_u;   H = L_η - adaptation_strength·D
        F_m = C (I - u[t-1]) σ'(g_m);   F_ρ = H (η[t-1] - s[t-1]) σ'(g_ρ)
        F   = C τ + a_I F_m + c_I F_ρ
    """
    membrane, adaptation = registers["membrane"], registers["adaptation"]
    current, tau = produced["current"], produced["tau_mem"]
    nothing = np.zeros_like(membrane)
    to_spikes, to_membrane = credit.get("spikes", nothing), credit.get("membrane", nothing)
    charged = membrane + tau * (current - membrane)
    slope = surrogate_slope(rule.surrogate, charged - produced["threshold"])
    to_distance = slope * (to_spikes - charged * to_membrane)
    to_charged = to_distance + (1.0 - produced["spikes"]) * to_membrane
    to_adaptation = credit.get("adaptation", nothing) - population.adaptation_strength * to_distance
    tau_mem = to_charged * (current - membrane)
    tau_mem = tau_mem * gate_slope(population.tau_mem, ports["tau_mem"], membrane, current)
    tau_adp = to_adaptation * (adaptation - registers["spikes"])
    tau_adp = tau_adp * gate_slope(population.tau_adp, ports["tau_adp"], adaptation, current)
    through_gates = (
        population.tau_mem.from_current * tau_mem + population.tau_adp.from_current * tau_adp
    )
    return {
        "current": to_charged * tau + through_gates,
        "tau_mem": tau_mem,
        "tau_adp": tau_adp,
    }


def readout_factors(
    population: Readout, registers: Values, produced: Values, ports: Values, credit: Values
) -> Mapping[Port, Array]:
    """``F_m = L_u (I - u[t-1]) σ'(g_m)``, ``F = L_u τ + a_I F_m``; all (B, N)."""
    membrane, current = registers["membrane"], produced["current"]
    to_membrane = credit["membrane"]
    tau_mem = to_membrane * (current - membrane)
    tau_mem = tau_mem * gate_slope(population.tau_mem, ports["tau_mem"], membrane, current)
    through_gate = population.tau_mem.from_current * tau_mem
    return {"current": to_membrane * produced["tau_mem"] + through_gate, "tau_mem": tau_mem}


def gate_slope(parameters: Gate, arriving: Array, state: Array, current: Array) -> FloatArray:
    """``σ'`` of a gate's argument, (B, N)."""
    argument = gate_argument(parameters, arriving, state, current)
    return evaluate_slope(parameters.nonlinearity, argument)


def gradient(
    network: Network, parameter: Parameter, factors: Factors, registers: State, step: Step
) -> FloatArray:
    """``-factor · message`` of every synapse of a parameter, summed over the batch.

    The message of a bias is 1, that of a gate's self terms its own neuron's state or current.
    """
    population = network.population(parameter.population)
    factor = factors.get((parameter.population, parameter.port))
    if factor is None:
        return np.zeros_like(read_parameter(network, parameter))
    if parameter.term == "weights":
        assert parameter.projection is not None
        connection = network.projections[parameter.projection]
        message = sent_message(registers, step.messages, connection)
        rows, columns = connection.weights.coordinates
        total: FloatArray = -np.sum(factor[:, rows] * message[:, columns], axis=0)
        return total
    if parameter.term == "bias":
        message = np.ones_like(factor)
    elif parameter.term == "from_current":
        message = step.produced[population.name]["current"]
    else:
        state = "membrane" if parameter.port == "tau_mem" else "adaptation"
        message = registers[population.name][state]
    return cast(FloatArray, -np.sum(factor * message, axis=0))


def read_parameter(network: Network, parameter: Parameter) -> FloatArray:
    """Values of a parameter in a network, as one vector."""
    if parameter.projection is not None:
        return network.projections[parameter.projection].weights.values
    population = network.population(parameter.population)
    if parameter.port == "current":
        assert isinstance(population, (LTC, Readout))
        return population.bias_current
    return np.asarray(getattr(getattr(population, parameter.port), parameter.term))


def write_parameters(network: Network, values: Mapping[Parameter, FloatArray]) -> Network:
    """Return the network with other values of its parameters."""
    projections = list(network.projections)
    populations = {population.name: population for population in network.populations}
    for parameter, value in values.items():
        if parameter.projection is not None:
            old = projections[parameter.projection]
            weights = old.weights.with_values(value)
            projections[parameter.projection] = replace(old, weights=weights)
        else:
            population = populations[parameter.population]
            assert isinstance(population, (LTC, Readout))
            populations[population.name] = with_vector(population, parameter, value)
    return replace(network, populations=tuple(populations.values()), projections=tuple(projections))


def with_vector(
    population: LTC | Readout, parameter: Parameter, value: FloatArray
) -> LTC | Readout:
    """Return a population with another bias or self term."""
    if parameter.port == "current":
        return replace(population, bias_current=value)
    if parameter.port == "tau_mem":
        return replace(population, tau_mem=with_term(population.tau_mem, parameter.term, value))
    assert isinstance(population, LTC)
    return replace(population, tau_adp=with_term(population.tau_adp, parameter.term, value))


def with_term(gate: Gate, term: Term, value: FloatArray) -> Gate:
    """Return a gate with another bias or self term."""
    if term == "bias":
        return replace(gate, bias=value)
    if term == "from_state":
        return replace(gate, from_state=value)
    return replace(gate, from_current=value)
