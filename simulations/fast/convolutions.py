"""Fan-out of kernels, compiled: the vectors of output channels that an event or a value reaches.

See :mod:`~ltc2hw.simulations.fast.geometry`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.fast.geometry import FIELDS
from ltc2hw.simulations.fast.messages import SLACK, clear
from ltc2hw.simulations.fast.tables import Scalar, Table
from ltc2hw.simulations.fast.vectors import add_lanes

ZERO, ONE = np.uint64(0), np.uint64(1)
EIGHT, SIXTEEN, LONG, LONG_MASK = (np.uint64(n) for n in (8, 16, 32, 31))
PLACE = np.uint64(FIELDS)


class Reached(NamedTuple):
    """Sums that a neuron reaches."""

    weights: Any
    """First weight."""
    sums: Any
    """First sum."""
    rows: Any
    vectors: Any
    """Vectors of a row."""
    length: Any
    """Of a vector."""


@inlined
def reached(places: Table, fan: Any, neuron: Scalar) -> Any:
    """What a neuron reaches; its place is divided by a multiplication."""
    quotient = (neuron * fan.reciprocal) >> fan.shift
    outer = fan.columns + PLACE * quotient
    inner = fan.rests + PLACE * (neuron - quotient * fan.radix)
    return Reached(
        fan.weights + places[outer] + places[inner],
        places[outer + np.uint64(1)] + places[inner + np.uint64(1)],
        places[outer + np.uint64(2)] + places[inner + np.uint64(2)],
        places[outer + np.uint64(3)] + places[inner + np.uint64(3)],
        places[outer + np.uint64(4)] + places[inner + np.uint64(4)],
    )


@inlined
def add_vector(
    sums: Table, total: Scalar, weights: Table, first: Scalar, length: Scalar, factor: Scalar
) -> None:
    """``sums[total + j] += weights[first + j] factor`` for any length."""
    whole = length & ~LONG_MASK
    for j in range(ZERO, whole, LONG):
        add_lanes(sums, total + j, weights, first + j, factor, 32)
    rest = length & LONG_MASK
    if rest != ZERO:
        j = whole
        if rest & SIXTEEN != ZERO:
            add_lanes(sums, total + j, weights, first + j, factor, 16)
            j += SIXTEEN
        if rest & EIGHT != ZERO:
            add_lanes(sums, total + j, weights, first + j, factor, 8)
            j += EIGHT
        while j < length:
            add_lanes(sums, total + j, weights, first + j, factor, 1)
            j += ONE


@inlined
def add_weights(
    sums: Table, total: Scalar, weights: Table, places: Table, fan: Any, neuron: Scalar,
    factor: Scalar,
) -> None:  # fmt: skip
    """Add all weights of a neuron times its message."""
    there = reached(places, fan, neuron)
    to, back = total + there.sums, there.weights
    for _ in range(there.rows):
        for vector in range(there.vectors):
            add_vector(
                sums, to + vector * fan.sums_vector, weights, back + vector * fan.weights_vector,
                there.length, factor,
            )  # fmt: skip
        to += fan.sums_row
        back += fan.weights_row


@kernel
def convolve_events(
    sums: Table, weights: Table, places: Table, events: Table, lengths: Table, fan: Any, m: Any,
    tile: Scalar, samples: Scalar, slot: Scalar,
) -> None:  # fmt: skip
    """A kernel times event lists."""
    for b in range(samples):
        row = slot * tile + b
        start = tile * m.ring + row * (m.stride + SLACK)
        total = tile * fan.sums + b * fan.width
        clear(sums, total, fan.width)
        for k in range(lengths[tile * m.lengths + row]):
            neuron = np.uint64(events[start + k])
            add_weights(sums, total, weights, places, fan, neuron, 1)


@kernel
def convolve_values(
    sums: Table, weights: Table, places: Table, values: Table, fan: Any, m: Any, tile: Scalar,
    samples: Scalar, slot: Scalar,
) -> None:  # fmt: skip
    """A kernel times graded messages that are not zero."""
    for b in range(samples):
        first = tile * (m.ring + slot * m.stride) + b * m.stride
        total = tile * fan.sums + b * fan.width
        clear(sums, total, fan.width)
        for neuron in range(fan.sources):
            message = values[first + neuron]
            if message != 0:
                add_weights(sums, total, weights, places, fan, neuron, np.int64(message))
