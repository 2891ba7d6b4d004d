"""Integer operations that keep the type of their first operand.

Numba computes on 64-bit integers whatever the operands are, which halves what a vector register
holds. These operations stay in the type of the arrays, so that one kernel serves 32-bit words,
where they provably suffice, and 64-bit words elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ltc2hw.compilation.llvm import prefer_wide_vectors

Operation = Callable[[Any, Any], Any]


def _binary(instruction: str) -> Operation:
    """An LLVM instruction on two integers, the second brought to the type of the first."""

    def typed(context: Any, first: Any, second: Any) -> Any:
        def emit(target: Any, builder: ir.IRBuilder, signature: Any, operands: Any) -> Any:
            brought = target.cast(builder, operands[1], signature.args[1], signature.args[0])
            return getattr(builder, instruction)(operands[0], brought)

        if isinstance(first, types.Integer) and isinstance(second, types.Integer | types.Boolean):
            return first(first, second), emit
        return None

    return cast(Operation, intrinsic(typed))


plus = _binary("add")
minus = _binary("sub")
times = _binary("mul")
left = _binary("shl")
right = _binary("ashr")
"""Arithmetic shift: floor."""
right_unsigned = _binary("lshr")
either = _binary("xor")


def _to_top(context: Any, like: Any, bits: Any) -> Any:
    """Typing of :func:`to_top`."""

    def emit(target: Any, builder: ir.IRBuilder, signature: Any, operands: Any) -> Any:
        wide = target.cast(builder, operands[1], signature.args[1], signature.args[0])
        above = signature.return_type.bitwidth - signature.args[1].bitwidth
        return builder.shl(wide, ir.Constant(wide.type, above)) if above else wide

    if isinstance(like, types.Integer) and isinstance(bits, types.Integer):
        return like(like, bits), emit
    return None


to_top = cast(Operation, intrinsic(_to_top))
"""Unsigned bits brought to the top of an integer of the first operand's type."""


def _wide_vectors(context: Any) -> Any:
    """Typing of :func:`wide_vectors`."""

    def emit(target: Any, builder: ir.IRBuilder, signature: Any, operands: Any) -> Any:
        prefer_wide_vectors(builder.function)
        return target.get_dummy_value()

    return types.void(), emit


wide_vectors = cast(Callable[[], None], intrinsic(_wide_vectors))
"""Compile the loops of the function that calls this with the machine's widest vectors.

Numba optimizes every function before it is inlined, so each function with a loop says so itself.
"""
