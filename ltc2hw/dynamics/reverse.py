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

from ltc2hw.dynamics.local import Forward, signed_sum
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program
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
    results of ``forward`` and ``credit.<variable>``; results are ``factor.<port>``, of the ports
    that the credit finds its way back to. ``messages`` as by :func:`messages`.
    """

    forward: Program
    backward: Program
    messages: Mapping[str, tuple[str, str]]


def reverse(model: Model, credited: tuple[str, ...]) -> Reverse:
    """The reverse of a model's step for credit of some of its sent variables.

    Raises:
        UnsupportedError: for a step through which no error finds its way back, by name.
    """
    return _Reversing(model, credited).whole()


def messages(model: Model) -> Mapping[str, tuple[str, str]]:
    """What the factor of a port meets at each constant that is used where the port lands alone.

    By constant: the port, and the name of what the constant multiplies there (``state.<name>`` of a
    state before the step, or a result), or ``one`` where it is added.
    """
    return _Reversing(model, ()).messages()


class _Reversing:
    def __init__(self, model: Model, credited: tuple[str, ...]) -> None:
        self.model = model
        self.credited = credited
        self.step = model.program
        self.front = Forward(self.step)
        self.back = Builder("real")
        self.stops = self._stops()

    def _stops(self) -> frozenset[int]:
        states = {self.step.results[name] for name in self.model.states}
        sent = {self.step.results[name] for name in self.credited}
        held = self.front.places(Operation.GREATER, Operation.PORT)
        return frozenset({*self.front.landing, *states, *sent, *held})

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
            total = signed_sum(self.back, credit[index])
            held = self._held(index, total)
            value = self.step.values[index]
            if index in self.front.landing:
                factors[self.front.landing[index]] = held
            elif value.operation is Operation.PORT and value.name not in factors:
                factors[value.name] = held
                continue
            found = self.front.derivatives(index, self.stops, past=False)
            for stop, derivative in found.items():
                for sign, factor in derivative:
                    credit.setdefault(stop, []).append((sign, self._times(held, factor)))
        if not factors:
            raise UnsupportedError(
                "on-chip learning", f"model {self.model.name}",
                f"no way back from {', '.join(self.credited)} within a step", "hold it",
            )  # fmt: skip
        ports = (port for port in self.model.ports if port in factors)
        backward = self.back.program({f"{FACTOR}.{port}": factors[port] for port in ports})
        wanted = {name for name in backward.ports if not name.startswith(f"{CREDIT}.")}
        met = self.messages()
        wanted |= {message for _, message in met.values()} & set(self.front.kept)
        return Reverse(self.front.program(wanted), backward, met)

    def _held(self, index: int, total: int) -> int:
        """The credit as the way back goes on with it, in a word where it is a factor."""
        operation = self.step.values[index].operation
        if operation is Operation.GREATER:
            word = self.back.add(Operation.REGISTER, total, name=CREDIT)
            return self._times(word, self.front.slope(index))
        if index in self.front.landing or operation is Operation.PORT:
            name = self.front.landing.get(index) or self.step.values[index].name
            return self.back.add(Operation.REGISTER, total, name=f"{FACTOR}.{name}")
        return total

    def _times(self, credit: int, factor: int | None) -> int:
        """A credit on its way: with the credit's fraction, whatever the factor's is."""
        if factor is None:
            return credit
        product = self.back.add(Operation.MULTIPLY, self.front.keep(factor, self.back), credit)
        return self.back.add(Operation.REGISTER, product, name=DESCENT)

    def messages(self) -> dict[str, tuple[str, str]]:
        """See :func:`messages`."""
        found: dict[str, tuple[str, str]] = {}
        for index, port in self.front.landing.items():
            self._collect(self.step.values[index].arguments[0], port, found)
        return found

    def _collect(self, index: int, port: str, found: dict[str, tuple[str, str]]) -> None:
        value = self.step.values[index]
        if len(self.front.users[index]) > 1:
            return
        for argument in self.front.added(index):
            self._collect(argument, port, found)
        if value.operation is Operation.PARAMETER:
            found[value.name] = (port, ONE)
        elif value.operation is Operation.MULTIPLY:
            for factor, other in (value.arguments, value.arguments[::-1]):
                named = self.step.values[factor]
                alone = (
                    named.operation is Operation.PARAMETER and len(self.front.users[factor]) == 1
                )
                message = self._name(other) if alone else None
                if message is not None:
                    found[named.name] = (port, message)

    def _name(self, index: int) -> str | None:
        """Name of a state before the step, or of a result that is a value."""
        value = self.step.values[index]
        if value.operation is Operation.STATE:
            return f"state.{value.name}"
        return next((name for name, place in self.step.results.items() if place == index), None)
