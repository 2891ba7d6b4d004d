"""On-chip FPTT on integers, compiled: the same bits as the specification, update after update."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ltc2hw.fixed import FixedNetwork
from ltc2hw.learned import Learned, Learning
from ltc2hw.plasticity import FPTTRule, parameter_name
from ltc2hw.plasticity_fixed import IntegerRule, integer_rule
from ltc2hw.plasticity_words import PlasticWords, time_weight
from ltc2hw.samples import check_samples
from ltc2hw.simulations.plasticity.integer import IntegerLearner
from ltc2hw.simulations.plasticity.kernels import run
from ltc2hw.simulations.plasticity.layout import Layout, lay_out
from ltc2hw.simulations.plasticity.packing import Buffers, pack, unpack
from ltc2hw.simulations.plasticity.records import Memory, Rule, Tables
from ltc2hw.simulations.plasticity.tables import COUNTER_NAMES, Counter


def learn(
    network: FixedNetwork,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    rule: FPTTRule,
    words: PlasticWords | None = None,
    learning: Learning | None = None,
    *,
    reset: bool = True,
) -> Learned[FixedNetwork]:
    """Learn from a stream, as :func:`ltc2hw.simulations.plasticity.integer.learn`, compiled.

    Raises:
        ShapeError, InvalidValueError: as the specification.
        UnsupportedError: for LIF populations, and for sparse weights that learn.
    """
    return learn_with(integer_rule(network, rule, words), x, targets, learning, reset=reset)


def learn_with(
    chip: IntegerRule,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    learning: Learning | None = None,
    *,
    reset: bool = True,
) -> Learned[FixedNetwork]:
    """Learn from a stream with a rule already worked out; see :func:`learn`."""
    layout = lay_out(chip)
    specification = IntegerLearner(chip)
    entry = chip.network.input
    samples = specification.encode(check_samples(x, entry.size, entry.graded))
    steps, count, _ = samples.shape
    goals = specification.goals(targets, count).reshape(count, -1)
    start = specification.start() if learning is None else learning
    buffers = pack(layout, start)
    output = chip.network.population(chip.network.output)
    outputs = np.zeros((steps, count, output.size), np.int64)
    memory = memory_of(layout, buffers, layout.dtype)
    run(
        tables_of(layout, buffers.feedback),
        memory,
        rule_of(chip),
        np.ascontiguousarray(samples.transpose(1, 0, 2)),
        goals,
        np.array([time_weight(chip.rule, t, steps) for t in range(steps)]),
        outputs,
        start.step,
        reset,
    )
    after = unpack(layout, buffers, start.step + steps * count)
    return Learned(
        specification.adapted(after.memories),
        after,
        outputs.astype(specification.dtype),
        saturations(layout, memory),
    )


def memory_of(layout: Layout, buffers: Buffers, factors: type[np.int32] | type[np.int64]) -> Memory:
    """Everything that changes, as the kernels take it; ``factors``: type of those of neurons."""
    return Memory(
        buffers.values,
        buffers.means,
        buffers.gradients,
        buffers.vector_values,
        buffers.vector_means,
        buffers.vector_gradients,
        buffers.constants,
        buffers.state,
        buffers.sent,
        np.zeros((3, layout.neurons), factors),
        np.zeros((len(layout.populations), len(Counter)), np.int64),
        np.zeros((len(layout.chip.parameters), 3), np.int64),
    )


def tables_of(layout: Layout, feedback: npt.NDArray[np.int64]) -> Tables:
    """Read-only tables as the kernels take them."""
    return Tables(
        layout.schedule,
        layout.populations,
        layout.gates,
        layout.entries,
        layout.messages,
        layout.projections,
        layout.vectors,
        layout.formats,
        layout.vector_formats,
        layout.chip.slopes,
        layout.chip.powers,
        feedback,
    )


def rule_of(chip: IntegerRule) -> Rule:
    """Scalars of a rule as the kernels take them."""
    words = chip.words
    return Rule(
        softmax=chip.rule.error == "softmax",
        triangle=chip.rule.surrogate == "triangle",
        stochastic=words.rounding == "stochastic",
        symmetric=chip.rule.feedback == "symmetric",
        seed=np.uint64(words.seed),
        factor_low=chip.factor.minimum,
        factor_high=chip.factor.maximum,
        factor_fraction=words.factor_fraction,
        softmax_index=words.softmax_index,
        surrogate_index=words.surrogate_index,
    )


def saturations(layout: Layout, memory: Memory) -> dict[str, dict[str, int]]:
    """Misfits by population or parameter, and variable, under the specification's names."""
    chip = layout.chip
    result: dict[str, dict[str, int]] = {}
    for population, row in layout.rows.items():
        result[population] = {
            COUNTER_NAMES[counter]: int(memory.counts[row, counter])
            for counter in Counter
            if memory.counts[row, counter]
        }
    ordered = sorted(chip.parameters, key=lambda parameter: parameter.projection is None)
    for parameter, row in zip(ordered, memory.misfits, strict=True):
        names = ("value", "mean", "gradient")
        result[parameter_name(chip.network, parameter)] = {
            name: int(number) for name, number in zip(names, row, strict=True) if number
        }
    return result
