"""What an integer operation makes of intervals: the smallest and largest of all that it may give.

Ends are Python's unbounded integers, so that a sum beyond 64 bits is seen and not wrapped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Value
from ltc2hw.numbers.nonlinearity import PLAN_SEGMENTS, TABLE_SPAN_BITS, plan_integer
from ltc2hw.numbers.words import IntArray, Word


class Interval(NamedTuple):
    """Smallest and largest of the integers that a value can be.

    >>> Interval(-3, 2).magnitude, Interval(0, 1).hull(Interval(-4, -2))
    (3, Interval(low=-4, high=1))
    """

    low: int
    high: int

    @property
    def magnitude(self) -> int:
        """Largest magnitude."""
        return max(-self.low, self.high)

    def hull(self, other: Interval) -> Interval:
        """The narrowest interval that holds both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))

    def meet(self, other: Interval) -> Interval:
        """What lies in both, where both are known to hold the value."""
        return Interval(max(self.low, other.low), min(self.high, other.high))

    def within(self, other: Interval) -> bool:
        """Whether the other holds all of this one."""
        return other.low <= self.low and self.high <= other.high


Tables = Mapping[str, IntArray]


def transfer(value: Value, arguments: list[Interval], tables: Tables) -> Interval:
    """Interval of an operation's result for every argument in its interval; leaves have none."""
    numbers = [int(number) for number in value.numbers]
    if value.operation is Operation.NUMBER:
        return Interval(numbers[0], numbers[0])
    if value.operation is Operation.MULTIPLY and value.arguments[0] == value.arguments[1]:
        return _square(arguments[0])
    if value.operation is Operation.ENTRY:
        return _entries(arguments[0], tables[value.name])
    if value.operation in (Operation.LOOK_UP, Operation.INTERPOLATE):
        return _look_up(value.operation, arguments[0], numbers, tables[value.name])
    result: Interval = TRANSFER[value.operation](*arguments, *numbers)
    return result


def _multiply(a: Interval, b: Interval) -> Interval:
    corners = [x * y for x in a for y in b]
    return Interval(min(corners), max(corners))


def _square(a: Interval) -> Interval:
    lowest = 0 if a.low <= 0 <= a.high else min(a.low**2, a.high**2)
    return Interval(lowest, a.magnitude**2)


def _greater(a: Interval, b: Interval) -> Interval:
    return Interval(int(a.low > b.high), int(a.high > b.low))


def _select(condition: Interval, a: Interval, b: Interval) -> Interval:
    if condition == (0, 0):
        return b
    return a if condition.low > 0 or condition.high < 0 else a.hull(b)


def toward_zero(x: int, bits: int) -> int:
    """``sign(x) (|x| >> bits)``."""
    return x >> bits if x >= 0 else -(-x >> bits)


def _wrap(a: Interval, bits: int, signed: int) -> Interval:
    word = Word(bits, signed=bool(signed))
    whole = Interval(word.minimum, word.maximum)
    return a if a.within(whole) else whole


def _wrap_once(a: Interval, bits: int, register_bits: int) -> Interval:
    """Three parts: below, kept, above; both ends are as far out where the register wraps, too."""
    held, half = _wrap(a, register_bits, 1), 1 << (bits - 1)
    if held != a:
        bound = max(half, held.magnitude - 2 * half)
        return Interval(-bound, bound)
    kept = Interval(max(a.low, 1 - half), min(a.high, half))
    above = Interval(max(a.low, half + 1) - 2 * half, a.high - 2 * half)
    below = Interval(a.low + 2 * half, min(a.high, -half) + 2 * half)
    whole, *more = [part for part in (kept, above, below) if part.low <= part.high]
    for part in more:
        whole = whole.hull(part)
    return whole


def _plan(a: Interval, fraction: int, result: int) -> Interval:
    """Of the ends and of both sides of every break: between them it rises or stays."""
    breaks = [eighths << (fraction - 3) for eighths, *_ in PLAN_SEGMENTS]
    sides = [sign * (edge - near) for edge in breaks for near in (0, 1) for sign in (-1, 1)]
    limit = breaks[-1]
    low, high = max(-limit, min(a.low, limit)), max(-limit, min(a.high, limit))
    found = plan_integer(
        np.array([low, high, *(x for x in (*sides, 0, -1) if low <= x <= high)]), fraction, result
    )
    return Interval(int(found.min()), int(found.max()))


def _look_up(operation: Operation, a: Interval, numbers: list[int], table: IntArray) -> Interval:
    """Of the entries from the first cell to the last; a line stays between its knots."""
    first, last = (_cell(end, *numbers) for end in a)
    beyond = 2 if operation is Operation.INTERPOLATE else 1
    part = table[first : last + beyond]
    return Interval(int(part.min()), int(part.max()))


def _entries(a: Interval, table: IntArray) -> Interval:
    first, last = (max(0, min(end, table.size - 1)) for end in a)
    part = table[first : last + 1]
    return Interval(int(part.min()), int(part.max()))


def _cell(x: int, fraction: int, index_bits: int) -> int:
    half = 1 << (fraction + TABLE_SPAN_BITS - 1)
    offset = max(-half, min(x, half - 1)) + half
    return offset >> (fraction + TABLE_SPAN_BITS - index_bits)


TRANSFER: Mapping[Operation, Callable[..., Any]] = {
    Operation.ADD: lambda a, b: Interval(a.low + b.low, a.high + b.high),
    Operation.SUBTRACT: lambda a, b: Interval(a.low - b.high, a.high - b.low),
    Operation.MULTIPLY: _multiply,
    Operation.MINIMUM: lambda a, b: Interval(min(a.low, b.low), min(a.high, b.high)),
    Operation.MAXIMUM: lambda a, b: Interval(max(a.low, b.low), max(a.high, b.high)),
    Operation.GREATER: _greater,
    Operation.SELECT: _select,
    Operation.SHIFT_LEFT: lambda a, n: Interval(a.low << n, a.high << n),
    Operation.SHIFT_RIGHT: lambda a, n: Interval(a.low >> n, a.high >> n),
    Operation.SHIFT_TOWARD_ZERO: lambda a, n: Interval(
        toward_zero(a.low, n), toward_zero(a.high, n)
    ),
    Operation.SATURATE: lambda a, low, high: Interval(
        max(low, min(a.low, high)), max(low, min(a.high, high))
    ),
    Operation.WRAP: _wrap,
    Operation.WRAP_ONCE: _wrap_once,
    Operation.PLAN: _plan,
}
"""Operations that need their arguments and numbers alone."""
