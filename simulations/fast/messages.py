"""Messages and synapses, compiled: event lists, graded messages, fan-out of dense weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.fast.arithmetic import counted, integral, number, shift_toward_zero
from ltc2hw.simulations.fast.matrices import multiply_bytes
from ltc2hw.simulations.fast.streams import load, store
from ltc2hw.simulations.fast.tables import EVENT_SLACK, FAN_LANES, Scalar, Table
from ltc2hw.simulations.fast.vectors import add_rows, list_bits, multiply

SLACK, LANES = np.uint64(EVENT_SLACK), np.uint64(FAN_LANES)
ZERO, ONE, TWO, FOUR, EIGHT = (np.uint64(n) for n in (0, 1, 2, 4, 8))

LONG_LANES, MIDDLE_LANES = 4 * FAN_LANES, 2 * FAN_LANES
LONG, MIDDLE = np.uint64(LONG_LANES), np.uint64(MIDDLE_LANES)

BYTE, BYTE_BITS = np.int64(0xFF), np.int64(8)

ADD_BYTES = np.uint64(0x0101010101010101)
"""Times eight small bytes: the highest byte of the product is their sum."""

CROWD = np.uint64(24)
"""Matrices multiply the spikes of a tile of samples where more than one neuron in so many spikes:
below, adding rows of weights is faster."""

GATHER_BITS = np.uint64(0x0102040810204080)
"""Times eight bytes of 0 or 1: the highest byte of the product holds them as bits."""

SET_BITS = np.array(
    [
        [i for i in range(8) if mask >> i & 1] + [0] * (8 - bin(mask).count("1"))
        for mask in range(256)
    ],
    dtype=np.int32,
).ravel()
"""Positions of the bits of each byte, eight entries each."""

BIT_COUNT = np.array([bin(mask).count("1") for mask in range(256)], dtype=np.uint64)

EVENTS, SUMS, WEIGHTS, VALUES, MESSAGES = range(5)
"""Streams."""


@kernel
def list_events(
    words: Table, events: Table, lengths: Table, m: Any, tile: Scalar, samples: Scalar, slot: Scalar
) -> None:
    """Write the neurons that spike, rising, to the lists of a slot of the message's ring.

    ``words`` are the spikes, eight bytes of 0 or 1 each.
    """
    for b in range(samples):
        row = slot * tile + b
        start = tile * m.ring + row * (m.stride + SLACK)
        first = (tile * m.start + b * m.stride) // EIGHT
        count = np.uint64(0)
        for k in range(m.stride // EIGHT):
            mask = (words[first + k] * GATHER_BITS) >> np.uint64(56)
            base = np.int32(k * EIGHT)
            list_bits(events, start + count, SET_BITS, EIGHT * mask, base)
            count += BIT_COUNT[mask]
        lengths[tile * m.lengths + row] = count


@kernel
def keep_spikes(
    words: Table, kept: Table, m: Any, tile: Scalar, samples: Scalar, slot: Scalar
) -> Scalar:
    """Copy the spikes to a slot of the ring of bytes; returns 1 if they are many, else 0."""
    total, size = ZERO, m.stride // EIGHT
    for b in range(samples):
        first = (tile * m.start + b * m.stride) // EIGHT
        out = (tile * (m.bytes + slot * m.reach) + b * m.reach) // EIGHT
        for k in range(size):
            word = load(words, VALUES, first + k)
            store(kept, MESSAGES, out + k, word)
            total += (word * ADD_BYTES) >> np.uint64(56)
    return ONE if total * CROWD > samples * m.size else ZERO


@kernel
def grade(
    state: Table, variable: Scalar, values: Table, out: Scalar, width: Scalar, m: Any
) -> Scalar:
    """``word.fit(rsz(value, shift))``; returns the misfits."""
    like = integral(load(state, VALUES, variable))
    low, high, wraps = number(m.low, like), number(m.high, like), number(m.wraps, like)
    shift, cut = m.shift, m.wraps != 0
    misfits = counted(False, like)
    for j in range(width):
        shifted = shift_toward_zero(integral(load(state, VALUES, variable + j)), shift)
        fitted = min(max(shifted, low), high)
        if cut:
            fitted = ((shifted - low) & wraps) + low
        misfits += counted(fitted != shifted, like)
        store(values, MESSAGES, out + j, fitted)
    return np.int64(misfits)


@inlined
def clear(sums: Table, start: Scalar, width: Scalar) -> None:
    """Set accumulators to zero."""
    for j in range(width):
        sums[start + j] = 0


@inlined
def add_row(
    sums: Table, total: Scalar, weights: Table, row: Scalar, factor: Scalar, width: Scalar
) -> None:
    """Add one row of weights times its factor."""
    for block in range(width // LANES):
        first = block * LANES
        for lane in range(FAN_LANES):
            j = first + np.uint64(lane)
            added, before = load(weights, WEIGHTS, row + j) * factor, load(sums, SUMS, total + j)
            store(sums, SUMS, total + j, before + number(added, before))


@kernel
def fan_events(
    sums: Table, weights: Table, events: Table, lengths: Table, fan: Any, m: Any, tile: Scalar,
    samples: Scalar, slot: Scalar,
) -> None:  # fmt: skip
    """Dense weights times event lists: the rows of weights of the events.

    Rows go in pieces as long as possible, so that the events are read few times and more than a
    cache line of each row at once.
    """
    width, first = fan.width, fan.weights
    long, middle = width // LONG * LONG, width // MIDDLE * MIDDLE
    for b in range(samples):
        row = slot * tile + b
        start, count = tile * m.ring + row * (m.stride + SLACK), lengths[tile * m.lengths + row]
        total = tile * fan.sums + b * width
        for j in range(ZERO, long, LONG):
            add_rows(sums, total + j, weights, first + j, width, events, start, count, LONG_LANES)
        for j in range(long, middle, MIDDLE):
            add_rows(sums, total + j, weights, first + j, width, events, start, count, MIDDLE_LANES)
        for j in range(middle, width, LANES):
            add_rows(sums, total + j, weights, first + j, width, events, start, count, FAN_LANES)


@kernel
def fan_values(
    sums: Table, weights: Table, values: Table, fan: Any, m: Any, tile: Scalar, samples: Scalar,
    slot: Scalar,
) -> None:  # fmt: skip
    """Dense weights times graded messages; a row of weights serves all samples of the tile."""
    width = fan.width
    clear(sums, tile * fan.sums, samples * width)
    messages = tile * (m.ring + slot * m.stride)
    for i in range(fan.sources):
        for b in range(samples):
            message = values[messages + b * m.stride + i]
            if message != 0:
                total = tile * fan.sums + b * width
                add_row(sums, total, weights, fan.weights + i * width, message, width)


@kernel
def fan_pairs(
    sums: Table, weights: Table, values: Table, pairs: Table, fan: Any, m: Any, tile: Scalar,
    samples: Scalar, slot: Scalar,
) -> None:  # fmt: skip
    """Dense weights times graded messages of 16 bits; blocks of weights serve four samples."""
    count, width = (fan.sources + ONE) // TWO, fan.width
    for b in range(samples):
        first = tile * (m.ring + slot * m.stride) + b * m.stride
        for pair in range(count):
            lower = np.int64(load(values, MESSAGES, first + TWO * pair)) & np.int64(0xFFFF)
            upper = np.int64(load(values, MESSAGES, first + TWO * pair + ONE)) << np.int64(16)
            store(pairs, SUMS, b * count + pair, np.int32(lower | upper))
    whole = samples // FOUR * FOUR
    for block in range(width // LANES):
        first = fan.weights + block * TWO * LANES * count
        total = tile * fan.sums + block * LANES
        for b in range(ZERO, whole, FOUR):
            multiply(sums, total + b * width, width, weights, first, pairs, b * count, count, 4)
        for b in range(whole, samples):
            multiply(sums, total + b * width, width, weights, first, pairs, b * count, count, 1)


@kernel
def fan_spikes(
    sums: Table, blocks: Table, kept: Table, fan: Any, m: Any, tile: Scalar, samples: Scalar,
    slot: Scalar,
) -> None:  # fmt: skip
    """Dense weights times spikes, by the matrix unit."""
    start = tile * (m.bytes + slot * m.reach)
    multiply_bytes(
        sums, tile * fan.sums, fan.width, blocks, fan.blocks, kept, start, fan.reach, samples, 0
    )


@kernel
def fan_bytes(
    sums: Table, blocks: Table, split: Table, values: Table, fan: Any, m: Any, tile: Scalar,
    samples: Scalar, slot: Scalar,
) -> None:  # fmt: skip
    """Dense weights times graded messages, by the matrix unit: a product for each of their bytes.

    The last byte has the sign. Sums of the bytes lie one after the other; their ports know what
    each is worth.
    """
    reach = fan.reach
    for plane in range(fan.planes):
        start, shift = tile * (fan.bytes + plane * reach), np.int64(plane) * BYTE_BITS
        for b in range(samples):
            first = tile * (m.ring + slot * m.stride) + b * m.stride
            for k in range(m.stride):
                byte = (np.int64(load(values, MESSAGES, first + k)) >> shift) & BYTE
                store(split, SUMS, start + b * reach + k, np.uint8(byte))
        signed = np.int64(plane + ONE == fan.planes)
        total = tile * (fan.sums + plane * fan.width)
        multiply_bytes(
            sums, total, fan.width, blocks, fan.blocks, split, start, reach, samples, signed
        )
