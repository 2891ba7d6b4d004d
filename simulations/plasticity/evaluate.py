"""Integer programs of neurons, compiled once for all models: one loop over neurons per operation.

The counterpart of :func:`ltc2hw.dynamics.integer.evaluate_integer`. A value of the program is a run
of cells, one per neuron; an operation reads runs and writes one. What an operation does is an entry
of a table in the specification and a branch here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ltc2hw.dynamics.operations import Operation
from ltc2hw.numbers.nonlinearity import PLAN_SEGMENTS, TABLE_SPAN_BITS
from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.plasticity.records import ONE, Array, Number
from ltc2hw.simulations.plasticity.scalars import fit, rsz
from ltc2hw.simulations.plasticity.typed import wide_vectors

_ORDER = (
    Operation.ADD, Operation.SUBTRACT, Operation.MULTIPLY, Operation.SHIFT_TOWARD_ZERO,
    Operation.SHIFT_LEFT, Operation.SHIFT_RIGHT,
    Operation.SELECT, Operation.GREATER, Operation.MAXIMUM, Operation.MINIMUM, Operation.PLAN,
    Operation.SATURATE, Operation.WRAP, Operation.WRAP_ONCE,
    Operation.LOOK_UP, Operation.INTERPOLATE, Operation.ENTRY,
)  # fmt: skip
"""Operations in the groups of the kernels below."""

CODES: Mapping[Operation, int] = {operation: code for code, operation in enumerate(_ORDER)}
"""Operations by the numbers that the kernels know them by."""

(
    ADD, SUBTRACT, MULTIPLY, TOWARD_ZERO, LEFT, RIGHT,
    SELECT, GREATER, MAXIMUM, MINIMUM, PLAN,
    SATURATE, WRAP, WRAP_ONCE,
    LOOK_UP, INTERPOLATE, ENTRY,
) = range(len(_ORDER))  # fmt: skip

(
    (FIRST_EDGE, FIRST_SLOPE, FIRST_RISE, FIRST_UNIT),
    (SECOND_EDGE, SECOND_SLOPE, SECOND_RISE, SECOND_UNIT),
    (THIRD_EDGE, THIRD_SLOPE, THIRD_RISE, THIRD_UNIT),
) = PLAN_SEGMENTS


@inlined
def plan_line(
    magnitude: Number, down: Number, output: Number, slope: int, rise: int, unit: int
) -> Number:
    """One of PLAN's three lines."""
    return (magnitude >> (down + slope)) + (np.int64(rise) << (output - unit))


@inlined
def plan_value(x: Number, fraction: Number, output: Number) -> Number:
    """PLAN."""
    one, down = np.int64(1) << output, fraction - output
    magnitude = abs(x)
    y = one
    if magnitude < np.int64(THIRD_EDGE) << (fraction - 3):
        y = plan_line(magnitude, down, output, THIRD_SLOPE, THIRD_RISE, THIRD_UNIT)
    if magnitude < np.int64(SECOND_EDGE) << (fraction - 3):
        y = plan_line(magnitude, down, output, SECOND_SLOPE, SECOND_RISE, SECOND_UNIT)
    if magnitude < np.int64(FIRST_EDGE) << (fraction - 3):
        y = plan_line(magnitude, down, output, FIRST_SLOPE, FIRST_RISE, FIRST_UNIT)
    return one - y if x < 0 else y


@inlined
def wrapped_once(x: Number, bits: Number, register_bits: Number) -> Number:
    """Two's complement of the register, then one wrap at each end of the narrower one."""
    low = -(np.int64(1) << (register_bits - 1))
    held = ((x - low) & ((np.int64(1) << register_bits) - 1)) + low
    half = np.int64(1) << (bits - 1)
    over = held - 2 * half if held > half else held
    return over + 2 * half if over <= -half else over


@kernel
def combine(cells: Array, o: Any) -> None:
    """Sums, differences and products."""
    wide_vectors()
    code, r, x, y, size = o.code, o.result, o.first, o.second, o.size
    if code == ADD:
        for j in range(size):
            cells[r + j] = cells[x + j] + cells[y + j]
    elif code == SUBTRACT:
        for j in range(size):
            cells[r + j] = cells[x + j] - cells[y + j]
    else:
        for j in range(size):
            cells[r + j] = cells[x + j] * cells[y + j]


