"""How small and how large every integer of a program can be, whatever the samples.

Intervals go through the program (:mod:`~ltc2hw.dynamics.intervals`), with the facts that plain
ones lose (:mod:`~ltc2hw.dynamics.facts`). A register's range is one that a step does not leave: it
holds the register before every step, the first one's included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ltc2hw.dynamics.facts import Facts, facts
from ltc2hw.dynamics.formats import Formats
from ltc2hw.dynamics.intervals import Interval, transfer
from ltc2hw.dynamics.invariant import States, invariant
from ltc2hw.dynamics.model import SPIKES
from ltc2hw.dynamics.operations import COUNTED, Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.integer_limits import EXACT_BITS, NARROWER, require_exact
from ltc2hw.numbers.nonlinearity import TABLE_SPAN_BITS
from ltc2hw.numbers.words import IntArray

HELD_OR_NARROWER = f"put what grows into register(..., name), or {NARROWER}"

FREE = (Operation.GREATER, Operation.PLAN, Operation.LOOK_UP, Operation.INTERPOLATE)
"""Operations that give something in 0 .. 1 whatever they are given."""

ZERO = Interval(0, 0)

ENOUGH = 1 << 4 * EXACT_BITS
"""No end of an interval is larger: values far below are refused."""


class Lowered(Protocol):
    """What bounds need of a population: its program, and its constants (N,) and tables by name."""

    @property
    def name(self) -> str:
        """Of the population."""

    @property
    def formats(self) -> Formats:
        """With which the program was lowered."""

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
    given = states or {}
    start = {name: ZERO.hull(given.get(name, ZERO)) for name in neurons.program.states}
    step = _step(neurons, arriving)
    found = invariant(step.after, start, neurons.name)
    values = step.values(found)
    results = {name: values[index] for name, index in neurons.program.results.items()}
    return Bounds(tuple(values), results, found)


def register_ranges(neurons: Lowered) -> dict[str, Interval]:
    """What a register can hold whatever arrives: states that a run is given lie in it.

    A register with a word of its own can hold all of it; otherwise gates are taken to be anything
    in 0 .. 1 and comparisons to go either way. So ranges do not hang on thresholds and decays.

    Raises:
        InvalidValueError: for a register that no word holds.
    """
    whatever = dict.fromkeys(neurons.program.ports, 1 << EXACT_BITS)
    step = _step(neurons, whatever, free=True)
    start = {name: _word(neurons, name) for name in neurons.program.states}
    return invariant(step.after, start, neurons.name)


def _word(neurons: Lowered, state: str) -> Interval:
    """What a register's own word holds, 0 where it has none."""
    held = neurons.formats.held.get(state)
    if held is None or held.overflow is None:
        return ZERO
    limit = 1 << EXACT_BITS
    return transfer(Value(held.overflow, numbers=held.numbers), [Interval(-limit, limit)], {})


def require_exact_program(neurons: Lowered, arriving: Mapping[str, int]) -> None:
    """Raise unless 64-bit integers hold every sum and product, from every state that may be given.

    Raises:
        InvalidValueError: naming the population and the value that could leave ±2^62, the
            register that no word holds, or spikes that could be something else than one bit.
    """
    found = bounds(neurons, arriving, register_ranges(neurons))
    for index, value in enumerate(neurons.program.values):
        largest = found.values[index].magnitude
        if value.operation is Operation.INTERPOLATE:
            largest = _largest_interpolation(neurons.tables[value.name], *map(int, value.numbers))
        if largest > 1 << EXACT_BITS:
            require_exact(_described(neurons, index), largest, HELD_OR_NARROWER)
    spikes = found.results.get(SPIKES)
    if spikes is not None and not spikes.within(Interval(0, 1)):
        raise InvalidValueError(
            f"{SPIKES} of {neurons.name}", f"{spikes.low} to {spikes.high}", "0 or 1",
            "make them of comparisons",
        )  # fmt: skip


def _clipped(interval: Interval) -> Interval:
    """Ends that are no larger than is needed to refuse them: squares of squares have no end."""
    return Interval(max(interval.low, -ENOUGH), min(interval.high, ENOUGH))


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
    """One step of a population on intervals; ``free``: :data:`FREE` give anything they can."""

    neurons: Lowered
    facts: Facts
    constants: States
    ports: States
    free: bool

    def values(self, states: States) -> list[Interval]:
        """Intervals of all values, by index."""
        leaves = {
            Operation.PARAMETER: self.constants, Operation.PORT: self.ports,
            Operation.STATE: states,
        }  # fmt: skip
        found: list[Interval] = []
        for index, value in enumerate(self.neurons.program.values):
            if value.operation in leaves:
                found.append(leaves[value.operation][value.name])
            elif self.free and value.operation in FREE:
                found.append(Interval(0, 1 << self._fraction(value)))
            else:
                arguments = [found[argument] for argument in value.arguments]
                plain = transfer(value, arguments, self.neurons.tables)
                found.append(_clipped(self.facts.narrowed(index, plain, found)))
        return found

    def _fraction(self, value: Value) -> int:
        """Fraction of what lies in 0 .. 1."""
        if value.operation is Operation.GREATER:
            return 0
        if value.operation is Operation.PLAN:
            return int(value.numbers[1])
        return self.neurons.formats.gates[value.name].output_fraction

    def after(self, states: States) -> dict[str, Interval]:
        """The registers before or after a step."""
        values = self.values(states)
        results = self.neurons.program.results
        return {name: old.hull(values[results[name]]) for name, old in states.items()}


def _step(neurons: Lowered, arriving: Mapping[str, int], *, free: bool = False) -> _Step:
    sums = {port: arriving.get(port, 0) for port in neurons.program.ports}
    return _Step(
        neurons,
        facts(neurons.program.values),
        {name: Interval(int(v.min()), int(v.max())) for name, v in neurons.constants.items()},
        {port: Interval(-largest, largest) for port, largest in sums.items()},
        free,
    )
