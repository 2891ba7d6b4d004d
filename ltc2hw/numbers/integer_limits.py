"""The one rule on signs, overflow, shifts and fractions of integer networks.

**No sum and no product of the specification leaves ±2^62, whatever the samples**, so that 64-bit
integers hold all of them and every engine computes the same. Words, shifts and fractions are
limited by names that the constructors of :mod:`ltc2hw.graph.fixed` check; products by the largest
values of their factors; sums by the largest messages.
"""

from __future__ import annotations

from typing import Any

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.nonlinearity import TABLE_SPAN_BITS
from ltc2hw.numbers.scalars import is_integer, require_range, require_type, shown
from ltc2hw.numbers.words import WIDEST_WORD, IntArray, Overflow, Word

EXACT_BITS = WIDEST_WORD
"""Sums and products stay within ± two to this power."""

LARGEST_SHIFT = 62
"""Right shift of a product or a message; left shift of a sum of synapses."""

FINEST = 1022
"""Largest magnitude of a fraction: doubles hold ``2^fraction`` and its inverse."""

FINEST_GATE = EXACT_BITS - TABLE_SPAN_BITS
"""Largest fraction of a gate's argument: the sixteen units that tables span fit 62 bits."""

FINEST_RESULT = 30
"""Largest fraction of gates, adaptations and decays: they are recorded in 32 bits."""


def require_fraction(name: str, value: Any) -> None:
    """Raise unless a fraction is an integer whose power of two is a double."""
    if is_integer(value) and abs(value) > FINEST:
        remedy = "bring weights, biases and thresholds closer to 1"
        raise InvalidValueError(name, shown(value), f"{-FINEST} to {FINEST}", remedy)
    require_range(name, value, -FINEST, FINEST)


def require_state(name: str, word: Any, *, wraps: bool) -> None:
    """Raise unless a state's word is signed, and saturates unless ``wraps``."""
    require_type(f"{name} state", word, Word)
    if not word.signed:
        raise InvalidValueError(
            f"{name} state", "unsigned", "a signed word", "negative states exist"
        )
    if not wraps and word.overflow is not Overflow.SATURATE:
        raise InvalidValueError(
            f"{name} state", word.overflow.value, "a word that saturates", "its current wraps once"
        )


NARROWER = "use narrower words, smaller constants or exponents"


def require_exact(name: str, largest: int, remedy: str = NARROWER) -> None:
    """Raise if the largest magnitude of a sum or product is beyond 62 bits.

    >>> require_exact("product", 1 << 62)
    >>> require_exact("product", 1 << 63)
    Traceback (most recent call last):
    ...
    ltc2hw.errors.InvalidValueError: largest product is 9223372036854775808; expected at most 2^62 \
(use narrower words, smaller constants or exponents)
    """
    if largest > 1 << EXACT_BITS:
        raise InvalidValueError(f"largest {name}", largest, f"at most 2^{EXACT_BITS}", remedy)


def magnitude(word: Word) -> int:
    """Largest magnitude of a word."""
    return max(word.maximum, -word.minimum)


def largest(values: IntArray) -> int:
    """Largest magnitude of an array, 0 if it is empty."""
    return max(int(values.max()), -int(values.min())) if values.size else 0
