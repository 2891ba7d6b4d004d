"""The integer rule beside the float rule, step by step, from the same state.

Both are asked for their update from the same registers, the same weights and the same memories, so
that a difference is the arithmetic's alone; two runs left to themselves part ways at the first
spike that falls on the other side of a threshold, and say nothing about the rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.fixed import FixedNetwork, FixedPopulation, message_fraction, variable_fraction
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.fixed import IntegerRule
from ltc2hw.learning.learned import Eligibility, Learning
from ltc2hw.learning.rule import Memory, Parameter, fptt_update
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.dequantize import dequantize
from ltc2hw.simulations.plasticity.float64 import FloatLearner
from ltc2hw.simulations.plasticity.integer import IntegerLearner
from ltc2hw.simulations.plasticity.stream import Update, enter


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
        self.teacher = FloatLearner(dequantize(self.chip.network), self.chip.rule)

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
        network = dequantize(self.learner.adapted(before.memories))
        sample = np.ldexp(x.astype(np.float64), -chip.network.input.fraction)
        registers = real_registers(chip.network, before.registers)
        past = Learning({}, registers, before.step, eligibility=self.eligibility(before))
        _, descent, _ = self.teacher.descend(network, past, sample, self.goal(goal), *at)
        ours, theirs, value = [], [], 0.0
        for parameter, form in chip.formats.items():
            ours.append(real(update.descent[parameter], form.product))
            theirs.append(descent[parameter])
            wanted = fptt_update(
                chip.rule, self.memory(parameter, before), -descent[parameter]
            ).value
            found = self.memory(parameter, after).value
            value = max(value, float(np.max(np.abs(found - wanted))))
        return step_error(np.concatenate(ours), np.concatenate(theirs), value)

    def goal(self, goal: Array) -> FloatArray:
        """A goal in real units."""
        output = self.chip.output
        if self.chip.rule.error == "softmax":
            one_hot: FloatArray = np.eye(output.size)[int(goal)]
            return one_hot
        return real(goal, output.fractions[output.output_variable])

    def eligibility(self, learning: Learning) -> Eligibility:
        """What every value left in its neuron's states, in real units."""
        found: dict[Parameter, dict[str, FloatArray]] = {}
        for parameter in self.teacher.traces.kept:
            form = self.chip.formats[parameter].eligibility
            found[parameter] = {}
            if form is not None:
                words = learning.eligibility[parameter]
                found[parameter] = {k: real(own, form.fraction) for k, own in words.items()}
        return found

    def memory(self, parameter: Parameter, learning: Learning) -> Memory:
        """The three words of a parameter in real units."""
        word = self.chip.formats[parameter].word
        value, mean, gradient = learning.memories[parameter]
        finer = word.gradient_fraction
        return Memory(
            real(value, word.fraction), real(mean, word.mean_fraction), real(gradient, finer)
        )


def verify(
    chip: IntegerRule,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    reset: bool = True,
    lengths: npt.ArrayLike | None = None,
    most: int | None = None,
) -> list[StepError]:
    """Errors of every update of a stream x (T, S, N_in); arguments as of :func:`ltc2hw.learn`.

    ``most``: no more than the first so many updates.

    Raises:
        ShapeError, InvalidValueError: for samples, lengths, labels or targets that do not fit.
    """
    learner = IntegerLearner(chip)
    verifier = Verifier(learner)
    entered = enter(learner, x, targets, None, reset=reset, lengths=lengths)
    learning, errors = entered.start, []
    for s, steps in enumerate(entered.course.lengths.tolist()):
        if reset:
            learning = learning.rested(learner.rest())
        for t in range(steps):
            sample, goal = entered.samples[t, s], entered.goals.at(t, s)
            update, after = learner.step(learning, sample, goal, t, steps)
            if goal is not None:
                at = (sample, goal, (t, steps))
                errors.append(verifier.compare(learning, after, update, *at))
            learning = after
            if len(errors) == most:
                return errors
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
        return message_fraction(population, register.removeprefix("sent:"))
    return variable_fraction(population, register)
