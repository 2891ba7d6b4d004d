"""Rows of the memory of a population, and the numbers in them, as its loops read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.model import SPIKES
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import IntArray
from ltc2hw.simulations.fast.kinds import Types
from ltc2hw.simulations.fast.orders import Order
from ltc2hw.simulations.fast.proofs import INT32
from ltc2hw.simulations.fast.simplify import Step
from ltc2hw.simulations.fast.tables import Table
from ltc2hw.simulations.fast.vectorized import BLOCK_BITS

ALIVE = ""
"""Name of the constant that is 1 for neurons and 0 for padding."""


@dataclass
class Layout:
    """Rows of a population's memory, which its loops share."""

    step: Step
    types: Types
    constants: dict[tuple[str, int], int] = field(default_factory=dict)
    """Rows of constants by name and the bits by which products with them are shifted."""
    tables: dict[tuple[str, Operation], int] = field(default_factory=dict)
    """Starts of tables."""
    entries: list[IntArray] = field(default_factory=list)
    fresh: dict[str, int] = field(default_factory=dict)
    """Rows of early results that are states, too, whose old values are still needed."""

    def __post_init__(self) -> None:
        results = self.step.neurons.model.results
        names = [name for name in results if name != SPIKES]
        self.rows = {name: row for row, name in enumerate(names)}
        self.ports = {name: row for row, name in enumerate(self.step.neurons.ports)}
        self.counters = {name: place for place, name in enumerate(self.step.counted)}
        self.alive = not rests(self.step)

    @property
    def states(self) -> int:
        """Rows of the state."""
        return max(1, len(self.rows) + len(self.fresh))

    def refresh(self, names: Sequence[str]) -> None:
        """Give early results that are states rows of their own."""
        for name in names:
            if name in self.step.neurons.model.states:
                self.fresh[name] = len(self.rows) + len(self.fresh)

    def row_of_sent(self, name: str) -> int:
        """Row from which a graded variable is sent."""
        return self.fresh.get(name, self.rows[name])

    def constant(self, name: str, bits: int) -> int:
        """Row of a constant whose products will be shifted right by ``bits``."""
        return self.constants.setdefault((name, bits), len(self.constants))

    def table(self, name: str, operation: Operation) -> int:
        """Start of a table."""
        key = name, operation
        if key not in self.tables:
            self.tables[key] = sum(entries.size for entries in self.entries)
            self.entries.append(entries_of(self.step.neurons.tables[name], operation, self.types))
        return self.tables[key]

    def constant_rows(self, stride: int, order: Order) -> Table:
        """All constants (rows, stride), in the order of memory."""
        size = self.step.neurons.size
        rows: Table = np.zeros((len(self.constants), stride), dtype=self.types.number)
        for (name, bits), row in self.constants.items():
            values = np.ones(size, np.int64) if name == ALIVE else self.step.constants[name]
            values = order.placed(np.broadcast_to(values, size))
            rows[row, :size] = np.ldexp(values.astype(np.float64), -bits) if bits else values
        return rows


def entries_of(table: IntArray, operation: Operation, types: Types) -> IntArray:
    """Entries of a table as loops read them.

    An interpolated table has one per cell: the rise to the next knot in the upper half of its bits,
    the knot in the lower half. Short ones have room behind them to be read whole.

    Raises:
        InvalidValueError: for entries to interpolate between that are negative or beyond 31 bits.
    """
    if operation is not Operation.INTERPOLATE:
        return table
    if table.min() < 0 or table.max() > INT32:
        worst = table.min() if table.min() < 0 else table.max()
        raise InvalidValueError(
            "entry of an interpolated table",
            worst,
            f"0 to {INT32}",
            "give it fewer fractional bits",
        )
    entries: IntArray = (np.diff(table) << 4 * np.dtype(types.entries).itemsize) | table[:-1]
    return np.pad(entries, (0, max(0, (1 << BLOCK_BITS) - entries.size)))


def rests(step: Step) -> bool:
    """Whether neurons whose constants, states and ports are 0 stay so, and nothing misfits.

    Padding is made of such neurons; it must never spike.
    """
    program = Program("integer", step.values, step.results)
    nothing = np.zeros((1, 1), dtype=np.int64)

    def zeros(names: Sequence[str]) -> dict[str, IntArray]:
        return dict.fromkeys(names, nothing)

    leaves = (zeros(program.ports), zeros(program.states))
    constants = zeros(program.parameters)
    found, misfits = evaluate_integer(program, constants, step.neurons.tables, *leaves)
    model = step.neurons.model
    kept = {*model.states, *step.neurons.variables, SPIKES} & set(found)
    return not any(misfits.values()) and not any(np.any(found[name]) for name in kept)
