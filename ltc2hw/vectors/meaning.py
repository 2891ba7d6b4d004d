"""Operations of real numbers on vectors: one table from each to its instructions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from llvmlite import ir

from ltc2hw.dynamics.operations import Operation
from ltc2hw.vectors.lanes import Lanes, intrinsic


def truth(value: Lanes) -> Lanes:
    """Whether a value is not 0."""
    return value if value.is_truth else value.compared("!=", 0.0)


def select(condition: Lanes, then: Lanes, otherwise: Lanes) -> Lanes:
    """``then`` where the condition is not 0."""
    return truth(condition).chosen(then, otherwise)


def square_root(value: Lanes) -> Lanes:
    """√a."""
    kind = value.value.type
    root = intrinsic(value.builder, "llvm.sqrt.*", ir.FunctionType(kind, (kind,)), kind)
    return Lanes(value.builder, value.builder.call(root, [value.value]), value.flags)


MEANING: Mapping[Operation, Callable[..., Lanes]] = {
    Operation.ADD: operator.add,
    Operation.SUBTRACT: operator.sub,
    Operation.MULTIPLY: operator.mul,
    Operation.DIVIDE: operator.truediv,
    Operation.SQUARE_ROOT: square_root,
    Operation.MINIMUM: Lanes.smaller,
    Operation.MAXIMUM: Lanes.larger,
    Operation.GREATER: lambda a, b: a.compared(">", b),
    Operation.SELECT: select,
    Operation.REGISTER: lambda value: value,
}
"""Operations that need their arguments alone; GREATER gives truths."""
