"""Calls of a layer's kernels from compiled loops, by their addresses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from ltc2hw.neurons.kernels import Array, compiled
from ltc2hw.neurons.layout import Buffer
from ltc2hw.neurons.packed import KERNELS, Plan, Record, Weights
from ltc2hw.neurons.vector_code import COLUMNS, SIGNATURE

BEFORE, AFTER = int(Buffer.BEFORE), int(Buffer.AFTER)
"""Registers, the first two buffers."""
SUMS, GRADED, KEPT = int(Buffer.SUMS), int(Buffer.GRADED), int(Buffer.KEPT)
BACK, BACK_EARLY = int(Buffer.BACK), int(Buffer.BACK_EARLY)
ROWS, ROW_TOTALS = int(Buffer.ROWS), int(Buffer.ROW_TOTALS)
LEARNED, FIXED = int(Buffer.LEARNED), int(Buffer.FIXED)


def _call(typing_context: Any, address: Any, table: Any, step: Any, batch: Any, size: Any) -> Any:
    """Call the kernel at an address; see :data:`~ltc2hw.neurons.vector_code.SIGNATURE`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, operands, *numbers = arguments
        array = context.make_array(signature.args[1])(context, builder, operands)
        function = builder.inttoptr(place, SIGNATURE.as_pointer())
        builder.call(function, [array.data, *numbers])
        return context.get_dummy_value()

    number = types.int64
    return types.void(number, table, number, number, number), codegen


call: Any = intrinsic(_call)


@compiled
def planes(array: Array, index: int, operand: Array) -> None:
    """An operand that is a plane of every step: array (planes, L, B, N)."""
    operand[0] = array.ctypes.data + index * array.strides[0]
    operand[1] = array.strides[1]
    operand[2] = array.strides[2]


@compiled
def plane(array: Array, index: int, operand: Array) -> None:
    """An operand that is one plane: array (planes, B, N)."""
    operand[0] = array.ctypes.data + index * array.strides[0]
    operand[1] = 0
    operand[2] = array.strides[1]


@compiled
def row(array: Array, index: int, operand: Array) -> None:
    """An operand that all samples share: array (rows, N)."""
    operand[0] = array.ctypes.data + index * array.strides[0]
    operand[1] = 0
    operand[2] = 0


@compiled
def operands(
    plan: Plan,
    wiring: Array,
    kernel: int,
    weights: Weights,
    grads: Weights,
    fixed: Array,
    record: Record,
) -> Array:
    """Where a kernel's operands lie in a window, (n, 3)."""
    at = plan.wiring_at + 3 * kernel
    count, first = wiring[at + 1], wiring[at + 2]
    table = np.empty((count, COLUMNS), np.int64)
    for k in range(count):
        place = plan.wiring_at + first + 2 * k
        buffer, index = wiring[place], wiring[place + 1]
        operand = table[k]
        if buffer <= AFTER:
            planes(record.states, index, operand)
            operand[0] += buffer * operand[1]
        elif buffer == SUMS:
            sums = record.sums
            operand[0] = sums.ctypes.data + index * sums.strides[2]
            operand[1] = sums.strides[0]
            operand[2] = sums.strides[1]
        elif buffer == GRADED:
            planes(record.graded, index, operand)
        elif buffer == KEPT:
            planes(record.kept, index, operand)
        elif buffer == BACK:
            plane(record.back, index, operand)
        elif buffer == BACK_EARLY:
            plane(record.back_early, index, operand)
        elif buffer == ROWS:
            row(record.rows, index, operand)
        elif buffer == ROW_TOTALS:
            row(record.row_totals, index, operand)
        elif buffer == LEARNED:
            row(weights.learned, index, operand)
        elif buffer == FIXED:
            row(fixed, index, operand)
        else:
            row(grads.learned, index, operand)
    return table


@compiled
def run(plan: Plan, wiring: Array, kernel: int, table: Array, step: int, batch: int) -> None:
    """Call a kernel of a layer, if it has one."""
    address = wiring[plan.wiring_at + 3 * kernel]
    if address:
        call(address, table, step, batch, plan.size)


@compiled
def matrix_ends(plan: Plan, wiring: Array, index: int) -> tuple[int, int, int]:
    """A matrix of graded synapses: whether its source is an early result, source, target."""
    at = plan.wiring_at + 3 * KERNELS + 3 * index
    return wiring[at], wiring[at + 1], wiring[at + 2]
