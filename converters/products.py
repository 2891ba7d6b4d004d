"""Weights between populations multiplied and added: convolutions stay such where that is exact.

Whatever has no kernel of its own is written out, number by number, if it is not too large.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from ltc2hw.numbers.capacity import MAXIMUM_NUMBERS, require_capacity
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import FloatArray

Written: TypeAlias = "FloatArray | sparse.csr_matrix"
"""Numbers for every pair of ends, shape (N, N_source)."""

Matrix: TypeAlias = "FloatArray | sparse.csr_matrix | Conv"
"""Linear maps of shape (N, N_source); identities are sparse."""

NEURON_NUMBERS = 8
"""How many numbers a neuron's constants, and what they are computed from, take."""

TOO_LARGE = "put neurons between the layers"


def numbers_in(matrix: Matrix) -> int:
    """How many numbers a map takes: of a sparse one, each value and its place, and each row."""
    if isinstance(matrix, np.ndarray):
        return int(matrix.size)
    if isinstance(matrix, Conv):
        return int(matrix.kernel.size)
    return 2 * int(matrix.nnz) + int(matrix.shape[0])


def weights(matrix: Matrix) -> Weights:
    """The same map as weights of a projection."""
    if isinstance(matrix, Conv):
        return matrix
    return Sparse.from_scipy(matrix) if sparse.issparse(matrix) else Dense(np.asarray(matrix))


def matrix_of(weights: Weights) -> Matrix:
    """The weights of a projection as a map."""
    if isinstance(weights, Conv):
        return weights
    return weights.to_scipy() if isinstance(weights, Sparse) else weights.matrix


def written(matrix: Matrix) -> Written:
    """The same map with a number for every pair of ends that it joins.

    Raises:
        TooLargeError: for a convolution of too many, before they are made.
    """
    if not isinstance(matrix, Conv):
        return matrix
    most = 2 * matrix.synapses + matrix.shape[0]
    require_capacity("written-out convolution", most, matrix.kernel.size, TOO_LARGE)
    return matrix.to_sparse().to_scipy()


def apply(matrix: Matrix, column: FloatArray) -> FloatArray:
    """The map of a column of numbers (N_source, 1)."""
    if isinstance(matrix, Conv):
        return np.asarray(matrix.apply(column.T).T)
    return np.asarray(matrix @ column)


def row_sizes(matrix: Matrix) -> FloatArray:
    """The sum of the sizes of each row's weights, (N,)."""
    if isinstance(matrix, Conv):
        return np.asarray(matrix.row_magnitudes(np.ones(matrix.shape[1])))
    return np.asarray(abs(matrix).sum(axis=1), dtype=np.float64).ravel()


def is_identity(matrix: Matrix) -> bool:
    """Whether a map changes nothing."""
    if matrix.shape[0] != matrix.shape[1]:
        return False
    if isinstance(matrix, Conv):
        alone = matrix.kernel.size == matrix.groups == matrix.sources[0]
        unmoved = matrix.padding == ((0, 0),) * len(matrix.stride) and set(matrix.stride) == {1}
        return alone and unmoved and bool(np.all(matrix.kernel == 1.0))
    rows = sparse.csr_matrix(matrix)
    identity = sparse.identity(rows.shape[0], format="csr")
    return bool(rows.nnz == rows.shape[0] and (rows != identity).nnz == 0)


def same(first: Matrix, second: Matrix) -> bool:
    """Whether two maps are of one kind and of the same numbers."""
    if first is second:
        return True
    if first.shape != second.shape or type(first) is not type(second):
        return False
    if isinstance(first, Conv):
        return first == second
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return bool(np.array_equal(written(first), written(second)))
    return bool((first != second).nnz == 0)


def product(first: Matrix, second: Matrix) -> Matrix:
    """``first @ second``, unless it is too large.

    A convolution of a convolution is one where no border tells the difference, as is one whose
    input or output channels are scaled.

    Raises:
        TooLargeError: before anything is made.

    >>> from ltc2hw.numbers.convolution import sum_pool
    >>> edge = Conv(np.array([[[-1.0, 1.0]]]), (1, 3))
    >>> product(edge, sum_pool((1, 6), 2)).kernel
    array([[[-1., -1.,  1.,  1.]]])
    """
    # A product with the identity would lose zeros that a map stores.
    if is_identity(second):
        return first
    if is_identity(first):
        return second
    kept: Matrix | None = _convolution(first, second)
    if kept is None and isinstance(first, np.ndarray) and isinstance(second, Conv):
        kept = _rows_of(first, second)
    return _written_product(written(first), written(second)) if kept is None else kept


