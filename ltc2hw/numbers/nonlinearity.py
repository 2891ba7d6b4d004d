"""The gate non-linearity on reals and on integers: sigmoid, PLAN, and lookup tables.

PLAN is the piecewise linear approximation of the sigmoid by Amin, Curtis and Hayes-Gill,
"Piecewise linear approximation applied to nonlinear function of a neural network",
IEE Proc. Circuits Devices Syst. 144 (1997): slopes 1/4, 1/8, 1/32, 0, so shifts, adds and
compares are enough.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import FloatArray, IntArray, Rounding, round_real

Nonlinearity = Literal["sigmoid", "plan"]
GateFunction = Literal["plan", "table", "interpolated"]

NONLINEARITIES: tuple[Nonlinearity, ...] = ("sigmoid", "plan")
GATE_FUNCTIONS: tuple[GateFunction, ...] = ("plan", "table", "interpolated")

TABLE_SPAN_BITS = 4
"""Tables cover arguments in [-8, 8): sixteen units."""

PLAN_SEGMENTS: tuple[tuple[int, int, int, int], ...] = ((8, 2, 1, 1), (19, 3, 5, 3), (40, 5, 27, 5))
"""Rows (break in eighths, k, n, d): below the break the line is ``x 2^-k + n 2^-d``."""

PLAN_MINIMUM_FRACTION = 5
"""Fewest fractional bits of the result with which PLAN's offsets (multiples of 1/32) are exact."""


def sigmoid(x: FloatArray) -> FloatArray:
    """Logistic function ``1 / (1 + exp(-x))`` without overflow; any shape, result in [0, 1].

    >>> sigmoid(np.array([0.0, -1000.0]))
    array([0.5, 0. ])
    """
    small = np.exp(-np.abs(x))
    result: FloatArray = np.where(x >= 0, 1.0, small) / (1.0 + small)
    return result


def plan(x: FloatArray) -> FloatArray:
    """PLAN sigmoid on reals, any shape, result in [0, 1].

    With ``a = |x|``: ``a/4 + 1/2`` below 1, ``a/8 + 5/8`` below 2.375, ``a/32 + 27/32`` below 5,
    else 1; and ``1 - y`` for negative x.

    >>> plan(np.array([0.0, 1.0, -8.0]))
    array([0.5 , 0.75, 0.  ])
    """
    magnitude = np.abs(x)
    result = np.ones_like(magnitude)
    for eighths, slope, numerator, denominator in reversed(PLAN_SEGMENTS):
        line = np.ldexp(magnitude, -slope) + numerator / (1 << denominator)
        result = np.where(magnitude < eighths / 8, line, result)
    return np.where(x < 0, 1.0 - result, result)


class GateCurve(ABC):
    """A gate's non-linearity that has no name: from any real to 0 .. 1."""

    @abstractmethod
    def evaluate(self, argument: FloatArray) -> FloatArray:
        """Values at arguments of any shape."""


def evaluate(nonlinearity: Nonlinearity | GateCurve, x: FloatArray) -> FloatArray:
    """Apply a non-linearity to reals."""
    if isinstance(nonlinearity, GateCurve):
        return nonlinearity.evaluate(x)
    return sigmoid(x) if nonlinearity == "sigmoid" else plan(x)


def evaluate_slope(nonlinearity: Nonlinearity, x: FloatArray) -> FloatArray:
    """Derivative of the named non-linearity; PLAN's is that of the outer line at a break.

    >>> evaluate_slope("plan", np.array([-0.5, 1.0, 3.0, 6.0]))
    array([0.25   , 0.125  , 0.03125, 0.     ])
    """
    if nonlinearity == "sigmoid":
        value = sigmoid(x)
        return value * (1.0 - value)
    magnitude = np.abs(x)
    result = np.zeros_like(magnitude)
    for eighths, slope, _, _ in reversed(PLAN_SEGMENTS):
        result = np.where(magnitude < eighths / 8, 2.0**-slope, result)
    return result


