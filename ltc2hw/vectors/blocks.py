"""A machine that walks over arrays in blocks which stay in the processor's nearest cache.

A program is a list of instructions: kernels with the slots that they read and write. For each block
of numbers all instructions run, one after the other, so that nothing but a program's leaves and
results passes through memory. Programs are data: only the machine itself is compiled, once per
process, in a tenth of a second, whatever number of different programs is run on it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

from llvmlite import ir

from ltc2hw.compilation.llvm import PROCESSOR, emit, spread
from ltc2hw.vectors.kernels import KERNELS, Kernel
from ltc2hw.vectors.lanes import Lanes, Pointer
from ltc2hw.vectors.native import native

BLOCK = 256
"""Numbers of a block: a dozen of them fill half of a processor's nearest cache."""

DEST, BLOCKS, SCALARS, TABLES, COLUMNS = 1, 2, 5, 6, 8
"""Columns of an instruction: the kernel's address, slots written and read, where its scalars and
its tables lie."""

ADDRESS, PER_CHUNK, PER_BLOCK, SLOT_COLUMNS = 0, 1, 2, 3
"""Columns of a slot: an address, and by how many bytes a number's place moves it: that of a chunk's
first, and that within a chunk."""

BYTES = 8

INT, REAL, VOID = ir.IntType(64), ir.DoubleType(), ir.VoidType()
INTS, REALS = INT.as_pointer(), REAL.as_pointer()

KERNEL = ir.FunctionType(VOID, (INTS, INTS, INT))
"""An instruction, where all slots of a block lie, and the numbers of the block."""

RUN = ir.FunctionType(VOID, (INTS, INT, INTS, INT, INTS, INT, INT))
"""Instructions and their number, slots and their number, room for an address of each slot, all
numbers, and those of a chunk, after which constants begin again."""


@dataclass(frozen=True)
class Machine:
    """Where the machine code is; ``engine`` holds it."""

    run: Callable[[int, int, int, int, int, int, int], None]
    kernels: Mapping[str, int]
    engine: Any


_COMPILING = Lock()


def machine() -> Machine:
    """The machine of this process."""
    with _COMPILING:
        return _machine()


@lru_cache(maxsize=1)
def _machine() -> Machine:
    module = ir.Module()
    names = {name: f"kernel{index}" for index, name in enumerate(KERNELS)}
    for name, kernel in KERNELS.items():
        _write_kernel(ir.Function(module, KERNEL, names[name]), kernel)
    _write_run(ir.Function(module, RUN, "run"))
    engine = native(str(module))
    kernels = {name: int(engine.get_function_address(own)) for name, own in names.items()}
    number = ctypes.c_int64
    call = ctypes.CFUNCTYPE(None, *([number] * len(RUN.args)))
    return Machine(call(engine.get_function_address("run")), kernels, engine)


def _write_run(function: Any) -> None:
    """``for chunk: for block: for instruction``, after working out where the block's slots are."""
    code, count, slots, slot_count, places, total, period = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    one_block = INT(BLOCK)
    with emit.for_range_slice(builder, INT(0), total, period) as (chunk, _):
        numbers = _smaller(builder, builder.sub(total, chunk), period)
        with emit.for_range_slice(builder, INT(0), numbers, one_block) as (start, _):
            length = _smaller(builder, builder.sub(numbers, start), one_block)
            with emit.for_range(builder, slot_count) as slot:
                row = builder.gep(slots, [builder.mul(slot.index, INT(SLOT_COLUMNS))])
                address, per_chunk, per_block = (
                    builder.load(builder.gep(row, [INT(column)]))
                    for column in (ADDRESS, PER_CHUNK, PER_BLOCK)
                )
                moved = builder.add(address, builder.mul(per_chunk, chunk))
                place = builder.add(moved, builder.mul(per_block, start))
                builder.store(place, builder.gep(places, [slot.index]))
            with emit.for_range(builder, count) as step:
                row = builder.gep(code, [builder.mul(step.index, INT(COLUMNS))])
                kernel = builder.inttoptr(builder.load(row), KERNEL.as_pointer())
                builder.call(kernel, [row, places, length])
    builder.ret_void()


def _smaller(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_signed("<", a, b), a, b)


def _write_kernel(function: Any, kernel: Kernel) -> None:
    """Loops over whole vectors, two registers at a time, and over the numbers that are left."""
    row, places, length = function.args
    builder = ir.IRBuilder(function.append_basic_block())

    def column(place: int) -> Any:
        return builder.load(builder.gep(row, [INT(place)]))

    def slot(place: int) -> Any:
        return builder.load(builder.gep(places, [column(place)]))

    dest = slot(DEST)
    blocks = [slot(BLOCKS + place) for place in range(kernel.blocks)]
    given = builder.inttoptr(column(SCALARS), REALS)
    scalars = [builder.load(builder.gep(given, [INT(place)])) for place in range(kernel.scalars)]
    tables = [
        Pointer(builder.inttoptr(column(TABLES + place), REALS)) for place in range(kernel.tables)
    ]
    many = 2 * PROCESSOR.vector_bytes // BYTES
    whole = builder.mul(builder.sdiv(length, INT(many)), INT(many))
    for lanes, first, end in ((many, INT(0), whole), (1, whole, length)):
        vector = ir.VectorType(REAL, lanes)
        fixed = [Lanes(builder, spread(builder, scalar, lanes), ()) for scalar in scalars]
        with emit.for_range_slice(builder, first, end, INT(lanes)) as (index, _):
            offset = builder.mul(index, INT(BYTES))
            to, *pointers = (
                builder.inttoptr(builder.add(address, offset), vector.as_pointer())
                for address in (dest, *blocks)
            )
            values = [Lanes(builder, builder.load(p, align=BYTES), ()) for p in pointers]
            made = kernel.code(*values, *fixed, *tables)
            if made.is_truth:
                made = made.chosen(values[0].like(1.0), values[0].like(0.0))
            builder.store(made.value, to, align=BYTES)
    builder.ret_void()
