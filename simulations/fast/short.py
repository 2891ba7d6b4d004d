"""Integers of 32 bits whose sums and products have 32 bits, too.

Numba computes on 64-bit integers whatever the operands are, which halves what a vector register
holds. A :class:`Short` has operators of its own, so that kernels are written once for all kinds of
numbers. Nothing checks for overflow: the network's numbers must prove that there is none.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from numba import extending
from numba.core import types
from numba.core.typing import templates

numba_typing: Any = templates  # without types of its own
numba_api: Any = extending


class Short(types.Integer):
    """Numba's type of short integers; other types mix with them by casts alone."""

    def __init__(self) -> None:
        super().__init__("short", bitwidth=32, signed=True)


SHORT = Short()
numba_api.register_model(Short)(numba_api.models.IntegerModel)

INSTRUCTIONS: dict[Callable[..., Any], str] = {
    operator.add: "add",
    operator.iadd: "add",
    operator.sub: "sub",
    operator.mul: "mul",
    operator.rshift: "ashr",
    operator.and_: "and_",
}
COMPARISONS: dict[Callable[..., Any], str] = {
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
    operator.ne: "!=",
}


def instruction(name: str) -> Callable[..., Any]:
    """Emits an instruction on its operands."""
    return lambda builder, *operands: getattr(builder, name)(*operands)


def comparison(name: str) -> Callable[..., Any]:
    """Emits a comparison of signed operands."""
    return lambda builder, first, second: builder.icmp_signed(name, first, second)


def define(function: Callable[..., Any], result: Any, emit: Callable[..., Any]) -> None:
    """Teach Numba an operator on short numbers."""
    cases = {"cases": [numba_typing.signature(result, SHORT, SHORT)]}
    template = type(f"Short_{function.__name__}", (numba_typing.ConcreteTemplate,), cases)
    numba_typing.infer_global(function)(template)

    def codegen(context: Any, builder: Any, typed: Any, arguments: Any) -> Any:
        return emit(builder, *arguments)

    numba_api.lower_builtin(function, Short, Short)(codegen)


for function, name in INSTRUCTIONS.items():
    define(function, SHORT, instruction(name))
for function, name in COMPARISONS.items():
    define(function, types.boolean, comparison(name))


def _to_short(typing_context: Any, value: Any) -> Any:
    """The lowest 32 bits of an integer, or an integer that a float holds, as a short number."""

    def codegen(context: Any, builder: Any, typed: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[0], typed.args[0], SHORT)

    return SHORT(value), codegen


def _to_single(typing_context: Any, value: Any) -> Any:
    """An integer as a float of 32 bits."""

    def codegen(context: Any, builder: Any, typed: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[0], typed.args[0], types.float32)

    return types.float32(value), codegen


to_single: Any = numba_api.intrinsic(_to_single)
to_short: Any = numba_api.intrinsic(_to_short)
