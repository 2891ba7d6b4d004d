"""Number formats and the only code that rounds, shifts, clips or wraps integers.

A number format is a value: a :class:`Word` says how many bits, whether signed, and what happens
to a value that does not fit. All helpers work on NumPy int64 arrays and return int64 arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.scalars import member, require_range, require_type

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

WIDEST_WORD = 62
"""Widest word in bits: sums of two such words still fit the 64-bit integers of the engines."""


class Rounding(str, Enum):
    """How a real or a finer integer becomes an integer."""

    TOWARD_ZERO = "toward-zero"
    """Cut the fraction off, as Loihi's decays and Lava's LIF do."""
    FLOOR = "floor"
    """Arithmetic shift."""
    NEAREST_EVEN = "nearest-even"
    """To nearest, ties to even; used when floats become integers."""


class Overflow(str, Enum):
    """What happens to a value outside the range of its word."""

    SATURATE = "saturate"
    """Clip to the ends of the range."""
    WRAP = "wrap"
    """Two's complement, modulo 2^bits."""


@dataclass(frozen=True)
class Word:
    """An integer register: width, sign, how reals are rounded into it, and what overflow does.

    The range is ``-2^(bits-1) .. 2^(bits-1)-1`` when signed, ``0 .. 2^bits-1`` otherwise.

    Raises:
        InvalidValueError: for a width that is no integer from 1 to 62, or an unknown choice.

    >>> word = Word(bits=8, signed=True)
    >>> word.minimum, word.maximum
    (-128, 127)
    """

    bits: int
    signed: bool = True
    rounding: Rounding = Rounding.NEAREST_EVEN
    overflow: Overflow = Overflow.SATURATE

    def __post_init__(self) -> None:
        require_range("word width", self.bits, 1, WIDEST_WORD)
        require_type("word signed", self.signed, bool)
        object.__setattr__(self, "bits", int(self.bits))
        object.__setattr__(self, "rounding", member("word rounding", self.rounding, Rounding))
        object.__setattr__(self, "overflow", member("word overflow", self.overflow, Overflow))

    @property
    def minimum(self) -> int:
        """Smallest value that the word holds."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """Largest value that the word holds."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    def fit(self, values: IntArray) -> tuple[IntArray, int]:
        """Bring integers into the word and count how many did not fit.

        >>> Word(8).fit(np.array([-200, 5, 127]))
        (array([-128,    5,  127]), 1)
        """
        outside = int(np.count_nonzero((values < self.minimum) | (values > self.maximum)))
        if outside == 0:
            return values, 0
        if self.overflow is Overflow.SATURATE:
            return np.clip(values, self.minimum, self.maximum), outside
        span = 1 << self.bits
        return (values - self.minimum) % span + self.minimum, outside

    def encode(self, values: FloatArray, fraction: int) -> tuple[IntArray, int]:
        """Turn reals into integers ``round(value * 2^fraction)``, fit them, count the misfits.

        >>> Word(8).encode(np.array([0.5, 0.75, 99.0]), fraction=1)
        (array([  1,   2, 127]), 1)
        """
        reals = np.asarray(values, dtype=np.float64)
        if not np.all(np.isfinite(reals)):
            raise InvalidValueError("value to quantize", "NaN or infinite", "finite numbers")
        with np.errstate(over="ignore", under="ignore"):  # what becomes infinite saturates
            scaled = np.ldexp(reals, fraction)
        # Reals beyond int64 would turn into garbage before they could saturate.
        limit = float(1 << WIDEST_WORD)
        rounded = round_real(np.clip(scaled, -limit, limit), self.rounding)
        return self.fit(rounded)


Width = int | Literal["ternary"]
"""Bits of weights, or mantissas of -1, 0 and 1 alone."""

TERNARY: Literal["ternary"] = "ternary"
"""Width of weights that are -1, 0 or 1 units."""


class TernaryWord(Word):
    """Mantissas -1, 0 and 1: a signed word of two bits without its most negative value.

    >>> TernaryWord().encode(np.array([0.7, -9.0, 0.2]), fraction=0)
    (array([ 1, -1,  0]), 1)
    """

    def __init__(self) -> None:
        super().__init__(2)

    @property
    def minimum(self) -> int:
        """-1."""
        return -self.maximum


