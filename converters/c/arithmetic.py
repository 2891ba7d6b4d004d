"""One table from the integer operations to C: each a text that never leaves defined behaviour.

C leaves overflow and left shifts of negatives undefined, and right shifts of negatives to the
compiler. So sums are made in a type that holds them, left shifts are products with a power of
two, shifts toward zero are C's division, and shifts toward minus infinity a function of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from ltc2hw.converters.c.text import INT32, INT64, IntegerType, computing, interval_of, literal
from ltc2hw.dynamics.intervals import Interval
from ltc2hw.dynamics.operations import Operation
from ltc2hw.numbers.nonlinearity import PLAN_SEGMENTS, TABLE_SPAN_BITS
from ltc2hw.numbers.words import IntArray, Word

HELPERS: Mapping[str, str] = {
    "floor32": """\
/* Right shift toward minus infinity. */
static inline int32_t {p}_floor32(int32_t x, int bits)
{{
    return x < 0 ? ~(~x >> bits) : x >> bits;
}}
""",
    "floor64": """\
/* Right shift toward minus infinity. */
static inline int64_t {p}_floor64(int64_t x, int bits)
{{
    return x < 0 ? ~(~x >> bits) : x >> bits;
}}
""",
    "wrap32": """\
/* The low bits, as two's complement where signed; at most 30. */
static inline int32_t {p}_wrap32(int32_t x, int bits, int is_signed)
{{
    const uint32_t kept = (uint32_t)x & (((uint32_t)1 << bits) - 1);
    if (is_signed && (kept >> (bits - 1)) != 0) {{
        return (int32_t)kept - ((int32_t)1 << bits);
    }}
    return (int32_t)kept;
}}
""",
    "wrap64": """\
/* The low bits, as two's complement where signed; at most 62. */
static inline int64_t {p}_wrap64(int64_t x, int bits, int is_signed)
{{
    const uint64_t kept = (uint64_t)x & (((uint64_t)1 << bits) - 1);
    if (is_signed && (kept >> (bits - 1)) != 0) {{
        return (int64_t)kept - ((int64_t)1 << bits);
    }}
    return (int64_t)kept;
}}
""",
}
"""Functions that some operations call; only those that are called are written out."""


class Operand(NamedTuple):
    """A value as text that may be repeated (a name or a constant), and what it can be."""

    text: str
    interval: Interval

    @property
    def type(self) -> IntegerType:
        """Type of its text."""
        return computing(self.interval)

    def in_type(self, wanted: IntegerType) -> str:
        """Its text, of at least that type."""
        if wanted.bits > self.type.bits:
            return f"({wanted.name}){self.text}"
        return self.text


def constant(value: int) -> Operand:
    """A known integer."""
    return Operand(literal(value), Interval(value, value))


class Writer(Protocol):
    """Where the lines of a step go."""

    prefix: str

    def let(self, expression: str, interval: Interval) -> Operand:
        """Write ``const type name = expression;`` and return the name."""
        ...

    def table(self, gate: str) -> tuple[str, IntArray]:
        """Name and entries of a gate's table."""
        ...


class Use(NamedTuple):
    """One use of an operation: its arguments and numbers, and what its result can be."""

    arguments: Sequence[Operand]
    numbers: Sequence[int]
    name: str
    result: Interval

    @property
    def type(self) -> IntegerType:
        """Type that holds arguments and result."""
        return computing(self.result, *(argument.interval for argument in self.arguments))


Text = Callable[[Use, Writer], str]


def _infix(sign: str) -> Text:
    def text(use: Use, _: Writer) -> str:
        left, right = (argument.in_type(use.type) for argument in use.arguments)
        return f"{left} {sign} {right}"

    return text


def _choice(sign: str) -> Text:
    def text(use: Use, _: Writer) -> str:
        left, right = (argument.in_type(use.type) for argument in use.arguments)
        return f"{left} {sign} {right} ? {left} : {right}"

    return text


def _greater(use: Use, _: Writer) -> str:
    left, right = (argument.in_type(use.type) for argument in use.arguments)
    return f"{left} > {right} ? 1 : 0"


def _select(use: Use, _: Writer) -> str:
    condition, chosen, other = use.arguments
    kind = computing(chosen.interval, other.interval)
    return f"{condition.text} != 0 ? {chosen.in_type(kind)} : {other.in_type(kind)}"


def _shift_left(use: Use, _: Writer) -> str:
    return f"{use.arguments[0].in_type(use.type)} * {literal(1 << use.numbers[0])}"


def _shift_right(use: Use, writer: Writer) -> str:
    return shifted_down(use.arguments[0], use.numbers[0], writer.prefix)


def shifted_down(x: Operand, bits: int, prefix: str) -> str:
    """``x >> bits`` toward minus infinity."""
    if x.interval.low >= 0:
        return _down(x, bits)
    kind = x.type if bits < INT32.bits else INT64
    return f"{prefix}_floor{kind.bits}({x.in_type(kind)}, {bits})"


def _down(x: Operand, bits: int) -> str:
    """``x >> bits`` of what is not negative; shifts by a type's whole width are not C's."""
    if x.interval.high >> bits == 0:
        return "0"
    return f"({x.text} >> {bits})" if bits else x.text


def _toward_zero(use: Use, _: Writer) -> str:
    x, bits = use.arguments[0], use.numbers[0]
    return _down(x, bits) if x.interval.low >= 0 else f"{x.text} / {literal(1 << bits)}"


def _saturate(use: Use, _: Writer) -> str:
    return clipped(use.arguments[0], *use.numbers)


