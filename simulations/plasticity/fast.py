"""On-chip FPTT on integers, compiled: the same bits as the specification, update after update."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.trace import Array
from ltc2hw.learning.fixed import IntegerRule, integer_rule
from ltc2hw.learning.learned import Learned, Learning
from ltc2hw.learning.rule import FPTTRule, parameter_name
from ltc2hw.learning.words import PlasticWords, time_weight
from ltc2hw.simulations.driver import add_counts
from ltc2hw.simulations.plasticity.integer import IntegerLearner
from ltc2hw.simulations.plasticity.kernels import run
from ltc2hw.simulations.plasticity.layout import Layout, lay_out
from ltc2hw.simulations.plasticity.packing import Buffers, pack, unpack
from ltc2hw.simulations.plasticity.records import Memory, Rule, Tables
from ltc2hw.simulations.plasticity.stream import Entered, enter
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

    An interrupt ends it within some 20 ms, once the kernels are compiled.

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
    entered = enter(specification, x, targets, learning, reset=reset)
    steps, count, _ = entered.samples.shape
    buffers = pack(layout, entered.start)
    memory = memory_of(layout, buffers, layout.dtype)
    tables, rule = tables_of(layout, buffers.feedback), rule_of(chip)

    def compute(piece: Piece) -> None:
        first = entered.start.step + piece.update
        run(tables, memory, rule, *piece.arrays, first, piece.fresh)

    outputs = in_pieces(layout, entered, reset, compute)
    after = unpack(layout, buffers, entered.start.step + steps * count)
    counts = entered.counts
    add_counts(counts, saturations(layout, memory))
    return Learned(
        specification.adapted(after.memories),
        after,
        outputs.astype(specification.dtype),
        counts,
    )


PIECE_WORK = 1 << 23
"""Synapses updated by a kernel call (some 20 ms): how long an interrupt has to wait."""

NEURON_WORK, STEP_WORK = 32, 512
"""What a neuron and a step cost beside a synapse."""


class Piece(NamedTuple):
    """What one kernel call learns: whole samples, or some steps of one.

    ``arrays``: samples (S, T, N_in), goals (S, N), weights in time (T,), and outputs (T, S, N_out)
    to be filled; ``update``: updates before it in the stream; ``fresh``: whether its samples start
    from cleared registers.
    """

    arrays: tuple[Array, Array, Array, Array]
    update: int
    fresh: bool


def in_pieces(
    layout: Layout, entered: Entered, reset: bool, compute: Callable[[Piece], None]
) -> Array:
    """Let ``compute`` learn a stream piece by piece; returns the outputs (T, S, N_out).

    Between pieces Python hears of an interrupt. What is learned does not depend on them.
    """
    steps, count, _ = entered.samples.shape
    chip = layout.chip
    samples = np.ascontiguousarray(entered.samples.transpose(1, 0, 2))
    goals = entered.goals.reshape(count, -1)
    weights = np.array([time_weight(chip.rule, t, steps) for t in range(steps)])
    size = chip.network.population(chip.network.output).size
    outputs = np.zeros((steps, count, size), np.int64)
    for at, during in extents(count, steps, most_updates(layout)):
        # Slices of one sample, and of whole samples, lie in one piece of memory.
        part = samples[at, during]
        said = np.zeros((part.shape[1], part.shape[0], size), np.int64)
        update = at.start * steps + during.start
        fresh = reset and during.start == 0
        compute(Piece((part, goals[at], weights[during], said), update, fresh))
        outputs[during, at] = said
    return outputs


def most_updates(layout: Layout) -> int:
    """Updates of one kernel call."""
    work = layout.synapses + NEURON_WORK * layout.neurons + STEP_WORK
    return max(1, PIECE_WORK // work)


def extents(count: int, steps: int, most: int) -> Iterator[tuple[slice, slice]]:
    """Samples and steps of every piece of at most ``most`` updates.

    >>> list(extents(3, 2, 4))
    [(slice(0, 2, None), slice(0, 2, None)), (slice(2, 3, None), slice(0, 2, None))]
    >>> list(extents(1, 3, 2))
    [(slice(0, 1, None), slice(0, 2, None)), (slice(0, 1, None), slice(2, 3, None))]
    """
    samples, length = max(1, most // steps), min(most, steps)
    for s in range(0, count, samples):
        for t in range(0, steps, length):
            yield slice(s, min(s + samples, count)), slice(t, min(t + length, steps))


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
