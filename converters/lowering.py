"""Convolutions and pooling as sparse matrices, in the layout of torch and NIR: (C, H, W)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.words import FloatArray, IntArray

BLOCK = 1 << 20
"""How many weights are made at once."""

Pair = tuple[int, int]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """Where a kernel of (height, width) is put on an image."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    def __post_init__(self) -> None:
        for name, values, lowest in (
            ("kernel", self.kernel, 1),
            ("stride", self.stride, 1),
            ("padding", self.padding, 0),
            ("dilation", self.dilation, 1),
        ):
            if len(values) != 2 or min(values) < lowest:
                raise InvalidValueError(name, values, f"two integers >= {lowest}")

    def output_size(self, size: Pair) -> Pair:
        """Height and width of what the window yields on an image.

        Raises:
            ShapeError: if the window does not fit.
        """
        height, width = (
            (
                size[axis]
                + 2 * self.padding[axis]
                - self.dilation[axis] * (self.kernel[axis] - 1)
                - 1
            )
            // self.stride[axis]
            + 1
            for axis in (0, 1)
        )
        if height < 1 or width < 1:
            raise ShapeError("image", size, f"at least as large as the window {self.kernel}")
        return height, width


def convolution(
    shape: Shape, weight: FloatArray, window: Window, groups: int = 1
) -> tuple[sparse.csr_matrix, Shape]:
    """Matrix of a cross-correlation, and the shape of its output.

    ``shape`` is (C_in, H, W), ``weight`` (C_out, C_in / groups, kH, kW):
    ``y[o, h, w] = Σ_cij weight[o, c, i, j] x[g(o) + c, h s + i d - p, w s + j d - p]``.

    Raises:
        ShapeError: if the shapes do not fit each other.
        TooLargeError: if the matrix would have too many weights.

    >>> matrix, shape = convolution((1, 1, 3), np.ones((1, 1, 1, 2)), Window((1, 2)))
    >>> matrix.toarray().tolist(), shape
    ([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]], (1, 1, 2))
    """
    channels = _image(shape)[0]
    outputs, inputs = weight.shape[:2]
    if groups < 1 or outputs % groups or inputs * groups != channels:
        limit = f"(C_out, {channels} / groups, kH, kW) with groups dividing C_out"
        raise ShapeError("shape of a convolution's weight", weight.shape, limit)
    return _lowered(shape, window, outputs, groups, lambda c, i, j: weight[:, c, i, j])


def pooling(shape: Shape, window: Window, *, mean: bool) -> tuple[sparse.csr_matrix, Shape]:
    """Matrix of sum or mean pooling (padding counts as zeros), and the shape of its output.

    Raises:
        ShapeError, TooLargeError: as :func:`convolution`; no kernel is made, however large it is.

    >>> pooling((1, 2, 2), Window((2, 2), (2, 2)), mean=True)[0].toarray().tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    channels = _image(shape)[0]
    value = 1.0 / (window.kernel[0] * window.kernel[1]) if mean else 1.0
    return _lowered(shape, window, channels, channels, lambda c, i, j: value)


def _lowered(
    shape: Shape,
    window: Window,
    outputs: int,
    groups: int,
    values: Callable[[IntArray, IntArray, IntArray], FloatArray | float],
) -> tuple[sparse.csr_matrix, Shape]:
    """The matrix of a window, whose weights ``values`` tells: (C_out, n) for n places (c, i, j).

    Raises:
        ShapeError: if the window does not fit.
        TooLargeError: if there are too many outputs or weights, before any are made.
    """
    channels, height, width = shape
    inputs, remedy = channels // groups, "split the layer"
    size = channels * height * width
    require_capacity("size of the image before a convolution", size, remedy=remedy)
    out = window.output_size((height, width))
    rows = outputs * out[0] * out[1]
    require_capacity("index of a convolution's outputs", 4 * rows, remedy=remedy)
    down, across = (_taps((height, width)[axis], out[axis], window, axis) for axis in (0, 1))
    per_row = (inputs * np.outer(down.count, across.count)).ravel()
    products = outputs * int(per_row.sum())
    # Each weight is two numbers, its value and its place.
    require_capacity("size of a convolution", 2 * products + rows, remedy=remedy)
    ends = np.concatenate([[0], np.cumsum(per_row)])
    data = np.empty((outputs, ends[-1]))
    indices = np.empty((outputs, ends[-1]), dtype=np.int32)
    group = np.arange(outputs)[:, None] // (outputs // groups)
    step = max(1, BLOCK // outputs)
    for start in range(0, int(ends[-1]), step):
        # In the order (h, w, c, i, j), in which the columns of a row rise.
        place = np.arange(start, min(start + step, int(ends[-1])))
        row = np.searchsorted(ends, place, side="right") - 1
        h, w = np.divmod(row, out[1])
        c, tap = np.divmod(place - ends[row], down.count[h] * across.count[w])
        i, j = np.divmod(tap, across.count[w])
        i, j = i + down.first[h], j + across.first[w]
        y = h * window.stride[0] + i * window.dilation[0] - window.padding[0]
        x = w * window.stride[1] + j * window.dilation[1] - window.padding[1]
        data[:, place] = values(c, i, j)
        indices[:, place] = ((group * inputs + c) * height + y) * width + x
    indptr = np.zeros(rows + 1, dtype=np.int32)
    np.cumsum(np.tile(per_row, outputs), out=indptr[1:])
    matrix = sparse.csr_matrix((data.ravel(), indices.ravel(), indptr), shape=(rows, size))
    return matrix, (outputs, *out)


@dataclass(frozen=True)
class Taps:
    """For each output along an axis: the first weight that meets the image, and how many do."""

    first: IntArray
    count: IntArray


def _taps(size: int, outputs: int, window: Window, axis: int) -> Taps:
    kernel, dilation = window.kernel[axis], window.dilation[axis]
    start = np.arange(outputs) * window.stride[axis] - window.padding[axis]
    first = np.maximum(0, -(start // dilation))
    last = np.minimum(kernel - 1, (size - 1 - start) // dilation)
    return Taps(first, np.maximum(0, last - first + 1))


def per_channel(values: FloatArray, shape: Shape) -> FloatArray:
    """One number per channel, repeated for every place of (C, ...)."""
    if values.shape != shape[:1]:
        raise ShapeError("numbers per channel", values.shape, f"({shape[0]},)")
    return np.repeat(values, int(np.prod(shape[1:], dtype=np.int64)))


def _image(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ShapeError("shape of an image", shape, "(channels, height, width)")
    return shape[0], shape[1], shape[2]
