"""Counts as arguments."""

from __future__ import annotations

import argparse

COUNT_BITS = 63
"""Counts are signed 64-bit integers elsewhere."""


def below(text: str, bits: int) -> int:
    """An integer of at least 0 and so many bits.

    Raises:
        ValueError: for what is no integer, or below 0.
        ArgumentTypeError: for one that is larger.
    """
    value = int(text)
    if value < 0:
        raise ValueError
    if value.bit_length() > bits:
        raise argparse.ArgumentTypeError(f"{text} is too large; expected an integer below 2^{bits}")
    return value


def positive(text: str) -> int:
    """Type of arguments that are counts.

    >>> positive("3")
    3
    """
    value = below(text, COUNT_BITS)
    if value < 1:
        raise ValueError
    return value


positive.__name__ = "positive integer"


def image(text: str) -> tuple[int, ...]:
    """Type of ``--input-shape``: channels, height and width.

    >>> image("2x34x34")
    (2, 34, 34)
    """
    channels, height, width = text.casefold().split("x")
    return positive(channels), positive(height), positive(width)


image.__name__ = "shape like 2x34x34"
