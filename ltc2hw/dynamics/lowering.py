"""From reals to integers: every value gets a fraction, every product its shift.

A value has a *natural* fraction: a leaf's is its format's, a sum's the finest of its parts', a
product's that of what is multiplied (constants and gates only scale). A place asks for a fraction;
values are brought there by ``rescale``: a left shift to finer ones, a right shift toward zero to
coarser ones. Products of fractions p and q are computed whole and shifted by ``p + q - asked``.
Quotients and roots of constants are made constants of their own before
(:mod:`ltc2hw.dynamics.derived`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from ltc2hw.dynamics.formats import SURROGATE_TABLE, Formats, mantissa, mantissa_fraction
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.dynamics.verify import constant_only, verify
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.nonlinearity import PLAN_SEGMENTS

_SUMS = (Operation.ADD, Operation.SUBTRACT, Operation.MINIMUM, Operation.MAXIMUM)
_SCALING = (Operation.GATE, Operation.SLOPE)


def lower(program: Program, formats: Formats) -> Program:
    """The integer program of a real one; results have their natural fractions.

    Raises:
        InvalidValueError: for a value that has no format.
    """
    lowering = Lowering(program, formats)
    lowered = lowering.builder.program(lowering.results())
    verify(lowered)
    return lowered


def result_fractions(program: Program, formats: Formats) -> dict[str, int]:
    """Fractional bits of every result of the lowered program."""
    return Lowering(program, formats).fractions()


def natural_fraction(program: Program, formats: Formats, index: int) -> int:
    """Fraction that a value of a real program has by itself; for numbers that of their 15 bits."""
    return Lowering(program, formats).own(index)


class Lowering:
    """Writes the integer values of one real program, each once per fraction asked for."""

    def __init__(self, program: Program, formats: Formats) -> None:
        self.program = program
        self.formats = formats
        self.builder = Builder("integer")
        self._binary = _binary_values(self.program)
        self._natural: dict[int, int | None] = {}
        self._scaling: dict[int, bool] = {}
        self._magnitudes: dict[int, float] = {}
        self._done: dict[tuple[int, int], int] = {}

    def fractions(self) -> dict[str, int]:
        """Fraction of every result: a state's is its format's, another's its natural one."""
        held, states = self.formats.held, self.program.states
        return {
            name: held[name].fraction if name in states and name in held
            else self.own(index)
            for name, index in self.program.results.items()
        }  # fmt: skip

    def results(self) -> dict[str, int]:
        """Write all results: their places by name."""
        fractions = self.fractions()
        places = self.program.results
        return {name: self.at(index, fractions[name]) for name, index in places.items()}

    def natural(self, index: int) -> int | None:
        """Fraction that a value has by itself; None for a number, which takes any."""
        if index not in self._natural:
            self._natural[index] = self._find_natural(index)
        return self._natural[index]

    def _find_natural(self, index: int) -> int | None:
        value = self.program.values[index]
        operation, name = value.operation, value.name
        if index in self._binary:
            return 0
        if operation is Operation.NUMBER:
            return None
        if operation is Operation.PARAMETER:
            return _format(self.formats.constants, name, "constant")
        if operation is Operation.PORT:
            return _format(self.formats.ports, name, "port")
        if operation in (Operation.STATE, Operation.REGISTER):
            return _format(self.formats.held, name, "word").fraction
        if operation in _SCALING:
            return _format(self.formats.gates, name, "gate").output_fraction
        if operation is Operation.SURROGATE:
            form = self.formats.surrogate
            return self.natural(value.arguments[0]) if form.index_bits is None else form.fraction
        if operation is Operation.MULTIPLY:
            return self._natural_product(*value.arguments)
        if operation in _SUMS or operation is Operation.SELECT:
            parts = value.arguments[-2:]
            found = [n for n in map(self.natural, parts) if n is not None]
            return max(found, default=None)
        raise InvalidValueError(
            f"operation {operation.value} of a neuron", "not to be lowered", "an integer form"
        )

    def own(self, index: int) -> int:
        """Natural fraction; for what is made of numbers alone that of the largest one's 15 bits."""
        natural = self.natural(index)
        return mantissa_fraction(self._largest(index)) if natural is None else natural

    def _largest(self, index: int) -> float:
        """Largest magnitude of a value that is made of numbers and choices between them."""
        if index not in self._magnitudes:
            self._magnitudes[index] = self._find_largest(index)
        return self._magnitudes[index]

    def _find_largest(self, index: int) -> float:
        value = self.program.values[index]
        if index in self._binary:
            return 1.0
        if value.operation is Operation.NUMBER:
            return abs(value.numbers[0])
        first, second = map(self._largest, value.arguments[-2:])
        if value.operation is Operation.MULTIPLY:
            return first * second
        added = value.operation in (Operation.ADD, Operation.SUBTRACT)
        return first + second if added else max(first, second)

    def _natural_product(self, left: int, right: int) -> int | None:
        if left in self._binary or right in self._binary:
            return self.natural(right if left in self._binary else left)
        for factor, scaled in ((left, right), (right, left)):
            natural = self.natural(scaled)
            if natural is not None and self._scales(factor) and not self._scales(scaled):
                return natural
        found = [n for n in (self.natural(left), self.natural(right)) if n is not None]
        return max(found, default=None)

    def _scales(self, index: int) -> bool:
        """Whether a value only scales what it multiplies: constants, gates, and what they make."""
        if index not in self._scaling:
            value = self.program.values[index]
            made = value.operation in (*_SUMS, Operation.MULTIPLY)
            self._scaling[index] = (
                value.operation in _SCALING
                or constant_only(self.program, index)
                or (made and all(self._scales(argument) for argument in value.arguments))
            )
        return self._scaling[index]

    def at(self, index: int, fraction: int) -> int:
        """Integer value with the given fraction."""
        key = (index, fraction)
        if key not in self._done:
            self._done[key] = self._place(index, fraction)
        return self._done[key]

    def _place(self, index: int, fraction: int) -> int:
        value = self.program.values[index]
        operation, arguments = value.operation, value.arguments
        if operation is Operation.NUMBER:
            return self.builder.number(round(math.ldexp(value.numbers[0], fraction)))
        if operation in _SUMS:
            return self.builder.add(operation, *(self.at(a, fraction) for a in arguments))
        if operation is Operation.SELECT:
            condition = self.at(arguments[0], 0)
            parts = (self.at(a, fraction) for a in arguments[1:])
            return self.builder.add(operation, condition, *parts)
        if operation is Operation.MULTIPLY:
            return self._product(*arguments, fraction=fraction)
        natural = self.natural(index)
        assert natural is not None
        return self.rescale(self._exact(index, natural), natural, fraction)

    def _exact(self, index: int, natural: int) -> int:
        """A value that has a format of its own, with that format."""
        value = self.program.values[index]
        operation, name = value.operation, value.name
        if operation in (Operation.PARAMETER, Operation.PORT, Operation.STATE):
            return self.builder.add(operation, name=name)
        if operation is Operation.REGISTER:
            held = self.formats.held[name]
            inner = self.at(value.arguments[0], natural)
            if held.overflow is None:
                return inner
            return self.builder.add(held.overflow, inner, name=name, numbers=held.numbers)
        if operation is Operation.GATE:
            return self._gate(value.arguments[0], name)
        if operation is Operation.SLOPE:
            return self._slope(value.arguments[0], name)
        if operation is Operation.SURROGATE:
            return self._surrogate(value.arguments[0])
        if operation is Operation.GREATER:
            found = [n for n in map(self.natural, value.arguments) if n is not None]
            finest = max(found or map(self.own, value.arguments))
            return self.builder.add(operation, *(self.at(a, finest) for a in value.arguments))
        raise InvalidValueError(
            f"operation {operation.value} of a neuron", "not to be lowered", "an integer form"
        )

    def _gate(self, argument: int, name: str) -> int:
        form = self.formats.gates[name]
        fraction = self.natural(argument)
        assert fraction is not None
        inner = self.at(argument, fraction)
        if form.function == "plan":
            return self.builder.add(Operation.PLAN, inner, numbers=(fraction, form.output_fraction))
        operation = Operation.LOOK_UP if form.function == "table" else Operation.INTERPOLATE
        return self.builder.add(operation, inner, name=name, numbers=(fraction, form.index_bits))

    def _slope(self, argument: int, name: str) -> int:
        """``y (2^o - y) >> o`` of a table's value y; PLAN's slopes 1/4, 1/8, 1/32, 0."""
        add, number, form = self.builder.add, self.builder.number, self.formats.gates[name]
        one = 1 << form.output_fraction
        if form.function != "plan":
            gate = self._gate(argument, name)
            rest = add(Operation.SUBTRACT, number(one), gate)
            product = add(Operation.MULTIPLY, gate, rest)
            return add(Operation.SHIFT_RIGHT, product, numbers=(form.output_fraction,))
        fraction = self.natural(argument)
        assert fraction is not None
        magnitude = self._magnitude(self.at(argument, fraction))
        slope = number(0)
        for eighths, shift, _, _ in reversed(PLAN_SEGMENTS):
            inside = add(Operation.GREATER, number(eighths << (fraction - 3)), magnitude)
            slope = add(Operation.SELECT, inside, number(one >> shift), slope)
        return slope

    def _magnitude(self, index: int) -> int:
        negative = self.builder.add(Operation.SUBTRACT, self.builder.number(0), index)
        return self.builder.add(Operation.MAXIMUM, index, negative)

    def _surrogate(self, argument: int) -> int:
        add, number, form = self.builder.add, self.builder.number, self.formats.surrogate
        fraction = self.natural(argument)
        assert fraction is not None
        magnitude = self._magnitude(self.at(argument, fraction))
        if form.index_bits is None:
            rest = add(Operation.SUBTRACT, number(1 << fraction), magnitude)
            return add(Operation.MAXIMUM, rest, number(0))
        cell = self.rescale(magnitude, fraction, form.index_bits - form.span_bits)
        beyond = add(Operation.GREATER, cell, number((1 << form.index_bits) - 1))
        entry = add(Operation.ENTRY, cell, name=SURROGATE_TABLE)
        return add(Operation.SELECT, beyond, number(0), entry)

    def _product(self, left: int, right: int, *, fraction: int) -> int:
        """``rescale(left right, p + q, fraction)``; a choice where one of them is 0 or 1."""
        for condition, other in ((left, right), (right, left)):
            if condition in self._binary:
                chosen = (self.at(condition, 0), self.at(other, fraction))
                return self.builder.add(Operation.SELECT, *chosen, self.builder.number(0))
        (first, p), (second, q) = self._factor(left), self._factor(right)
        whole = self.builder.add(Operation.MULTIPLY, first, second)
        return self.rescale(whole, p + q, fraction)

    def _factor(self, index: int) -> tuple[int, int]:
        """A value and its fraction, as it enters a product."""
        value = self.program.values[index]
        if value.operation is Operation.NUMBER:
            number, fraction = mantissa(value.numbers[0])
            return self.builder.number(number), fraction
        fraction = self.own(index)
        return self.at(index, fraction), fraction

    def rescale(self, index: int, fraction: int, asked: int) -> int:
        """A value of one fraction at another: shifted right toward zero, or left."""
        bits = fraction - asked
        if bits == 0:
            return index
        operation = Operation.SHIFT_TOWARD_ZERO if bits > 0 else Operation.SHIFT_LEFT
        return self.builder.add(operation, index, numbers=(abs(bits),))


T = TypeVar("T")


def _format(formats: Mapping[str, T], name: str, what: str) -> T:
    if name not in formats:
        raise InvalidValueError(f"format of {what} {name}", "missing", "one for every name")
    return formats[name]


def _binary_values(program: Program) -> frozenset[int]:
    """Values that are 0 or 1: comparisons, and the states that hold one."""
    held = program.comparisons
    return frozenset(
        index
        for index, value in enumerate(program.values)
        if value.operation is Operation.GREATER
        or (value.operation is Operation.STATE and value.name in held)
    )
