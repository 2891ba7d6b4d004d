"""The integer rule beside the float rule, step by step, from the same state.

Both are asked for their update from the same registers, the same weights and the same memories, so
that a difference is the arithmetic's alone; two runs left to themselves part ways at the first
spike that falls on the other side of a threshold, and say nothing about the rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.populations import (
    LIF,
    LTC,
    FixedGate,
    FixedLIF,
    FixedLTC,
    FixedReadout,
    Gate,
    Readout,
)
from ltc2hw.graph.fixed import (
    FixedInput,
    FixedNetwork,
    FixedPopulation,
    message_fraction,
    variable_fraction,
)
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.graph.samples import check_samples
from ltc2hw.graph.structure import Variable
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.fixed import IntegerRule
from ltc2hw.learning.learned import Learning
from ltc2hw.learning.rule import Memory, Parameter, fptt_update
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.mixing import partly_fixed, real_tensors
from ltc2hw.simulations.plasticity.float64 import FloatLearner
from ltc2hw.simulations.plasticity.integer import IntegerLearner
from ltc2hw.simulations.plasticity.stream import Update


@dataclass(frozen=True)
class StepError:
    """How far the integers' step is from the float rule's, over all parameters.

    ``cosine``: of the two descents; ``descent``: norm of their difference over the float norm;
    ``value``: largest difference of the new Φ. A step on which both do nothing is exact.
    """

    cosine: float
    descent: float
    value: float


class Verifier:
    """Compares the steps of an integer learner with the float rule's."""

    def __init__(self, learner: IntegerLearner) -> None:
        self.learner = learner
        self.chip = learner.chip
        self.teacher = FloatLearner(real_network(self.chip.network), self.chip.rule)

    def compare(
        self,
        before: Learning,
        after: Learning,
        update: Update,
        x: Array,
        goal: Array,
        at: tuple[int, int],
    ) -> StepError:
        """Errors of a step of the learner: from ``before`` to ``after``, ``at`` step t of T."""
        chip = self.chip
        network = real_network(self.learner.adapted(before.memories))
        sample = np.ldexp(x.astype(np.float64), -network_input(chip.network).fraction)
        registers = real_registers(chip.network, before.registers)
        _, descent, _ = self.teacher.descend(network, registers, sample, self.goal(goal), *at)
        ours, theirs, value = [], [], 0.0
        for parameter, form in chip.formats.items():
            scale = chip.words.factor_fraction + form.word.message_fraction
            ours.append(real(update.descent[parameter], scale))
            theirs.append(descent[parameter])
            wanted = fptt_update(
                chip.rule, self.memory(parameter, before), -descent[parameter]
            ).value
            found = self.memory(parameter, after).value
            value = max(value, float(np.max(np.abs(found - wanted))))
        return step_error(np.concatenate(ours), np.concatenate(theirs), value)

    def goal(self, goal: Array) -> FloatArray:
        """A goal in real units."""
        output = self.chip.network.population(self.chip.network.output)
        assert isinstance(output, FixedReadout)
        if self.chip.rule.error == "softmax":
            one_hot: FloatArray = np.eye(output.size)[int(goal)]
            return one_hot
        return real(goal, output.fraction)

    def memory(self, parameter: Parameter, learning: Learning) -> Memory:
        """The three words of a parameter in real units."""
        word = self.chip.formats[parameter].word
        value, mean, gradient = learning.memories[parameter]
        finer = word.gradient_fraction
        return Memory(
            real(value, word.fraction), real(mean, word.mean_fraction), real(gradient, finer)
        )


def verify(chip: IntegerRule, x: npt.ArrayLike, targets: npt.ArrayLike) -> list[StepError]:
    """Errors of every step of a stream x (T, S, N_in), registers cleared before each sample.

    Raises:
        ShapeError, InvalidValueError: for samples, labels or targets that do not fit.
    """
    learner = IntegerLearner(chip)
    verifier = Verifier(learner)
    entry = chip.network.input
    samples = learner.encode(check_samples(x, entry.size, entry.graded))
    steps, count, _ = samples.shape
    goals = learner.goals(targets, count)
    learning, errors = learner.start(), []
    for s in range(count):
        learning = replace(learning, registers=learner.rest())
        for t in range(steps):
            update, after = learner.step(learning, samples[t, s], goals[s], t, steps)
            at = (samples[t, s], goals[s], (t, steps))
            errors.append(verifier.compare(learning, after, update, *at))
            learning = after
    return errors


def step_error(ours: FloatArray, theirs: FloatArray, value: float) -> StepError:
    """Cosine and relative distance of two descents."""
    norms = float(np.linalg.norm(ours)), float(np.linalg.norm(theirs))
    if norms[1] == 0.0:
        return StepError(float(norms[0] == 0.0), norms[0], value)
    cosine = float(ours @ theirs) / (norms[0] * norms[1]) if norms[0] else 0.0
    return StepError(cosine, float(np.linalg.norm(ours - theirs)) / norms[1], value)


def real(values: Array, fraction: int) -> FloatArray:
    """Integers in real units."""
    return np.ldexp(values.astype(np.float64), -fraction)


def network_input(network: FixedNetwork) -> FixedInput:
    """The input population."""
    return network.input


def real_registers(network: FixedNetwork, registers: State) -> State:
    """Registers in real units, past messages among them."""
    result: dict[str, Mapping[str, FloatArray]] = {}
    for name, values in registers.items():
        population = network.population(name)
        result[name] = {
            register: real(array, _register_fraction(population, register))
            for register, array in values.items()
        }
    return result


def _register_fraction(population: FixedPopulation, register: str) -> int:
    if register.startswith("sent:"):
        variable: Variable = register.removeprefix("sent:")  # type: ignore[assignment]
        return message_fraction(population, variable)
    return variable_fraction(population, register)


def real_network(fixed: FixedNetwork) -> Network:
    """The float network that holds an integer network's numbers, in real units."""
    populations = tuple(_blank(population) for population in fixed.populations)
    projections = tuple(
        Projection(
            p.source,
            p.variable,
            p.target,
            p.port,
            p.weights.with_values(p.weights.values.astype(np.float64)),
            p.delay,
        )
        for p in fixed.projections
    )
    blank = Network(populations, projections, fixed.output, fixed.provenance)
    return partly_fixed(blank, fixed, tuple(real_tensors(fixed)))


def _blank(population: FixedPopulation) -> FloatPopulation:
    name, size = population.name, population.size
    zero = np.zeros(size)
    if isinstance(population, FixedInput):
        return Input(name, size, population.graded)
    if isinstance(population, FixedLTC):
        gates = _blank_gate(population.tau_mem), _blank_gate(population.tau_adp)
        return LTC(name, size, zero, zero, zero, *gates)
    if isinstance(population, FixedLIF):
        return LIF(name, size, zero, zero, zero, zero)
    assert isinstance(population, FixedReadout)
    return Readout(name, size, zero, _blank_gate(population.tau_mem))


def _blank_gate(gate: FixedGate) -> Gate:
    return Gate(nonlinearity="plan" if gate.function == "plan" else "sigmoid")
