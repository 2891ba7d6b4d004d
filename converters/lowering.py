"""Convolutions and pooling as sparse matrices, in the layout of torch and NIR: (C, H, W)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.words import FloatArray

MAXIMUM_PRODUCTS = 1 << 24
"""Most weights of one matrix: about a gigabyte while it is made."""

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

    >>> matrix, shape = convolution((1, 1, 3), np.ones((1, 1, 1, 2)), Window((1, 2)))
    >>> matrix.toarray().tolist(), shape
    ([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]], (1, 1, 2))
    """
    channels, height, width = _image(shape)
    outputs, inputs = weight.shape[:2]
    if groups < 1 or outputs % groups or inputs * groups != channels:
        limit = f"(C_out, {channels} / groups, kH, kW) with groups dividing C_out"
        raise ShapeError("shape of a convolution's weight", weight.shape, limit)
    out_height, out_width = window.output_size((height, width))
    products = weight.size * out_height * out_width
    if products > MAXIMUM_PRODUCTS:
        limit = f"at most {MAXIMUM_PRODUCTS} products"
        raise ShapeError("size of a convolution", products, limit, "split the layer")
    # One row of index arrays per axis, broadcast to all products that are not padding.
    o, c, i, j, h, w = np.meshgrid(
        *(np.arange(n) for n in (*weight.shape, out_height, out_width)), indexing="ij"
    )
    y = h * window.stride[0] + i * window.dilation[0] - window.padding[0]
    x = w * window.stride[1] + j * window.dilation[1] - window.padding[1]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    channel = c + (o // (outputs // groups)) * inputs
    rows = (o * out_height + h) * out_width + w
    columns = (channel * height + y) * width + x
    values = np.broadcast_to(weight[..., None, None], inside.shape)
    matrix = sparse.csr_matrix(
        (values[inside], (rows[inside], columns[inside])),
        shape=(outputs * out_height * out_width, channels * height * width),
    )
    return matrix, (outputs, out_height, out_width)


def pooling(shape: Shape, window: Window, *, mean: bool) -> tuple[sparse.csr_matrix, Shape]:
    """Matrix of sum or mean pooling (padding counts as zeros), and the shape of its output.

    >>> pooling((1, 2, 2), Window((2, 2), (2, 2)), mean=True)[0].toarray().tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    channels = _image(shape)[0]
    value = 1.0 / (window.kernel[0] * window.kernel[1]) if mean else 1.0
    weight = np.full((channels, 1, *window.kernel), value)
    return convolution(shape, weight, window, groups=channels)


def per_channel(values: FloatArray, shape: Shape) -> FloatArray:
    """One number per channel, repeated for every place of (C, ...)."""
    if values.shape != shape[:1]:
        raise ShapeError("numbers per channel", values.shape, f"({shape[0]},)")
    return np.repeat(values, int(np.prod(shape[1:], dtype=np.int64)))


def _image(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ShapeError("shape of an image", shape, "(channels, height, width)")
    return shape[0], shape[1], shape[2]