@kernel
def move(cells: Array, o: Any) -> None:
    """Shifts."""
    wide_vectors()
    code, r, x, size, bits = o.code, o.result, o.first, o.size, o.a
    if code == TOWARD_ZERO:
        for j in range(size):
            cells[r + j] = rsz(cells[x + j], bits)
    elif code == LEFT:
        for j in range(size):
            cells[r + j] = cells[x + j] << bits
    else:
        for j in range(size):
            cells[r + j] = cells[x + j] >> bits


@kernel
def choose(cells: Array, o: Any) -> None:
    """Comparisons, choices and PLAN."""
    wide_vectors()
    code, r, x, y, z = o.code, o.result, o.first, o.second, o.third
    size, a, b = o.size, o.a, o.b
    if code == SELECT:
        for j in range(size):
            cells[r + j] = cells[y + j] if cells[x + j] != 0 else cells[z + j]
    elif code == GREATER:
        for j in range(size):
            cells[r + j] = np.int64(cells[x + j] > cells[y + j])
    elif code == MAXIMUM:
        for j in range(size):
            cells[r + j] = max(cells[x + j], cells[y + j])
    elif code == MINIMUM:
        for j in range(size):
            cells[r + j] = min(cells[x + j], cells[y + j])
    else:
        for j in range(size):
            cells[r + j] = plan_value(cells[x + j], a, b)


@kernel
def bring(cells: Array, o: Any, counts: Array) -> None:
    """Bring values into a word, and count those that did not fit."""
    wide_vectors()
    code, r, x, size, a, b = o.code, o.result, o.first, o.size, o.a, o.b
    lost = np.int64(0)
    if code == SATURATE:
        for j in range(size):
            value = cells[x + j]
            held = fit(value, a, b, 0)
            lost += np.int64(held != value)
            cells[r + j] = held
    elif code == WRAP:
        mask = (np.int64(1) << a) - 1
        low = -(np.int64(1) << (a - 1)) if b else np.int64(0)
        for j in range(size):
            value = cells[x + j]
            held = ((value - low) & mask) + low
            lost += np.int64(held != value)
            cells[r + j] = held
    elif code == WRAP_ONCE:
        for j in range(size):
            value = cells[x + j]
            held = wrapped_once(value, a, b)
            lost += np.int64(held != value)
            cells[r + j] = held
    counts[o.counter] += lost


@kernel
def look_up(cells: Array, o: Any, entries: Array) -> None:
    """Read tables."""
    wide_vectors()
    r, x, size, a, b, table = o.result, o.first, o.size, o.a, o.b, o.table
    length = o.length
    if o.code == ENTRY:
        for j in range(size):
            index = min(max(cells[x + j], np.int64(0)), length - 1)
            cells[r + j] = entries[table + np.uint64(index)]
        return
    shift = a + TABLE_SPAN_BITS - b
    half = np.int64(1) << (a + TABLE_SPAN_BITS - 1)
    if o.code == LOOK_UP:
        for j in range(size):
            cell = (min(max(cells[x + j], -half), half - 1) + half) >> shift
            cells[r + j] = entries[table + np.uint64(cell)]
    else:
        for j in range(size):
            offset = min(max(cells[x + j], -half), half - 1) + half
            cell = offset >> shift
            knot = table + np.uint64(cell)
            start = entries[knot]
            rest = offset - (cell << shift)
            cells[r + j] = start + (((entries[knot + ONE] - start) * rest) >> shift)


@kernel
def evaluate(
    operations: Array, first: Number, last: Number, cells: Array, entries: Array, counts: Array
) -> None:
    """Operations ``first`` to before ``last``, one after the other, each on all its neurons."""
    for k in range(np.uint64(first), np.uint64(last)):
        o = operations[k]
        if o.code <= MULTIPLY:
            combine(cells, o)
        elif o.code <= RIGHT:
            move(cells, o)
        elif o.code <= PLAN:
            choose(cells, o)
        elif o.code <= WRAP_ONCE:
            bring(cells, o, counts)
        else:
            look_up(cells, o, entries)
