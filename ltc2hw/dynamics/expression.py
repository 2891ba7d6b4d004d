"""The language in which a model's file is written: equations as ordinary Python expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn, Union

import numpy as np

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.dynamics.verify import DEEPEST, require_depth
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.scalars import shown

Real = Union["Expression", float]
"""A value of a model, or a number that is the same for every neuron."""


@dataclass(frozen=True)
class Constant:
    """A number per neuron that a network sets: what it means and what it may be.

    ``meaning`` is a phrase with the unit in brackets; ``low`` and ``high`` are the ends of the
    allowed range.
    """

    name: str
    default: float = 0.0
    meaning: str = ""
    low: float = float("-inf")
    high: float = float("inf")


@dataclass(frozen=True, eq=False)
class Expression:
    """A value of a step; arithmetic on expressions makes new ones."""

    operation: Operation
    arguments: tuple[Expression, ...] = ()
    name: str = ""
    number: float | None = None
    constant: Constant | None = None
    """What a parameter is, where this is one."""

    def __add__(self, other: Real) -> Expression:
        return _binary(Operation.ADD, self, other)

    def __radd__(self, other: Real) -> Expression:
        return _binary(Operation.ADD, other, self)

    def __sub__(self, other: Real) -> Expression:
        return _binary(Operation.SUBTRACT, self, other)

    def __rsub__(self, other: Real) -> Expression:
        return _binary(Operation.SUBTRACT, other, self)

    def __mul__(self, other: Real) -> Expression:
        return _binary(Operation.MULTIPLY, self, other)

    def __rmul__(self, other: Real) -> Expression:
        return _binary(Operation.MULTIPLY, other, self)

    def __truediv__(self, other: Real) -> Expression:
        return _binary(Operation.DIVIDE, self, other)

    def __rtruediv__(self, other: Real) -> Expression:
        return _binary(Operation.DIVIDE, other, self)

    def __neg__(self) -> Expression:
        return _binary(Operation.SUBTRACT, 0.0, self)

    def __gt__(self, other: Real) -> NoReturn:
        raise _not_supported(">", "fires(a, b) for a > b, larger(a, b) and smaller(a, b)")

    def __lt__(self, other: Real) -> NoReturn:
        raise _not_supported("<", "fires(b, a) for a < b, larger(a, b) and smaller(a, b)")

    def __ge__(self, other: Real) -> NoReturn:
        raise _not_supported(">=", "1 - fires(b, a) for a >= b")

    def __le__(self, other: Real) -> NoReturn:
        raise _not_supported("<=", "1 - fires(a, b) for a <= b")

    def __pow__(self, other: Real) -> NoReturn:
        raise _not_supported("**", "products, and square_root for constants alone")

    def __abs__(self) -> NoReturn:
        raise _not_supported("abs", "larger(a, -a)")

    def __bool__(self) -> bool:
        raise TypeError("a neuron's value has no truth of its own: use fires(a, b) and where(...)")


def _not_supported(what: str, instead: str) -> TypeError:
    return TypeError(f"{what} is not supported on a neuron's values: use {instead}")


def _binary(operation: Operation, left: Real, right: Real) -> Expression:
    return Expression(operation, (real(left), real(right)))


def real(value: Real) -> Expression:
    """A number as an expression; an expression as it is."""
    if isinstance(value, Expression):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InvalidValueError(
            "value of a neuron", shown(value), "a neuron's value or a number",
            "compare with fires(a, b); == and text mean nothing here",
        )  # fmt: skip
    return Expression(Operation.NUMBER, number=float(value))


def port(name: str = "current") -> Expression:
    """The sum that arrives at a port in this step."""
    return Expression(Operation.PORT, name=name)


def state(name: str) -> Expression:
    """A result of the previous step (0 before the first)."""
    return Expression(Operation.STATE, name=name)


def constant(
    name: str,
    default: float = 0.0,
    meaning: str = "",
    *,
    low: float = float("-inf"),
    high: float = float("inf"),
) -> Expression:
    """A number per neuron that a network sets; see :class:`Constant`."""
    described = Constant(name, default, meaning, low, high)
    return Expression(Operation.PARAMETER, name=name, constant=described)


def register(value: Real, name: str) -> Expression:
    """The value itself; on a chip it lives in a word of that name, which it may overflow."""
    return Expression(Operation.REGISTER, (real(value),), name)


def gate(argument: Real, name: str) -> Expression:
    """``σ(argument)`` in 0 .. 1: a learned time constant; its argument is held in a word."""
    return Expression(Operation.GATE, (register(argument, name),), name)


def fires(left: Real, right: Real) -> Expression:
    """1 where ``left > right``, else 0; training and learning give it the surrogate's slope."""
    return _binary(Operation.GREATER, left, right)


def where(condition: Real, then: Real, otherwise: Real) -> Expression:
    """``then`` where the condition, which is made of comparisons, is 1, else ``otherwise``."""
    return Expression(Operation.SELECT, (real(condition), real(then), real(otherwise)))


def smaller(left: Real, right: Real) -> Expression:
    """The smaller of two values."""
    return _binary(Operation.MINIMUM, left, right)


def larger(left: Real, right: Real) -> Expression:
    """The larger of two values."""
    return _binary(Operation.MAXIMUM, left, right)


def square_root(value: Real) -> Expression:
    """Square root of an expression of constants alone."""
    return Expression(Operation.SQUARE_ROOT, (real(value),))


def mix(origin: Real, towards: Real, share: Real) -> Expression:
    """``origin + share (towards - origin)``: between both for a share in 0 .. 1."""
    start = real(origin)
    return start + real(share) * (real(towards) - start)


@dataclass(frozen=True)
class Collected:
    """A real program, and the constants that it reads, in the order of their first use."""

    program: Program
    constants: tuple[Constant, ...] = field(default=())


def collect(step: Callable[[], Mapping[str, Expression]]) -> Collected:
    """Write a step's equations down as a program.

    Raises:
        InvalidValueError: for results that are not values by name, one constant described in two
            ways, or values nested too deeply.
    """
    builder = Builder("real")
    constants: dict[str, Constant] = {}
    done: dict[int, int] = {}

    def place(expression: Expression, depth: int = 0) -> int:
        key = id(expression)
        require_depth(depth, DEEPEST["real"])
        if key not in done:
            arguments = [place(argument, depth + 1) for argument in expression.arguments]
            if expression.constant is not None:
                _describe(constants, expression.constant)
            numbers = () if expression.number is None else (expression.number,)
            done[key] = builder.add(
                expression.operation, *arguments, name=expression.name, numbers=numbers
            )
        return done[key]

    results = step()
    if not isinstance(results, Mapping):
        raise InvalidValueError(
            "results of a neuron's step", type(results).__name__, "a dictionary of results by name",
            'return {"membrane": ..., "spikes": ...}',
        )  # fmt: skip
    program = builder.program({name: place(real(value)) for name, value in results.items()})
    return Collected(program, tuple(constants.values()))


def _describe(constants: dict[str, Constant], constant: Constant) -> None:
    """Note a constant, which may be written down several times, but in one way."""
    before = constants.setdefault(constant.name, constant)
    if before != constant:
        raise InvalidValueError(
            f"constant {constant.name} of a neuron", f"described twice: {before} and {constant}",
            "one description of each name", "write it down once and use the value",
        )  # fmt: skip
