"""Number formats, against Python's own unbounded integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import (
    Overflow,
    Rounding,
    Word,
    bits_for,
    decompose,
    largest_fraction,
    round_real,
    shift_toward_zero,
    wrap_once,
)

INTEGERS = st.integers(-(2**50), 2**50)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("signed", [True, False])
def test_every_value_around_a_small_word_saturates_or_wraps(bits: int, signed: bool) -> None:
    """Exhaustive over three times the range of the word."""
    span = 2**bits
    values = np.arange(-3 * span, 3 * span + 1)
    low = -span // 2 if signed else 0
    high = low + span - 1
    saturated, misfits = Word(bits, signed).fit(values)
    assert saturated.tolist() == [min(max(v, low), high) for v in values.tolist()]
    assert misfits == sum(not low <= v <= high for v in values.tolist())
    wrapped, _ = Word(bits, signed, overflow=Overflow.WRAP).fit(values)
    assert all(
        low <= w <= high and (w - v) % span == 0 for v, w in zip(values, wrapped, strict=True)
    )


@given(INTEGERS, st.integers(0, 40))
def test_shift_toward_zero_is_division_cut_to_an_integer(value: int, bits: int) -> None:
    """Python's int() of an exact fraction cuts toward zero."""
    expected = int(Fraction(value, 2**bits))
    assert shift_toward_zero(np.array([value]), bits)[0] == expected


@given(st.integers(-(2**27), 2**27))
def test_wrap_once_at_24_bits_follows_lavas_order(value: int) -> None:
    """Subtract above 2^23 first, then add at or below -2^23."""
    expected = value - 2**24 if value > 2**23 else value
    expected = expected + 2**24 if expected <= -(2**23) else expected
    wrapped, count = wrap_once(np.array([value]), 24)
    assert wrapped[0] == expected
    assert count == (expected != value)


@given(st.floats(-1e6, 1e6), st.integers(-8, 20), st.integers(2, 40))
def test_encode_rounds_half_to_even_and_saturates(value: float, fraction: int, bits: int) -> None:
    """Against exact rational rounding."""
    word = Word(bits)
    exact = Fraction(value) * Fraction(2) ** fraction
    rounded = round(exact)
    expected = min(max(rounded, word.minimum), word.maximum)
    encoded, misfits = word.encode(np.array([value]), fraction)
    assert encoded[0] == expected
    assert misfits == (rounded != expected)


def test_encode_refuses_what_is_no_number() -> None:
    """NaN has no integer."""
    with pytest.raises(InvalidValueError, match="finite"):
        Word(8).encode(np.array([np.nan]), 0)


def test_rounding_modes_differ_where_they_should() -> None:
    """Halves and negative numbers tell the modes apart."""
    values = np.array([-1.5, -0.5, 0.5, 1.5])
    assert round_real(values, Rounding.NEAREST_EVEN).tolist() == [-2, 0, 0, 2]
    assert round_real(values, Rounding.FLOOR).tolist() == [-2, -1, 0, 1]
    assert round_real(values, Rounding.TOWARD_ZERO).tolist() == [-1, 0, 0, 1]


@given(st.floats(1e-9, 1e9), st.integers(2, 30), st.booleans())
def test_largest_fraction_is_the_largest(magnitude: float, bits: int, signed: bool) -> None:
    """It fits, and one more bit does not."""
    word = Word(bits, signed)
    fraction = largest_fraction(magnitude, word)
    assert round(Fraction(magnitude) * Fraction(2) ** fraction) <= word.maximum
    assert round(Fraction(magnitude) * Fraction(2) ** (fraction + 1)) > word.maximum


@given(st.integers(-(2**18), 2**18), st.integers(4, 14))
def test_decompose_keeps_the_leading_bits(value: int, bits: int) -> None:
    """The smallest exponent with which the magnitude fits, cut toward zero."""
    mantissa, exponent = decompose(value, bits, exponent_limit=30)
    limit = 2 ** (bits - 1) - 1
    assert abs(mantissa) <= limit
    assert mantissa == int(Fraction(value, 2**exponent))
    assert exponent == 0 or abs(value) >> (exponent - 1) > limit


def test_decompose_names_a_value_that_needs_too_large_an_exponent() -> None:
    """A limit of the exponent is a limit of the value."""
    with pytest.raises(InvalidValueError, match="127 << 2"):
        decompose(10_000, mantissa_bits=8, exponent_limit=2)


@pytest.mark.parametrize("power", range(1, 60))
def test_bits_for_powers_of_two(power: int) -> None:
    """One bit more at the power than just below it."""
    assert bits_for(2**power) == bits_for(2**power - 1) + 1 == power + 2


@pytest.mark.parametrize("bits", [0, 63, -1])
def test_words_have_a_sensible_width(bits: int) -> None:
    """Wider words would overflow the engines' own integers."""
    with pytest.raises(InvalidValueError, match="word width"):
        Word(bits)
