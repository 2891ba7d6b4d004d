"""A step backwards, with the past held fixed: the credit of results becomes factors of ports.

The reverse of a program is two programs. ``forward`` is the step itself with some more results:
local derivatives that the way back needs. ``backward`` reads them, takes credit (descent
directions) at what the neuron sends and gives a factor for every port. A credit is held in a word
at three kinds of places, its *stops*: where it reaches a comparison (it meets the surrogate's slope
there), a register that a port lands in (it meets the messages of synapses there), and the new value
of a state. Between two stops the local derivatives are multiplied first, in the formats of the
forward step, then the credit with their product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.dynamics.verify import constant_only
from ltc2hw.errors import UnsupportedError

CREDIT = "credit"
"""First part of the names of the backward program's credits, ``credit.spikes``; and the word in
which a comparison's credit is held."""

DESCENT = "descent"
"""Name of credits between two stops: they have the credit's fraction, and no word."""

FACTOR = "factor"
"""First part of the names of factors, ``factor.current``."""

ONE = "one"
"""Message of a constant that is added."""


@dataclass(frozen=True)
class Reverse:
    """Both halves of a learning step, as real programs.

    ``forward``: the model's step, with kept values as further results. ``backward``: ports are
    results of ``forward`` and ``credit.<variable>``; results are ``factor.<port>``.
    ``messages``: for every constant that is added where a port lands, or multiplies something
    there, the port and what its factor meets: the name of a state or result, or ``one``.
    """

    forward: Program
    backward: Program
    messages: Mapping[str, tuple[str, str]]


Sum = list[tuple[int, int]]
"""Signed values; their sum is what is meant."""


def reverse(model: Model, credited: tuple[str, ...]) -> Reverse:
    """The reverse of a model's step for credit of some of its sent variables.

    Raises:
        UnsupportedError: for a step through which no error finds its way back, by name.
    """
    return _Reversing(model, credited).whole()


