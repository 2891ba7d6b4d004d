"""The float64 reference of learning on the chip: no autograd, and equal to it.

Every gradient is a post-synaptic factor times the message that the synapse carried. With the state
of the past held fixed this is the exact gradient of the step's loss, for event and static gates.
For dense gates it is exact except for what the rule's ``own_current`` says. Descents with a memory
add what errors find in the eligibility of the steps before (:mod:`traces` beside this module).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.dynamics.reverse import CREDIT, FACTOR
from ltc2hw.errors import TrainingError
from ltc2hw.graph.network import FloatPopulation, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.state import zero_state
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.backwards import passes, reverse_of
from ltc2hw.learning.feedback import first_feedback, followed
from ltc2hw.learning.goals import Course, Goals, class_goals, target_goals
from ltc2hw.learning.learned import Learned, Learning, Memories
from ltc2hw.learning.neurons import neurons_of
from ltc2hw.learning.rule import (
    FPTTRule,
    Memory,
    Parameter,
    error_paths,
    feedback_matrix,
    parameter_name,
    plastic_parameters,
    surrogate_slope,
    updated,
)
from ltc2hw.learning.scope import crosses_all, reached_populations
from ltc2hw.learning.state import checked_learning
from ltc2hw.learning.values import read_parameter, write_parameters
from ltc2hw.numbers.matrix_product import matrix_product
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations.driver import Plan, Step, Values, step
from ltc2hw.simulations.float64 import FloatArithmetic
from ltc2hw.simulations.plasticity.credit import backward, meeting
from ltc2hw.simulations.plasticity.stream import Misfits, Update, stream
from ltc2hw.simulations.plasticity.traces import Traces


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
        self.reached = reached_populations(network, rule)
        self.parameters = plastic_parameters(network, rule, self.reached)
        self.plan = Plan.of(network)
        self.crossed = error_paths(network, self.reached, crosses_all, own_current=rule.own_current)
        self.arithmetic = FloatArithmetic()
        self.traces = Traces(network, rule, self.parameters, self.crossed)

    def start(self) -> Learning:
        """Memories of the network as it is (``Φ̄ = Φ``, ``λ = 0``), registers at zero."""
        memories = {}
        for parameter in self.parameters:
            value = read_parameter(self.network, parameter)
            memories[parameter] = Memory(value, value, np.zeros_like(value))
        return Learning(
            memories,
            self.rest(),
            0,
            eligibility=self.traces.start(self.network),
            feedback=first_feedback(self.network, self.rule, self.crossed),
        )

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

    def goals(self, targets: npt.ArrayLike, course: Course, counts: Misfits | None = None) -> Goals:
        """One-hot labels, or the reals as they are, a row (N_out,) each."""
        outputs = self.network.population(self.network.output).size
        if self.rule.error == "linear":
            return target_goals(targets, course, outputs)
        return class_goals(targets, course, outputs).changed(lambda labels: np.eye(outputs)[labels])

    def step(
        self, learning: Learning, x: Array, goal: Array | None, t: int, steps: int
    ) -> tuple[Update, Learning]:
        """Run one step on x (N_in,), compare with the goal (N_out,), learn; see Learner.

        Raises:
            TrainingError: as :meth:`check`.
        """
        self.check(learning)
        network = self.adapted(learning.memories)
        output, descent, following = self.descend(network, learning, x, goal, t, steps)
        if goal is None:
            return Update(output, {}, {}), following
        moved = {
            parameter: updated(self.rule, memory, -descent[parameter])
            for parameter, memory in learning.memories.items()
        }
        memories, feedback = followed(self.rule, learning, moved)
        following = replace(following, memories=memories, feedback=feedback, step=learning.step + 1)
        return Update(output, descent, {}), following

    def descend(
        self, network: Network, learning: Learning, x: Array, goal: Array | None, t: int, steps: int
    ) -> tuple[Array, Mapping[Parameter, Array], Learning]:
        """Run one step of a network from the registers and eligibility of a state of learning.

        Returns the output (N_out,), the descent of each parameter, none without a goal, and the
        state with the registers and eligibility after the step.
        """
        registers, eligibility = learning.registers, learning.eligibility
        done, following = self.forward(network, registers, x)
        output, credit = self.said(network, done), FloatCredit(self.rule, learning.feedback)
        moved = self.traces.moved(network, registers, done, credit.slope)
        after = replace(
            learning, registers=following, eligibility=self.traces.following(moved, eligibility)
        )
        if goal is None:
            return output[0], {}, after
        error = output_error(self.rule, output, goal, self.rule.step_weight(t, steps))
        factors, credits = backward(
            credit, network, self.plan, self.crossed, registers, done, error
        )
        past = self.traces.past(credit, moved, credits, eligibility)
        descent = {}
        for parameter in self.parameters:
            factor, message = meeting(network, parameter, factors, registers, done)
            descent[parameter] = factor * message
            if parameter in past:
                descent[parameter] = descent[parameter] + past[parameter]
        return output[0], descent, after

    def forward(self, network: Network, registers: State, x: Array) -> tuple[Step, State]:
        """One step of a network on x (N_in,), and the registers after it."""
        sample: Values = {str(network.input.variables[0]): x[None]}
        return step(self.arithmetic, network, self.plan, sample, registers)

    def said(self, network: Network, done: Step) -> Array:
        """Output (1, N_out) of a step."""
        return done.produced[network.output][network.population(network.output).output_variable]

    def check(self, learning: Learning) -> None:
        """Raise if a parameter, or what is eligible of it, has left the real numbers.

        Raises:
            TrainingError: naming the parameter and the update.
        """
        for parameter, memory in learning.memories.items():
            if not _finite(memory):
                name = parameter_name(self.network, parameter)
                raise TrainingError(
                    f"{name} diverged before update {learning.step}; lower the learning rate"
                )
        for parameter, kept in learning.eligibility.items():
            if not _finite(kept.values()):
                name = parameter_name(self.network, parameter)
                raise TrainingError(
                    f"eligibility of {name} diverged before update {learning.step}: the neuron's"
                    " memory grows without bound; choose constants with which it fades, or"
                    " the instantaneous descent"
                )


def _finite(arrays: Iterable[Array]) -> bool:
    return all(np.all(np.isfinite(numbers)) for numbers in arrays)


def learn(
    network: Network,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    rule: FPTTRule,
    learning: Learning | None = None,
    *,
    reset: bool = True,
    lengths: npt.ArrayLike | None = None,
) -> Learned[Network]:
    """Learn from a stream: S samples x (T, S, N_in), one after the other, an update every step.

    ``targets``, ``lengths``, ``reset`` and ``learning`` as in :func:`ltc2hw.learn`.

    Raises:
        ShapeError, InvalidValueError: for samples, labels or targets that do not fit.
        TrainingError: if a parameter diverges.
    """
    learner = FloatLearner(network, rule)
    # What leaves double precision stays in what is remembered, and is seen there.
    with np.errstate(over="ignore", invalid="ignore"):
        return stream(learner, x, targets, learning, reset=reset, lengths=lengths)


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
    """Post-synaptic factors in real numbers: the model's step, reversed."""

    dtype: npt.DTypeLike = np.float64

    def __init__(self, rule: FPTTRule, adapted: Mapping[int, Array] | None = None) -> None:
        self.rule = rule
        self.adapted = adapted or {}

    def factors(
        self, population: FloatPopulation, registers: Values, step: Step, credit: Values
    ) -> Mapping[str, Array]:
        """Factors of the ports that the credit finds its way to."""
        neurons = neurons_of(population)
        assert isinstance(neurons, Neurons)
        if not any(passes(population, variable) for variable in credit):
            return {}
        produced, ports = step.produced[population.name], step.ports[population.name]
        found = reverse_of(neurons.model, credit)
        forward = evaluate_real(
            found.forward, neurons.constants, ports, registers, neurons.functions, known=produced,
            surrogate=self.slope,
        )  # fmt: skip
        given = {f"{CREDIT}.{variable}": own for variable, own in credit.items()}
        factors = evaluate_real(
            found.backward, neurons.constants, {**forward, **given}, {}, neurons.functions
        )
        return {name.removeprefix(f"{FACTOR}."): factor for name, factor in factors.items()}

    def slope(self, distance: FloatArray) -> FloatArray:
        """The surrogate's derivative of a spike."""
        return surrogate_slope(self.rule.surrogate, distance)

    def feedback(self, index: int, connection: Projection, factor: Array) -> Array:
        """``factor @ B``: B are the weights, or others of their shape, fixed or adapted."""
        if index in self.adapted:
            matrix = connection.weights.with_values(self.adapted[index]).to_array()
        elif self.rule.feedback == "random":
            matrix = feedback_matrix(self.rule, index, connection.weights.shape)
        else:
            matrix = connection.weights.to_array()
        return matrix_product(factor, matrix)
