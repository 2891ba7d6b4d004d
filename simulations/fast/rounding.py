"""The rounding mode of the processor, which floats of 32 bits rely on (x86)."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ltc2hw.compilation.llvm import PROCESSOR, emit

EXISTS = PROCESSOR.rounding_mode
"""Whether the mode can be set here."""

TOWARD_ZERO = 3 << 13
"""Both bits of the mode in the control register of vector instructions."""

INT8, INT32 = ir.IntType(8), ir.IntType(32)


def control(builder: Any, name: str, memory: Any) -> None:
    """Store or load the control register."""
    place = INT8.as_pointer()
    form = ir.FunctionType(ir.VoidType(), [place])
    function = emit.get_or_insert_function(builder.module, form, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(memory, place)])


def _round_toward_zero(typing_context: Any) -> Any:
    """Let sums and products be rounded toward zero; returns what the register held."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        memory = emit.alloca_once_value(builder, INT32(0))
        if not EXISTS:
            return builder.load(memory)
        control(builder, "stmxcsr", memory)
        before = builder.load(memory)
        builder.store(builder.or_(before, INT32(TOWARD_ZERO)), memory)
        control(builder, "ldmxcsr", memory)
        return before

    return types.uint32(), codegen


def _restore_rounding(typing_context: Any, before: Any) -> Any:
    """Put back what the register held."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if EXISTS:
            memory = emit.alloca_once_value(builder, arguments[0])
            control(builder, "ldmxcsr", memory)
        return context.get_dummy_value()

    return types.void(types.uint32), codegen


round_toward_zero: Any = intrinsic(_round_toward_zero)
restore_rounding: Any = intrinsic(_restore_rounding)