class _Reversing:
    def __init__(self, model: Model, credited: tuple[str, ...]) -> None:
        self.model = model
        self.credited = credited
        self.step = model.program
        self.front = Builder("real")
        for value in self.step.values:
            self.front.add(
                value.operation, *value.arguments, name=value.name, numbers=value.numbers
            )
        self.kept: dict[str, int] = dict(self.step.results)
        self.back = Builder("real")
        self.landing = self._landing()
        self.stops = self._stops()

    def _landing(self) -> dict[int, str]:
        """Registers whose value moves one to one with a port, and which port it is."""
        found: dict[int, str] = {}
        for index, value in enumerate(self.step.values):
            if value.operation is Operation.REGISTER:
                ports = self._added_ports(value.arguments[0])
                if len(ports) == 1:
                    found[index] = ports[0]
        return found

    def _added_ports(self, index: int) -> list[str]:
        value = self.step.values[index]
        if value.operation is Operation.PORT:
            return [value.name]
        if value.operation is Operation.ADD:
            return [name for a in value.arguments for name in self._added_ports(a)]
        return []

    def _stops(self) -> frozenset[int]:
        states = {self.step.results[name] for name in self.model.states}
        sent = {self.step.results[name] for name in self.credited}
        compared = {i for i, v in enumerate(self.step.values) if v.operation is Operation.GREATER}
        ports = {i for i, v in enumerate(self.step.values) if v.operation is Operation.PORT}
        return frozenset({*self.landing, *states, *sent, *compared, *ports})

    def whole(self) -> Reverse:
        """Walk from the results to the ports."""
        credit: dict[int, list[tuple[int, int]]] = {}
        for name in self.credited:
            arrived = self.back.add(Operation.PORT, name=f"{CREDIT}.{name}")
            credit.setdefault(self.step.results[name], []).append((1, arrived))
        factors: dict[str, int] = {}
        for index in range(len(self.step.values) - 1, -1, -1):
            if index not in credit:
                continue
            total = self._total(credit[index], self.back)
            held = self._held(index, total)
            value = self.step.values[index]
            if index in self.landing:
                factors[self.landing[index]] = held
            elif value.operation is Operation.PORT and value.name not in factors:
                factors[value.name] = held
                continue
            for stop, derivative in self._derivatives(index).items():
                for sign, factor in derivative:
                    credit.setdefault(stop, []).append((sign, self._times(held, factor)))
        missing = [port for port in self.model.ports if port not in factors]
        if missing:
            raise UnsupportedError(
                "on-chip learning", f"port {missing[0]} of model {self.model.name}",
                f"no way back from {', '.join(self.credited)}", "hold it",
            )  # fmt: skip
        results = {f"{FACTOR}.{port}": factors[port] for port in self.model.ports}
        backward = self.back.program(results)
        wanted = {name for name in backward.ports if not name.startswith(f"{CREDIT}.")}
        messages = self._messages()
        wanted |= {message for _, message in messages.values()} & set(self.kept)
        forward = Program("real", tuple(self.front.values), self.kept)
        names = tuple(n for n in self.kept if n in self.step.results or n in wanted)
        return Reverse(forward.needed(names), backward, messages)

    def _held(self, index: int, total: int) -> int:
        """The credit as the way back goes on with it, in a word where it is a factor."""
        operation = self.step.values[index].operation
        if operation is Operation.GREATER:
            word = self.back.add(Operation.REGISTER, total, name=CREDIT)
            return self._product(self._slope(index), word)
        if index in self.landing or operation is Operation.PORT:
            name = self.landing.get(index) or self.step.values[index].name
            return self.back.add(Operation.REGISTER, total, name=f"{FACTOR}.{name}")
        return total

    def _slope(self, index: int) -> int:
        left, right = self.step.values[index].arguments
        distance = self.front.add(Operation.SUBTRACT, left, right)
        return self._keep(self.front.add(Operation.SURROGATE, distance))

    def _keep(self, index: int) -> int:
        """A value of the forward step, as the backward program reads it."""
        value = self.front.values[index]
        if value.operation is Operation.PARAMETER:
            return self.back.add(Operation.PARAMETER, name=value.name)
        if value.operation is Operation.NUMBER:
            return self.back.number(value.numbers[0])
        for name, place in self.kept.items():
            if place == index:
                return self.back.add(Operation.PORT, name=name)
        name = f"kept{len(self.kept)}"
        self.kept[name] = index
        return self.back.add(Operation.PORT, name=name)

    def _times(self, credit: int, factor: int | None) -> int:
        if factor is None:
            return credit
        return self._product(self._keep(factor), credit)

    def _product(self, factor: int, credit: int) -> int:
        """A credit on its way: with the credit's fraction, whatever the factor's is."""
        product = self.back.add(Operation.MULTIPLY, factor, credit)
        return self.back.add(Operation.REGISTER, product, name=DESCENT)

    def _derivatives(self, index: int) -> dict[int, list[tuple[int, int | None]]]:
        """Of a stop by the stops that it is made of: signed derivatives, None meaning 1."""
        return derivatives(self.front, self.step, index, self.stops)

    @staticmethod
    def _total(parts: Sum, builder: Builder) -> int:
        return signed_sum(builder, parts)

    def _messages(self) -> dict[str, tuple[str, str]]:
        """What the factor of a port meets at each constant that is used where the port lands."""
        found: dict[str, tuple[str, str]] = {}
        for index, port in self.landing.items():
            self._collect(self.step.values[index].arguments[0], port, found)
        return found

    def _collect(self, index: int, port: str, found: dict[str, tuple[str, str]]) -> None:
        value = self.step.values[index]
        if value.operation is Operation.ADD:
            for argument in value.arguments:
                self._collect(argument, port, found)
        elif value.operation is Operation.PARAMETER:
            found[value.name] = (port, ONE)
        elif value.operation is Operation.MULTIPLY:
            for factor, other in (value.arguments, value.arguments[::-1]):
                named = self.step.values[factor]
                if named.operation is Operation.PARAMETER and not constant_only(self.step, other):
                    message = self._name(other)
                    if message is not None:
                        found[named.name] = (port, message)

    def _name(self, index: int) -> str | None:
        """Name of a state before the step, or of a result that is a value."""
        value = self.step.values[index]
        if value.operation is Operation.STATE:
            return f"state.{value.name}"
        return next((name for name, place in self.step.results.items() if place == index), None)


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