def total(first: Matrix, second: Matrix) -> Matrix:
    """``first + second``: a convolution where both are ones that move alike.

    Raises:
        TooLargeError: if what has to be written out is too large.

    >>> narrow, wide = (Conv(np.ones((1, 1, k)), (1, 5), 1, k // 2) for k in (1, 3))
    >>> total(narrow, wide).kernel
    array([[[1., 2., 1.]]])
    """
    like = next((matrix for matrix in (first, second) if isinstance(matrix, Conv)), None)
    if like is not None:
        a, b = _as_convolution(first, like), _as_convolution(second, like)
        kept = None if a is None or b is None else together(a, b)
        if kept is not None:
            return kept
    return written(first) + written(second)


def _written_product(first: Written, second: Written) -> Written:
    rows, columns = first.shape[0], second.shape[1]
    most = rows * columns
    if not isinstance(first, np.ndarray) and not isinstance(second, np.ndarray):
        pairs = first.getnnz(axis=0).astype(np.int64) @ second.getnnz(axis=1).astype(np.int64)
        most = 2 * min(most, int(pairs)) + rows
    held = numbers_in(first) + numbers_in(second)
    require_capacity("product of weights", most, held, TOO_LARGE)
    return first @ second


def inner_image(second: Matrix, first: Matrix) -> tuple[Conv, Conv] | None:
    """What cuts an image to the part that ``first`` reads, and ``first`` of that part.

    Pooling of 2 leaves the last row of 17 out, which a padded convolution behind it would see if
    both were one. None where both are one anyway, where this does not make them one, or where that
    one and as many neurons as the part has take more than the product written out.

    >>> from ltc2hw.numbers.convolution import sum_pool
    >>> pool = sum_pool((4, 33, 33), 2)
    >>> cut, inner = inner_image(Conv(np.ones((4, 4, 3, 3)), pool.targets, 1, 1), pool)
    >>> cut.targets, inner.targets
    ((4, 32, 32), (4, 16, 16))
    """
    if not isinstance(first, Conv) or not isinstance(second, Conv):
        return None
    read = tuple(
        min(size, (places - 1) * stride - pad[0] + dilation * (width - 1) + 1)
        for size, places, stride, pad, dilation, width in zip(
            first.sources[1:], first.targets[1:], first.stride, first.padding, first.dilation,
            first.kernel.shape[2:], strict=True,
        )
    )  # fmt: skip
    channels, sizes = first.sources[0], first.sources[1:]
    if read == sizes or min(read) < 1 or composed(second, first) is not None:
        return None
    width = tuple(size - part + 1 for size, part in zip(sizes, read, strict=True))
    corner = np.zeros((channels, 1, *width))
    corner.reshape(channels, -1)[:, 0] = 1.0
    cut = Conv(corner, first.sources, groups=channels)
    inner = Conv(
        first.kernel, cut.targets, first.stride, first.padding, first.dilation, first.groups
    )
    if inner.targets != first.targets:
        return None
    whole = composed(second, inner)
    if whole is None:
        return None
    taken = whole.kernel.size + corner.size + NEURON_NUMBERS * cut.shape[0]
    return (cut, inner) if taken < _written_numbers(second, first) else None


def _written_numbers(second: Conv, first: Conv) -> int:
    """How many numbers the product of two convolutions takes when it is written out."""
    channels = second.targets[0] * first.sources[0] // math.gcd(first.groups, second.groups)
    places = math.prod(
        int((_reached(second, axis) @ _reached(first, axis)).nnz)
        for axis in range(len(first.stride))
    )
    return 2 * channels * places + second.shape[0]


def _reached(convolution: Conv, axis: int) -> sparse.csr_matrix:
    """Ones where a place along an axis reads a pixel."""
    size, places = convolution.sources[1 + axis], convolution.targets[1 + axis]
    width = convolution.kernel.shape[2 + axis]
    require_capacity("places of a convolution", places * width)
    place = np.arange(places)[:, None]
    offsets = np.arange(width) * convolution.dilation[axis] - convolution.padding[axis][0]
    pixel = place * convolution.stride[axis] + offsets
    inside = (pixel >= 0) & (pixel < size)
    rows = np.broadcast_to(place, pixel.shape)[inside]
    ends = (rows, pixel[inside])
    return sparse.csr_matrix((np.ones(rows.size), ends), shape=(places, size))


