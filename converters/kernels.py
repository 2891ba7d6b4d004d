"""Convolutions found again in sparse weights, as files hold them that were written out.

Where the shapes of both ends are known, a matrix that is a cross-correlation tells its kernel,
stride, padding, dilation and groups; whatever is found is one only if its expansion is the same
matrix, number for number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.expansion import AnyNetwork
from ltc2hw.numbers.capacity import MAXIMUM_NUMBERS
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Numbers, Sparse

Integers = npt.NDArray[np.int64]

IMAGES = "images"
"""Key in provenance where imports noted the shapes of populations before these had any: JSON."""

SMALL_STRIDE = 8
"""Strides up to this are tried whatever the matrix looks like."""


def with_kernels(network: AnyNetwork) -> AnyNetwork:
    """The same network, with a kernel instead of sparse weights that are a convolution.

    Shapes are those of the populations, or those that older versions noted in the provenance.

    >>> from ltc2hw.graph.network import Input, Network, Projection
    >>> from ltc2hw.graph.neurons import Neurons
    >>> ends = Input("x", 9, shape=(1, 3, 3)), Neurons("out", 4, "lif", shape=(1, 2, 2))
    >>> unrolled = Conv(np.ones((1, 1, 2, 2)), (1, 3, 3)).to_sparse()
    >>> net = Network(ends, (Projection("x", "spikes", "out", "current", unrolled),), "out")
    >>> with_kernels(net).projections[0].weights.kernel.shape
    (1, 1, 2, 2)
    """
    shapes = image_shapes(network)
    found = [
        _kernel(p.weights, shapes.get(p.source, ()), shapes.get(p.target, ()))
        for p in network.projections
    ]
    if all(kernel is None for kernel in found):
        return network
    projections = [
        p if kernel is None else replace(p, weights=kernel)
        for p, kernel in zip(network.projections, found, strict=True)
    ]
    populations = [
        replace(p, shape=shapes[p.name]) if p.name in shapes else p for p in network.populations
    ]
    return replace(network, populations=tuple(populations), projections=tuple(projections))


def image_shapes(network: AnyNetwork) -> dict[str, Shape]:
    """Shapes (C, L) or (C, H, W) of populations, and those that its provenance notes."""
    sizes = {population.name: population.size for population in network.populations}
    noted = {
        name: tuple(shape)
        for name, shape in _noted(network).items()
        if isinstance(shape, list)
        and len(shape) in (2, 3)
        and all(type(n) is int and n > 0 for n in shape)
        and math.prod(shape) == sizes.get(name)
    }
    return noted | {p.name: p.shape for p in network.populations if len(p.shape) > 1}


def _noted(network: AnyNetwork) -> dict[str, object]:
    try:
        noted = json.loads(network.provenance.get(IMAGES, "{}"))
    except (ValueError, RecursionError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _kernel(weights: Weights, before: Shape, after: Shape) -> Conv | None:
    if not isinstance(weights, Sparse) or len(before) < 2 or len(before) != len(after):
        return None
    return find_kernel(weights, before, after)


@dataclass(frozen=True)
class Axis:
    """How a window moves along one axis."""

    size: int
    stride: int
    padding: tuple[int, int]
    dilation: int

    def inside(self, offset: int, before: int, after: int) -> int:
        """A place of the window at which one of its offsets is within the image."""
        places = np.arange(after) * self.stride + offset * self.dilation - self.padding[0]
        return int(np.argmax((places >= 0) & (places < before)))


def find_kernel(weights: Sparse, before: Shape, after: Shape) -> Conv | None:
    """The convolution that weights are, from shape (C, H, W) or (C, L) to the like; None if none.

    >>> unrolled = Conv(np.ones((1, 1, 2, 2)), (1, 4, 4), 2).to_sparse()
    >>> find_kernel(unrolled, (1, 4, 4), (1, 2, 2)).stride
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
    values = _values(weights, shape, groups, axes, image, made)
    flat = len(before) == 2
    kept = axes[flat:]
    found = Conv(
        values[:, :, 0] if flat else values,
        before,
        tuple(axis.stride for axis in kept),
        tuple(axis.padding for axis in kept),
        tuple(axis.dilation for axis in kept),
        groups,
    )
    return found if found.targets == after and found.to_sparse() == weights else None


def _values(
    weights: Sparse, shape: Shape, groups: int, axes: Sequence[Axis], image: Shape, made: Shape
) -> Numbers:
    """The kernel, each number from one place at which it is within the image."""
    o, c, i, j = (index.ravel() for index in np.indices(shape))
    places, pixels = [], []
    for axis, offsets, before, after in zip(axes, (i, j), image[1:], made[1:], strict=True):
        place = np.array([axis.inside(k, before, after) for k in range(axis.size)])[offsets]
        places.append(place)
        pixels.append(place * axis.stride + offsets * axis.dilation - axis.padding[0])
    channel = c + (o // (shape[0] // groups)) * shape[1]
    rows = np.ravel_multi_index((o, *places), made)
    columns = np.ravel_multi_index((channel, *pixels), image)
    return np.asarray(weights.to_scipy()[rows, columns]).reshape(shape)


def _axis(pairs: Integers, after: int, before: int) -> Axis | None:
    """The window whose places (of ``after``) reach exactly these pixels (of ``before``).

    >>> _axis(_pairs(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]), 4), 2, 4)
    Axis(size=2, stride=2, padding=(0, 0), dilation=1)
    """
    places, pixels = np.divmod(pairs, before)
    for stride in _strides(places, pixels, before):
        offsets = np.unique(pixels - places * stride)
        if offsets[0] > 0 or offsets.size * after > MAXIMUM_NUMBERS:
            continue
        steps = np.diff(offsets)
        dilation = int(steps[0]) if steps.size else 1
        zeros = -int(offsets[0])
        fewest = max(0, (after - 1) * stride + int(offsets[-1]) + 1 - before)
        # As many zeros behind as before it, if that is no place more.
        beyond = next(
            (
                n
                for n in (zeros, fewest)
                if (before + n - int(offsets[-1]) - 1) // stride + 1 == after
            ),
            None,
        )
        if np.any(steps != dilation) or beyond is None:
            continue
        place = np.broadcast_to(np.arange(after)[:, None], (after, offsets.size))
        reached = place * stride + offsets
        inside = (reached >= 0) & (reached < before)
        if np.array_equal(_pairs(place[inside], reached[inside], before), pairs):
            return Axis(int(offsets.size), stride, (zeros, beyond), dilation)
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
