"""What plain intervals lose, because a value takes part in a sum twice.

Facts of a sum ``a + b`` or a difference:

- a **mix** ``x + rsz(t (y - (x << k)), G + k)`` with ``0 <= t <= 2^G`` lies between x and
  ``y / 2^k``;
- a **shared factor** r: ``rsz(r e, G) + ((2^G - r) << k)`` is nearly a straight line in r, so its
  largest value is that at one end of r, not the sum of both parts' largest.

And a **magnitude** ``max(x, 0 - x)`` is never negative, a **curve** ``x (n - x)`` with x in 0 .. n
at most n² / 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from ltc2hw.dynamics.intervals import Interval
from ltc2hw.dynamics.operations import TABULATED, Operation
from ltc2hw.dynamics.program import Value

Values = tuple[Value, ...]
Found = Sequence[Interval]

RIGHT = (Operation.SHIFT_TOWARD_ZERO, Operation.SHIFT_RIGHT)
MOST_CASES = 16
"""Most choices of a sum that are looked at one by one."""

_LINEAR = (Operation.ADD, Operation.SUBTRACT, Operation.SHIFT_LEFT, *RIGHT)

FACTORS = (Operation.PARAMETER, Operation.STATE, Operation.PLAN, *TABULATED)
"""What may take part in a sum twice: shares of what is kept and what is added."""


@dataclass(frozen=True)
class Mix:
    """``origin + rsz(share (towards - (origin << coarser)), bits + coarser)``.

    The first three are indices of values.
    """

    origin: int
    towards: int
    share: int
    bits: int
    coarser: int = 0


@dataclass(frozen=True)
class Facts:
    """The mixes and the shared factors of a program's sums, by index of the sum; its magnitudes.

    ``curves`` are their x and n; ``made_of`` are the values that a value is made of by sums,
    shifts, choices and one product.
    """

    values: Values
    mixes: Mapping[int, tuple[Mix, ...]]
    shared: Mapping[int, tuple[int, ...]]
    made_of: tuple[frozenset[int], ...]
    magnitudes: frozenset[int]
    curves: Mapping[int, tuple[int, int]]

    def narrowed(self, index: int, plain: Interval, found: Found) -> Interval:
        """The interval of a value, no wider than the plain one, when all before it are known."""
        if index in self.magnitudes:
            return plain.meet(Interval(0, plain.high))
        if index in self.curves:
            x, top = self.curves[index]
            within = found[x].within(Interval(0, top))
            return plain.meet(Interval(0, top * top // 4)) if within else plain
        for mix in self.mixes.get(index, ()):
            share = found[mix.share]
            if mix.bits >= 0 and share.low >= 0 and share.high <= 1 << mix.bits:
                low, high = found[mix.towards]
                towards = Interval(low >> mix.coarser, high >> mix.coarser)
                plain = plain.meet(found[mix.origin].hull(towards))
        for factor in self.shared.get(index, ()):
            if found[factor].low >= 0:
                plain = plain.meet(Bands(self, factor, found).range(index))
        return plain


@lru_cache(maxsize=256)
def facts(values: Values) -> Facts:
    """Facts of a program's values."""
    mixes, shared = {}, {}
    linear: list[frozenset[int]] = []
    multiplied: list[frozenset[int]] = []
    for index, value in enumerate(values):
        parts = value.arguments
        own = frozenset((index,)) if value.operation in FACTORS else frozenset()
        several: frozenset[int] = frozenset()
        if value.operation in (*_LINEAR, Operation.SELECT):
            parts = parts[1:] if value.operation is Operation.SELECT else parts
            own = own.union(*(linear[part] for part in parts))
            several = several.union(*(multiplied[part] for part in parts))
        elif value.operation is Operation.MULTIPLY:
            several = several.union(*(linear[part] for part in parts))
        linear.append(own)
        multiplied.append(several)
        if value.operation in (Operation.ADD, Operation.SUBTRACT):
            left, right = parts
            both = (linear[left] | multiplied[left]) & (linear[right] | multiplied[right])
            shared[index] = tuple(sorted(both & (multiplied[left] | multiplied[right])))
        if value.operation is Operation.ADD:
            mixes[index] = tuple(_mixes(values, *parts))
    made_of = tuple(a | b for a, b in zip(linear, multiplied, strict=True))
    return Facts(
        values, mixes, shared, made_of, frozenset(_magnitudes(values)), dict(_curves(values))
    )


def _curves(values: Values) -> Iterator[tuple[int, tuple[int, int]]]:
    for index, value in enumerate(values):
        if value.operation is Operation.MULTIPLY:
            for x, rest in (value.arguments, value.arguments[::-1]):
                left = values[rest]
                if left.operation is Operation.SUBTRACT and left.arguments[1] == x:
                    top = values[left.arguments[0]]
                    if top.operation is Operation.NUMBER:
                        yield index, (x, int(top.numbers[0]))


def _magnitudes(values: Values) -> Iterator[int]:
    for index, value in enumerate(values):
        if value.operation is Operation.MAXIMUM:
            for x, turned in (value.arguments, value.arguments[::-1]):
                minus = values[turned]
                if minus.operation is Operation.SUBTRACT and minus.arguments[1] == x:
                    zero = values[minus.arguments[0]]
                    if zero.operation is Operation.NUMBER and zero.numbers[0] == 0:
                        yield index


