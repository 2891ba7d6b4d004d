"""Rounding on vectors of reals: cuts, ends, wrapping, and the integer forms of gates.

The same as in :mod:`ltc2hw.dynamics.real`; exact where numbers fit the mantissas of the reals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

from ltc2hw.dynamics.operations import Operation
from ltc2hw.neurons.lanes import Lanes
from ltc2hw.neurons.rounding import RoundedFunction
from ltc2hw.numbers.nonlinearity import PLAN_SEGMENTS, TABLE_SPAN_BITS


def truncate(x: Lanes, fraction: int) -> Lanes:
    """To a multiple of 2^-fraction, toward zero."""
    return (x * 2.0**fraction).whole("trunc") * 2.0**-fraction


def nearest(x: Lanes, fraction: int) -> Lanes:
    """To the nearest multiple of 2^-fraction."""
    return (x * 2.0**fraction).whole("rint") * 2.0**-fraction


def saturate(x: Lanes, lowest: int, highest: int, fraction: int) -> Lanes:
    """Clip to two ends."""
    return x.smaller(highest * 2.0**-fraction).larger(lowest * 2.0**-fraction)


def wrap(x: Lanes, bits: int, signed: int, fraction: int) -> Lanes:
    """Two's complement."""
    span = 2.0 ** (bits - fraction)
    lowest = -span / 2 if signed else 0.0
    turns = ((x - lowest) * (1.0 / span)).whole("floor")
    return x - turns * span


def wrap_once(x: Lanes, bits: int, register_bits: int, fraction: int) -> Lanes:
    """Two's complement of a register, then one wrap at each end of a narrower one."""
    inner, half = wrap(x, register_bits, 1, fraction), 2.0 ** (bits - 1 - fraction)
    over = inner.compared(">", half).chosen(inner - 2.0 * half, inner)
    return over.compared("<=", -half).chosen(over + 2.0 * half, over)


ROUNDING: Mapping[Operation, Callable[..., Lanes]] = {
    Operation.TRUNCATE: truncate,
    Operation.NEAREST: nearest,
    Operation.SATURATE: saturate,
    Operation.WRAP: wrap,
    Operation.WRAP_ONCE: wrap_once,
}
"""Operations that take an argument and their numbers."""


def rounded_gate(function: RoundedFunction, x: Lanes) -> Lanes:
    """An integer gate's value of a real argument, in real units."""
    form = function.form
    argument = (x * 2.0**function.fraction).whole("rint")
    if form.function == "plan":
        value = _plan(argument, function.fraction, form.output_fraction)
    else:
        value = _look_up(argument, function)
    return value * 2.0**-form.output_fraction


def _plan(x: Lanes, fraction: int, output: int) -> Lanes:
    """:func:`~ltc2hw.numbers.nonlinearity.plan_integer`."""
    magnitude, one = x.magnitude, x.like(2.0**output)
    value = one
    for eighths, slope, numerator, denominator in reversed(PLAN_SEGMENTS):
        line = (magnitude * 2.0 ** -(slope + fraction - output)).whole("floor")
        line = line + numerator * 2.0 ** (output - denominator)
        value = magnitude.compared("<", eighths * 2.0 ** (fraction - 3)).chosen(line, value)
    return x.compared("<", 0.0).chosen(one - value, value)


def _look_up(x: Lanes, function: RoundedFunction) -> Lanes:
    """:func:`~ltc2hw.numbers.nonlinearity.lookup_integer`."""
    fraction, table = function.fraction, function.table
    shift = fraction + TABLE_SPAN_BITS - function.form.index_bits
    half = 2.0 ** (fraction + TABLE_SPAN_BITS - 1)
    offset = x.larger(-half).smaller(half - 1.0) + half
    cell = (offset * 2.0**-shift).whole("floor")
    value = cell.entries(table)
    if function.form.function == "table":
        return value
    steps = [after - before for before, after in pairwise(table)]
    rest = offset - cell * 2.0**shift
    return value + (cell.entries(steps) * rest * 2.0**-shift).whole("floor")
