"""Numbers of words as kernels read them."""

from __future__ import annotations

from ltc2hw.numbers.words import Overflow, Word


def limits(word: Word) -> tuple[int, int, int]:
    """Smallest and largest value, and the mask of a word that wraps (0 for one that saturates)."""
    wraps = (1 << word.bits) - 1 if word.overflow is Overflow.WRAP else 0
    return word.minimum, word.maximum, wraps
