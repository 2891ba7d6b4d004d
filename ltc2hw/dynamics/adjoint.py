"""The reverse of a step: from gradients of its results to those of all that it reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

from ltc2hw.dynamics.operations import LEAVES, Operation
from ltc2hw.dynamics.program import Builder, Program, Value
from ltc2hw.errors import UnknownNameError, UnsupportedError


def given(result: str) -> str:
    """The port of a reverse program at which the gradient of a result arrives."""
    return f"gradient.{result}"


def gradient_of(leaf: Operation, name: str) -> str:
    """The result of a reverse program that is the gradient of a port, state or parameter.

    >>> gradient_of(Operation.STATE, "membrane")
    'state.membrane'
    """
    return f"{leaf.value}.{name}"


def reverse(program: Program, results: Collection[str]) -> Program:
    """The program that gives the gradients of a step's leaves from those of some of its results.

    It begins with the step's own values, at their places, and goes on with SLOPE and SURROGATE
    among its operations; its results are named by :func:`gradient_of`, one for each leaf that
    ``results`` depend on. With δy the gradient of a value y::

        y = a + b:      δa += δy,                δb += δy
        y = a - b:      δa += δy,                δb -= δy
        y = a b:        δa += b δy,              δb += a δy
        y = a / b:      δa += δy / b,            δb -= y δy / b
        y = √a:         δa += δy / (2 y)
        y = σ(a):       δa += σ'(a) δy
        y = (a > b):    δa += ψ(a - b) δy,       δb -= ψ(a - b) δy
        y = c ? a : b:  δa += δy where c,        δb += δy elsewhere,      δc += (a - b) δy
        y = min(a, b):  δa += δy where a < b,    δb += δy elsewhere; max alike

    Of rounded programs, with what trains through rounding: a gradient passes straight through what
    is cut, rounded or wrapped, and through what saturates as long as it is within the ends.

    It is no step of a neuron: it reads states that it does not write.

    Raises:
        UnknownNameError: for a result that the step does not have.
        UnsupportedError: for a program of integers, or one that is a reverse program itself.
    """
    if program.language == "integer":
        raise UnsupportedError("the reverse", "a program of integers", "no derivative",
                               "reverse the real program")  # fmt: skip
    for name in results:
        if name not in program.results:
            raise UnknownNameError("result of a step", name, tuple(program.results))
    return _Reverse(program).whole(results)


class _Reverse:
    """Gradients of a program's values, written down from the last value to the first."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.builder = Builder.after(program)
        self.gradients: dict[int, int] = {}

    def whole(self, results: Collection[str]) -> Program:
        """The reverse program."""
        for name in results:
            self.more(self.program.results[name], self.make(Operation.PORT, name=given(name)))
        found: dict[str, int] = {}
        for index in range(len(self.program.values) - 1, -1, -1):
            value = self.program.values[index]
            if index not in self.gradients:
                continue
            if value.operation in LEAVES:
                found[gradient_of(value.operation, value.name)] = self.gradients[index]
            elif value.operation is not Operation.NUMBER:
                self.rule(value)(self, index, value, self.gradients[index])
        return Program(self.program.language, tuple(self.builder.values), found)

    def rule(self, value: Value) -> Rule:
        if value.operation not in _RULES:
            what = f"the operation {value.operation.value}"
            raise UnsupportedError("the reverse", what, "no derivative", "reverse a step itself")
        return _RULES[value.operation]

    def make(self, operation: Operation, *arguments: int, name: str = "") -> int:
        return self.builder.add(operation, *arguments, name=name)

    def more(self, index: int, gradient: int) -> None:
        """Add to a value's gradient."""
        if index in self.gradients:
            gradient = self.make(Operation.ADD, self.gradients[index], gradient)
        self.gradients[index] = gradient

    def less(self, index: int, gradient: int) -> None:
        """Subtract from a value's gradient."""
        before = self.gradients.get(index, self.builder.number(0.0))
        self.gradients[index] = self.make(Operation.SUBTRACT, before, gradient)

    def times(self, index: int, factor: int, gradient: int) -> None:
        self.more(index, self.make(Operation.MULTIPLY, factor, gradient))

    def either(self, condition: int, then: int, otherwise: int, gradient: int) -> None:
        """One of two values has the gradient, the other nothing."""
        zero = self.builder.number(0.0)
        self.more(then, self.make(Operation.SELECT, condition, gradient, zero))
        self.more(otherwise, self.make(Operation.SELECT, condition, zero, gradient))

    def add(self, _: int, value: Value, gradient: int) -> None:
        for argument in value.arguments:
            self.more(argument, gradient)

    def subtract(self, _: int, value: Value, gradient: int) -> None:
        self.more(value.arguments[0], gradient)
        self.less(value.arguments[1], gradient)

    def multiply(self, _: int, value: Value, gradient: int) -> None:
        left, right = value.arguments
        self.times(left, right, gradient)
        self.times(right, left, gradient)

    def divide(self, index: int, value: Value, gradient: int) -> None:
        top, bottom = value.arguments
        # Division is of constants alone, which a gradient is not.
        inverse = self.make(Operation.DIVIDE, self.builder.number(1.0), bottom)
        scaled = self.make(Operation.MULTIPLY, inverse, gradient)
        self.more(top, scaled)
        self.less(bottom, self.make(Operation.MULTIPLY, index, scaled))

    def square_root(self, index: int, value: Value, gradient: int) -> None:
        slope = self.make(Operation.DIVIDE, self.builder.number(0.5), index)
        self.times(value.arguments[0], slope, gradient)

    def straight(self, _: int, value: Value, gradient: int) -> None:
        self.more(value.arguments[0], gradient)

    def saturate(self, _: int, value: Value, gradient: int) -> None:
        (inner,) = value.arguments
        lowest, highest, fraction = map(int, value.numbers)
        zero = self.builder.number(0.0)
        for end, sides in ((lowest, (1, 0)), (highest, (0, 1))):
            pair = (inner, self.builder.number(math.ldexp(float(end), -fraction)))
            beyond = self.make(Operation.GREATER, pair[sides[0]], pair[sides[1]])
            gradient = self.make(Operation.SELECT, beyond, zero, gradient)
        self.more(inner, gradient)

    def gate(self, _: int, value: Value, gradient: int) -> None:
        slope = self.make(Operation.SLOPE, *value.arguments, name=value.name)
        self.times(value.arguments[0], slope, gradient)

    def greater(self, _: int, value: Value, gradient: int) -> None:
        left, right = value.arguments
        distance = self.make(Operation.SUBTRACT, left, right)
        slope = self.make(Operation.SURROGATE, distance)
        scaled = self.make(Operation.MULTIPLY, slope, gradient)
        self.more(left, scaled)
        self.less(right, scaled)

    def select(self, _: int, value: Value, gradient: int) -> None:
        condition, then, otherwise = value.arguments
        self.either(condition, then, otherwise, gradient)
        difference = self.make(Operation.SUBTRACT, then, otherwise)
        self.times(condition, difference, gradient)

    def minimum(self, _: int, value: Value, gradient: int) -> None:
        left, right = value.arguments
        self.either(self.make(Operation.GREATER, right, left), left, right, gradient)

    def maximum(self, _: int, value: Value, gradient: int) -> None:
        left, right = value.arguments
        self.either(self.make(Operation.GREATER, left, right), left, right, gradient)


Rule = Callable[[_Reverse, int, Value, int], None]

_RULES: dict[Operation, Rule] = {
    Operation.ADD: _Reverse.add,
    Operation.SUBTRACT: _Reverse.subtract,
    Operation.MULTIPLY: _Reverse.multiply,
    Operation.DIVIDE: _Reverse.divide,
    Operation.SQUARE_ROOT: _Reverse.square_root,
    Operation.MINIMUM: _Reverse.minimum,
    Operation.MAXIMUM: _Reverse.maximum,
    Operation.GREATER: _Reverse.greater,
    Operation.SELECT: _Reverse.select,
    Operation.REGISTER: _Reverse.straight,
    Operation.GATE: _Reverse.gate,
    Operation.TRUNCATE: _Reverse.straight,
    Operation.NEAREST: _Reverse.straight,
    Operation.SATURATE: _Reverse.saturate,
    Operation.WRAP: _Reverse.straight,
    Operation.WRAP_ONCE: _Reverse.straight,
}
"""How each operation hands its gradient on."""
