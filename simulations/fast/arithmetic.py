"""Rounding shift and word fitting, compiled: the counterparts of :mod:`ltc2hw.words`."""

from __future__ import annotations

import numpy as np

from ltc2hw.simulations.fast.compiled import part


@part
def shift_toward_zero(value: int, bits: int) -> int:
    """``sign(x) * (|x| >> n)``: adding ``2^n - 1`` to negative values first makes floor do it."""
    return (value + ((value >> np.int64(63)) & ((np.int64(1) << bits) - np.int64(1)))) >> bits


@part
def product(factor: int, value: int, bits: int) -> int:
    """``rsz(factor * value, bits)`` in 64 bits."""
    return shift_toward_zero(np.int64(factor) * np.int64(value), bits)


@part
def fit(value: int, low: int, high: int, wraps: int) -> int:
    """Saturate into ``low .. high``, or wrap where ``wraps`` is the word's mask."""
    if wraps != 0:
        return ((value - low) & wraps) + low
    return min(max(value, low), high)
