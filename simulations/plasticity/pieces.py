"""A stream in pieces, each short enough for an interrupt to be heard after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.trace import Array
from ltc2hw.learning.goals import Goals
from ltc2hw.simulations.plasticity.stream import Entered

PIECE_WORK = 1 << 23
"""Synapses updated by a kernel call (some 20 ms): how long an interrupt has to wait."""

CELLS_PER_SYNAPSE, STEP_WORK = 4, 512
"""Values of neurons that cost as much as a synapse, and what a step costs in synapses."""

NO_GOAL = -1
"""Weight in time of a step without a goal."""


class Piece(NamedTuple):
    """What one kernel call learns: whole samples, or some steps of one.

    ``arrays``: samples (S, T, N_in), goals (S, T or 1, N), weights in time (S, T), outputs
    (T, S, N_out) to be filled, and steps of each sample (S,); ``update`` and ``moves``: updates and
    steps before it in the stream, ``updates`` of its own; ``fresh``: whether its samples start from
    cleared registers.
    """

    arrays: tuple[Array, Array, Array, Array, Array]
    update: int
    moves: int
    updates: int
    fresh: bool


def piece_by_piece(
    entered: Entered,
    weights: Array,
    size: int,
    most: int,
    dtype: npt.DTypeLike,
    compute: Callable[[Piece], None],
) -> Array:
    """Let ``compute`` learn a stream in pieces of so many updates; returns outputs (T, S, size).

    ``weights`` (S, T): in time, :data:`NO_GOAL` at a step without a goal; ``dtype``: of outputs.
    Between pieces Python hears of an interrupt. What is learned does not depend on them.
    """
    course = entered.course
    samples = np.ascontiguousarray(entered.samples.transpose(1, 0, 2))
    goals = goals_by_sample(entered.goals)
    outputs = np.zeros((course.steps, course.samples, size), dtype)
    update = moves = 0
    for at, during in extents(course.samples, course.steps, most):
        # Slices of one sample, and of whole samples, lie in one piece of memory.
        part, weight = samples[at, during], weights[at, during]
        said = np.zeros((part.shape[1], part.shape[0], size), dtype)
        lengths = np.clip(course.lengths[at] - during.start, 0, part.shape[1])
        wanted = goals[at] if goals.shape[1] == 1 else goals[at, during]
        updates = int(np.count_nonzero(weight != NO_GOAL))
        fresh = course.reset and during.start == 0
        compute(Piece((part, wanted, weight, said, lengths), update, moves, updates, fresh))
        outputs[during, at] = said
        update += updates
        moves += int(lengths.sum())
    return outputs


def goals_by_sample(goals: Goals) -> Array:
    """Goals (S, T or 1, N): a class each, or a target per output."""
    values = goals.values.swapaxes(0, 1)
    return np.ascontiguousarray(values.reshape(*values.shape[:2], -1))


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


def updates_of_a_call(synapses: int, cells: int) -> int:
    """Updates of one kernel call that each learn so many numbers and compute so many values.

    >>> updates_of_a_call(1 << 22, 0)
    1
    """
    return max(1, PIECE_WORK // (synapses + cells // CELLS_PER_SYNAPSE + STEP_WORK))
