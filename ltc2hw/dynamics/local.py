"""Local derivatives of a step: how its values move with those that they are made of.

A way back (:mod:`~ltc2hw.dynamics.reverse`) and a way forward (:mod:`~ltc2hw.dynamics.tangent`)
through the same step multiply the same local derivatives. They are written into the step itself,
as further values of it, between *stops*: values at which a way is held before it goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import count

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.dynamics.verify import constant_only

Part = tuple[int, "int | None"]
"""A sign, and a value that None says is 1."""

Sum = list[tuple[int, int]]
"""Signed values; their sum is what is meant."""


class Forward:
    """A step that also gives the local derivatives which a way through it asks for.

    ``landing``: registers whose value moves one to one with a port, and which port it is.
    """

    def __init__(self, step: Program) -> None:
        self.step = step
        self.users = step.users()
        self.landing = self._landing()
        self._builder = Builder.after(step)
        self._kept: dict[str, int] = dict(step.results)

    def places(self, *operations: Operation) -> frozenset[int]:
        """Values of the step that are made by one of these operations."""
        return frozenset(i for i, v in enumerate(self.step.values) if v.operation in operations)

    def derivatives(
        self, index: int, stops: frozenset[int], *, past: bool
    ) -> dict[int, list[Part]]:
        """Derivatives of a value by the stops that it is made of, up to the first on every way.

        Each is a sign and a value of the step; None means 1. A comparison's derivatives are those
        of its difference, see :meth:`slope`. Ways through states end unless the ``past`` moves.
        """
        return _Spreading(self._builder, self.step, past).derivatives(index, stops)

    def slope(self, index: int) -> int:
        """The surrogate's slope of a comparison, a value of the step."""
        left, right = self.step.values[index].arguments
        distance = self._builder.add(Operation.SUBTRACT, left, right)
        return self._builder.add(Operation.SURROGATE, distance)

    def keep(self, index: int, reader: Builder) -> int:
        """A value of the step as the other program reads it: a constant, or a result of the step.

        It becomes a result where it is none.
        """
        value = self._builder.values[index]
        if value.operation is Operation.PARAMETER:
            return reader.add(Operation.PARAMETER, name=value.name)
        if value.operation is Operation.NUMBER:
            return reader.number(value.numbers[0])
        for name, place in self._kept.items():
            if place == index:
                return reader.add(Operation.PORT, name=name)
        name = next(n for n in _names(len(self._kept)) if n not in self._kept)
        self._kept[name] = index
        return reader.add(Operation.PORT, name=name)

    def program(self, wanted: Collection[str]) -> Program:
        """The step with its own results, and those of the kept values that are wanted."""
        whole = Program("real", tuple(self._builder.values), self._kept)
        own = self.step.results
        return whole.needed(tuple(n for n in self._kept if n in own or n in wanted))

    @property
    def kept(self) -> Collection[str]:
        """Names of the results, those of kept values among them."""
        return self._kept.keys()

    def _landing(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for index, value in enumerate(self.step.values):
            if value.operation is Operation.REGISTER:
                ports = self._added_ports(value.arguments[0])
                if len(ports) == 1:
                    found[index] = ports[0]
        return found

    def _added_ports(self, index: int) -> list[str]:
        """Ports that a value adds and nothing else reads."""
        value = self.step.values[index]
        if len(self.users[index]) > 1:
            return []
        if value.operation is Operation.PORT:
            return [value.name]
        return [name for part in self.added(index) for name in self._added_ports(part)]

    def added(self, index: int) -> tuple[int, ...]:
        """What a sum or difference moves one to one with."""
        value = self.step.values[index]
        if value.operation is Operation.ADD:
            return value.arguments
        return value.arguments[:1] if value.operation is Operation.SUBTRACT else ()


def _names(first: int) -> Iterator[str]:
    return (f"kept{number}" for number in count(first))


_LINEAR: Mapping[Operation, tuple[int, ...]] = {
    Operation.REGISTER: (1,),
    Operation.ADD: (1, 1),
    Operation.SUBTRACT: (1, -1),
    Operation.GREATER: (1, -1),
}
"""Operations whose derivatives are signs; of a comparison, those of its difference."""


class _Spreading:
    """Derivatives of one value, spread over what it is made of.

    A gathered derivative is a value of the step's builder, whose first values are the step's own.
    """

    def __init__(self, front: Builder, step: Program, past: bool) -> None:
        self.front = front
        self.step = step
        self.past = past
        self.adjoint: dict[int, list[Part]] = {}

    def derivatives(self, index: int, stops: frozenset[int]) -> dict[int, list[Part]]:
        """See :meth:`Forward.derivatives`."""
        self.spread(index, (1, None))
        found: dict[int, list[Part]] = {}
        for inner in range(index - 1, -1, -1):
            if inner not in self.adjoint:
                continue
            parts = self.gathered(self.adjoint[inner])
            if inner in stops:
                found[inner] = parts
                continue
            for part in parts:
                self.spread(inner, part)
        return found

    def gathered(self, parts: list[Part]) -> list[Part]:
        """Derivatives along several ways as one value; a single one stays as it is."""
        if len(parts) == 1:
            return parts
        one = self.front.number(1.0)
        values = [(sign, one if value is None else value) for sign, value in parts]
        if all(sign < 0 for sign, _ in values):
            return [(-1, signed_sum(self.front, [(1, value) for _, value in values]))]
        return [(1, signed_sum(self.front, values))]

    def moves(self, argument: int) -> bool:
        """Whether a value moves at all: not what is constant, nor a state while the past is."""
        if self.step.values[argument].operation is Operation.STATE:
            return self.past
        return not constant_only(self.step, argument)

    def give(self, argument: int, sign: int, factor: int | None) -> None:
        """Add to the derivatives by an argument."""
        if self.moves(argument):
            self.adjoint.setdefault(argument, []).append((sign, factor))

    def product(self, outer: int | None, factor: int) -> int:
        """``outer · factor``, with None for 1."""
        return factor if outer is None else self.front.add(Operation.MULTIPLY, outer, factor)

    def spread(self, index: int, part: Part) -> None:
        """Add a value's derivative to those of its arguments."""
        value = self.step.values[index]
        sign, outer = part
        operation, arguments = value.operation, value.arguments
        if operation in _LINEAR:
            for argument, direction in zip(arguments, _LINEAR[operation], strict=True):
                self.give(argument, direction * sign, outer)
        elif operation is Operation.MULTIPLY:
            for argument, other in (arguments, arguments[::-1]):
                self.multiplied(argument, part, other)
        elif operation is Operation.GATE:
            slope = self.front.add(Operation.SLOPE, arguments[0], name=value.name)
            self.multiplied(arguments[0], part, slope)
        elif operation is Operation.SELECT:
            self.choice(arguments, part)
        elif operation in (Operation.MINIMUM, Operation.MAXIMUM):
            self.extreme(operation, arguments, part)

    def multiplied(self, argument: int, part: Part, factor: int) -> None:
        """Add a factor's product with what came so far to the derivatives by an argument."""
        sign, outer = part
        if self.moves(argument):
            self.give(argument, sign, self.product(outer, factor))

    def extreme(self, operation: Operation, arguments: tuple[int, ...], part: Part) -> None:
        """The larger or smaller of two moves alone."""
        left, right = arguments if operation is Operation.MAXIMUM else arguments[::-1]
        first = self.front.add(Operation.GREATER, left, right)
        zero, one = self.front.number(0.0), self.front.number(1.0)
        for argument, ends in zip(arguments, ((one, zero), (zero, one)), strict=True):
            self.multiplied(argument, part, self.front.add(Operation.SELECT, first, *ends))

    def choice(self, arguments: tuple[int, ...], part: Part) -> None:
        """``select(c, a, b)`` with c in 0, 1 is ``c a + (1 - c) b``."""
        condition, then, otherwise = arguments
        sign, outer = part
        one, zero = self.front.number(1.0), self.front.number(0.0)
        inner = one if outer is None else outer
        if self.is_zero(then):
            difference, direction = otherwise, -sign
        elif self.is_zero(otherwise):
            difference, direction = then, sign
        else:
            difference, direction = self.front.add(Operation.SUBTRACT, then, otherwise), sign
        self.give(condition, direction, self.product(outer, difference))
        self.give(then, sign, self.front.add(Operation.SELECT, condition, inner, zero))
        self.give(otherwise, sign, self.front.add(Operation.SELECT, condition, zero, inner))

    def is_zero(self, index: int) -> bool:
        value = self.step.values[index]
        return value.operation is Operation.NUMBER and value.numbers[0] == 0.0


def signed_sum(builder: Builder, parts: Sum) -> int:
    """Sum of signed values: what is added first, then what is subtracted."""
    positive = [value for sign, value in parts if sign > 0]
    negative = [value for sign, value in parts if sign < 0]
    if not positive:
        total = builder.number(0.0)
    else:
        total = positive[0]
        for value in positive[1:]:
            total = builder.add(Operation.ADD, total, value)
    for value in negative:
        total = builder.add(Operation.SUBTRACT, total, value)
    return total
