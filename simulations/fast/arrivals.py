"""Sums of what arrives at ports, compiled: accumulators of fan-outs become numbers of the state."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.fast.arithmetic import given, number
from ltc2hw.simulations.fast.streams import load, store
from ltc2hw.simulations.fast.tables import Scalar, Table

ONE = np.uint64(1)

SUMS, PORT = range(2)
"""Streams."""


class Arriving(NamedTuple):
    """Where sums are: a row of accumulators for each sample."""

    first: Any
    width: Any
    scale: Any


@inlined
def arriving(contribution: Any, tile: Scalar) -> Arriving:
    """Places of the sums of a contribution."""
    first = tile * contribution.sums + contribution.column
    return Arriving(first, contribution.width, given(contribution.scale))


@inlined
def scaled_sum(sums: Table, place: Scalar, scale: Any) -> Any:
    """``sums << exponent``."""
    return number(load(sums, SUMS, place), scale) * scale


@kernel
def begin_port(
    state: Table, port: Scalar, stride: Scalar, samples: Scalar, sums: Table, a: Arriving
) -> None:
    """``port = sums << exponent``."""
    scale = a.scale
    for b in range(samples):
        into, first = port + b * stride, a.first + b * a.width
        for j in range(stride):
            store(state, PORT, into + j, scaled_sum(sums, first + j, scale))


@kernel
def begin_port_with_two(
    state: Table, port: Scalar, stride: Scalar, samples: Scalar, sums: Table, a: Arriving,
    others: Table, o: Arriving,
) -> None:  # fmt: skip
    """``port = (sums << exponent) + (others << exponent)``."""
    scale, other_scale = a.scale, o.scale
    for b in range(samples):
        into, first, other = port + b * stride, a.first + b * a.width, o.first + b * o.width
        for j in range(stride):
            added = scaled_sum(others, other + j, other_scale)
            store(state, PORT, into + j, scaled_sum(sums, first + j, scale) + added)


@kernel
def add_to_port(
    state: Table, port: Scalar, stride: Scalar, samples: Scalar, sums: Table, a: Arriving
) -> None:
    """``port += sums << exponent``."""
    scale = a.scale
    for b in range(samples):
        into, first = port + b * stride, a.first + b * a.width
        for j in range(stride):
            added = scaled_sum(sums, first + j, scale)
            store(state, PORT, into + j, load(state, PORT, into + j) + added)


@inlined
def arrive(
    state: Table, narrow: Table, broad: Table, port: Any, contributions: Table, tile: Scalar,
    neurons: Scalar, samples: Scalar,
) -> None:  # fmt: skip
    """Sum of everything that arrives at a port in this step."""
    into, stride = tile * (port.region * neurons + port.start), port.stride
    first = contributions[port.first]
    a, row = arriving(first, tile), port.first + ONE
    if row == port.last:
        if first.narrow != 0:
            begin_port(state, into, stride, samples, narrow, a)
        else:
            begin_port(state, into, stride, samples, broad, a)
        return
    second = contributions[row]
    o = arriving(second, tile)
    if second.narrow != 0:
        begin_port_with_two(state, into, stride, samples, narrow, a, narrow, o)
    elif first.narrow != 0:
        begin_port_with_two(state, into, stride, samples, narrow, a, broad, o)
    else:
        begin_port_with_two(state, into, stride, samples, broad, a, broad, o)
    for later in range(row + ONE, port.last):
        c = contributions[later]
        if c.narrow != 0:
            add_to_port(state, into, stride, samples, narrow, arriving(c, tile))
        else:
            add_to_port(state, into, stride, samples, broad, arriving(c, tile))
