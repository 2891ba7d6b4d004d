"""Memory accesses that tell the compiler which of them cannot overlap.

Numba lets LLVM assume that any two arrays may overlap, which forbids vector instructions in loops
that write several variables or look numbers up in a table. Accesses through :func:`load` and
:func:`store` belong to a numbered stream; the kernels promise that different streams never touch
the same place within one loop. LLVM calls this alias scopes.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ltc2hw.compilation.llvm import element_pointer, emit
from ltc2hw.simulations.fast.short import SHORT

STREAMS = 10


def annotate(builder: Any, instruction: Any, stream: int) -> None:
    """Mark a load or store as belonging to one stream and to none of the others."""
    prefer_wide_vectors(builder.function)
    module = builder.module
    domain = module.add_metadata(["ltc2hw"])
    scopes = [module.add_metadata([f"stream {number}", domain]) for number in range(STREAMS)]
    others = scopes[:stream] + scopes[stream + 1 :]
    instruction.set_metadata("alias.scope", module.add_metadata([scopes[stream]]))
    instruction.set_metadata("noalias", module.add_metadata(others))
    instruction.align = 1


def prefer_wide_vectors(function: Any) -> None:
    """Let LLVM use the widest vectors of the machine; it shuns those of 512 bits by itself."""
    # llvmlite's set of attributes only knows names without values, but prints what it holds.
    set.add(function.attributes, '"prefer-vector-width"="512"')


def _load(typing_context: Any, array: Any, stream: Any, index: Any) -> Any:
    """``array[index]`` through a stream; the index is unsigned and in range.

    Integers of 32 bits become short numbers.
    """
    if not isinstance(stream, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = element_pointer(context, builder, signature.args[0], arguments[0], arguments[2])
        value = builder.load(pointer)
        annotate(builder, value, stream.literal_value)
        return value

    value = SHORT if array.dtype == types.int32 else array.dtype
    return value(array, stream, types.uint64), codegen


def _store(typing_context: Any, array: Any, stream: Any, index: Any, value: Any) -> Any:
    """``array[index] = value`` through a stream; the value is cast to the array's type."""
    if not isinstance(stream, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = element_pointer(context, builder, signature.args[0], arguments[0], arguments[2])
        cast = context.cast(builder, arguments[3], value, array.dtype)
        annotate(builder, builder.store(cast, pointer), stream.literal_value)
        return context.get_dummy_value()

    return types.void(array, stream, types.uint64, value), codegen


def _prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Bring the cache line of ``array[index]`` in, without waiting for it."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = element_pointer(context, builder, signature.args[0], arguments[0], arguments[1])
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        form = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = emit.get_or_insert_function(builder.module, form, "llvm.prefetch.p0")
        for_reading, keep_in_all_caches, data = word(0), word(3), word(1)
        place = builder.bitcast(pointer, byte)
        builder.call(function, [place, for_reading, keep_in_all_caches, data])
        return context.get_dummy_value()

    return types.void(array, types.uint64), codegen


prefetch: Any = intrinsic(_prefetch)
load: Any = intrinsic(prefer_literal=True)(_load)
store: Any = intrinsic(prefer_literal=True)(_store)
