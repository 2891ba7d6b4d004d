"""Fan-out of sparse weights, compiled: the columns of what spikes or is not zero.

A synapse is its target and its weight in one number, so that a column is one stream from memory,
which is what large networks wait for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.fast.arithmetic import INLINE
from ltc2hw.simulations.fast.messages import SLACK, clear
from ltc2hw.simulations.fast.streams import prefetch
from ltc2hw.simulations.fast.tables import CACHE_LINE, WEIGHT_BITS, Scalar, Table

ONE, AHEAD = np.uint64(1), np.uint64(4)
"""AHEAD is how many columns before its use a column is asked for."""

LINE = np.uint64(CACHE_LINE // 4)
"""Synapses of 32 bits in a cache line."""

WEIGHT_MASK, TARGET_SHIFT = np.uint32((1 << WEIGHT_BITS) - 1), np.uint32(WEIGHT_BITS)


def packed(targets: Table, weights: Table, dtype: Any) -> Table:
    """Synapses as :func:`synapse` reads them: narrow ones in 32 bits, wide ones as two numbers.

    >>> packed(np.array([3]), np.array([-1]), np.uint32).tolist() == [(3 << 8) + 255]
    True
    """
    if dtype is np.uint32:
        narrow: Table = (targets << WEIGHT_BITS | weights & int(WEIGHT_MASK)).astype(np.uint32)
        return narrow
    return np.stack([targets, weights], axis=-1).ravel()


def place(synapses: Any, index: Any) -> Any:
    """Where a synapse is in the array."""
    raise NotImplementedError


@overload(place, jit_options=INLINE, strict=False)
def _place(synapses: Any, index: Any) -> Any:
    if synapses.dtype == types.uint32:
        return lambda synapses, index: index
    return lambda synapses, index: index + index


def synapse(synapses: Any, index: Any) -> Any:
    """Target and weight of a synapse."""
    raise NotImplementedError


@overload(synapse, jit_options=INLINE, strict=False)
def _synapse(synapses: Any, index: Any) -> Any:
    if synapses.dtype == types.uint32:

        def narrow(synapses: Any, index: Any) -> Any:
            both = synapses[index]
            return np.uint64(both >> TARGET_SHIFT), np.int64(np.int8(both & WEIGHT_MASK))

        return narrow

    def wide(synapses: Any, index: Any) -> Any:
        first = place(synapses, index)
        return np.uint64(synapses[first]), synapses[first + ONE]

    return wide


@inlined
def prefetch_column(synapses: Table, pointers: Table, fan: Any, source: Scalar) -> None:
    """Bring a column in while earlier ones are added: memory takes longer than adding."""
    column = fan.columns + np.uint64(source)
    for s in range(pointers[column], pointers[column + ONE], LINE):
        prefetch(synapses, place(synapses, fan.synapses + s))


@kernel
def scatter_events(
    sums: Table, synapses: Table, pointers: Table, events: Table, lengths: Table, fan: Any, m: Any,
    tile: Scalar, samples: Scalar, slot: Scalar,
) -> None:  # fmt: skip
    """Sparse weights times event lists: the columns of weights of the events."""
    for b in range(samples):
        row = slot * tile + b
        start = tile * m.ring + row * (m.stride + SLACK)
        total = tile * fan.sums + b * fan.width
        clear(sums, total, fan.width)
        count = lengths[tile * m.lengths + row]
        for k in range(count):
            if k + AHEAD < count:
                prefetch_column(synapses, pointers, fan, events[start + k + AHEAD])
            column = fan.columns + np.uint64(events[start + k])
            for s in range(pointers[column], pointers[column + ONE]):
                target, weight = synapse(synapses, fan.synapses + s)
                sums[total + target] += weight


@kernel
def scatter_values(
    sums: Table, synapses: Table, pointers: Table, values: Table, fan: Any, m: Any, tile: Scalar,
    samples: Scalar, slot: Scalar,
) -> None:  # fmt: skip
    """Sparse weights times graded messages: the columns of weights of the non-zero ones."""
    for b in range(samples):
        first = tile * (m.ring + slot * m.stride) + b * m.stride
        total = tile * fan.sums + b * fan.width
        clear(sums, total, fan.width)
        for k in range(fan.sources):
            message = values[first + k]
            if message != 0:
                column = fan.columns + k
                for s in range(pointers[column], pointers[column + ONE]):
                    target, weight = synapse(synapses, fan.synapses + s)
                    sums[total + target] += weight * message
