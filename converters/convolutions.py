"""Convolution and pooling layers of other tools as operators: their padding, and their limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ltc2hw.errors import ShapeError
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.convolution import Conv, Shape, average_pool, image_shape, sum_pool
from ltc2hw.numbers.words import FloatArray

Sizes = tuple[int, ...]
"""One number per dimension of an image, without its channels."""


def pooling(
    shape: Shape, size: Sizes, stride: Sizes, padding: Sequence[int] = (0,), *, mean: bool
) -> Conv:
    """Sums or means of windows, whose padding counts as zeros.

    Raises:
        ShapeError: for what is no image, or a window that does not fit.
        TooLargeError: for windows of too many places, before any are made.

    >>> pooling((1, 2, 2), (2, 2), (2, 2), mean=True).kernel
    array([[[[0.25, 0.25],
             [0.25, 0.25]]]])
    """
    image = image_shape("shape of an image", shape)
    require_capacity("windows of pooling", image[0] * math.prod(size), remedy="use smaller ones")
    pool = average_pool if mean else sum_pool
    return pool(image, size, stride, padding)


def same_padding(kernel: Sizes, dilation: Sizes) -> tuple[tuple[int, int], ...]:
    """Zeros before and after that keep an image's size, as torch puts them: the odd one after.

    >>> same_padding((4, 3), (1, 1))
    ((1, 2), (1, 1))
    """
    zeros = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return tuple((number // 2, number - number // 2) for number in zeros)


def per_channel(values: FloatArray, shape: Shape) -> FloatArray:
    """One number per channel, repeated for every place of (C, ...).

    Raises:
        ShapeError: for another number of them.

    >>> per_channel(np.array([1.0, 2.0]), (2, 1, 2))
    array([1., 1., 2., 2.])
    """
    if values.shape != shape[:1]:
        raise ShapeError("numbers per channel", values.shape, f"({shape[0]},)")
    return np.repeat(values, math.prod(shape[1:]))


def symmetric(convolution: Conv) -> Conv:
    """The same sums with as many zeros before as after: others lengthen the kernel.

    >>> symmetric(Conv(np.array([[[1.0, 2.0]]]), (1, 3), 1, ((0, 1),))).kernel
    array([[[0., 1., 2.]]])
    """
    axes = [_even(convolution, axis) for axis in range(len(convolution.stride))]
    width = tuple(count for _, _, count, _ in axes)
    kernel = np.zeros((*convolution.kernel.shape[:2], *width))
    places = [
        start + np.arange(size) * (dilation // step)
        for (_, start, _, step), size, dilation in zip(
            axes, convolution.kernel.shape[2:], convolution.dilation, strict=True
        )
    ]
    index: Any = (..., *np.ix_(*places))
    kernel[index] = convolution.kernel
    return Conv(
        kernel,
        convolution.sources,
        convolution.stride,
        [pad for pad, _, _, _ in axes],
        [step for _, _, _, step in axes],
        convolution.groups,
    )


def _even(convolution: Conv, axis: int) -> tuple[int, int, int, int]:
    """Zeros on both sides, the first place of the old kernel, the length, and the steps."""
    width, dilation = convolution.kernel.shape[2 + axis], convolution.dilation[axis]
    before, after = convolution.padding[axis]
    stride, reach = convolution.stride[axis], dilation * (width - 1)
    size = convolution.sources[1 + axis]
    if (size + 2 * before - reach - 1) // stride + 1 == convolution.targets[1 + axis]:
        return before, 0, width, dilation
    zeros = max(before, after)
    step = math.gcd(abs(after - before), dilation if width > 1 else 0)
    return zeros, (zeros - before) // step, (reach + abs(after - before)) // step + 1, step
