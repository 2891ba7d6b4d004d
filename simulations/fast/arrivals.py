"""Sums of what arrives at ports, compiled: the accumulators of fan-outs, shifted."""

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
def arriving(contribution: Any, tile: Scalar, sample: Scalar, neuron: Scalar) -> Arriving:
    """Places of the sums of a contribution, from a sample and a neuron on."""
    width = contribution.width
    first = tile * contribution.sums + sample * width + contribution.column + neuron
    return Arriving(first, width, given(contribution.scale))


@inlined
def scaled_sum(sums: Table, place: Scalar, scale: Any) -> Any:
    """``sums << exponent``."""
    return number(load(sums, SUMS, place), scale) * scale


@kernel
def begin_port(
    ports: Table, port: Scalar, stride: Scalar, samples: Scalar, sums: Table, a: Arriving
) -> None:
    """``port = sums << exponent``."""
    scale = a.scale
    for b in range(samples):
        into, first = port + b * stride, a.first + b * a.width
        for j in range(stride):
            store(ports, PORT, into + j, scaled_sum(sums, first + j, scale))


@kernel
def begin_port_with_two(
    ports: Table, port: Scalar, stride: Scalar, samples: Scalar, sums: Table, a: Arriving,
    others: Table, o: Arriving,
) -> None:  # fmt: skip
    """``port = (sums << exponent) + (others << exponent)``."""
    scale, other_scale = a.scale, o.scale
    for b in range(samples):
        into, first, other = port + b * stride, a.first + b * a.width, o.first + b * o.width
        for j in range(stride):
            added = scaled_sum(others, other + j, other_scale)
            store(ports, PORT, into + j, scaled_sum(sums, first + j, scale) + added)


@kernel
def add_to_port(
    ports: Table, port: Scalar, stride: Scalar, samples: Scalar, sums: Table, a: Arriving
) -> None:
    """``port += sums << exponent``."""
    scale = a.scale
    for b in range(samples):
        into, first = port + b * stride, a.first + b * a.width
        for j in range(stride):
            added = scaled_sum(sums, first + j, scale)
            store(ports, PORT, into + j, load(ports, PORT, into + j) + added)


@inlined
def arrive(
    ports: Table, narrow: Table, broad: Table, port: Any, contributions: Table, into: Scalar,
    stride: Scalar, tile: Scalar, sample: Scalar, samples: Scalar, neuron: Scalar,
) -> None:  # fmt: skip
    """Sum of everything that arrives at ``stride`` neurons in this step, of some samples."""
    first = contributions[port.first]
    a, row = arriving(first, tile, sample, neuron), port.first + ONE
    if row == port.last:
        if first.narrow != 0:
            begin_port(ports, into, stride, samples, narrow, a)
        else:
            begin_port(ports, into, stride, samples, broad, a)
        return
    second = contributions[row]
    o = arriving(second, tile, sample, neuron)
    if second.narrow != 0:
        begin_port_with_two(ports, into, stride, samples, narrow, a, narrow, o)
    elif first.narrow != 0:
        begin_port_with_two(ports, into, stride, samples, narrow, a, broad, o)
    else:
        begin_port_with_two(ports, into, stride, samples, broad, a, broad, o)
    for later in range(row + ONE, port.last):
        c = contributions[later]
        if c.narrow != 0:
            add_to_port(ports, into, stride, samples, narrow, arriving(c, tile, sample, neuron))
        else:
            add_to_port(ports, into, stride, samples, broad, arriving(c, tile, sample, neuron))
