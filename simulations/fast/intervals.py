"""Smallest and largest value of everything that a neuron's integer program computes.

Intervals lose that two values belong together. Two facts are put back, on which the widths of
states depend: ``x + rsz(g (y - x), n)`` and ``rsz(g x, n) + (2^n - g)·y / 2^n`` lie between x and y
for a share g in ``0 .. 2^n``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ltc2hw.dynamics.operations import TABULATED, Operation
from ltc2hw.dynamics.program import Value
from ltc2hw.numbers.words import IntArray

Interval = tuple[int, int]

ZERO: Interval = (0, 0)

WIDEST = 1 << 62
"""No value of a legal network leaves ± this."""

PATIENCE = 3
"""Steps after which intervals of states that still grow are doubled."""


def hull(*intervals: Interval) -> Interval:
    """Smallest interval around some."""
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def magnitude(interval: Interval) -> int:
    """Largest magnitude in an interval."""
    return max(-interval[0], interval[1])


def product(a: Interval, b: Interval) -> Interval:
    """Of any two values."""
    corners = [x * y for x in a for y in b]
    return min(corners), max(corners)


def toward_zero(value: int, bits: int) -> int:
    """``sign(x) (|x| >> bits)``."""
    return value >> bits if value >= 0 else -(-value >> bits)


def clipped(interval: Interval, low: int, high: int) -> Interval:
    """After saturation."""
    return min(max(interval[0], low), high), min(max(interval[1], low), high)


def within(interval: Interval, low: int, high: int) -> bool:
    """Whether a whole interval lies between two ends."""
    return low <= interval[0] and interval[1] <= high


def wrapped(interval: Interval, bits: int, signed: int) -> Interval:
    """After two's complement."""
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return interval if within(interval, low, high) else (low, high)


def wrapped_once(interval: Interval, bits: int, register_bits: int) -> Interval:
    """After the register's wrap, and then one at each end of the word: into ``(-h, h]``."""
    low, high = wrapped(interval, register_bits, 1)
    half = 1 << (bits - 1)
    if within((low, high), 1 - half, half):
        return low, high
    return min(1 - half, low + 2 * half), max(half, high - 2 * half)


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
        arguments = [self.found[argument] for argument in value.arguments]
        numbers = [int(number) for number in value.numbers]
        operation = value.operation
        if operation is Operation.NUMBER:
            return numbers[0], numbers[0]
        if operation in self.leaves:
            return self.leaves[operation][value.name]
        if operation in TABULATED:
            table = self.tables[value.name]
            return int(table.min()), int(table.max())
        found: Interval = MEANING[operation](*arguments, *numbers)
        if operation is Operation.ADD:
            for first, second in (value.arguments, value.arguments[::-1]):
                mixed = self.mixed(first, second) or self.blended(first, second)
                if mixed is not None:
                    return max(found[0], mixed[0]), min(found[1], mixed[1])
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
            return (1 << finer,) * 2
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


MEANING: Mapping[Operation, Callable[..., Interval]] = {
    Operation.ADD: lambda a, b: (a[0] + b[0], a[1] + b[1]),
    Operation.SUBTRACT: lambda a, b: (a[0] - b[1], a[1] - b[0]),
    Operation.MULTIPLY: product,
    Operation.MINIMUM: lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    Operation.MAXIMUM: lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    Operation.GREATER: lambda a, b: (int(a[0] > b[1]), int(a[1] > b[0])),
    Operation.SELECT: lambda condition, a, b: hull(a, b),
    Operation.SHIFT_LEFT: lambda a, bits: (a[0] << bits, a[1] << bits),
    Operation.SHIFT_RIGHT: lambda a, bits: (a[0] >> bits, a[1] >> bits),
    Operation.SHIFT_TOWARD_ZERO: lambda a, n: (toward_zero(a[0], n), toward_zero(a[1], n)),
    Operation.SATURATE: clipped,
    Operation.WRAP: wrapped,
    Operation.WRAP_ONCE: wrapped_once,
    Operation.PLAN: lambda a, fraction, result: (0, 1 << result),
}


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
                states = {n: _common(states[n], following[n]) for n in names}
            return states
        if turn >= PATIENCE:
            grown = {n: _widened(states[n], grown[n]) for n in names}
        states = grown
    return dict.fromkeys(names, (-WIDEST, WIDEST))


def _common(a: Interval, b: Interval) -> Interval:
    return max(a[0], b[0]), min(a[1], b[1])


def _widened(before: Interval, now: Interval) -> Interval:
    """Ends that have moved go on to the next power of two, at most to the widest."""
    low, high = now
    if low < before[0]:
        low = -min(WIDEST, 1 << (-low - 1).bit_length())
    if high > before[1]:
        high = min(WIDEST, 1 << (high - 1).bit_length())
    return low, high
