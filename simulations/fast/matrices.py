"""Products of bytes by the processor's matrix unit, where there is one that may be used (AMX).

A block is 16 rows of 64 bytes. An instruction multiplies a block of messages, 64 sources of 16
samples, with a block of weights, four sources of 16 targets in each row, and adds to a block of
32-bit sums, 16 targets of 16 samples. Integers wrap at 32 bits, so sums that provably fit are
exact in any order.
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ltc2hw.compilation.llvm import PROCESSOR, emit
from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.fast.tables import Scalar, Table, padded
from ltc2hw.simulations.fast.vectors import pointer

BLOCK_ROWS, BLOCK_BYTES = 16, 64
BLOCK = BLOCK_ROWS * BLOCK_BYTES
COLUMNS = 2 * BLOCK_ROWS
"""Targets of a step of :func:`multiply_bytes`: two blocks of sums, for each 16 samples."""

EXISTS = PROCESSOR.matrix_unit

MOST_SAMPLES = 2 * BLOCK_ROWS
"""Samples that the unit's registers serve together."""

ZERO, SIXTEEN, SEVENTEEN, STEP = (np.uint64(n) for n in (0, 16, 17, COLUMNS))

INT8, INT64 = ir.IntType(8), ir.IntType(64)
SUMS, LEFT, RIGHT = (0, 1, 2, 3), (4, 5), (6, 7)
"""Registers of the unit: sums of two groups of samples times two of targets, messages, weights."""


@cache
def available() -> bool:
    """Whether the processor has a matrix unit and the system lets this process use it.

    Linux has to be asked (``arch_prctl``): the registers are large, and most processes need none.
    """
    if not EXISTS or platform.system() != "Linux":
        return False
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18
    libc = ctypes.CDLL(None, use_errno=True)
    answer: int = libc.syscall(arch_prctl, request_permission, tile_data)
    return answer == 0