def derivatives(
    front: Builder, step: Program, index: int, stops: frozenset[int]
) -> dict[int, list[tuple[int, int | None]]]:
    """Derivatives of a value by the stops that it is made of, up to the first on every way.

    Each is a sign and a value of ``front``, whose first values are the step's; None means 1. A
    comparison's derivatives are those of its difference. Ways through states end: the past is
    fixed.
    """
    adjoint: dict[int, list[tuple[int, int | None]]] = {}
    _spread(front, step, index, (1, None), adjoint)
    found: dict[int, list[tuple[int, int | None]]] = {}
    for inner in range(index - 1, -1, -1):
        if inner not in adjoint:
            continue
        if inner in stops:
            found[inner] = _gathered(front, adjoint[inner])
            continue
        for part in _gathered(front, adjoint[inner]):
            _spread(front, step, inner, part, adjoint)
    return found


Part = tuple[int, "int | None"]


def _gathered(front: Builder, parts: list[Part]) -> list[Part]:
    """Derivatives along several ways as one value; a single one stays as it is."""
    if len(parts) == 1:
        return parts
    one = front.number(1.0)
    values = [(sign, one if value is None else value) for sign, value in parts]
    if all(sign < 0 for sign, _ in values):
        return [(-1, signed_sum(front, [(1, value) for _, value in values]))]
    return [(1, signed_sum(front, values))]


def _spread(
    front: Builder, step: Program, index: int, part: Part, adjoint: dict[int, list[Part]]
) -> None:
    """Add a value's derivative to those of its arguments."""
    value = step.values[index]
    sign, outer = part

    def give(argument: int, factor: int | None, sign: int = sign) -> None:
        if constant_only(step, argument) or step.values[argument].operation is Operation.STATE:
            return
        product = factor if outer is None else outer
        if outer is not None and factor is not None:
            product = front.add(Operation.MULTIPLY, outer, factor)
        adjoint.setdefault(argument, []).append((sign, product))

    operation, arguments = value.operation, value.arguments
    if operation in _LINEAR:
        for argument, direction in zip(arguments, _LINEAR[operation], strict=True):
            give(argument, None, direction * sign)
    elif operation is Operation.MULTIPLY:
        give(arguments[0], arguments[1])
        give(arguments[1], arguments[0])
    elif operation is Operation.GATE:
        give(arguments[0], front.add(Operation.SLOPE, arguments[0], name=value.name))
    elif operation is Operation.SELECT:
        _spread_choice(front, step, arguments, part, adjoint)
    elif operation in (Operation.MINIMUM, Operation.MAXIMUM):
        left, right = arguments if operation is Operation.MAXIMUM else arguments[::-1]
        first = front.add(Operation.GREATER, left, right)
        zero, one = front.number(0.0), front.number(1.0)
        give(arguments[0], front.add(Operation.SELECT, first, one, zero))
        give(arguments[1], front.add(Operation.SELECT, first, zero, one))


_LINEAR: Mapping[Operation, tuple[int, ...]] = {
    Operation.REGISTER: (1,),
    Operation.ADD: (1, 1),
    Operation.SUBTRACT: (1, -1),
    Operation.GREATER: (1, -1),
}
"""Operations whose derivatives are signs; of a comparison, those of its difference."""


def _spread_choice(
    front: Builder,
    step: Program,
    arguments: tuple[int, ...],
    part: Part,
    adjoint: dict[int, list[Part]],
) -> None:
    """``select(c, a, b)`` with c in 0, 1 is ``c a + (1 - c) b``."""
    condition, then, otherwise = arguments
    sign, outer = part
    one, zero = front.number(1.0), front.number(0.0)
    inner = one if outer is None else outer

    def is_zero(index: int) -> bool:
        value = step.values[index]
        return value.operation is Operation.NUMBER and value.numbers[0] == 0.0

    def give(argument: int, sign: int, factor: int) -> None:
        if not constant_only(step, argument):
            adjoint.setdefault(argument, []).append((sign, factor))

    if is_zero(then):
        difference, direction = otherwise, -sign
    elif is_zero(otherwise):
        difference, direction = then, sign
    else:
        difference, direction = front.add(Operation.SUBTRACT, then, otherwise), sign
    product = difference if outer is None else front.add(Operation.MULTIPLY, outer, difference)
    give(condition, direction, product)
    if step.values[then].operation is not Operation.STATE:
        give(then, sign, front.add(Operation.SELECT, condition, inner, zero))
    if step.values[otherwise].operation is not Operation.STATE:
        give(otherwise, sign, front.add(Operation.SELECT, condition, zero, inner))