def _rows_of(matrix: FloatArray, convolution: Conv) -> FloatArray | None:
    """A matrix of what a convolution gives, as a matrix; None where its kernel is too large."""
    rows, columns = matrix.shape[0], convolution.shape[1]
    held = matrix.size + convolution.kernel.size
    require_capacity("product of weights", rows * columns, held, TOO_LARGE)
    whole = Conv(matrix.reshape(rows, *convolution.targets), convolution.targets)
    made = composed(whole, convolution, max(MAXIMUM_NUMBERS, held))
    if made is None:
        return None
    seen = [
        (step * np.arange(width) - pad[0], size)
        for step, width, pad, size in zip(
            made.dilation, made.kernel.shape[2:], made.padding, made.sources[1:], strict=True
        )
    ]
    inside = [np.flatnonzero((pixels >= 0) & (pixels < size)) for pixels, size in seen]
    product = np.zeros((rows, *made.sources))
    pixels = [places[kept] for (places, _), kept in zip(seen, inside, strict=True)]
    index: Any = (..., *np.ix_(*pixels))
    product[index] = at(made.kernel, np.ix_(*inside))
    return product.reshape(rows, columns)


def _convolution(first: Matrix, second: Matrix) -> Conv | None:
    """The product as one convolution, None where it is none, or no smaller."""
    if isinstance(second, Conv):
        if isinstance(first, Conv):
            return composed(first, second)
        factors = _factors(first, second.targets)
        return None if factors is None else _scaled(second, factors[:, None])
    if not isinstance(first, Conv):
        return None
    factors = _factors(second, first.sources)
    if factors is None:
        return None
    outputs, inputs = first.kernel.shape[:2]
    group = np.arange(outputs)[:, None] // (outputs // first.groups)
    return _scaled(first, factors[group * inputs + np.arange(inputs)])


def _scaled(convolution: Conv, factors: FloatArray) -> Conv:
    """Each pair of channels multiplied: factors (C_out, C_in / groups), or (C_out, 1)."""
    ones = (1,) * len(convolution.stride)
    kernel = convolution.kernel * factors.reshape(*factors.shape, *ones)
    return convolution.with_values(kernel)


def _factors(matrix: Matrix, shape: Shape) -> FloatArray | None:
    """A factor per channel of a shape, (C,), if the map is nothing else."""
    size = math.prod(shape)
    if isinstance(matrix, (np.ndarray, Conv)) or matrix.shape != (size, size):
        return None
    places = matrix.tocoo()
    if not np.array_equal(places.row, places.col):
        return None
    each = np.asarray(matrix.diagonal()).reshape(shape[0], -1)
    return each[:, 0] if np.all(each == each[:, :1]) else None


