"""Records of the compiled learner: operations of neurons, messages, projections, constants."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Act(IntEnum):
    """What a row of the schedule does, with the table that its numbers refer to."""

    ARRIVE = 0
    """A projection delivers to its port."""
    EVALUATE = 1
    """Operations of a population, from the first to before the second number."""
    SEND = 2
    """A variable becomes a message."""
    COMPARE = 3
    """The output's error."""
    DELIVER = 4
    """Cells become factors, from the first to before the second number."""
    FEEDBACK = 5
    """A projection sends factors back."""
    MOVE = 6
    """Cells become entries of a tangent, from the first to before the second number."""


OPERATION = np.dtype(
    [
        ("code", np.int64),
        ("size", np.uint64),
        ("result", np.uint64),
        ("first", np.uint64),
        ("second", np.uint64),
        ("third", np.uint64),
        ("a", np.int64),
        ("b", np.int64),
        ("table", np.uint64),
        ("length", np.int64),
        ("counter", np.uint64),
    ]
)
"""One operation on all neurons of a population: cells of its result and arguments, its numbers, its
table and where its misfits are counted."""

COPY = np.dtype([("source", np.uint64), ("target", np.uint64), ("size", np.uint64)])
"""Cells that become other cells, or factors."""

OUTPUT = np.dtype(
    [
        ("read", np.uint64),
        ("credit", np.uint64),
        ("size", np.uint64),
        ("fraction", np.int64),
        ("counter", np.uint64),
    ]
)
"""The output: cells that are read, and those of their credit."""

MESSAGE = np.dtype(
    [
        ("cell", np.uint64),
        ("size", np.uint64),
        ("start", np.uint64),
        ("depth", np.uint64),
        ("shift", np.int64),
        ("low", np.int64),
        ("high", np.int64),
        ("wraps", np.int64),
        ("counter", np.int64),
    ]
)
PROJECTION = np.dtype(
    [
        ("message", np.uint64),
        ("delay", np.uint64),
        ("sources", np.uint64),
        ("targets", np.uint64),
        ("start", np.uint64),
        ("pointers", np.int64),
        ("kernel", np.int64),
        ("port", np.uint64),
        ("factor", np.uint64),
        ("credit", np.uint64),
        ("back", np.uint64),
        ("exponent", np.int64),
        ("shift", np.int64),
        ("fraction", np.int64),
        ("format", np.int64),
        ("index", np.int64),
        ("by_source", np.int64),
    ]
)
"""``pointers``: where those of sparse weights start, -1 for others; ``kernel``: row of the table of
kernels, -1 for others."""

KERNEL = np.dtype(
    [
        ("inputs", np.uint64),
        ("outputs", np.uint64),
        ("height", np.int64),
        ("width", np.int64),
        ("rows", np.int64),
        ("columns", np.int64),
        ("stride_y", np.int64),
        ("stride_x", np.int64),
        ("before_y", np.int64),
        ("before_x", np.int64),
        ("dilation_y", np.int64),
        ("dilation_x", np.int64),
        ("target_height", np.int64),
        ("target_width", np.int64),
    ]
)
"""A convolution: channels of a group, shapes of source, kernel and target; a row has height 1. Its
weights lie in the order (group, input, row, column, output)."""

VECTOR = np.dtype(
    [
        ("constant", np.uint64),
        ("factor", np.uint64),
        ("message", np.uint64),
        ("size", np.uint64),
        ("start", np.uint64),
        ("format", np.uint64),
        ("message_shift", np.int64),
        ("network_shift", np.int64),
        ("index", np.int64),
    ]
)

ELIGIBLE = np.dtype(
    [
        ("states", np.int64),
        ("start", np.uint64),
        ("size", np.uint64),
        ("row", np.uint64),
        ("kept_up", np.int64),
        ("entering_up", np.int64),
        ("down", np.int64),
        ("low", np.int64),
        ("high", np.int64),
    ]
)
"""What the values of a parameter keep: words of every state, one state's after another's, from
``start``; ``row``: that of its first state in the table of terms. No states: nothing is kept."""
