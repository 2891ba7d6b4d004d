"""What a neuron costs: operations per step by kind, words of memory, bytes of tables.

Counted in the integer program. What is made of constants alone is worked out once and costs
nothing per step; ports at which nothing lands, and constants that are 0, take their terms along.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

import numpy as np

from ltc2hw.dynamics.bounds import Lowered
from ltc2hw.dynamics.operations import LEAVES, TABULATED, Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.simplify import without
from ltc2hw.dynamics.verify import constant_only
from ltc2hw.numbers.words import IntArray


@dataclass(frozen=True)
class Operations:
    """Numbers of operations by kind; ``choices`` are comparisons, minima, maxima, selections.

    A product includes its right shift.
    """

    products: int = 0
    shifts: int = 0
    additions: int = 0
    choices: int = 0
    reads: int = 0

    def __add__(self, other: Operations) -> Operations:
        return Operations(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(Operations))
        )

    @property
    def total(self) -> int:
        """All operations."""
        return sum(getattr(self, f.name) for f in fields(Operations))


COST: Mapping[Operation, Operations] = {
    **dict.fromkeys((*LEAVES, Operation.NUMBER), Operations()),
    Operation.ADD: Operations(additions=1),
    Operation.SUBTRACT: Operations(additions=1),
    Operation.MULTIPLY: Operations(products=1),
    Operation.MINIMUM: Operations(choices=1),
    Operation.MAXIMUM: Operations(choices=1),
    Operation.GREATER: Operations(choices=1),
    Operation.SELECT: Operations(choices=1),
    Operation.SHIFT_LEFT: Operations(shifts=1),
    Operation.SHIFT_RIGHT: Operations(shifts=1),
    Operation.SHIFT_TOWARD_ZERO: Operations(shifts=1),
    Operation.SATURATE: Operations(choices=2),
    # Left and right by what the machine's word has more.
    Operation.WRAP: Operations(shifts=2),
    # The register's wrap; then a comparison, a sum and a selection at each end.
    Operation.WRAP_ONCE: Operations(shifts=2, additions=2, choices=4),
    # Magnitude; three lines, each with its comparison and selection; one minus the result.
    Operation.PLAN: Operations(shifts=3, additions=5, choices=9),
    # Clip, offset, cell, entry.
    Operation.LOOK_UP: Operations(shifts=1, additions=1, choices=2, reads=1),
    # Clip, entry.
    Operation.ENTRY: Operations(choices=2, reads=1),
    # Clip, offset, cell, rest, two entries, their difference times the rest.
    Operation.INTERPOLATE: Operations(products=1, shifts=2, additions=4, choices=2, reads=2),
}
"""Operations of a machine that has sums, shifts, products, comparisons and selections."""

RIGHT = (Operation.SHIFT_RIGHT, Operation.SHIFT_TOWARD_ZERO)


@dataclass(frozen=True)
class Cost:
    """Cost of a neuron: per step, in words that it keeps, and bytes of tables that all share."""

    operations: Operations
    registers: int
    accumulators: int
    constants: int
    table_bytes: int


def cost(neurons: Lowered, landed: Collection[str] | None = None) -> Cost:
    """Cost of one neuron of a population.

    ``landed`` are the ports at which projections land (default: all of them).
    """
    ports = neurons.program.ports if landed is None else landed
    silent = [port for port in neurons.program.ports if port not in ports]
    zero = [name for name, values in neurons.constants.items() if not values.any()]
    program = without(neurons.program, silent, zero)
    tables = [name for operation in TABULATED for name in program.names(operation)]
    return Cost(
        operations(program),
        registers=len(neurons.program.states),
        accumulators=len(program.ports),
        constants=len(program.parameters),
        table_bytes=sum(map(_bytes, (neurons.tables[name] for name in tables))),
    )


def operations(program: Program) -> Operations:
    """Operations of one neuron in one step of an integer program."""
    total = Operations()
    for index, value in enumerate(program.values):
        shifted = value.operation in RIGHT and program.values[value.arguments[0]]
        of_product = shifted and shifted.operation is Operation.MULTIPLY
        if not of_product and not constant_only(program, index):
            total += COST[value.operation]
    return total


def _bytes(table: IntArray) -> int:
    """Of a table in the narrowest of the usual integers that hold it."""
    return table.size * np.min_scalar_type(table.max()).itemsize