def weight_word(width: Width) -> Word:
    """The word of mantissas of a width.

    >>> weight_word("ternary").minimum, weight_word(2).minimum
    (-1, -2)
    """
    return TernaryWord() if width == TERNARY else Word(width)


def round_real(values: FloatArray, rounding: Rounding) -> IntArray:
    """Round reals to integers.

    >>> round_real(np.array([-1.5, 0.5, 1.5]), Rounding.NEAREST_EVEN)
    array([-2,  0,  2])
    """
    if rounding is Rounding.NEAREST_EVEN:
        return np.rint(values).astype(np.int64)
    if rounding is Rounding.FLOOR:
        return np.floor(values).astype(np.int64)
    return np.trunc(values).astype(np.int64)


def shift_toward_zero(values: IntArray, bits: int) -> IntArray:
    """Right shift toward zero, ``rsz(x, n) = sign(x) * (|x| >> n)``, as Lava's LIF rounds.

    >>> shift_toward_zero(np.array([7, -7]), 1)
    array([ 3, -3])
    """
    return np.where(values < 0, -(-values >> bits), values >> bits)


def wrap_once(values: IntArray, bits: int) -> tuple[IntArray, int]:
    """Wrap a signed register once at each end, as the current of Lava's LIF does.

    With ``h = 2^(bits-1)``: ``x > h`` becomes ``x - 2h``, then ``x <= -h`` becomes ``x + 2h``.
    The range is therefore ``(-h, h]``, and a value that needs two wraps stays outside.
    Source: Lava 0.10.0, ``lava/proc/lif/models.py``, fixed-point LIF.

    >>> wrap_once(np.array([8, 9, -8]), bits=4)
    (array([ 8, -7,  8]), 2)
    """
    half = 1 << (bits - 1)
    over = np.where(values > half, values - 2 * half, values)
    wrapped = np.where(over <= -half, over + 2 * half, over)
    return wrapped, int(np.count_nonzero(wrapped != values))


def bits_for(magnitude: int) -> int:
    """Bits of the narrowest signed word that holds both ``magnitude`` and ``-magnitude``.

    >>> bits_for(127), bits_for(128)
    (8, 9)
    """
    return int(magnitude).bit_length() + 1


def largest_fraction(magnitude: float, word: Word) -> int:
    """Most fractional bits with which ``magnitude`` still fits the word (may be negative).

    >>> largest_fraction(1.0, Word(8, signed=False)), largest_fraction(1.0, Word(8))
    (7, 6)
    """
    if not np.isfinite(magnitude) or magnitude < 0:
        raise InvalidValueError("magnitude", magnitude, "a finite number >= 0")
    if magnitude == 0.0:
        return word.bits
    # 2^(exponent - 1) <= magnitude < 2^exponent; the comparisons below are exact.
    _, exponent = math.frexp(magnitude)
    fraction = word.maximum.bit_length() - exponent
    while round(math.ldexp(magnitude, fraction + 1)) <= word.maximum:
        fraction += 1
    while round(math.ldexp(magnitude, fraction)) > word.maximum:
        fraction -= 1
    return fraction


def decompose(value: int, mantissa_bits: int, exponent_limit: int) -> tuple[int, int]:
    """Split an integer into ``mantissa << exponent`` with the smallest exponent that fits.

    The mantissa is signed with ``mantissa_bits`` bits and is cut toward zero, so the result may
    be smaller in magnitude than ``value``.

    Raises:
        InvalidValueError: if the value needs an exponent above ``exponent_limit``.

    >>> decompose(1000, mantissa_bits=8, exponent_limit=7)
    (125, 3)
    """
    limit = (1 << (mantissa_bits - 1)) - 1
    exponent = 0
    while abs(value) >> exponent > limit:
        exponent += 1
    if exponent > exponent_limit:
        raise InvalidValueError(
            "value", value, f"at most {limit} << {exponent_limit}", "lower the scale"
        )
    mantissa = abs(value) >> exponent
    return (-mantissa if value < 0 else mantissa), exponent
