"""Fan-out of kernels, compiled: the vectors of output channels that an event or a value reaches.

See :mod:`~ltc2hw.simulations.fast.geometry`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.fast.geometry import FIELDS, Geometry
from ltc2hw.simulations.fast.messages import SLACK, clear
from ltc2hw.simulations.fast.tables import Scalar, Shape, Table
from ltc2hw.simulations.fast.vectors import add_block

PLACE = np.uint64(FIELDS)
WEIGHTS, SUMS, ROWS, REACH = (np.uint64(field) for field in range(FIELDS))

KERNEL_VALUES = int(Shape.KERNEL_VALUES)

LONG, SHORT, ANY, SEVERAL = 32, 16, 0, -1
"""Lanes of the pieces of vectors whose length they divide; any length; several vectors in a row."""


def lanes_of(geometry: Geometry) -> int:
    """Which loop adds the weights of a geometry."""
    if not geometry.joined:
        return SEVERAL
    lanes = (lanes for lanes in (LONG, SHORT) if geometry.weights_vector % lanes == 0)
    return next(lanes, ANY)


class Steps(NamedTuple):
    """Numbers of a geometry, read once."""

    first: Any
    outer: Any
    inner: Any
    radix: Any
    reciprocal: Any
    shift: Any
    weights_row: Any
    sums_row: Any
    weights_vector: Any
    sums_vector: Any


@inlined
def steps_of(fan: Any) -> Steps:
    """The numbers of a fan-out's geometry."""
    return Steps(
        fan.weights, fan.columns, fan.rests, fan.radix, fan.reciprocal, fan.shift,
        fan.weights_row, fan.sums_row, fan.weights_vector, fan.sums_vector,
    )  # fmt: skip


@inlined
def places_of(places: Table, s: Steps, neuron: Scalar) -> Any:
    """What a neuron reaches: first weight, first sum, rows, reach in a row."""
    quotient = (neuron * s.reciprocal) >> s.shift
    outer = s.outer + PLACE * quotient
    inner = s.inner + PLACE * (neuron - quotient * s.radix)
    return (
        s.first + places[outer + WEIGHTS] + places[inner + WEIGHTS],
        places[outer + SUMS] + places[inner + SUMS],
        places[outer + ROWS],
        places[outer + REACH] + places[inner + REACH],
    )


def _adder(lanes: int) -> Any:
    """The function that adds all weights of a neuron times its message, one vector for each row."""

    @inlined
    def add(
        sums: Table, total: Scalar, weights: Table, places: Table, s: Steps, neuron: Scalar,
        factor: Scalar,
    ) -> None:  # fmt: skip
        back, to, rows, reach = places_of(places, s, neuron)
        add_block(
            sums, total + to, s.sums_row, weights, back, s.weights_row, rows, reach, factor, lanes
        )

    return add


add_long, add_short, add_any = map(_adder, (LONG, SHORT, ANY))


@inlined
def add_several(
    sums: Table, total: Scalar, weights: Table, places: Table, s: Steps, neuron: Scalar,
    factor: Scalar,
) -> None:  # fmt: skip
    """Add all weights of a neuron times its message, several vectors for each row."""
    back, to, rows, reach = places_of(places, s, neuron)
    to += total
    for _ in range(rows):
        add_block(
            sums, to, s.sums_vector, weights, back, s.weights_vector, reach, s.weights_vector,
            factor, ANY,
        )  # fmt: skip
        to += s.sums_row
        back += s.weights_row


def _event_adder(add: Any) -> Any:
    """The function that adds the weights of all events of a list."""

    @kernel
    def add_events(
        sums: Table, total: Scalar, weights: Table, places: Table, events: Table, start: Scalar,
        count: Scalar, s: Steps,
    ) -> None:  # fmt: skip
        for k in range(count):
            add(sums, total, weights, places, s, np.uint64(events[start + k]), 1)

    return add_events


add_long_events, add_short_events, add_any_events, add_several_events = map(
    _event_adder, (add_long, add_short, add_any, add_several)
)


@inlined
def convolve_events(
    sums: Table, weights: Table, places: Table, events: Table, lengths: Table, fan: Any, m: Any,
    tile: Scalar, samples: Scalar, slot: Scalar,
) -> None:  # fmt: skip
    """A kernel times event lists."""
    steps = steps_of(fan)
    for b in range(samples):
        row = slot * tile + b
        start = tile * m.ring + row * (m.stride + SLACK)
        total = tile * fan.sums + b * fan.width
        clear(sums, total, fan.width)
        count = lengths[tile * m.lengths + row]
        if fan.lanes == LONG:
            add_long_events(sums, total, weights, places, events, start, count, steps)
        elif fan.lanes == SHORT:
            add_short_events(sums, total, weights, places, events, start, count, steps)
        elif fan.lanes == ANY:
            add_any_events(sums, total, weights, places, events, start, count, steps)
        else:
            add_several_events(sums, total, weights, places, events, start, count, steps)


@kernel
def convolve_values(
    sums: Table, weights: Table, places: Table, values: Table, fan: Any, m: Any, tile: Scalar,
    samples: Scalar, slot: Scalar,
) -> None:  # fmt: skip
    """A kernel times graded messages that are not zero."""
    steps, several = steps_of(fan), fan.lanes == SEVERAL
    for b in range(samples):
        first = tile * (m.ring + slot * m.stride) + b * m.stride
        total = tile * fan.sums + b * fan.width
        clear(sums, total, fan.width)
        for neuron in range(fan.sources):
            message = np.int64(values[first + neuron])
            if message != 0:
                if several:
                    add_several(sums, total, weights, places, steps, neuron, message)
                else:
                    add_any(sums, total, weights, places, steps, neuron, message)


@inlined
def convolve(
    narrow: Table, broad: Table, weights: Table, places: Table, values: Table, events: Table,
    lengths: Table, fan: Any, m: Any, tile: Scalar, samples: Scalar, slot: Scalar,
) -> None:  # fmt: skip
    """A kernel times a message of any kind."""
    if fan.shape == KERNEL_VALUES:
        convolve_values(broad, weights, places, values, fan, m, tile, samples, slot)
    elif fan.narrow != 0:
        convolve_events(narrow, weights, places, events, lengths, fan, m, tile, samples, slot)
    else:
        convolve_events(broad, weights, places, events, lengths, fan, m, tile, samples, slot)
