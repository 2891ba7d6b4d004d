"""A step forwards, with the past moving: how the new states follow the old ones and the ports.

With h the states of a neuron, x what arrives at its ports and z what it sends, one step moves as::

    δh[t] = A δh[t-1] + b δx[t]        A = ∂h[t] / ∂h[t-1],   b = ∂h[t] / ∂x[t]
    δz[t] = C δh[t-1] + d δx[t]        C = ∂z[t] / ∂h[t-1],   d = ∂z[t] / ∂x[t]

with the surrogate's slope for that of a comparison. A spike that the next step reads is a state
like the others. What a neuron gets through a projection of its own population is no state: it
arrives at a port. Eligibility traces are ``ε[t] = A ε[t-1] + b x[t]`` (Bellec et al., Nature
Communications 11, 3625, 2020; Bohnstingl et al., arXiv 2007.12723).

As in the reverse (:mod:`~ltc2hw.dynamics.reverse`), local derivatives between two stops are
multiplied in the step itself; what multiplies them further is another program, which reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ltc2hw.dynamics.local import Forward, Part, signed_sum
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.dynamics.reverse import messages

CARRY, ENTER, SHOW, CROSS = "carry", "enter", "show", "cross"
"""First parts of the names of A's, b's, C's and d's entries."""

TANGENT = "tangent"
"""Word of every entry, and of every product on the way to one."""


def carry(new: str, old: str) -> str:
    """Name of the entry ``∂ new state / ∂ old state``.

    >>> carry("membrane", "spikes")
    'carry.membrane.spikes'
    """
    return f"{CARRY}.{new}.{old}"


def enter(state: str, port: str) -> str:
    """Name of the entry ``∂ new state / ∂ port``."""
    return f"{ENTER}.{state}.{port}"


def show(variable: str, state: str) -> str:
    """Name of the entry ``∂ sent variable / ∂ old state``."""
    return f"{SHOW}.{variable}.{state}"


def cross(variable: str, port: str) -> str:
    """Name of the entry ``∂ sent variable / ∂ port``."""
    return f"{CROSS}.{variable}.{port}"


@dataclass(frozen=True)
class Tangent:
    """How a step moves, as two real programs; :func:`tangent` makes one.

    ``forward``: the model's step, with kept values (local derivatives, surrogate slopes) as further
    results. ``jacobian``: its ports are results of ``forward``, its results the entries that are
    not zero by the step's structure, named by :func:`carry`, :func:`enter`, :func:`show` and
    :func:`cross`. ``states``, ``ports`` and ``sends`` as of the model, in its order; ``sends``
    without repetition, the output among them. ``messages`` as by
    :func:`~ltc2hw.dynamics.reverse.messages`: which port a constant lands at, with which message.
    """

    forward: Program
    jacobian: Program
    states: tuple[str, ...]
    ports: tuple[str, ...]
    sends: tuple[str, ...]
    messages: Mapping[str, tuple[str, str]]

    def has(self, entry: str) -> bool:
        """Whether an entry can be other than 0."""
        return entry in self.jacobian.results

    def carried(self, new: str) -> tuple[str, ...]:
        """Old states that a new state follows."""
        return tuple(old for old in self.states if self.has(carry(new, old)))

    def entered(self, port: str) -> tuple[str, ...]:
        """New states that follow what arrives at a port within the step."""
        return tuple(state for state in self.states if self.has(enter(state, port)))

    def shown(self, variable: str) -> tuple[str, ...]:
        """Old states that what is sent follows."""
        return tuple(state for state in self.states if self.has(show(variable, state)))

    def remembered(self, port: str, variables: Collection[str]) -> tuple[str, ...]:
        """States in which something of a port stays until one of the variables shows it.

        Those are the components of the eligibility of everything that lands on the port.
        """
        reached = set(self.entered(port))
        needed = {state for variable in variables for state in self.shown(variable)}
        for _ in self.states:
            reached |= {new for new in self.states if reached & set(self.carried(new))}
            needed |= {old for new in needed for old in self.carried(new)}
        return tuple(state for state in self.states if state in reached & needed)


def tangent(model: Model) -> Tangent:
    """How one step of a model moves with its states and ports.

    >>> from ltc2hw.dynamics.models import find_model
    >>> found = tangent(find_model("readout"))
    >>> tuple(found.jacobian.results)[:2]
    ('carry.membrane.membrane', 'enter.membrane.current')
    >>> tangent(find_model("ltc")).remembered("tau_adp", ("spikes",))
    ('membrane', 'adaptation', 'spikes')
    """
    return _Moving(model).whole()


Row = dict[int, "int | None"]
"""Derivatives of a value by the leaves that it follows; None means 1."""


class _Moving:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.step = model.program
        self.sends = tuple(dict.fromkeys((*model.sends, model.output)))
        self.front = Forward(self.step)
        self.read = Builder("real")
        self.leaves = self.front.places(Operation.STATE, Operation.PORT)
        ends = {self.step.results[name] for name in (*model.states, *self.sends)}
        compared = self.front.places(Operation.GREATER)
        self.stops = frozenset({*self.leaves, *self.front.landing, *ends, *compared})

    def whole(self) -> Tangent:
        """Walk from the leaves to the results."""
        rows: dict[int, Row] = {}
        for index in sorted(self.stops):
            rows[index] = {index: None} if index in self.leaves else self.row(index, rows)
        entries: dict[str, int] = {}
        for names, by_state, by_port in (
            (self.model.states, carry, enter), (self.sends, show, cross)
        ):  # fmt: skip
            for name in names:
                found = self.named(rows[self.step.results[name]])
                for kind, known, naming in (
                    (Operation.STATE, self.model.states, by_state),
                    (Operation.PORT, self.model.ports, by_port),
                ):
                    for leaf in known:
                        if (kind, leaf) in found:
                            entries[naming(name, leaf)] = found[kind, leaf]
        jacobian = self.read.program(entries)
        met = messages(self.model)
        wanted = {*jacobian.ports, *(m for _, m in met.values() if m in self.front.kept)}
        forward = self.front.program(wanted)
        states, ports = self.model.states, self.model.ports
        return Tangent(forward, jacobian, states, ports, self.sends, met)

    def named(self, row: Row) -> dict[tuple[Operation, str], int]:
        """Derivatives by what they are taken by, each in its word."""
        leaves = ((self.step.values[index], value) for index, value in row.items())
        return {(leaf.operation, leaf.name): self.held(self.number(v)) for leaf, v in leaves}

    def row(self, index: int, rows: Mapping[int, Row]) -> Row:
        """Derivatives of a stop, made of those of the stops before it."""
        parts: dict[int, list[Part]] = {}
        for stop, local in self.front.derivatives(index, self.stops, past=True).items():
            for sign, factor in local:
                for leaf, inner in rows[stop].items():
                    parts.setdefault(leaf, []).append((sign, self.times(factor, inner)))
        found = {leaf: self.total(own) for leaf, own in parts.items()}
        if self.step.values[index].operation is Operation.GREATER and found:
            slope = self.front.slope(index)
            return {leaf: self.times(slope, own) for leaf, own in found.items()}
        return found

    def times(self, factor: int | None, inner: int | None) -> int | None:
        """A value of the step times a derivative."""
        if factor is None:
            return inner
        kept = self.front.keep(factor, self.read)
        if inner is None:
            return kept
        return self.held(self.read.add(Operation.MULTIPLY, kept, inner))

    def total(self, parts: list[Part]) -> int | None:
        if parts == [(1, None)]:
            return None
        return signed_sum(self.read, [(sign, self.number(value)) for sign, value in parts])

    def number(self, value: int | None) -> int:
        return self.read.number(1.0) if value is None else value

    def held(self, value: int) -> int:
        made = self.read.values[value]
        if made.operation is Operation.REGISTER:
            return value
        return self.read.add(Operation.REGISTER, value, name=TANGENT)
