"""Gate functions on integers, against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.nonlinearity import (
    lookup_integer,
    plan,
    plan_integer,
    sigmoid,
    sigmoid_table,
    table_index_bits,
)


def plan_exactly(x: Fraction) -> Fraction:
    """PLAN as published (Amin, Curtis, Hayes-Gill 1997), in rationals."""
    a = abs(x)
    if a >= 5:
        y = Fraction(1)
    elif a >= Fraction(19, 8):
        y = a / 32 + Fraction(27, 32)
    elif a >= 1:
        y = a / 8 + Fraction(5, 8)
    else:
        y = a / 4 + Fraction(1, 2)
    return y if x >= 0 else 1 - y


@pytest.mark.parametrize("fraction", [10, 12, 16])
def test_integer_plan_is_published_plan_rounded_toward_one_half(fraction: int) -> None:
    """Every argument in [-6, 6]: the slope's product is cut, offsets are exact."""
    x = np.arange(-6 << fraction, (6 << fraction) + 1)[:: 1 if fraction < 16 else 7]
    y = plan_integer(x, fraction, 12)
    for argument, value in zip(x.tolist(), y.tolist(), strict=True):
        exact = plan_exactly(Fraction(argument, 2**fraction)) * 4096
        assert abs(value - exact) < 1
        assert abs(value - 2048) <= abs(exact - 2048)


@given(st.floats(-20, 20))
def test_real_plan_is_published_plan(x: float) -> None:
    """All its numbers are dyadic, so floats are exact to rounding."""
    assert plan(np.array([x]))[0] == pytest.approx(float(plan_exactly(Fraction(x))), abs=1e-15)


def test_plan_stays_near_the_sigmoid() -> None:
    """The published greatest error is 0.0189."""
    x = np.linspace(-10, 10, 20001).astype(np.float64)
    assert np.max(np.abs(plan(x) - sigmoid(x))) < 0.019


@given(st.integers(-(2**23), 2**23 - 1), st.integers(0, 10), st.integers(10, 19))
def test_table_lookup_takes_the_cell_of_the_argument(x: int, bits: int, fraction: int) -> None:
    """Cell number from exact division, entries from the sigmoid at the cell's middle."""
    table = sigmoid_table(bits, 12, interpolated=False, nonlinearity="sigmoid")
    cells = 2**bits
    position = (Fraction(x, 2**fraction) + 8) / 16 * cells
    cell = min(max(position.__floor__(), 0), cells - 1)
    middle = (cell + 0.5) * 16 / cells - 8
    expected = round(4096 / (1 + np.exp(-middle)))
    assert lookup_integer(np.array([x]), fraction, table, "table")[0] == expected


@given(st.integers(-(2**23), 2**23 - 1), st.integers(1, 10), st.integers(10, 19))
def test_interpolation_is_the_floor_between_its_knots(x: int, bits: int, fraction: int) -> None:
    """Exact rational interpolation, cut down."""
    table = sigmoid_table(bits, 12, interpolated=True, nonlinearity="sigmoid")
    real = min(max(Fraction(x, 2**fraction), Fraction(-8)), 8 - Fraction(1, 2**fraction))
    position = (real + 8) / 16 * 2**bits
    cell = position.__floor__()
    low, high = int(table[cell]), int(table[cell + 1])
    expected = low + ((high - low) * (position - cell)).__floor__()
    assert lookup_integer(np.array([x]), fraction, table, "interpolated")[0] == expected


def test_interpolated_table_of_64_cells_is_within_a_thousandth() -> None:
    """The default of loihi2; the bound is h^2/8 times the largest curvature, plus rounding."""
    table = sigmoid_table(6, 12, interpolated=True, nonlinearity="sigmoid")
    x = np.arange(-8 << 16, 8 << 16, 97)
    y = lookup_integer(x, 16, table, "interpolated") / 4096
    bound = 0.25**2 / 8 * 0.0963 + 1.5 / 4096
    assert np.max(np.abs(y - sigmoid(x / 65536))) < bound


@pytest.mark.parametrize("entries", [0, 3, 65])
def test_plain_tables_have_a_power_of_two_of_entries(entries: int) -> None:
    """65 entries would be an interpolated table."""
    with pytest.raises(InvalidValueError, match="number of entries"):
        table_index_bits(entries, "table")