def in_blocks(rows: Table) -> Table:
    """Weights (sources, width) as blocks: (width / 32, sources / 64, 2, 16, 16, 4)."""
    sources, width = rows.shape
    whole = np.zeros((padded(sources, BLOCK_BYTES), width), dtype=np.int8)
    whole[:sources] = rows
    parts = whole.reshape(-1, BLOCK_ROWS, 4, width // COLUMNS, 2, BLOCK_ROWS)
    return parts.transpose(3, 0, 4, 1, 5, 2)


def call(builder: Any, name: str, *arguments: Any) -> None:
    """Emit an instruction of the unit."""
    form = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    builder.call(emit.get_or_insert_function(builder.module, form, f"llvm.x86.{name}"), arguments)


def _configure(typing_context: Any, first: Any, second: Any) -> Any:
    """Tell the unit how many rows the blocks of both groups of samples have."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if EXISTS:
            palette, row_bytes, rows = 0, 16, 48
            form = ir.ArrayType(INT8, 64)
            memory = emit.alloca_once_value(builder, form(None))
            place = builder.bitcast(memory, INT8.as_pointer())

            def put(offset: int, value: Any) -> None:
                builder.store(value, builder.gep(place, [INT64(offset)]))

            put(palette, INT8(1))
            groups = [builder.trunc(argument, INT8) for argument in arguments]
            counts = [groups[n // 2] for n in SUMS] + groups + [INT8(BLOCK_ROWS)] * len(RIGHT)
            for register, count in enumerate(counts):
                put(row_bytes + 2 * register, INT8(BLOCK_BYTES))
                put(rows + register, count)
            call(builder, "ldtilecfg", place)
        return context.get_dummy_value()

    return types.void(types.uint64, types.uint64), codegen


def _release(typing_context: Any) -> Any:
    """Leave the unit, so that the system need not keep its registers."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if EXISTS:
            call(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), codegen


class _Product:
    """Emits the code of one call: sums of one or two groups of samples and 32 targets."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context = context
        self.builder = builder
        typed = tuple(zip(signature.args, arguments, strict=True))
        self.sums, self.total, self.width, self.blocks, self.first = typed[:5]
        self.messages, self.start, self.reach, groups, signed = typed[5:]
        self.groups: int = groups[0].literal_value
        self.instruction = "tdpbssd" if signed[0].literal_value else "tdpbusd"

    def move(self, name: str, register: int, array: Any, index: Any, stride: Any) -> None:
        """Load or store a block; ``stride`` is in bytes."""
        place = pointer(self.context, self.builder, array, index, INT8)
        call(self.builder, name, INT8(register), place, stride)

    def emit(self) -> None:
        """The products of all sources, one block of them after the other."""
        builder, used = self.builder, range(2 * self.groups)
        for register in used:
            call(builder, "tilezero", INT8(register))
        rows = builder.mul(self.reach[1], INT64(BLOCK_ROWS))
        with emit.for_range(builder, builder.udiv(self.reach[1], INT64(BLOCK_BYTES))) as loop:
            source = builder.add(self.start[1], builder.mul(loop.index, INT64(BLOCK_BYTES)))
            for register in LEFT[: self.groups]:
                self.move("tileloadd64", register, self.messages, source, self.reach[1])
                source = builder.add(source, rows)
            weights = builder.add(self.first[1], builder.mul(loop.index, INT64(2 * BLOCK)))
            for register in RIGHT:
                self.move("tileloadd64", register, self.blocks, weights, INT64(BLOCK_BYTES))
                weights = builder.add(weights, INT64(BLOCK))
            for register in used:
                left, right = LEFT[register // 2], RIGHT[register % 2]
                call(builder, self.instruction, INT8(register), INT8(left), INT8(right))
        stride = builder.mul(self.width[1], INT64(4))
        rows = builder.mul(self.width[1], INT64(BLOCK_ROWS))
        for register in used:
            group, half = divmod(register, 2)
            place = builder.add(self.total[1], builder.mul(rows, INT64(group)))
            place = builder.add(place, INT64(half * BLOCK_ROWS))
            self.move("tilestored64", register, self.sums, place, stride)


def _multiply_blocks(
    typing_context: Any, sums: Any, total: Any, width: Any, blocks: Any, first: Any, messages: Any,
    start: Any, reach: Any, groups: Any, signed: Any,
) -> Any:  # fmt: skip
    """Write the sums of 32 targets for one or two ``groups`` of samples (a literal).

    ``sums[total + b·width + j] = Σ_i w[i, j] m[b, i]`` with bytes of weights from ``first`` on, as
    :func:`in_blocks` lays them out, and of messages (samples, reach) from ``start`` on, which have
    a sign where ``signed`` (a literal) is 1.
    """
    literal = types.IntegerLiteral
    if not isinstance(groups, literal) or not isinstance(signed, literal):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if EXISTS:
            _Product(context, builder, signature, arguments).emit()
        return context.get_dummy_value()

    place = types.uint64
    arguments = (sums, place, place, blocks, place, messages, place, place, groups, signed)
    return types.void(*arguments), codegen


configure: Any = intrinsic(_configure)
release: Any = intrinsic(_release)
multiply_blocks: Any = intrinsic(prefer_literal=True)(_multiply_blocks)


@inlined
def configure_for(samples: Scalar) -> None:
    """Prepare the unit for :func:`multiply_bytes` of so many samples."""
    configure(min(samples, SIXTEEN), max(samples, SEVENTEEN) - SIXTEEN)


@kernel
def multiply_bytes(
    sums: Table, total: Scalar, width: Scalar, blocks: Table, first: Scalar, messages: Table,
    start: Scalar, reach: Scalar, samples: Scalar, signed: Scalar,
) -> None:  # fmt: skip
    """``sums[total + b·width + j] = Σ_i w[i, j] m[b, i]`` of up to MOST_SAMPLES samples.

    The unit is configured for them.
    """
    for column in range(ZERO, width, STEP):
        out, weights = total + column, first + column * reach
        if signed != 0:
            if samples > SIXTEEN:
                multiply_blocks(sums, out, width, blocks, weights, messages, start, reach, 2, 1)
            else:
                multiply_blocks(sums, out, width, blocks, weights, messages, start, reach, 1, 1)
        elif samples > SIXTEEN:
            multiply_blocks(sums, out, width, blocks, weights, messages, start, reach, 2, 0)
        else:
            multiply_blocks(sums, out, width, blocks, weights, messages, start, reach, 1, 0)