def clipped(x: Operand, low: int, high: int) -> str:
    """``x``, or the end of the range that it is beyond."""
    text = x.text
    if x.interval.high > high:
        text = f"{x.text} > {literal(high)} ? {literal(high)} : {text}"
    if x.interval.low < low:
        text = f"{x.text} < {literal(low)} ? {literal(low)} : ({text})"
    return text


def _wrap(use: Use, writer: Writer) -> str:
    x, (bits, signed) = use.arguments[0], use.numbers
    kind = x.type if bits < INT32.bits - 1 else INT64
    return f"{writer.prefix}_wrap{kind.bits}({x.in_type(kind)}, {bits}, {signed})"


def _wrap_once(use: Use, writer: Writer) -> str:
    x, (bits, register_bits) = use.arguments[0], use.numbers
    word, half = Word(register_bits), 1 << (bits - 1)
    register = Interval(word.minimum, word.maximum)
    if not x.interval.within(register):
        x = writer.let(_wrap(Use([x], (register_bits, 1), "", register), writer), register)
    whole = literal(2 * half)
    return (
        f"{x.text} > {literal(half)} ? {x.text} - {whole}"
        f" : ({x.text} <= {literal(-half)} ? {x.text} + {whole} : {x.text})"
    )


def _plan(use: Use, writer: Writer) -> str:
    x, (fraction, result) = use.arguments[0], use.numbers
    one, low, high = 1 << result, x.interval.low, x.interval.high
    size = Interval(0, x.interval.magnitude)
    magnitude = x
    if low < 0:
        kind = computing(size)
        negated = f"-{x.in_type(kind)}"
        absolute = f"{x.text} < 0 ? {negated} : {x.text}" if high > 0 else negated
        magnitude = writer.let(absolute, size)
    text = literal(one)
    for eighths, slope, numerator, denominator in reversed(PLAN_SEGMENTS):
        edge, offset = eighths << (fraction - 3), numerator << (result - denominator)
        line = f"{_down(magnitude, slope + fraction - result)} + {literal(offset)}"
        if magnitude.interval.high < edge:
            text = line
        else:
            text = f"{magnitude.text} < {literal(edge)} ? {line} : ({text})"
    if low >= 0:
        return text
    y = writer.let(text, Interval(0, one))
    return f"{x.text} < 0 ? {literal(one)} - {y.text} : {y.text}"


def _offset(x: Operand, fraction: int, writer: Writer) -> Operand:
    """Argument of a table, counted from the table's lower end."""
    half = 1 << (fraction + TABLE_SPAN_BITS - 1)
    span = Interval(-half, half - 1)
    if not x.interval.within(span):
        ends = Interval(*(max(-half, min(end, half - 1)) for end in x.interval))
        x = writer.let(clipped(x, *span), ends)
    moved = Interval(x.interval.low + half, x.interval.high + half)
    return writer.let(f"{x.in_type(computing(moved))} + {literal(half)}", moved)


def _look_up(use: Use, writer: Writer) -> str:
    fraction, index_bits = use.numbers
    table, _ = writer.table(use.name)
    offset = _offset(use.arguments[0], fraction, writer)
    return f"{table}[{_down(offset, fraction + TABLE_SPAN_BITS - index_bits)}]"


def _interpolate(use: Use, writer: Writer) -> str:
    fraction, index_bits = use.numbers
    table, entries = writer.table(use.name)
    shift = fraction + TABLE_SPAN_BITS - index_bits
    offset = _offset(use.arguments[0], fraction, writer)
    cells = Interval(offset.interval.low >> shift, offset.interval.high >> shift)
    cell = writer.let(_down(offset, shift), cells)
    if shift == 0:
        return f"{table}[{cell.text}]"
    first = writer.let(f"{table}[{cell.text}]", interval_of(entries))
    rises, mask = interval_of(entries[1:] - entries[:-1]), (1 << shift) - 1
    rise = writer.let(f"{table}[{cell.text} + 1] - {first.text}", rises)
    products = Interval(min(rises.low * mask, 0), max(rises.high * mask, 0))
    kind = computing(products, offset.interval)
    product = writer.let(f"{rise.in_type(kind)} * ({offset.text} & {literal(mask)})", products)
    return f"{first.text} + {shifted_down(product, shift, writer.prefix)}"


def _entry(use: Use, writer: Writer) -> str:
    table, entries = writer.table(use.name)
    x, last = use.arguments[0], len(entries) - 1
    ends = Interval(*(max(0, min(end, last)) for end in x.interval))
    return f"{table}[{writer.let(clipped(x, 0, last), ends).text}]"


TEXT: Mapping[Operation, Text] = {
    Operation.ADD: _infix("+"),
    Operation.SUBTRACT: _infix("-"),
    Operation.MULTIPLY: _infix("*"),
    Operation.MINIMUM: _choice("<"),
    Operation.MAXIMUM: _choice(">"),
    Operation.GREATER: _greater,
    Operation.SELECT: _select,
    Operation.SHIFT_LEFT: _shift_left,
    Operation.SHIFT_RIGHT: _shift_right,
    Operation.SHIFT_TOWARD_ZERO: _toward_zero,
    Operation.SATURATE: _saturate,
    Operation.WRAP: _wrap,
    Operation.WRAP_ONCE: _wrap_once,
    Operation.PLAN: _plan,
    Operation.LOOK_UP: _look_up,
    Operation.INTERPOLATE: _interpolate,
    Operation.ENTRY: _entry,
}
"""Text of every operation but the leaves, which are read from tables, sums and the state."""
