"""On-chip FPTT on integers: the bit specification of ``docs/on-chip-learning.md`` in NumPy.

It learns on the state of the integer engine itself; the compiled engine and the Lava processes
must give the same bits, update after update. All numbers are int64. ``rsz`` is a right shift
toward zero, ``sat`` saturates to a word and counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.fixed import FixedNetwork, recorded_dtype
from ltc2hw.graph.state import zero_state
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.fixed import (
    IntegerRule,
    draw_indices,
    first_memory,
    integer_rule,
    network_value,
)
from ltc2hw.learning.goals import Course, Goals, class_goals, target_goals
from ltc2hw.learning.learned import Learned, Learning, Memories
from ltc2hw.learning.neurons import word_of
from ltc2hw.learning.rule import FPTTRule, Parameter, parameter_name
from ltc2hw.learning.state import checked_learning, word_ranges
from ltc2hw.learning.values import read_parameter, write_parameters
from ltc2hw.learning.words import PlasticWords, time_weight
from ltc2hw.numbers.counter import draw, step_key
from ltc2hw.numbers.words import IntArray
from ltc2hw.simulations.driver import Plan, Step, Values, add_counts, step
from ltc2hw.simulations.integer import IntegerArithmetic
from ltc2hw.simulations.plasticity.credit import Credits, Factors, backward
from ltc2hw.simulations.plasticity.integer_factors import IntegerCredit, output_error
from ltc2hw.simulations.plasticity.integer_traces import Entries, IntegerTraces, Met
from ltc2hw.simulations.plasticity.integer_update import update
from ltc2hw.simulations.plasticity.stream import Misfits, Update, stream


def learn(
    network: FixedNetwork,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    rule: FPTTRule,
    words: PlasticWords | None = None,
    learning: Learning | None = None,
    *,
    reset: bool = True,
    lengths: npt.ArrayLike | None = None,
) -> Learned[FixedNetwork]:
    """Learn from a stream: S samples x (T, S, N_in), one after the other, an update every step.

    ``targets``, ``lengths``, ``reset`` and ``learning`` as in :func:`ltc2hw.learn`.

    Raises:
        ShapeError, InvalidValueError: for samples, labels or targets that do not fit, or a rule
            that integers cannot run (see :func:`~ltc2hw.learning.fixed.integer_rule`).
    """
    learner = IntegerLearner(integer_rule(network, rule, words))
    return stream(learner, x, targets, learning, reset=reset, lengths=lengths)


class Observation(NamedTuple):
    """A step before anything is learned from it.

    ``registers``: after the step; ``output``: the readout's membranes (N_out,); ``factors``:
    post-synaptic factors by population and port; ``credits``: of what populations send;
    ``counts``: misfits so far.
    """

    step: Step
    registers: State
    output: Array
    factors: Factors
    credits: Credits
    counts: dict[str, dict[str, int]]


class IntegerLearner:
    """On-chip FPTT on integers for one network, rule and set of words."""

    def __init__(self, chip: IntegerRule) -> None:
        self.chip = chip
        self.network = chip.network
        self.dtype = recorded_dtype(chip.network)
        self.plan = Plan.of(chip.network)
        self.arithmetic = IntegerArithmetic()
        self.credit = IntegerCredit(chip)
        self.indices = {
            parameter: draw_indices(chip.network, parameter, form.first)
            for parameter, form in chip.formats.items()
        }
        self.traces = IntegerTraces(chip, self.indices)

    def start(self) -> Learning:
        """Memories whose top bits are the network as it is (``Φ̄ = Φ``, ``λ = 0``)."""
        memories = {
            parameter: first_memory(form, read_parameter(self.network, parameter))
            for parameter, form in self.chip.formats.items()
        }
        return Learning(memories, self.rest(), 0, eligibility=self.traces.start())

    def continued(self, learning: Learning) -> Learning:
        """A state to go on from, checked to fit the network and its words."""
        ranges = {
            parameter: word_ranges(form.word.value, form.word.mean, form.word.gradient)
            for parameter, form in self.chip.formats.items()
        }
        words = {
            parameter: (form.word.minimum, form.word.maximum)
            for parameter, form in self.traces.forms.items()
        }
        return checked_learning(learning, self.start(), self.network, ranges, words)

    def rest(self) -> State:
        """Registers (1, N) at zero."""
        return zero_state(self.network, 1, np.int64)

    def adapted(self, memories: Memories) -> FixedNetwork:
        """The network that computes with the top bits of the memories' values."""
        return write_parameters(
            self.network,
            {
                parameter: network_value(self.chip.formats[parameter], memory.value)
                for parameter, memory in memories.items()
            },
        )

    def encode(self, x: npt.NDArray[np.float64], counts: Misfits | None = None) -> Array:
        """Samples as integers of the input's word; clipped ones are added to ``counts``."""
        population = self.network.input
        encoded = self.arithmetic.encode(population, x)
        if counts is not None:
            add_counts(counts, {population.name: encoded.saturations})
        return encoded.values[population.variables[0]]

    def goals(self, targets: npt.ArrayLike, course: Course, counts: Misfits | None = None) -> Goals:
        """Labels, or targets with the readout's fraction.

        Clipped targets are added to ``counts``, once per sample, or per step where each has its
        own.
        """
        output = self.chip.output
        if self.chip.rule.error == "softmax":
            return class_goals(targets, course, output.size)
        reals = target_goals(targets, course, output.size)
        read = output.output_variable
        goals, misfits = word_of(output, read).encode(reals.values, output.fractions[read])
        if counts is not None:
            add_counts(counts, {output.name: {"target": misfits}})
        return reals.changed(lambda _: goals)

    def step(
        self, learning: Learning, x: Array, goal: Array | None, t: int, steps: int
    ) -> tuple[Update, Learning]:
        """Run one step on x (N_in,), compare with the goal, learn; see Learner."""
        network = self.adapted(learning.memories)
        if goal is None:
            return self.run(network, learning, x)
        weight = time_weight(self.chip.rule, t, steps)
        seen = self.observe(network, learning.registers, x, goal, weight)
        counts = seen.counts
        moved = self.traces.moved(network, learning.registers, seen.step, counts)
        past = self.traces.past(seen.credits, moved, counts)
        met = self.traces.met(network, learning.memories, learning, seen.step)
        descent, memories = {}, {}
        for parameter, memory in learning.memories.items():
            form = self.chip.formats[parameter]
            factor = self.factor(parameter, seen)
            descent[parameter] = self.traces.descent(parameter, met[parameter], factor, past)
            rounding = self.rounding(parameter, learning.step)
            memories[parameter], lost = update(form, memory, descent[parameter], rounding)
            add_counts(counts, {parameter_name(network, parameter): lost})
        following = self.after(learning, met, moved, counts)
        following = replace(
            following, memories=memories, registers=seen.registers, step=learning.step + 1
        )
        return Update(seen.output, descent, counts), following

    def factor(self, parameter: Parameter, seen: Observation) -> IntArray:
        """Factors (N,) of the port of a parameter, 0 where none arrive."""
        key = parameter.population, parameter.port
        if key in seen.factors:
            found: IntArray = seen.factors[key][0]
            return found
        return np.zeros(self.network.population(parameter.population).size, np.int64)

    def after(
        self, learning: Learning, met: Mapping[Parameter, Met], moved: Entries, counts: Misfits
    ) -> Learning:
        """A state of learning with its eligibility after a step."""
        eligibility = {
            parameter: self.traces.following(
                parameter, met[parameter], moved, learning.moves, counts
            )
            for parameter in self.traces.forms
        }
        return replace(learning, eligibility=eligibility, moves=learning.moves + 1)

    def run(self, network: FixedNetwork, learning: Learning, x: Array) -> tuple[Update, Learning]:
        """Run a network one step on x (N_in,) that has no goal."""
        done, registers = self.forward(network, learning.registers, x)
        counts: dict[str, dict[str, int]] = {}
        add_counts(counts, done.saturations)
        moved = self.traces.moved(network, learning.registers, done, counts)
        met = self.traces.met(network, self.traces.forms, learning, done)
        following = self.after(learning, met, moved, counts)
        update = Update(self.said(network, done), {}, counts)
        return update, replace(following, registers=registers)

    def forward(self, network: FixedNetwork, registers: State, x: Array) -> tuple[Step, State]:
        """One step of a network on x (N_in,), and the registers after it."""
        sample: Values = {str(network.input.variables[0]): x[None]}
        return step(self.arithmetic, network, self.plan, sample, registers)

    def said(self, network: FixedNetwork, done: Step) -> Array:
        """Output (N_out,) of a step."""
        output: Array = done.produced[network.output][self.chip.output.output_variable][0]
        return output

    def observe(
        self, network: FixedNetwork, registers: State, x: Array, goal: Array, weight: int
    ) -> Observation:
        """Run a network one step on x (N_in,), compare with the goal, send the errors back."""
        done, following = self.forward(network, registers, x)
        counts: dict[str, dict[str, int]] = {}
        add_counts(counts, done.saturations)
        output = self.said(network, done)
        error, misfits = output_error(self.chip, output, goal, weight)
        add_counts(counts, {network.output: {"error": misfits}})
        self.credit.counts = counts
        crossed = self.chip.crossed
        factors, credits = backward(
            self.credit, network, self.plan, crossed, registers, done, error[None]
        )
        return Observation(done, following, output, factors, credits, counts)

    def rounding(self, parameter: Parameter, update_number: int) -> IntArray | None:
        """The 32 random bits of every value of a parameter; None to round to nearest."""
        if self.chip.words.rounding == "nearest":
            return None
        key = step_key(self.chip.words.seed, update_number)
        return draw(key, self.indices[parameter])

    def check(self, learning: Learning) -> None:
        """Integers cannot leave their words: misfits saturate and are counted."""