def composed(second: Conv, first: Conv, most: int | None = None) -> Conv | None:
    """``second`` of what ``first`` gives as one convolution; None where it is none.

    ``most`` are the numbers that it may take, by default those of a matrix.

    ``kernel[c, d, s j + i] = Σ_e second[c, e, j] first[e, d, i]`` with the stride s of the first.
    Where the second reads zeros around the image between them, the first one's kernel has to lie
    outside of its own image, too.
    """
    if first.targets != second.sources:
        return None
    if not all(_border(first, axis, zeros) for axis, zeros in enumerate(second.padding)):
        return None
    moves = [s * d for s, d in zip(first.stride, second.dilation, strict=True)]
    sizes = list(zip(first.kernel.shape[2:], second.kernel.shape[2:], strict=True))
    # Places of the kernel lie this far apart in every dimension.
    dilation = tuple(
        math.gcd(d * (small > 1), move * (large > 1)) or 1
        for d, move, (small, large) in zip(first.dilation, moves, sizes, strict=True)
    )
    width = tuple(
        (move * (large - 1) + d * (small - 1)) // step + 1
        for d, move, step, (small, large) in zip(
            first.dilation, moves, dilation, sizes, strict=True
        )
    )
    groups = math.gcd(first.groups, second.groups)
    outputs, inputs = second.targets[0] // groups, first.sources[0] // groups
    numbers = groups * outputs * inputs * math.prod(width)
    if most is None:
        most = min(MAXIMUM_NUMBERS, second.shape[0] * first.shape[1])
    if max(numbers, _regrouped_numbers(first, groups)) > most:
        return None
    before, after = _regrouped(first, groups), _regrouped(second, groups)
    kernel = np.zeros((groups, outputs, inputs, *width))
    flat = before.reshape(groups, before.shape[1], -1)
    for place in np.ndindex(second.kernel.shape[2:]):
        window = tuple(
            slice(j * move // step, j * move // step + d * (small - 1) // step + 1, d // step or 1)
            for j, move, step, d, (small, _) in zip(
                place, moves, dilation, first.dilation, sizes, strict=True
            )
        )
        added = at(after, place) @ flat
        at(kernel, window)[...] += added.reshape(groups, outputs, *before.shape[2:])
    return Conv(
        kernel.reshape(-1, inputs, *width),
        first.sources,
        tuple(s * t for s, t in zip(first.stride, second.stride, strict=True)),
        tuple(
            (low + s * by[0], high + s * by[1])
            for (low, high), s, by in zip(first.padding, first.stride, second.padding, strict=True)
        ),
        dilation,
        groups,
    )


def at(kernel: FloatArray, places: tuple[Any, ...]) -> FloatArray:
    """The part of a kernel at places of its last dimensions, all channels."""
    index: Any = (..., *places)
    part: FloatArray = kernel[index]
    return part


def _border(first: Conv, axis: int, zeros: tuple[int, int]) -> bool:
    """Whether the zeros that are read around what a convolution gives are what it would give."""
    (size, width, places) = (
        shape[axis] for shape in (first.sources[1:], first.kernel.shape[2:], first.targets[1:])
    )
    stride, before = first.stride[axis], first.padding[axis][0]
    low = first.dilation[axis] * (width - 1) - before < stride
    high = places * stride - before >= size
    return (low or not zeros[0]) and (high or not zeros[1])


def _regrouped_numbers(convolution: Conv, groups: int) -> int:
    """How many numbers a kernel has in fewer groups."""
    return convolution.kernel.size * (convolution.groups // groups)


def _regrouped(convolution: Conv, groups: int) -> FloatArray:
    """The kernel in fewer groups, (groups, C_out / groups, C_in / groups, ...), zeros between."""
    kernel = convolution.kernel
    parts = convolution.groups // groups
    outputs, inputs = kernel.shape[0] // convolution.groups, kernel.shape[1]
    split = kernel.reshape(groups, parts, outputs, inputs, *kernel.shape[2:])
    whole = np.zeros((groups, parts, outputs, parts, inputs, *kernel.shape[2:]))
    for part in range(parts):
        whole[:, part, :, part] = split[:, part]
    return whole.reshape(groups, parts * outputs, parts * inputs, *kernel.shape[2:])


def _as_convolution(matrix: Matrix, like: Conv) -> Conv | None:
    """A map as a convolution between the images of another one; None if it is none."""
    if isinstance(matrix, Conv):
        return matrix
    if like.sources != like.targets or set(like.stride) != {1}:
        return None
    factors = _factors(matrix, like.sources)
    if factors is None:
        return None
    ones = (1,) * len(like.stride)
    return Conv(factors.reshape(-1, 1, *ones), like.sources, groups=like.sources[0])


def together(first: Conv, second: Conv) -> Conv | None:
    """The sum of two convolutions as one; None where they move differently, or it is no smaller.

    The kernel covers both, with zeros between.
    """
    if first.sources != second.sources or first.targets != second.targets:
        return None
    if first.stride != second.stride:
        return None
    axes = [_common(a, b) for a, b in zip(_reaches(first), _reaches(second), strict=True)]
    groups = math.gcd(first.groups, second.groups)
    outputs, inputs = first.targets[0], first.sources[0] // groups
    width = tuple(count for _, count, _ in axes)
    if outputs * inputs * math.prod(width) > min(MAXIMUM_NUMBERS, math.prod(first.shape)):
        return None
    kernel = np.zeros((groups, outputs // groups, inputs, *width))
    for convolution in (first, second):
        window = tuple(
            slice((start - low) // step, (start - low + dilation * (size - 1)) // step + 1,
                  dilation // step or 1)
            for (low, _, step), (start, size, dilation) in zip(
                axes, _reaches(convolution), strict=True
            )
        )  # fmt: skip
        at(kernel, window)[...] += _regrouped(convolution, groups)
    padding = tuple(
        (-low, max(0, (places - 1) * stride + step * (count - 1) + 1 - size + low))
        for (low, count, step), places, stride, size in zip(
            axes, first.targets[1:], first.stride, first.sources[1:], strict=True
        )
    )
    if first.padding == second.padding and width == first.kernel.shape[2:]:
        padding = first.padding
    made = Conv(
        kernel.reshape(outputs, inputs, *width), first.sources, first.stride, padding,
        tuple(step for _, _, step in axes), groups,
    )  # fmt: skip
    return made if made.targets == first.targets else None


def _reaches(convolution: Conv) -> list[tuple[int, int, int]]:
    """Per axis: where the kernel starts before each place, how long it is, and its steps."""
    return [
        (-pad[0], width, dilation)
        for pad, width, dilation in zip(
            convolution.padding, convolution.kernel.shape[2:], convolution.dilation, strict=True
        )
    ]


def _common(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    """Start, length and steps of what covers two kernels along an axis."""
    steps = [dilation for _, width, dilation in (a, b) if width > 1]
    step = math.gcd(abs(a[0] - b[0]), *steps) or 1
    low = min(a[0], b[0])
    high = max(start + dilation * (width - 1) for start, width, dilation in (a, b))
    return low, (high - low) // step + 1, step
