"""Records of the compiled float learner: operations of neurons, projections, what learns."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Number = Any
"""A real, an integer of some width, or a truth value."""


class FloatAct(IntEnum):
    """What a row of the schedule does, with the table that its numbers refer to."""

    ARRIVE = 0
    """A projection delivers to its port."""
    EVALUATE = 1
    """Operations of a population, from the first to before the second number."""
    COMPARE = 2
    """The output's error; a step without a goal ends here."""
    RETURN = 3
    """A projection sends factors back."""


# Numba sees the members of enumerations as objects, so the kernels use plain integers.
ARRIVE, EVALUATE, COMPARE, RETURN = (int(act) for act in FloatAct)
ONE = np.uint64(1)

OPERATION = np.dtype(
    [
        ("code", np.int64),
        ("size", np.uint64),
        ("result", np.uint64),
        ("first", np.uint64),
        ("second", np.uint64),
        ("third", np.uint64),
    ]
)
"""One operation on all neurons of a population: cells of its result and of its arguments."""

SYNAPSES = np.dtype(
    [
        ("sources", np.uint64),
        ("targets", np.uint64),
        ("start", np.uint64),
        ("pointers", np.int64),
        ("message", np.uint64),
        ("port", np.uint64),
    ]
)
"""A projection: where its synapses start, source by source, and where the pointers of sparse ones
do (-1 for dense ones); cells of the message, delay included, and of the port."""

RETURNED = np.dtype(
    [
        ("projection", np.uint64),
        ("factor", np.uint64),
        ("credit", np.uint64),
        ("feeds", np.int64),
        ("dense", np.int64),
    ]
)
"""Factors on their way back: cells that go through a projection, and cells that the result is added
to; ``feeds``: where feedback weights start, -1 for the own weights; ``dense``: whether there is one
for every pair of neurons, source by source, be the projection sparse."""

PLASTIC = np.dtype(
    [
        ("projection", np.int64),
        ("size", np.uint64),
        ("start", np.uint64),
        ("message", np.uint64),
        ("factor", np.uint64),
        ("constant", np.uint64),
        ("words", np.int64),
        ("kept", np.uint64),
        ("terms", np.uint64),
        ("back", np.int64),
        ("low", np.float64),
        ("high", np.float64),
    ]
)
"""What learns: a projection, or, where that is -1, a constant of ``size`` neurons with the cells of
its value and of its message, which stays from ``low`` to ``high``. ``start``: where Φ, Φ̄ and λ are;
``words``: numbers that each value keeps, from ``kept``, word after word; ``terms``: first row of
what they follow; ``back``: where feedback weights start that follow these weights, -1 for none."""

OUTPUT = np.dtype([("read", np.uint64), ("credit", np.uint64), ("size", np.uint64)])
"""The output: cells that are read, and those of their credit."""


class FloatTables(NamedTuple):
    """Read-only tables."""

    schedule: Array
    operations: Array
    once: Array
    """Operations that only constants enter."""
    following: Array
    """Messages that become past ones, then results that become registers."""
    inboxes: Array
    """Ports and credits, which are empty before a step."""
    registers: Array
    """Registers and past messages, which are cleared."""
    output: Array
    entered: Array
    """Cells of the input: one copy."""
    projections: Array
    returned: Array
    plastic: Array
    terms: Array
    """Of every kept number its cells by the kept numbers before the step, then by the message; last
    those of what an error finds in them, then the factor. -1 where nothing follows."""
    pointers: Array
    """Of every source of sparse weights: its first synapse, after those of earlier ones."""
    targets: Array
    """Of every synapse of sparse weights."""


class FloatMemory(NamedTuple):
    """Arrays that change."""

    cells: Array
    """Every value of every neuron's program: constants, ports, registers, messages, results."""
    values: Array
    means: Array
    gradients: Array
    kept: Array
    back: Array
    """Feedback weights."""
    products: Array
    """A row's descents."""
    messages: Array
    """Of a row."""
    fresh: Array
    """Kept numbers of a row after the step, a row each."""
    before: Array
    """Values of a row before an update."""
    places: Array
    """Cells of the terms of a row."""
    gathered: Any
    """First of the cells for terms of a sparse row."""
    longest: Any
    """Cells of each of them."""
    nothing: Any
    """First of as many cells that hold 0."""


class FloatRule(NamedTuple):
    """Scalars of the rule."""

    softmax: Any
    plain: Any
    learning_rate: Any
    alpha: Any
    beta: Any
    drift: Any
    """β / α."""
    decay: Any
    """What adaptive feedback leaves of weights and feedback weights in an update."""