def plan_integer(x: IntArray, fraction: int, output_fraction: int) -> IntArray:
    """PLAN on integers: x has ``fraction`` fractional bits, the result ``output_fraction``.

    The same three lines as :func:`plan` on ``|x|``, each product a right shift. The result lies in
    ``0 .. 2^output_fraction``. Needs ``fraction >= 3`` (the break 19/8 is then exact), ``fraction
    + 2 >= output_fraction >= 5`` (slopes are right shifts, offsets exact).

    >>> plan_integer(np.array([0, 4096, -40000]), fraction=12, output_fraction=12)
    array([2048, 3072,    0])
    """
    magnitude = np.abs(x)
    result = np.full_like(magnitude, 1 << output_fraction)
    for eighths, slope, numerator, denominator in reversed(PLAN_SEGMENTS):
        line = (magnitude >> (slope + fraction - output_fraction)) + (
            numerator << (output_fraction - denominator)
        )
        result = np.where(magnitude < (eighths << (fraction - 3)), line, result)
    return np.where(x < 0, (1 << output_fraction) - result, result)


def slope_integer(
    x: IntArray, fraction: int, output_fraction: int, function: GateFunction, table: IntArray
) -> IntArray:
    """Derivative of an integer gate function at x, with ``output_fraction`` fractional bits.

    ``plan``: ``2^output_fraction`` shifted right by 2, 3 or 5, or 0. Tables: ``y (2^o - y) >> o``
    of the value y, so only right for tables of the true sigmoid.

    >>> slope_integer(np.array([0, 4096, -40000]), 12, 12, "plan", np.zeros(0, int))
    array([1024,  512,    0])
    """
    one = 1 << output_fraction
    if function != "plan":
        value = lookup_integer(x, fraction, table, function)
        return (value * (one - value)) >> output_fraction
    magnitude = np.abs(x)
    result = np.zeros_like(magnitude)
    for eighths, slope, _, _ in reversed(PLAN_SEGMENTS):
        result = np.where(magnitude < (eighths << (fraction - 3)), one >> slope, result)
    return result


def sigmoid_table(
    index_bits: int, output_fraction: int, *, interpolated: bool, nonlinearity: Nonlinearity
) -> IntArray:
    """Entries of a lookup table over [-8, 8).

    Plain tables have ``2^n`` entries, the function at the middle of each cell; interpolated ones
    ``2^n + 1`` knots at the cells' edges. Entries are ``round(2^output_fraction σ)``. They are
    stored in the network's file, so that the bits do not depend on a platform's exponential.

    >>> sigmoid_table(2, 12, interpolated=False, nonlinearity="sigmoid")
    array([  10,  488, 3608, 4086])
    """
    cells = 1 << index_bits
    width = (1 << TABLE_SPAN_BITS) / cells
    count = cells + 1 if interpolated else cells
    offset = 0.0 if interpolated else 0.5
    x = (np.arange(count, dtype=np.float64) + offset) * width - float(1 << (TABLE_SPAN_BITS - 1))
    return round_real(np.ldexp(evaluate(nonlinearity, x), output_fraction), Rounding.NEAREST_EVEN)


def table_index_bits(entries: int, function: GateFunction) -> int:
    """Index width n of a table with 2^n (plain) or 2^n + 1 (interpolated) entries.

    Raises:
        InvalidValueError: for any other number of entries.
    """
    cells = entries - 1 if function == "interpolated" else entries
    if cells < 1 or cells & (cells - 1):
        raise InvalidValueError(
            f"number of entries of the {function} table", entries, "a power of two of cells"
        )
    return cells.bit_length() - 1


def lookup_integer(x: IntArray, fraction: int, table: IntArray, function: GateFunction) -> IntArray:
    """Look gate arguments up in a table over [-8, 8); arguments outside take its ends.

    With n index bits and ``shift = fraction + 4 - n >= 0``: ``cell = (x >> shift) + 2^(n-1)``;
    an interpolated table returns ``t[c] + (((t[c+1] - t[c]) * rest) >> shift)`` (floor).

    >>> entries = sigmoid_table(2, 12, interpolated=False, nonlinearity="sigmoid")
    >>> lookup_integer(np.array([-1, 0]), 12, entries, "table")
    array([ 488, 3608])
    """
    index_bits = table_index_bits(table.size, function)
    shift = fraction + TABLE_SPAN_BITS - index_bits
    half = 1 << (fraction + TABLE_SPAN_BITS - 1)
    offset = np.clip(x, -half, half - 1) + half
    cell = offset >> shift
    result: IntArray = table[cell]
    if function == "interpolated":
        rest = offset - (cell << shift)
        result = result + (((table[cell + 1] - result) * rest) >> shift)
    return result
