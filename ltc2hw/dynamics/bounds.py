"""How small and how large every integer of a program can be, whatever the samples.

Intervals go through the program (:mod:`~ltc2hw.dynamics.intervals`), with the facts that plain
ones lose (:mod:`~ltc2hw.dynamics.facts`). A register's range is one that a step does not leave: it
holds the register before every step, the first one's included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ltc2hw.dynamics.facts import Facts, facts
from ltc2hw.dynamics.intervals import Interval, transfer
from ltc2hw.dynamics.operations import COUNTED, Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.integer_limits import EXACT_BITS, require_exact
from ltc2hw.numbers.nonlinearity import TABLE_SPAN_BITS
from ltc2hw.numbers.words import IntArray

PLAIN_ROUNDS = 6
"""Steps that are followed one by one; after that, ends that still move are doubled."""

WIDEST = 1 << 2 * EXACT_BITS
"""A register that could reach this is held by nothing."""

ZERO = Interval(0, 0)
States = Mapping[str, Interval]


class Lowered(Protocol):
    """What bounds need of a population: its program, its constants (N,) and tables by name."""

    @property
    def name(self) -> str:
        """Of the population."""

    @property
    def program(self) -> Program:
        """Of integers."""

    @property
    def constants(self) -> Mapping[str, IntArray]:
        """Per neuron."""

    @property
    def tables(self) -> Mapping[str, IntArray]:
        """By gate."""


@dataclass(frozen=True)
class Bounds:
    """Intervals of all values of a program by index, of its results, and of its registers.

    ``states`` hold before every step, hence after it, too.
    """

    values: tuple[Interval, ...]
    results: Mapping[str, Interval]
    states: States


def bounds(neurons: Lowered, arriving: Mapping[str, int], states: States | None = None) -> Bounds:
    """Bounds of everything that a population computes in any number of steps.

    ``arriving`` is the largest magnitude of the sum that arrives at each port (0 for ports that it
    leaves out); ``states`` are intervals from which runs may start beside 0, such as
    :func:`register_ranges`.

    Raises:
        InvalidValueError: for a register that grows without end.
    """
    step = _Step(
        neurons,
        facts(neurons.program.values),
        {name: Interval(int(v.min()), int(v.max())) for name, v in neurons.constants.items()},
        {port: Interval(-(n := arriving.get(port, 0)), n) for port in neurons.program.ports},
    )
    given = states or {}
    start = {name: ZERO.hull(given.get(name, ZERO)) for name in neurons.program.states}
    found = _invariant(step, start)
    values = step.values(found)
    results = {name: values[index] for name, index in neurons.program.results.items()}
    return Bounds(tuple(values), results, found)


def register_ranges(neurons: Lowered) -> dict[str, Interval]:
    """What a register can hold whatever arrives: states that a run may be given lie in it.

    Raises:
        InvalidValueError: for a register that no word holds.
    """
    whatever = dict.fromkeys(neurons.program.ports, 1 << EXACT_BITS)
    return dict(bounds(neurons, whatever).states)


def require_exact_program(neurons: Lowered, arriving: Mapping[str, int]) -> None:
    """Raise unless 64-bit integers hold every sum and product, from every state that may be given.

    Raises:
        InvalidValueError: naming the population and the value that could leave ±2^62, or the
            register that no word holds.
    """
    found = bounds(neurons, arriving, register_ranges(neurons))
    for index, value in enumerate(neurons.program.values):
        largest = found.values[index].magnitude
        if value.operation is Operation.INTERPOLATE:
            largest = _largest_interpolation(neurons.tables[value.name], *map(int, value.numbers))
        if largest > 1 << EXACT_BITS:
            require_exact(_described(neurons, index), largest)


def _largest_interpolation(table: IntArray, fraction: int, index_bits: int) -> int:
    """Largest ``(table[c + 1] - table[c]) rest``, computed before its shift."""
    rise = int(np.abs(np.diff(table)).max())
    return rise << (fraction + TABLE_SPAN_BITS - index_bits)


def _described(neurons: Lowered, index: int) -> str:
    """A value by what it is and where it goes."""
    program = neurons.program
    value = program.values[index]
    constants = [
        program.values[argument].name
        for argument in value.arguments
        if program.values[argument].operation is Operation.PARAMETER
    ]
    if value.operation is Operation.INTERPOLATE:
        return f"interpolation of {neurons.name} {value.name}"
    if value.operation is Operation.MULTIPLY and constants:
        return f"product {neurons.name} {constants[0]}"
    kinds = {Operation.MULTIPLY: "product", Operation.SHIFT_LEFT: "shifted value"}
    kind = kinds.get(value.operation, "sum")
    return f"{kind} at {neurons.name}.{_destination(program, index)}"


def _destination(program: Program, index: int) -> str:
    """Name of the first word or result that a value becomes part of."""
    users = program.users()
    names = {place: name for name, place in program.results.items()}
    waiting = [index]
    for place in waiting:
        value = program.values[place]
        name = value.name if value.operation in COUNTED else names.get(place, "")
        if name:
            return name
        waiting.extend(users[place])
    return program.values[index].name


@dataclass(frozen=True)
class _Step:
    """One step of a population on intervals."""

    neurons: Lowered
    facts: Facts
    constants: States
    ports: States

    def values(self, states: States) -> list[Interval]:
        """Intervals of all values, by index."""
        found: list[Interval] = []
        leaves = {
            Operation.PARAMETER: self.constants, Operation.PORT: self.ports,
            Operation.STATE: states,
        }  # fmt: skip
        known = dict(enumerate(found))
        for index, value in enumerate(self.neurons.program.values):
            if value.operation in leaves:
                known[index] = leaves[value.operation][value.name]
                continue
            arguments = [known[argument] for argument in value.arguments]
            plain = transfer(value, arguments, self.neurons.tables)
            known[index] = self.facts.narrowed(index, plain, known)
        return list(known.values())

    def after(self, states: States) -> dict[str, Interval]:
        """The registers before or after a step."""
        values = self.values(states)
        results = self.neurons.program.results
        return {name: old.hull(values[results[name]]) for name, old in states.items()}

    def stays(self, states: States) -> bool:
        """Whether a step does not leave these intervals."""
        return self.after(states) == states


def _invariant(step: _Step, start: dict[str, Interval]) -> dict[str, Interval]:
    """Intervals that hold ``start`` and that no step leaves, as narrow as ends one by one can be."""
    followed, states = start, start
    for rounds in range(PLAIN_ROUNDS + 2 * WIDEST.bit_length() * len(start)):
        wider = step.after(states)
        if wider == states:
            return _narrowed(step, followed, states)
        if rounds < PLAIN_ROUNDS:
            followed, states = wider, wider
            continue
        states = {name: _doubled(states[name], end) for name, end in wider.items()}
        for name, interval in states.items():
            if interval.magnitude > WIDEST:
                raise InvalidValueError(
                    f"register {step.neurons.name}.{name}", "growing without end",
                    "a value that a word holds", "put it into register(..., name)",
                )  # fmt: skip
    raise AssertionError("every end has either settled or grown beyond the widest")


def _doubled(old: Interval, new: Interval) -> Interval:
    low = new.low if new.low == old.low else 2 * new.low
    return Interval(low, new.high if new.high == old.high else 2 * new.high)


def _narrowed(
    step: _Step, inner: dict[str, Interval], outer: dict[str, Interval]
) -> dict[str, Interval]:
    """The outer intervals with each end moved in, toward the inner one, as far as steps stay in."""
    if inner == outer:
        return outer
    states = dict(outer)
    for name, close in inner.items():
        for end in (0, 1):

            def moved(to: int, name: str = name, end: int = end) -> dict[str, Interval]:
                low, high = states[name]
                return {**states, name: Interval(to, high) if end == 0 else Interval(low, to)}

            place = _nearest(close[end], states[name][end], lambda to: step.stays(moved(to)))
            states = moved(place)
    return states


def _nearest(inner: int, outer: int, holds: Callable[[int], bool]) -> int:
    """A number for which a condition holds, next to the inner one for which it does not.

    It holds for the outer one.
    """
    if inner == outer or holds(inner):
        return inner
    while abs(outer - inner) > 1:
        middle = (inner + outer) // 2
        if holds(middle):
            outer = middle
        else:
            inner = middle
    return outer
