"""Integer types of C99, constants, tables and names, as text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ltc2hw.dynamics.intervals import Interval
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import IntArray

WIDTH = 96
"""Longest line of a table."""

_WORDS = """
asm auto break case char const continue default do double else enum extern float for goto if inline
int long register restrict return short signed sizeof static struct switch typedef union unsigned
void volatile while
and bool catch class compl delete explicit export false friend mutable namespace new not operator or
private protected public template this throw true try typeid typename using virtual wchar_t xor
arm errno far i386 linux main mips near sparc stderr stdin stdout unix
"""

OWN_NAMES = frozenset(_WORDS.split())
"""What C, C++ or a compiler's usual macros take for their own."""


class IntegerType(NamedTuple):
    """A type of ``<stdint.h>``: its short name in our functions' names, bits and sign."""

    short: str
    bits: int
    signed: bool

    @property
    def name(self) -> str:
        """As C writes it."""
        return f"{'' if self.signed else 'u'}int{self.bits}_t"

    @property
    def interval(self) -> Interval:
        """What it holds."""
        if self.signed:
            return Interval(-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1)
        return Interval(0, (1 << self.bits) - 1)


INT32, INT64 = IntegerType("i32", 32, True), IntegerType("i64", 64, True)

STORED = (
    IntegerType("i8", 8, True),
    IntegerType("u8", 8, False),
    IntegerType("i16", 16, True),
    IntegerType("u16", 16, False),
    INT32,
    INT64,
)
"""Types of tables and arrays, narrowest first."""


def narrowest(interval: Interval, types: Iterable[IntegerType] = STORED) -> IntegerType:
    """First type that holds all of an interval.

    Raises:
        InvalidValueError: for integers beyond 64 bits.

    >>> narrowest(Interval(0, 200)).name, narrowest(Interval(-1, 200)).name
    ('uint8_t', 'int16_t')
    """
    for candidate in types:
        if interval.within(candidate.interval):
            return candidate
    raise InvalidValueError(
        "largest integer of a step", interval.magnitude, "within 64 bits", "use narrower words"
    )


def computing(*intervals: Interval) -> IntegerType:
    """Type in which integers of all these intervals are computed: 32 bits, or 64."""
    whole = intervals[0]
    for interval in intervals[1:]:
        whole = whole.hull(interval)
    return narrowest(whole, (INT32, INT64))


def literal(value: int) -> str:
    """A constant of at least the type that holds it, also where ``int`` has 16 bits.

    >>> literal(-5), literal(70000), literal(-(1 << 31))
    ('(-5)', 'INT32_C(70000)', '(-INT64_C(2147483648))')
    """
    size = abs(value)
    if size > INT32.interval.high:
        text = f"INT64_C({size})"
    else:
        text = f"INT32_C({size})" if size > (1 << 15) - 1 else str(size)
    return f"(-{text})" if value < 0 else text


def interval_of(values: IntArray) -> Interval:
    """Smallest and largest entry of an array; 0 and 0 of an empty one."""
    if values.size == 0:
        return Interval(0, 0)
    return Interval(int(values.min()), int(values.max()))


def table(name: str, values: IntArray, *, comment: str = "") -> str:
    """A ``static const`` array in the narrowest type that holds its entries."""
    kind = narrowest(interval_of(values))
    head = f"static const {kind.name} {name}[{values.size}] = {{"
    lines = [f"/* {comment} */"] if comment else []
    lines += [head, *wrapped(str(value) for value in values.ravel().tolist()), "};"]
    return "\n".join(lines)


def wrapped(parts: Iterable[str]) -> list[str]:
    """Parts with commas, in indented lines."""
    lines, line = [], "   "
    for part in parts:
        if len(line) + len(part) + 2 > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {part},"
    return [*lines, line]


class Names:
    """Names of one scope of C, each given once."""

    def __init__(self, *taken: str) -> None:
        self._taken = set(taken)

    def new(self, wanted: str) -> str:
        """The wanted name where C allows it and nobody has it yet, else one made of it.

        >>> names = Names()
        >>> names.new("hidden"), names.new("hidden"), names.new("int"), names.new("größe")
        ('hidden', 'hidden_2', 'int_', 'gr__e')
        """
        name = re.sub(r"[^A-Za-z0-9_]", "_", wanted)
        if name.startswith("_"):
            name = f"n{name}"
        # Names in capitals, and those that end in _t, may be macros or types.
        if name in OWN_NAMES or name.isupper() or name.endswith("_t"):
            name += "_"
        free, count = name, 1
        while free in self._taken:
            count += 1
            free = f"{name}_{count}"
        self._taken.add(free)
        return free
