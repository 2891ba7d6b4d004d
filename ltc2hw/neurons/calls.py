"""Calls of a layer's kernels from compiled loops, by their addresses."""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.extending import intrinsic

from ltc2hw.compilation.llvm import element_pointer
from ltc2hw.neurons.kernels import Array, compiled
from ltc2hw.neurons.layout import Buffer
from ltc2hw.neurons.packed import KERNELS, Plan, Record, Weights
from ltc2hw.neurons.vector_code import COLUMNS, SIGNATURE

AFTER = int(Buffer.AFTER)
"""The second of the two buffers of registers, which come first."""
SUMS, GRADED, KEPT = int(Buffer.SUMS), int(Buffer.GRADED), int(Buffer.KEPT)
BACK_SUMS, BACK_GRADED = int(Buffer.BACK_SUMS), int(Buffer.BACK_GRADED)
BACK = int(Buffer.BACK)
ROWS, ROW_TOTALS = int(Buffer.ROWS), int(Buffer.ROW_TOTALS)
"""Rows come after planes."""
LEARNED, FIXED = int(Buffer.LEARNED), int(Buffer.FIXED)


def _call(
    typing_context: Any, address: Any, table: Any, first: Any, step: Any, batch: Any, size: Any
) -> Any:
    """Call the kernel at an address; see :data:`~ltc2hw.neurons.vector_code.SIGNATURE`.

    Its operands are the rows of a table (n, 3) from ``first`` on.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place, operands, begin, *numbers = arguments
        number = builder.mul(begin, begin.type(COLUMNS))
        rows = element_pointer(context, builder, signature.args[1], operands, number)
        function = builder.inttoptr(place, SIGNATURE.as_pointer())
        builder.call(function, [rows, *numbers])
        return context.get_dummy_value()

    number = types.int64
    return types.void(number, table, number, number, number, number), codegen


call: Any = intrinsic(_call)


@compiled
def planes(array: Array, index: int, operand: Array) -> None:
    """An operand that is a plane of every step: array (planes, L, B, N)."""
    operand[0] = array.ctypes.data + index * array.strides[0]
    operand[1] = array.strides[1]
    operand[2] = array.strides[2]


@compiled
def port(sums: Array, index: int, operand: Array) -> None:
    """An operand that is one port of sums (L, B, P, N)."""
    operand[0] = sums.ctypes.data + index * sums.strides[2]
    operand[1] = sums.strides[0]
    operand[2] = sums.strides[1]


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
def find_plane(record: Record, back: Record, buffer: int, index: int, operand: Array) -> None:
    """An operand that changes from sample to sample."""
    if buffer <= AFTER:
        planes(record.states, index, operand)
        operand[0] += buffer * operand[1]
    elif buffer == SUMS:
        port(record.sums, index, operand)
    elif buffer == BACK_SUMS:
        port(back.sums, index, operand)
    elif buffer == GRADED:
        planes(record.graded, index, operand)
    elif buffer == BACK_GRADED:
        planes(back.graded, index, operand)
    elif buffer == KEPT:
        planes(record.kept, index, operand)
    elif buffer == BACK:
        plane(back.back, index, operand)
    else:
        plane(record.back_early, index, operand)


@compiled
def find_row(
    record: Record,
    weights: Weights,
    grads: Weights,
    fixed: Array,
    buffer: int,
    index: int,
    operand: Array,
) -> None:
    """An operand that all samples share."""
    if buffer == ROWS:
        row(record.rows, index, operand)
    elif buffer == ROW_TOTALS:
        row(record.row_totals, index, operand)
    elif buffer == LEARNED:
        row(weights.learned, index, operand)
    elif buffer == FIXED:
        row(fixed, index, operand)
    else:
        row(grads.learned, index, operand)


@compiled
def fill_operands(
    plan: Plan,
    wiring: Array,
    weights: Weights,
    grads: Weights,
    fixed: Array,
    record: Record,
    back: Record,
    table: Array,
) -> None:
    """Write down where all operands of a layer's kernels lie: its rows of ``table`` (n, 3).

    ``back`` has the places of gradients; it may be the record itself, which they then overwrite.
    """
    at = plan.wiring_at + 2 * KERNELS + 3 * plan.matrices
    for k in range(plan.operands):
        buffer, index = wiring[at + 2 * k], wiring[at + 2 * k + 1]
        operand = table[plan.operands_at + k]
        if buffer < ROWS:
            find_plane(record, back, buffer, index, operand)
        else:
            find_row(record, weights, grads, fixed, buffer, index, operand)


@compiled
def run(plan: Plan, wiring: Array, table: Array, kernel: int, step: int, batch: int) -> None:
    """Call a kernel of a layer, if it has one."""
    at = plan.wiring_at + 2 * kernel
    if wiring[at]:
        call(wiring[at], table, plan.operands_at + wiring[at + 1], step, batch, plan.size)


@compiled
def matrix_ends(plan: Plan, wiring: Array, index: int) -> tuple[int, int, int]:
    """A matrix of graded synapses: whether its source is an early result, source, target."""
    at = plan.wiring_at + 2 * KERNELS + 3 * index
    return wiring[at], wiring[at + 1], wiring[at + 2]
