"""Sizes checked before anything is allocated: a small file cannot ask for much memory."""

from __future__ import annotations

from ltc2hw.errors import TooLargeError

MAXIMUM_NUMBERS = 1 << 24
"""Most numbers that a conversion makes beyond those that its source holds: the synapses of 8 bits
that a chip of 128 cores with 128 KB each can store."""


def require_capacity(name: str, numbers: int, held: int = 0, remedy: str = "") -> None:
    """Raise if ``numbers`` are more than the stated limit and than the source holds itself.

    Raises:
        TooLargeError: naming the thing, its size, the limit and the remedy.

    >>> require_capacity("weights of layer 3", 1 << 20)
    >>> require_capacity("weights", 1 << 40)
    Traceback (most recent call last):
    ...
    ltc2hw.errors.TooLargeError: weights is 1099511627776 numbers; expected at most 16777216
    """
    limit = max(MAXIMUM_NUMBERS, held)
    if numbers > limit:
        raise TooLargeError(name, f"{numbers} numbers", f"at most {limit}", remedy)
