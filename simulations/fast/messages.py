"""Messages and synapses, compiled: event lists, graded messages, fan-out and port sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.simulations.fast.arithmetic import fit, shift_toward_zero
from ltc2hw.simulations.fast.compiled import part
from ltc2hw.simulations.fast.tables import EVENT_SLACK, Table

SLACK = np.uint64(EVENT_SLACK)
ONE, FOUR, EIGHT = np.uint64(1), np.uint64(4), np.uint64(8)

GATHER_BITS = np.uint64(0x0102040810204080)
"""Times eight bytes of 0 or 1: the highest byte of the product holds them as bits."""

SET_BITS = np.array(
    [[i for i in range(8) if mask >> i & 1] + [0] * (8 - mask.bit_count()) for mask in range(256)],
    dtype=np.uint8,
)
"""Positions of the bits of each byte."""

BIT_COUNT = np.array([mask.bit_count() for mask in range(256)], dtype=np.uint64)


@part
def list_events(words: Table, first: int, stride: int, events: Table, start: int) -> int:
    """Write the neurons that spike, rising, to ``events[start:]``; return how many.

    ``words`` are the spikes (bytes of 0 or 1), eight at a time.
    """
    count = np.uint64(0)
    for k in range(stride // EIGHT):
        mask = (words[first // EIGHT + k] * GATHER_BITS) >> np.uint64(56)
        for i in range(8):
            events[start + count + np.uint64(i)] = SET_BITS[mask, i] + k * EIGHT
        count += BIT_COUNT[mask]
    return count


@part
def grade(state: Table, variable: int, values: Table, out: int, width: int, m: Any) -> int:
    """``word.fit(rsz(value, shift))``; returns the misfits."""
    misfits = np.int64(0)
    for j in range(width):
        shifted = shift_toward_zero(np.int64(state[variable + j]), m.shift)
        fitted = fit(shifted, m.low, m.high, m.wraps)
        misfits += np.int64(fitted != shifted)
        values[out + j] = fitted
    return misfits


@part
def clear(sums: Table, start: int, width: int) -> None:
    """Set accumulators to zero."""
    for j in range(width):
        sums[start + j] = 0


@part
def add_events(
    sums: Table, total: int, weights: Table, first: int, width: int, events: Table, e: int, n: int
) -> None:
    """Add the rows of weights of n events, four at a time."""
    k = np.uint64(0)
    while k + FOUR <= n:
        row0 = first + np.uint64(events[e + k]) * width
        row1 = first + np.uint64(events[e + k + ONE]) * width
        row2 = first + np.uint64(events[e + k + ONE + ONE]) * width
        row3 = first + np.uint64(events[e + k + ONE + ONE + ONE]) * width
        for j in range(width):
            sums[total + j] += (
                weights[row0 + j] + weights[row1 + j] + weights[row2 + j] + weights[row3 + j]
            )
        k += FOUR
    while k < n:
        row = first + np.uint64(events[e + k]) * width
        for j in range(width):
            sums[total + j] += weights[row + j]
        k += ONE


@part
def add_values(
    sums: Table,
    total: int,
    weights: Table,
    first: int,
    width: int,
    values: Table,
    v: int,
    i: int,
    n: int,
) -> None:
    """Add n <= 4 rows of weights from row i on, each times its message."""
    row0 = first + i * width
    if n == FOUR:
        m0 = values[v + i]
        m1 = values[v + i + ONE]
        m2 = values[v + i + ONE + ONE]
        m3 = values[v + i + ONE + ONE + ONE]
        if m0 == 0 and m1 == 0 and m2 == 0 and m3 == 0:
            return
        row1 = row0 + width
        row2 = row1 + width
        row3 = row2 + width
        for j in range(width):
            sums[total + j] += (
                weights[row0 + j] * m0
                + weights[row1 + j] * m1
                + weights[row2 + j] * m2
                + weights[row3 + j] * m3
            )
        return
    for k in range(n):
        m0 = values[v + i + k]
        row = row0 + k * width
        for j in range(width):
            sums[total + j] += weights[row + j] * m0


@part
def scatter_events(
    sums: Table,
    total: int,
    weights: Table,
    first: int,
    rows: Table,
    row: int,
    pointers: Table,
    columns: int,
    events: Table,
    e: int,
    n: int,
) -> None:
    """Add the sparse columns of n events."""
    for k in range(n):
        column = columns + np.uint64(events[e + k])
        for s in range(pointers[column], pointers[column + ONE]):
            sums[total + np.uint64(rows[row + s])] += weights[first + s]


@part
def scatter_values(
    sums: Table,
    total: int,
    weights: Table,
    first: int,
    rows: Table,
    row: int,
    pointers: Table,
    columns: int,
    values: Table,
    v: int,
    n: int,
) -> None:
    """Add the sparse columns of the non-zero ones among n messages."""
    for k in range(n):
        message = values[v + k]
        if message != 0:
            column = columns + k
            for s in range(pointers[column], pointers[column + ONE]):
                sums[total + np.uint64(rows[row + s])] += weights[first + s] * message


@part
def contribute(
    state: Table, port: int, sums: Table, start: int, stride: int, exponent: int, first: int
) -> None:
    """``port += sums << exponent``, or ``port = sums << exponent``."""
    if first != 0:
        for j in range(stride):
            state[port + j] = np.int64(sums[start + j]) << exponent
    else:
        for j in range(stride):
            state[port + j] += np.int64(sums[start + j]) << exponent
