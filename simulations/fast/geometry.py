"""Where the neurons of an image add the weights of a kernel: numbers for the compiled loops.

A neuron adds some rows of weights to some rows of sums. Weights are stored by input channel, row,
column and output channel, sums by row, column and output channel: where neighbouring weights of a
row belong to neighbouring sums, a row is one vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np

from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import IntArray

FIELDS = 4
"""Numbers of a place: first weight, first sum, rows, and the reach in a row: the length of its only
vector, or how many vectors it has, of the output channels of a group each."""


@dataclass(frozen=True)
class Axis:
    """One dimension of an image: which weights a source meets, and which targets."""

    taps: IntArray
    """Places of the kernel, as they are stored; -1: a weight that is 0.

    Those that a source meets are neighbours, the last place first. With strides, not every source
    meets equally many: zeros make the loops over them equally long, which processors foresee.
    """
    first: IntArray
    """First of the stored places that each source meets within the image."""
    target: IntArray
    """Target of that."""
    count: IntArray
    """How many places each source meets."""
    step: int
    """Distance of their targets."""


@dataclass(frozen=True)
class Geometry:
    """A convolution's weights, and what each neuron does with them.

    The place in memory of a neuron, divided by ``radix``, has a quotient and a rest. ``outer``
    (quotients, FIELDS) and ``inner`` (rests, FIELDS) are added up to what it does.
    """

    weights: IntArray
    outer: IntArray
    inner: IntArray
    radix: int
    joined: bool
    """Whether a row is one vector."""
    weights_row: int
    """From row to row of the weights."""
    sums_row: int
    """From row to row of the sums."""
    weights_vector: int
    """From vector to vector of the weights of a row."""
    sums_vector: int
    """From vector to vector of the sums of a row."""


def geometry_of(conv: Conv, *, channels_last: bool) -> Geometry:
    """The geometry for sources in the order of their numbers, or with ``channels_last``."""
    row, column = _row_axis(conv), _axis(conv, len(conv.stride) - 1)
    weights = _stored(conv, row, column)
    outputs, own = conv.targets[0], conv.targets[0] // conv.groups
    columns = conv.targets[-1]
    weights_row = column.taps.size * own
    joined = conv.groups == 1 and column.step == 1
    channel = np.arange(conv.sources[0])
    group = channel // (channel.size // conv.groups)
    by_channel = _places(channel * row.taps.size * weights_row, group * own)
    by_row = _places(row.first * weights_row, row.target * columns * outputs, rows=row.count)
    by_column = _places(
        column.first * own,
        column.target * outputs,
        reach=column.count * own if joined else column.count,
    )
    digits = (by_row, by_column, by_channel) if channels_last else (by_channel, by_row, by_column)
    first, second, inner = digits
    outer = (first[:, None] + second[None]).reshape(-1, FIELDS)
    return Geometry(
        weights, outer, inner, len(inner), joined, weights_row, row.step * columns * outputs, own,
        column.step * outputs,
    )  # fmt: skip


def reciprocal(divisor: int, numbers: int) -> tuple[int, int]:
    """Factor and shift that divide every number below ``numbers``: ``(number factor) >> shift``.

    >>> factor, shift = reciprocal(7, 1000)
    >>> all(number * factor >> shift == number // 7 for number in range(1000))
    True
    """
    shift = numbers.bit_length() + divisor.bit_length()
    return (1 << shift) // divisor + 1, shift


def _places(
    weights: IntArray,
    sums: IntArray,
    rows: IntArray | int = 0,
    reach: IntArray | int = 0,
) -> IntArray:
    fields = np.broadcast_arrays(weights, sums, rows, reach)
    stacked: IntArray = np.stack(fields, axis=-1).astype(np.int64)
    return stacked


def _row_axis(conv: Conv) -> Axis:
    """The first of two dimensions; that of a row of pixels is one place."""
    if len(conv.stride) == 2:
        return _axis(conv, 0)
    nothing, one = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
    return Axis(nothing, nothing, nothing, one, 1)


def _axis(conv: Conv, dimension: int) -> Axis:
    """Sources that are a stride apart meet the same places of the kernel."""
    size, targets = conv.sources[1 + dimension], conv.targets[1 + dimension]
    stride, dilation = conv.stride[dimension], conv.dilation[dimension]
    before = conv.padding[dimension][0]
    width = conv.kernel.shape[2 + dimension]
    step = dilation // gcd(dilation, stride)
    first, target, count = np.zeros((3, size), dtype=np.int64)
    phases = [
        [k for k in range(width - 1, -1, -1) if (source + before - dilation * k) % stride == 0]
        for source in range(min(stride, size))
    ]
    most = max(map(len, phases))
    taps: list[int] = []
    for source, places in enumerate(phases):
        if not places:
            continue
        sources = np.arange(source, size, stride)
        start = (sources + before - dilation * places[0]) // stride
        low = np.maximum(0, -(start // step))
        high = np.minimum(most, -((start - targets) // step))
        first[sources] = len(taps) + low
        target[sources] = start + low * step
        count[sources] = np.maximum(0, high - low)
        taps += places + [-1] * (most - len(places))
    target[count == 0] = first[count == 0] = 0
    return Axis(np.array(taps, dtype=np.int64), first, target, count, step)


def _stored(conv: Conv, row: Axis, column: Axis) -> IntArray:
    """Weights as (input channels, row taps, column taps, output channels of a group)."""
    outputs, inputs = conv.kernel.shape[:2]
    kernel: IntArray = np.asarray(conv.kernel).reshape(outputs, inputs, -1, conv.kernel.shape[-1])
    kernel = np.pad(kernel, ((0, 0), (0, 0), (0, 1), (0, 1)))
    taken = kernel[:, :, row.taps][..., column.taps]
    own = outputs // conv.groups
    grouped = taken.reshape(conv.groups, own, *taken.shape[1:])
    stored: IntArray = np.moveaxis(grouped, 1, -1).reshape(conv.sources[0], *taken.shape[2:], own)
    return stored