def _mixes(values: Values, left: int, right: int) -> Iterator[Mix]:
    for origin, moved in ((left, right), (right, left)):
        value, bits = values[moved], 0
        if value.operation in RIGHT:
            bits = int(value.numbers[0])
            value = values[value.arguments[0]]
        if value.operation is not Operation.MULTIPLY:
            continue
        for share, way in (value.arguments, value.arguments[::-1]):
            difference = values[way]
            if difference.operation is not Operation.SUBTRACT:
                continue
            towards, taken = difference.arguments
            finer = values[taken]
            if taken == origin:
                yield Mix(origin, towards, share, bits)
            elif finer.operation is Operation.SHIFT_LEFT and finer.arguments[0] == origin:
                coarser = int(finer.numbers[0])
                yield Mix(origin, towards, share, bits - coarser, coarser)


@dataclass(frozen=True)
class Line:
    """``start + slope r``."""

    start: Fraction
    slope: Fraction

    def plus(self, other: Line) -> Line:
        """Sum of two lines."""
        return Line(self.start + other.start, self.slope + other.slope)

    def times(self, number: Fraction) -> Line:
        """The line, stretched."""
        return Line(self.start * number, self.slope * number)

    def at(self, r: int) -> Fraction:
        """Height at r."""
        return self.start + self.slope * r


@dataclass(frozen=True)
class Band:
    """A value between two lines, for every r."""

    lower: Line
    upper: Line

    def plus(self, other: Band) -> Band:
        """Sum of two bands."""
        return Band(self.lower.plus(other.lower), self.upper.plus(other.upper))

    def times(self, number: Fraction) -> Band:
        """The band times a number of either sign."""
        ends = self.lower.times(number), self.upper.times(number)
        return Band(*ends) if number >= 0 else Band(ends[1], ends[0])


def _flat(interval: Interval) -> Band:
    ends = [Line(Fraction(end), Fraction(0)) for end in interval]
    return Band(*ends)


@dataclass(frozen=True)
class Bands:
    """Values as bands over one factor r of a program."""

    facts: Facts
    factor: int
    found: Found
    known: dict[int, list[Band]] = field(default_factory=dict)

    def range(self, index: int) -> Interval:
        """Ends of a value that lies in several bands, one at a time: lines end at r's ends."""
        ends = self.found[self.factor]
        bands = self.of(index)
        lows = [band.lower.at(r) for band in bands for r in ends]
        highs = [band.upper.at(r) for band in bands for r in ends]
        return Interval(-(-min(lows) // 1), max(highs) // 1)

    def of(self, index: int) -> list[Band]:
        """Bands of which at least one holds a value, whatever r is."""
        if index not in self.known:
            bands = self._find(index)
            few = len(bands) <= MOST_CASES
            self.known[index] = bands if few else [_flat(self.found[index])]
        return self.known[index]

    def _find(self, index: int) -> list[Band]:
        if index == self.factor:
            line = Line(Fraction(0), Fraction(1))
            return [Band(line, line)]
        value = self.facts.values[index]
        operation, arguments = value.operation, value.arguments
        if self.factor not in self.facts.made_of[index]:
            return [_flat(self.found[index])]
        if operation is Operation.MULTIPLY:
            return [self._product(*arguments) or _flat(self.found[index])]
        if operation is Operation.SELECT:
            return [*self.of(arguments[1]), *self.of(arguments[2])]
        bands = [self.of(argument) for argument in arguments]
        if operation is Operation.SHIFT_LEFT:
            return [band.times(Fraction(1 << int(value.numbers[0]))) for band in bands[0]]
        if operation in RIGHT:
            bits = int(value.numbers[0])
            return [self._shifted(operation, band, bits) for band in bands[0]]
        if len(bands[0]) * len(bands[1]) > MOST_CASES:
            return [_flat(self.found[index])]
        sign = Fraction(1 if operation is Operation.ADD else -1)
        return [a.plus(b.times(sign)) for a in bands[0] for b in bands[1]]

    def _product(self, left: int, right: int) -> Band | None:
        """A line that is never negative, times an interval; None where there is no such line."""
        for place, scaled in ((left, right), (right, left)):
            band, *more = self.of(place)
            line = band.lower
            if more or line != band.upper or not line.slope or self.found[place].low < 0:
                continue
            low, high = self.found[scaled]
            return Band(line.times(Fraction(low)), line.times(Fraction(high)))
        return None

    def _shifted(self, operation: Operation, band: Band, bits: int) -> Band:
        """A right shift loses less than one: downwards, or toward zero.

        Toward zero it does not raise what is at most a line above zero, nor lower what is at least
        one below.
        """
        ends = self.found[self.factor]
        down, up = Fraction((1 << bits) - 1, 1 << bits), Fraction(0)
        if operation is Operation.SHIFT_TOWARD_ZERO:
            up = Fraction(0) if all(band.upper.at(r) >= 0 for r in ends) else down
            down = Fraction(0) if all(band.lower.at(r) <= 0 for r in ends) else down
        scaled, level = band.times(Fraction(1, 1 << bits)), Fraction(0)
        return scaled.plus(Band(Line(-down, level), Line(up, level)))
