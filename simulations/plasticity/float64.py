"""The float64 three-factor reference of on-chip FPTT: no autograd, and equal to it.

Every gradient is a post-synaptic factor times the message that the synapse carried. With the state
of the past held fixed this is the exact gradient of the step's loss, for event and static gates.
For dense gates it is exact except for what the rule's ``own_current`` says.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.populations import LTC, Gate, Readout
from ltc2hw.errors import TrainingError
from ltc2hw.graph.network import FloatPopulation, Network, Projection
from ltc2hw.graph.state import zero_state
from ltc2hw.graph.structure import VARIABLES, Port
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.learned import Learned, Learning, Memories
from ltc2hw.learning.rule import (
    FPTTRule,
    Memory,
    Parameter,
    check_labels,
    check_targets,
    error_paths,
    feedback_matrix,
    fptt_update,
    parameter_name,
    plastic_parameters,
    surrogate_slope,
)
from ltc2hw.learning.scope import reached_populations
from ltc2hw.learning.state import checked_learning
from ltc2hw.learning.values import read_parameter, write_parameters
from ltc2hw.numbers.nonlinearity import evaluate_slope
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations.driver import Plan, Step, Values, step
from ltc2hw.simulations.float64 import FloatArithmetic, gate_argument
from ltc2hw.simulations.plasticity.credit import backward, meeting
from ltc2hw.simulations.plasticity.stream import Misfits, Update, stream


class FloatLearner:
    """On-chip FPTT in float64 for one network and one rule; see :class:`FPTTRule`.

    Raises:
        InvalidValueError, UnknownNameError: if the network has no plastic path, or none to what
            the rule names.
    """

    dtype: npt.DTypeLike = np.float64

    def __init__(self, network: Network, rule: FPTTRule) -> None:
        self.network = network
        self.rule = rule
        self.reached = reached_populations(network)
        self.parameters = plastic_parameters(network, rule, self.reached)
        self.plan = Plan.of(network)
        self.crossed = error_paths(network, self.reached, VARIABLES, own_current=rule.own_current)
        self.arithmetic = FloatArithmetic()
        self.credit = FloatCredit(rule)

    def start(self) -> Learning:
        """Memories of the network as it is (``Φ̄ = Φ``, ``λ = 0``), registers at zero."""
        memories = {}
        for parameter in self.parameters:
            value = read_parameter(self.network, parameter)
            memories[parameter] = Memory(value, value, np.zeros_like(value))
        return Learning(memories, self.rest(), 0)

    def continued(self, learning: Learning) -> Learning:
        """A state to go on from, checked to fit the network."""
        return checked_learning(learning, self.start(), self.network, None)

    def rest(self) -> State:
        """Registers (1, N) at zero."""
        return zero_state(self.network, 1, np.float64)

    def adapted(self, memories: Memories) -> Network:
        """The network that computes with the memories' values."""
        values = {parameter: memory.value for parameter, memory in memories.items()}
        return write_parameters(self.network, values)

    def encode(self, x: FloatArray, counts: Misfits | None = None) -> FloatArray:
        """Samples as they are."""
        return x

    def goals(
        self, targets: npt.ArrayLike, samples: int, counts: Misfits | None = None
    ) -> FloatArray:
        """Targets (S, N_out): one-hot labels, or the reals as they are."""
        outputs = self.network.population(self.network.output).size
        if self.rule.error == "linear":
            return check_targets(targets, (samples, outputs))
        one_hot: FloatArray = np.eye(outputs)[check_labels(targets, samples, outputs)]
        return one_hot

    def step(
        self, learning: Learning, x: Array, goal: Array, t: int, steps: int
    ) -> tuple[Update, Learning]:
        """Run one step on x (N_in,), compare with the goal (N_out,), learn."""
        network = self.adapted(learning.memories)
        output, descent, registers = self.descend(network, learning.registers, x, goal, t, steps)
        memories = {
            parameter: fptt_update(self.rule, memory, -descent[parameter])
            for parameter, memory in learning.memories.items()
        }
        return Update(output, descent, {}), Learning(memories, registers, learning.step + 1)

    def descend(
        self, network: Network, registers: State, x: Array, goal: Array, t: int, steps: int
    ) -> tuple[Array, Mapping[Parameter, Array], State]:
        """Run one step of a network: output (N_out,), descent of each parameter, new registers."""
        sample: Values = {str(network.input.variables[0]): x[None]}
        done, following = step(self.arithmetic, network, self.plan, sample, registers)
        output = done.produced[network.output]["membrane"]
        error = output_error(self.rule, output, goal, self.rule.step_weight(t, steps))
        factors = backward(self.credit, network, self.plan, self.crossed, registers, done, error)
        descent = {}
        for parameter in self.parameters:
            factor, message = meeting(network, parameter, factors, registers, done)
            descent[parameter] = factor * message
        return output[0], descent, following

    def check(self, learning: Learning) -> None:
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
) -> Learned[Network]:
    """Learn from a stream: S samples x (T, S, N_in), one after the other, an update every step.

    ``targets``: labels (S,) for the softmax error, reals (S, N_out) for the linear one.
    ``reset`` sets the registers to zero before each sample. ``learning`` continues an earlier run.

    Raises:
        ShapeError, InvalidValueError: for samples, labels or targets that do not fit.
        TrainingError: if a parameter diverges.
    """
    return stream(FloatLearner(network, rule), x, targets, learning, reset=reset)


def output_error(rule: FPTTRule, output: FloatArray, goal: FloatArray, weight: float) -> FloatArray:
    """Direction in which the step's loss falls, at the readout (B, N_out).

    ``weight (goal - softmax(u))`` of the cross-entropy, ``weight (goal - u)`` of half the squared
    distance.
    """
    if rule.error == "linear":
        return weight * (goal - output)
    powers = np.exp(output - output.max(axis=1, keepdims=True))
    error: FloatArray = weight * (goal - powers / powers.sum(axis=1, keepdims=True))
    return error


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
