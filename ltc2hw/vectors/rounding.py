"""Rounding on vectors of reals: cuts, ends, wrapping, and the integer forms of gates.

The same as in :mod:`ltc2hw.dynamics.real`; exact where numbers fit the mantissas of the reals. What
an operation's numbers make of it are scalars: code may have them as constants, or be given them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeGuard

from ltc2hw.dynamics.formats import GateFormat
from ltc2hw.dynamics.operations import Operation
from ltc2hw.numbers.nonlinearity import PLAN_SEGMENTS, TABLE_SPAN_BITS
from ltc2hw.vectors.lanes import Lanes, Number, Pointer

Scalars = tuple[float, ...]
Table = Sequence[float] | Pointer


def truncate(x: Lanes, scale: Number, unit: Number) -> Lanes:
    """To a multiple of a unit, toward zero."""
    return (x * scale).whole("trunc") * unit


def nearest(x: Lanes, scale: Number, unit: Number) -> Lanes:
    """To the nearest multiple of a unit."""
    return (x * scale).whole("rint") * unit


def saturate(x: Lanes, lowest: Number, highest: Number) -> Lanes:
    """Clip to two ends; what is no number stays none."""
    above = x.compared(">", highest).chosen(x.like(highest), x)
    return above.compared("<", lowest).chosen(x.like(lowest), above)


def wrap(
    x: Lanes, scale: Number, unit: Number, span: Number, turn: Number, highest: Number
) -> Lanes:
    """Whole units wrap in two's complement, what is finer stays beside them."""
    scaled = x * scale
    whole = scaled.whole("floor")
    wrapped = _turned(whole, span, turn, highest)
    return _moved(x, scaled, whole, wrapped, unit)


def wrap_once(
    x: Lanes, scale: Number, unit: Number, span: Number, turn: Number, highest: Number, half: Number
) -> Lanes:
    """Two's complement of a register, then one wrap at each end of a narrower one."""
    scaled = x * scale
    whole = scaled.whole("floor")
    inner, both = _turned(whole, span, turn, highest), x.like(half) + half
    over = inner.compared(">", half).chosen(inner - both, inner)
    wrapped = over.compared("<=", 0.0 - x.like(half)).chosen(over + both, over)
    return _moved(x, scaled, whole, wrapped, unit)


def _turned(whole: Lanes, span: Number, turn: Number, highest: Number) -> Lanes:
    """Integers less whole turns of a span, below the highest; exact whatever their magnitude."""
    rest = whole - (whole * turn).whole("floor") * span
    return rest.compared(">=", highest).chosen(rest - span, rest)


def _moved(x: Lanes, scaled: Lanes, whole: Lanes, wrapped: Lanes, unit: Number) -> Lanes:
    """Where integers are others after wrapping, the number that has what was finer beside them."""
    return wrapped.compared("!=", whole).chosen((wrapped + (scaled - whole)) * unit, x)


def _units(fraction: int) -> Scalars:
    return 2.0**fraction, 2.0**-fraction


def _ends(lowest: int, highest: int, fraction: int) -> Scalars:
    return lowest * 2.0**-fraction, highest * 2.0**-fraction


def _turns(bits: int, signed: int, fraction: int) -> Scalars:
    return *_units(fraction), 2.0**bits, 2.0**-bits, 2.0 ** (bits - 1 if signed else bits)


def _two_turns(bits: int, register_bits: int, fraction: int) -> Scalars:
    return *_turns(register_bits, 1, fraction), 2.0 ** (bits - 1)


class Rounding(NamedTuple):
    """Code of an argument and scalars, and the scalars that an operation's numbers make."""

    code: Callable[..., Lanes]
    scalars: Callable[..., Scalars]


ROUNDING: Mapping[Operation, Rounding] = {
    Operation.TRUNCATE: Rounding(truncate, _units),
    Operation.NEAREST: Rounding(nearest, _units),
    Operation.SATURATE: Rounding(saturate, _ends),
    Operation.WRAP: Rounding(wrap, _turns),
    Operation.WRAP_ONCE: Rounding(wrap_once, _two_turns),
}
"""Operations that take an argument and their numbers."""


