"""Convolutions found again in sparse weights, so that exports keep their kernels.

A network holds weights alone. Where the shapes of both ends are known (:mod:`images`), a matrix
that is a cross-correlation tells its kernel, stride, padding, dilation and groups; whatever is
found is a convolution only if it gives the same matrix, number for number.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.images import image_shapes
from ltc2hw.converters.lowering import Shape, Window, convolution
from ltc2hw.converters.populations import LIF, Readout
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.numbers.capacity import MAXIMUM_NUMBERS
from ltc2hw.numbers.weights import Sparse
from ltc2hw.numbers.words import FloatArray

Integers = npt.NDArray[np.int64]

SMALL_STRIDE = 8
"""Strides up to this are tried whatever the matrix looks like."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """A cross-correlation of (C, H, W), or of (C, L) as an image of height 1."""

    weight: FloatArray
    window: Window
    groups: int
    before: Shape
    after: Shape

    @property
    def feature(self) -> str:
        """Its row in the table of features."""
        return "convolution-1d" if len(self.before) == 2 else "convolution"

    def entries(self, bias: FloatArray | None) -> dict[str, Any]:
        """Its node; ``bias`` is one number per value, equal within a channel."""
        channels = self.after[0]
        each = np.zeros(channels) if bias is None else bias.reshape(channels, -1)[:, 0]
        window, flat = self.window, len(self.before) == 2
        sizes = {
            name: np.array(pair[1] if flat else pair)
            for name, pair in (
                ("input_shape", (1, *self.before[1:]) if flat else self.before[1:]),
                ("stride", window.stride),
                ("padding", window.padding),
                ("dilation", window.dilation),
            )
        }
        return {
            "type": "Conv1d" if flat else "Conv2d",
            "weight": self.weight[:, :, 0] if flat else self.weight,
            **sizes,
            "groups": self.groups,
            "bias": each,
            "metadata": {},
        }


@dataclass(frozen=True)
class Axis:
    """How a window moves along one axis."""

    size: int
    stride: int
    padding: int
    dilation: int

    def inside(self, offset: int, before: int, after: int) -> int:
        """A place of the window at which one of its offsets is within the image."""
        places = np.arange(after) * self.stride + offset * self.dilation - self.padding
        return int(np.argmax((places >= 0) & (places < before)))


def kernels_of(
    network: Network,
    plain: Mapping[int, Projection],
    biases: Mapping[int, FloatArray],
    absorbed: Collection[int],
) -> tuple[dict[int, Kernel], dict[str, Shape]]:
    """Convolutions by the number of their projection, and the shapes of the images between them.

    A population is an image if all that arrives comes from convolutions, or if it is the input.
    ``plain`` are the projections that edges can say, ``biases`` what they send along, instead of
    the ``absorbed`` projections.
    """
    shapes = {
        name: shape
        for name, shape in image_shapes(network).items()
        if isinstance(network.population(name), (Input, LIF, Readout))
    }
    kernels = {
        index: kernel
        for index, projection in plain.items()
        if (kernel := _kernel(projection, shapes, biases.get(index))) is not None
    }
    while True:
        fed = {plain[index].target for index in kernels}
        known = {*kernels, *absorbed}
        others = {p.target for i, p in enumerate(network.projections) if i not in known}
        images = {
            name: shape
            for name, shape in shapes.items()
            if name == network.input.name or (name in fed and name not in others)
        }
        kept = {
            index: kernel
            for index, kernel in kernels.items()
            if plain[index].source in images and plain[index].target in images
        }
        if len(kept) == len(kernels):
            return kernels, images if kernels else {}
        kernels = kept


def _kernel(
    projection: Projection, shapes: Mapping[str, Shape], bias: FloatArray | None
) -> Kernel | None:
    before, after = shapes.get(projection.source), shapes.get(projection.target)
    weights = projection.weights
    if before is None or after is None or len(before) != len(after):
        return None
    if bias is not None and np.any(np.ptp(bias.reshape(after[0], -1), axis=1)):
        return None
    return find_kernel(weights, before, after) if isinstance(weights, Sparse) else None


def find_kernel(weights: Sparse, before: Shape, after: Shape) -> Kernel | None:
    """The convolution that weights are, from shape (C, H, W) or (C, L) to the like; None if none.

    >>> matrix, _ = convolution((1, 4, 4), np.ones((1, 1, 2, 2)), Window((2, 2), (2, 2)))
    >>> find_kernel(Sparse.from_scipy(matrix), (1, 4, 4), (1, 2, 2)).window.stride
    (2, 2)
    """
    image, made = _image(before), _image(after)
    rows, columns = weights.coordinates
    if not rows.size:
        return None
    o, h, w = np.unravel_index(rows, made)
    c, y, x = np.unravel_index(columns, image)
    groups = _groups(_pairs(o, c, image[0]), made[0], image[0])
    vertical = _axis(_pairs(h, y, image[1]), made[1], image[1])
    horizontal = _axis(_pairs(w, x, image[2]), made[2], image[2])
    if groups is None or vertical is None or horizontal is None:
        return None
    axes = (vertical, horizontal)
    shape = (made[0], image[0] // groups, vertical.size, horizontal.size)
    if 2 * math.prod(shape) * made[1] * made[2] > MAXIMUM_NUMBERS:
        return None
    window = Window(
        (vertical.size, horizontal.size),
        (vertical.stride, horizontal.stride),
        (vertical.padding, horizontal.padding),
        (vertical.dilation, horizontal.dilation),
    )
    kernel = _values(weights, shape, groups, axes, image, made)
    matrix, out = convolution(image, kernel, window, groups)
    if out != made or Sparse.from_scipy(matrix) != weights:
        return None
    return Kernel(kernel, window, groups, before, after)


def _values(
    weights: Sparse, shape: Shape, groups: int, axes: Sequence[Axis], image: Shape, made: Shape
) -> FloatArray:
    """The kernel, each number from one place at which it is within the image."""
    o, c, i, j = (index.ravel() for index in np.indices(shape))
    places, pixels = [], []
    for axis, offsets, before, after in zip(axes, (i, j), image[1:], made[1:], strict=True):
        place = np.array([axis.inside(k, before, after) for k in range(axis.size)])[offsets]
        places.append(place)
        pixels.append(place * axis.stride + offsets * axis.dilation - axis.padding)
    channel = c + (o // (shape[0] // groups)) * shape[1]
    rows = np.ravel_multi_index((o, *places), made)
    columns = np.ravel_multi_index((channel, *pixels), image)
    return np.asarray(weights.to_scipy()[rows, columns], dtype=np.float64).reshape(shape)


def _axis(pairs: Integers, after: int, before: int) -> Axis | None:
    """The window whose places (of ``after``) reach exactly these pixels (of ``before``).

    >>> _axis(_pairs(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]), 4), 2, 4)
    Axis(size=2, stride=2, padding=0, dilation=1)
    """
    places, pixels = np.divmod(pairs, before)
    for stride in _strides(places, pixels, before):
        offsets = np.unique(pixels - places * stride)
        if offsets[0] > 0 or offsets.size * after > MAXIMUM_NUMBERS:
            continue
        steps = np.diff(offsets)
        dilation = int(steps[0]) if steps.size else 1
        reach = before - 2 * int(offsets[0]) - dilation * (offsets.size - 1) - 1
        if np.any(steps != dilation) or reach < 0 or reach // stride + 1 != after:
            continue
        place = np.broadcast_to(np.arange(after)[:, None], (after, offsets.size))
        reached = place * stride + offsets
        inside = (reached >= 0) & (reached < before)
        if np.array_equal(_pairs(place[inside], reached[inside], before), pairs):
            return Axis(int(offsets.size), stride, -int(offsets[0]), dilation)
    return None


def _strides(places: Integers, pixels: Integers, before: int) -> list[int]:
    """Strides to try: how far the first and the last pixel go from place to place, and small ones.

    ``places`` are sorted, and within them the pixels.
    """
    first = np.flatnonzero(np.diff(places, prepend=-1))
    last = np.append(first[1:], places.size) - 1
    moves = np.unique(np.concatenate([np.diff(pixels[first]), np.diff(pixels[last])]))
    # Where these are many, it is no window that moves.
    far = [int(move) for move in moves if move > SMALL_STRIDE] if moves.size <= 32 else []
    # A single place moves nowhere, so that any stride does that leaves it single.
    return [*range(1, SMALL_STRIDE + 1), *far, *([before] if first.size == 1 else [])]


def _groups(pairs: Integers, outputs: int, inputs: int) -> int | None:
    """In how many groups output channels read input channels; None if in none.

    >>> _groups(_pairs(np.array([0, 1]), np.array([0, 1]), 2), 2, 2)
    2
    """
    per_group = int(np.searchsorted(pairs, inputs))
    if not per_group or inputs % per_group or outputs % (inputs // per_group):
        return None
    if pairs.size != outputs * per_group:
        return None
    groups = inputs // per_group
    output = np.repeat(np.arange(outputs), per_group)
    read = output // (outputs // groups) * per_group + np.tile(np.arange(per_group), outputs)
    return groups if np.array_equal(pairs, output * inputs + read) else None


def _pairs(rows: Integers, columns: Integers, count: int) -> Integers:
    """All pairs that occur, each once, as row * count + column in rising order."""
    pairs: Integers = np.unique(np.asarray(rows, dtype=np.int64) * count + columns)
    return pairs


def _image(shape: Shape) -> tuple[int, int, int]:
    return (shape[0], 1, shape[1]) if len(shape) == 2 else (shape[0], shape[1], shape[2])
