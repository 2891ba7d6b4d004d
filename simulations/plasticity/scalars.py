"""Integer arithmetic of single neurons, compiled: shifts, saturation, gates and their slopes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.numbers.nonlinearity import TABLE_SPAN_BITS
from ltc2hw.simulations.compiled import inlined
from ltc2hw.simulations.plasticity.records import ONE, Array, Number

PLAN_FUNCTION, INTERPOLATED_FUNCTION = 0, 2


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
def gate_value(x: Number, gate: Any, entries: Array) -> Number:
    """The gate function at an argument."""
    if gate.function == PLAN_FUNCTION:
        return plan_value(x, gate.fraction, gate.output_fraction)
    shift = gate.fraction + TABLE_SPAN_BITS - gate.index_bits
    half = np.int64(1) << (gate.fraction + TABLE_SPAN_BITS - 1)
    offset = min(max(x, -half), half - 1) + half
    cell = offset >> shift
    at = gate.entries + np.uint64(cell)
    result = entries[at]
    if gate.function == INTERPOLATED_FUNCTION:
        rest = offset - (cell << shift)
        result += ((entries[at + ONE] - result) * rest) >> shift
    return result


@inlined
def plan_value(x: Number, fraction: Number, output: Number) -> Number:
    """PLAN."""
    one = np.int64(1) << output
    magnitude = abs(x)
    down = fraction - output
    y = one
    if magnitude < np.int64(8) << (fraction - 3):
        y = (magnitude >> (down + 2)) + (one >> 1)
    elif magnitude < np.int64(19) << (fraction - 3):
        y = (magnitude >> (down + 3)) + (np.int64(5) << (output - 3))
    elif magnitude < np.int64(40) << (fraction - 3):
        y = (magnitude >> (down + 5)) + (np.int64(27) << (output - 5))
    return one - y if x < 0 else y


@inlined
def gate_slope(x: Number, value: Number, gate: Any) -> Number:
    """Derivative of the gate function at an argument where it has that value."""
    one = np.int64(1) << gate.output_fraction
    if gate.function != PLAN_FUNCTION:
        return (value * (one - value)) >> gate.output_fraction
    magnitude = abs(x)
    if magnitude < np.int64(8) << (gate.fraction - 3):
        return one >> 2
    if magnitude < np.int64(19) << (gate.fraction - 3):
        return one >> 3
    if magnitude < np.int64(40) << (gate.fraction - 3):
        return one >> 5
    return np.int64(0)


@inlined
def weighted_sum(
    weights: Array, start: Number, shift: Number, vector: Array, first: Number, width: Number
) -> Number:
    """Product of a row of weights and a vector."""
    total = np.int64(0)
    for k in range(width):
        total += (np.int64(weights[start + k]) >> shift) * np.int64(vector[first + k])
    return total