class IntegerGate(Protocol):
    """An integer gate's plan or table, for real arguments of ``fraction`` bits."""

    @property
    def form(self) -> GateFormat:
        """Function and fractional bits of its result."""
        ...

    @property
    def fraction(self) -> int:
        """Fractional bits of its argument."""
        ...

    @property
    def table(self) -> Sequence[float]:
        """Entries, or knots."""
        ...


def plan(x: Lanes, scale: Number, unit: Number, one: Number, *lines: Number) -> Lanes:
    """:func:`~ltc2hw.numbers.nonlinearity.plan_integer`; a line: its end, slope and offset."""
    argument = (x * scale).whole("rint")
    magnitude, value = argument.magnitude, x.like(one)
    for place in range(len(lines) - 3, -1, -3):
        end, slope, offset = lines[place : place + 3]
        line = (magnitude * slope).whole("floor") + offset
        value = magnitude.compared("<", end).chosen(line, value)
    return argument.compared("<", 0.0).chosen(one - value, value) * unit


def look_up(
    x: Lanes, scale: Number, unit: Number, half: Number, cells: Number, width: Number, table: Table
) -> Lanes:
    """:func:`~ltc2hw.numbers.nonlinearity.lookup_integer` of a plain table."""
    return _cell(x, scale, half, cells)[1].entries(table) * unit


def interpolate(
    x: Lanes,
    scale: Number,
    unit: Number,
    half: Number,
    cells: Number,
    width: Number,
    table: Table,
    steps: Table,
) -> Lanes:
    """The same of an interpolated table; ``steps``: from each of its knots to the next."""
    offset, cell = _cell(x, scale, half, cells)
    rest = offset - cell * width
    return (cell.entries(table) + (cell.entries(steps) * rest * cells).whole("floor")) * unit


def _cell(x: Lanes, scale: Number, half: Number, cells: Number) -> tuple[Lanes, Lanes]:
    """How far arguments are from the table's first, and their cells; its ends for those beyond."""
    argument = (x * scale).whole("rint")
    offset = argument.larger(0.0 - x.like(half)).smaller(x.like(half) - 1.0) + half
    return offset, (offset * cells).whole("floor")


def is_integer_gate(function: object) -> TypeGuard[IntegerGate]:
    """Whether a gate's function is an integer one."""
    return isinstance(getattr(function, "form", None), GateFormat)


class GateCode(NamedTuple):
    """Code of an integer gate, and what it is given after its argument."""

    code: Callable[..., Lanes]
    scalars: Scalars
    tables: tuple[Sequence[float], ...] = ()


def integer_gate(function: IntegerGate) -> GateCode:
    """The code of an integer gate, from real arguments to values in real units."""
    form, fraction, output = function.form, function.fraction, function.form.output_fraction
    units = (2.0**fraction, 2.0**-output)
    if form.function == "plan":
        lines = (
            (
                eighths * 2.0 ** (fraction - 3),
                2.0 ** -(slope + fraction - output),
                numerator * 2.0 ** (output - denominator),
            )
            for eighths, slope, numerator, denominator in PLAN_SEGMENTS
        )
        return GateCode(plan, (*units, 2.0**output, *(number for line in lines for number in line)))
    shift = fraction + TABLE_SPAN_BITS - form.index_bits
    half = 2.0 ** (fraction + TABLE_SPAN_BITS - 1)
    scalars, table = (*units, half, 2.0**-shift, 2.0**shift), tuple(map(float, function.table))
    if form.function == "table":
        return GateCode(look_up, scalars, (table,))
    return GateCode(interpolate, scalars, (table, tuple(b - a for a, b in pairwise(table))))


def rounded_gate(function: IntegerGate, x: Lanes) -> Lanes:
    """An integer gate's value of a real argument, in real units, with all else in the code."""
    found = integer_gate(function)
    return found.code(x, *found.scalars, *found.tables)
