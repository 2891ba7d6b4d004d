"""Smallest and largest value of everything that a simplified step computes.

Intervals lose that two values belong together. Two facts are put back, on which the widths of
states depend: ``x + rsz(g (y - x), n)`` and ``rsz(g x, n) + (2^n - g)·y / 2^n`` lie between x and y
for a share g in ``0 .. 2^n``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ltc2hw.dynamics.intervals import Interval, transfer
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Value
from ltc2hw.numbers.words import IntArray

ZERO = Interval(0, 0)

WIDEST = 1 << 62
"""No value of a legal network leaves ± this."""

PATIENCE = 3
"""Steps after which intervals of states that still grow are doubled."""


def hull(*intervals: Interval) -> Interval:
    """Smallest interval around some."""
    return Interval(min(low for low, _ in intervals), max(high for _, high in intervals))


def magnitude(interval: Interval) -> int:
    """Largest magnitude in an interval."""
    return interval.magnitude


def within(interval: Interval, low: int, high: int) -> bool:
    """Whether a whole interval lies between two ends."""
    return low <= interval.low and interval.high <= high


class Intervals:
    """Intervals of all values of a program, in order, for given leaves."""

    def __init__(
        self,
        values: Sequence[Value],
        constants: Mapping[str, Interval],
        ports: Mapping[str, Interval],
        states: Mapping[str, Interval],
        tables: Mapping[str, IntArray],
    ) -> None:
        self.values = values
        self.leaves = {
            Operation.PARAMETER: constants, Operation.PORT: ports, Operation.STATE: states,
        }  # fmt: skip
        self.tables = tables
        self.found: list[Interval] = []
        for value in values:
            self.found.append(self.of(value))

    def of(self, value: Value) -> Interval:
        """Interval of a value whose arguments are known."""
        operation = value.operation
        if operation in self.leaves:
            return self.leaves[operation][value.name]
        arguments = [self.found[argument] for argument in value.arguments]
        found = transfer(value, arguments, self.tables)
        if operation is Operation.ADD:
            for first, second in (value.arguments, value.arguments[::-1]):
                mixed = self.mixed(first, second) or self.blended(first, second)
                if mixed is not None:
                    return found.meet(mixed)
        return found

    def shared(self, index: int) -> tuple[int, int, int] | None:
        """Share g, value y and bits of ``rsz(g y, bits)`` with g in ``0 .. 2^bits``."""
        value = self.values[index]
        if value.operation is not Operation.SHIFT_TOWARD_ZERO:
            return None
        inner, bits = self.values[value.arguments[0]], int(value.numbers[0])
        if inner.operation is Operation.MULTIPLY:
            for share, other in (inner.arguments, inner.arguments[::-1]):
                if within(self.found[share], 0, 1 << bits):
                    return share, other, bits
        return None

    def mixed(self, origin: int, step: int) -> Interval | None:
        """Interval of ``x + rsz(g (y - x), n)``."""
        shared = self.shared(step)
        if shared is None:
            return None
        inner = self.values[shared[1]]
        if inner.operation is Operation.SUBTRACT and inner.arguments[1] == origin:
            return hull(self.found[origin], self.found[inner.arguments[0]])
        return None

    def blended(self, first: int, second: int) -> Interval | None:
        """Interval of ``rsz(g x, n) + (1 - g / 2^n) y``, or of that where y is chosen or 0."""
        shared = self.shared(first)
        if shared is None:
            return None
        other = self.complement(second, shared[0], shared[2])
        return None if other is None else hull(ZERO, self.found[shared[1]], other)

    def complement(self, index: int, share: int, bits: int) -> Interval | None:
        """Interval of y where a value is ``(1 - share / 2^bits) y``, rounded toward zero."""
        value = self.values[index]
        if value.operation is Operation.NUMBER and value.numbers[0] == 0:
            return ZERO
        if value.operation is Operation.SELECT:
            parts = [self.complement(a, share, bits) for a in value.arguments[1:]]
            known = [part for part in parts if part is not None]
            return hull(*known) if len(known) == len(parts) else None
        finer = self.rest(index, share, bits)
        if finer is not None:
            return Interval(1 << finer, 1 << finer)
        if value.operation is Operation.SHIFT_TOWARD_ZERO and value.numbers[0] == bits:
            inner = self.values[value.arguments[0]]
            if inner.operation is Operation.MULTIPLY:
                for part, other in (inner.arguments, inner.arguments[::-1]):
                    if self.rest(part, share, bits) == bits:
                        return self.found[other]
        return None

    def rest(self, index: int, share: int, bits: int) -> int | None:
        """The m for which a value is ``2^m - (share << (m - bits))``."""
        value = self.values[index]
        if value.operation is not Operation.SUBTRACT:
            return None
        whole, part = (self.values[argument] for argument in value.arguments)
        shift = 0
        if value.arguments[1] != share:
            if part.operation is not Operation.SHIFT_LEFT or part.arguments != (share,):
                return None
            shift = int(part.numbers[0])
        if whole.operation is Operation.NUMBER and whole.numbers[0] == 1 << bits + shift:
            return bits + shift
        return None


def reachable(
    values: Sequence[Value],
    results: Mapping[str, int],
    names: Sequence[str],
    constants: Mapping[str, Interval],
    ports: Mapping[str, Interval],
    tables: Mapping[str, IntArray],
) -> dict[str, Interval]:
    """Intervals that states starting from zero never leave.

    They grow step by step, then in powers of two until no step leads out of them; steps from
    there only narrow them.
    """

    def after(states: Mapping[str, Interval]) -> dict[str, Interval]:
        found = Intervals(values, constants, ports, states, tables).found
        return {name: hull(ZERO, found[results[name]]) for name in names}

    states = dict.fromkeys(names, ZERO)
    for turn in range(4 * WIDEST.bit_length() * (len(names) + 1)):
        following = after(states)
        grown = {name: hull(states[name], following[name]) for name in names}
        if grown == states:
            for _ in range(PATIENCE):
                following = after(states)
                states = {n: states[n].meet(following[n]) for n in names}
            return states
        if turn >= PATIENCE:
            grown = {n: _widened(states[n], grown[n]) for n in names}
        states = grown
    return dict.fromkeys(names, Interval(-WIDEST, WIDEST))


def _widened(before: Interval, now: Interval) -> Interval:
    """Ends that have moved go on to the next power of two, at most to the widest."""
    low, high = now
    if low < before[0]:
        low = -min(WIDEST, 1 << (-low - 1).bit_length())
    if high > before[1]:
        high = min(WIDEST, 1 << (high - 1).bit_length())
    return Interval(low, high)
