"""Integer arithmetic of single numbers, compiled: shifts, saturation, sums of products."""

from __future__ import annotations

import numpy as np

from ltc2hw.simulations.compiled import inlined
from ltc2hw.simulations.plasticity.records import Array, Number


@inlined
def rsz(value: Number, bits: Number) -> Number:
    """Right shift toward zero: adding ``2^n - 1`` to negative values makes floor do it."""
    return (value + ((value >> np.int64(63)) & ((np.int64(1) << bits) - np.int64(1)))) >> bits


@inlined
def rescale(value: Number, bits: Number) -> Number:
    """Right shift toward zero, or left shift if ``bits`` is negative."""
    if bits < 0:
        return value << -bits
    return rsz(value, bits)


@inlined
def fit(value: Number, low: Number, high: Number, wraps: Number) -> Number:
    """Saturate, or wrap where ``wraps`` is the word's mask."""
    if wraps != 0:
        return ((value - low) & wraps) + low
    return min(max(value, low), high)


@inlined
def weighted_sum(
    weights: Array, start: Number, shift: Number, vector: Array, first: Number, width: Number
) -> Number:
    """Product of a row of weights and a vector."""
    total = np.int64(0)
    for k in range(width):
        total += (np.int64(weights[start + k]) >> shift) * np.int64(vector[first + k])
    return total
