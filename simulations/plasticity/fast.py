"""On-chip FPTT on integers, compiled: the same bits as the specification, update after update."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.trace import Array
from ltc2hw.learning.fixed import IntegerRule, integer_rule
from ltc2hw.learning.learned import Learned, Learning
from ltc2hw.learning.rule import FPTTRule, parameter_name
from ltc2hw.learning.words import PlasticWords, time_weight
from ltc2hw.numbers.words import IntArray
from ltc2hw.simulations.driver import add_counts
from ltc2hw.simulations.plasticity.integer import IntegerLearner
from ltc2hw.simulations.plasticity.kernels import run
from ltc2hw.simulations.plasticity.layout import Layout, lay_out, ordered
from ltc2hw.simulations.plasticity.packing import Buffers, pack, unpack
from ltc2hw.simulations.plasticity.pieces import (
    NO_GOAL,
    Piece,
    piece_by_piece,
    updates_of_a_call,
)
from ltc2hw.simulations.plasticity.records import Kept, Memory, Rule, Tables
from ltc2hw.simulations.plasticity.stream import Entered, enter


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
    """Learn from a stream, as :func:`ltc2hw.simulations.plasticity.integer.learn`, compiled.

    An interrupt ends it within some 20 ms, once the kernels are compiled.

    Raises:
        ShapeError, InvalidValueError: as the specification.
        UnsupportedError: for an output that no error finds its way back from.
    """
    chip = integer_rule(network, rule, words)
    return learn_with(chip, x, targets, learning, reset=reset, lengths=lengths)


def learn_with(
    chip: IntegerRule,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    learning: Learning | None = None,
    *,
    reset: bool = True,
    lengths: npt.ArrayLike | None = None,
) -> Learned[FixedNetwork]:
    """Learn from a stream with a rule already worked out; see :func:`learn`."""
    layout = lay_out(chip)
    specification = IntegerLearner(chip)
    entered = enter(specification, x, targets, learning, reset=reset, lengths=lengths)
    buffers = pack(layout, entered.start)
    memory = memory_of(layout, buffers, layout.dtype)
    tables, rule = tables_of(layout, buffers.feedback), rule_of(chip)
    kept = kept_of(layout, buffers) if chip.tangents else None

    def compute(piece: Piece) -> None:
        first, moves = entered.start.step + piece.update, entered.start.moves + piece.moves
        run(tables, memory, rule, kept, *piece.arrays, first, moves, piece.fresh)

    outputs = in_pieces(layout, entered, compute)
    moves = entered.start.moves + int(entered.course.lengths.sum())
    after = unpack(layout, buffers, entered.start.step + entered.goals.updates, moves)
    counts = entered.counts
    add_counts(counts, saturations(layout, memory))
    return Learned(
        specification.adapted(after.memories),
        after,
        outputs.astype(specification.dtype),
        counts,
    )


def in_pieces(layout: Layout, entered: Entered, compute: Callable[[Piece], None]) -> Array:
    """Let ``compute`` learn a stream piece by piece; returns the outputs (T, S, N_out)."""
    network = layout.chip.network
    weights = weights_in_time(layout.chip.rule, entered)
    size = network.population(network.output).size
    return piece_by_piece(entered, weights, size, most_updates(layout), np.int64, compute)


def weights_in_time(rule: FPTTRule, entered: Entered) -> IntArray:
    """The loss's weight (S, T) at each step; :data:`NO_GOAL` where nothing is compared."""
    at, lengths = np.arange(entered.course.steps), entered.course.lengths[:, None]
    weights = time_weight(rule, at, lengths)
    return np.where(entered.goals.wanted.T, weights, NO_GOAL)


def most_updates(layout: Layout) -> int:
    """Updates of one kernel call."""
    return updates_of_a_call(layout.synapses + layout.kept, layout.cells)


def memory_of(layout: Layout, buffers: Buffers, factors: type[np.int32] | type[np.int64]) -> Memory:
    """Everything that changes, as the kernels take it; ``factors``: type of those of neurons."""
    return Memory(
        buffers.values,
        buffers.means,
        buffers.gradients,
        buffers.vector_values,
        buffers.vector_means,
        buffers.vector_gradients,
        buffers.cells,
        buffers.sent,
        np.zeros(layout.factors, factors),
        np.zeros(len(layout.counters), np.int64),
        np.zeros((len(layout.chip.parameters), 4), np.int64),
        np.zeros(layout.longest, layout.dtype),
        np.zeros(layout.longest, np.int64),
    )


def kept_of(layout: Layout, buffers: Buffers) -> Kept:
    """What synapses keep, as the kernels take it."""
    states, longest = layout.terms.shape[1] - 2, layout.longest
    return Kept(
        layout.eligible,
        layout.terms,
        layout.moved,
        buffers.eligible,
        np.zeros(layout.moves, np.int32),
        np.zeros(longest, np.int64),
        np.zeros((states + 1, longest), np.int64),
        np.zeros(longest, np.uint32),
        np.zeros((states, states + 2, longest), np.int32),
    )


def tables_of(layout: Layout, feedback: npt.NDArray[np.int64]) -> Tables:
    """Read-only tables as the kernels take them."""
    return Tables(
        layout.schedule,
        layout.operations,
        layout.following,
        layout.delivered,
        layout.inboxes,
        layout.entries,
        layout.output,
        layout.entered,
        layout.messages,
        layout.projections,
        layout.kernels,
        layout.vectors,
        layout.formats,
        layout.vector_formats,
        layout.pointers,
        layout.targets,
        layout.chip.powers,
        feedback,
    )


def rule_of(chip: IntegerRule) -> Rule:
    """Scalars of a rule as the kernels take them."""
    words = chip.words
    return Rule(
        softmax=chip.rule.error == "softmax",
        stochastic=words.rounding == "stochastic",
        symmetric=chip.rule.feedback == "symmetric",
        seed=np.uint64(words.seed),
        factor_low=chip.factor.minimum,
        factor_high=chip.factor.maximum,
        factor_fraction=words.factor_fraction,
        softmax_index=words.softmax_index,
    )


def saturations(layout: Layout, memory: Memory) -> dict[str, dict[str, int]]:
    """Misfits by population or parameter, and variable, under the specification's names."""
    chip = layout.chip
    result: dict[str, dict[str, int]] = {p.name: {} for p in chip.network.populations}
    for (population, name), count in zip(layout.counters, memory.counts, strict=True):
        if count:
            result[population][name] = int(count)
    for parameter, row in zip(ordered(chip), memory.misfits, strict=True):
        names = ("value", "mean", "gradient", "eligibility")
        result[parameter_name(chip.network, parameter)] = {
            name: int(number) for name, number in zip(names, row, strict=True) if number
        }
    return result
