"""The pooling that imports fold into the weights behind it, taken out again."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ltc2hw.converters.products import inner_image, product, same
from ltc2hw.numbers.convolution import Conv, Shape, sum_pool
from ltc2hw.numbers.weights import Numbers


def unpooled(convolution: Conv) -> tuple[Conv, Conv] | None:
    """Sums over windows, and the convolution of them that is the given one; None if none is.

    >>> pool = sum_pool((1, 8, 8), 2)
    >>> folded = product(Conv(np.ones((1, 1, 3, 3)), pool.targets), pool)
    >>> [part.kernel.shape for part in unpooled(folded)]
    [(1, 1, 2, 2), (1, 1, 3, 3)]
    """
    kernel, pads = convolution.kernel, convolution.padding
    if len(convolution.stride) != 2 or set(convolution.dilation) != {1}:
        return None
    window = tuple(
        _repeats(kernel, 2 + axis, math.gcd(stride, size, *pad))
        for axis, (stride, size, pad) in enumerate(
            zip(convolution.stride, convolution.sources[1:], pads, strict=True)
        )
    )
    small = kernel[:, :, :: window[0], :: window[1]]
    alone = small.size == convolution.groups == convolution.sources[0]
    if math.prod(window) == 1 or alone:
        return None
    pool = sum_pool(convolution.sources, window)
    behind = Conv(
        small,
        pool.targets,
        [stride // width for stride, width in zip(convolution.stride, window, strict=True)],
        [
            (before // width, after // width)
            for (before, after), width in zip(pads, window, strict=True)
        ],
        1,
        convolution.groups,
    )
    # What an import would make of the two.
    return (pool, behind) if same(product(behind, pool), convolution) else None


def unpooled_rows(matrix: Numbers, image: Shape) -> tuple[Conv, Numbers] | None:
    """Sums over windows of an image, and the matrix of them that is the given one, if one is.

    >>> pool, behind = unpooled_rows(np.array([[1.0, 1.0, 2.0, 2.0]]), (1, 1, 4))
    >>> pool.kernel.shape, behind
    ((1, 1, 1, 2), array([[1., 2.]]))
    """
    if len(image) != 3:
        return None
    whole = matrix.reshape(len(matrix), *image)
    window = tuple(_repeats(whole, axis, whole.shape[axis]) for axis in (2, 3))
    if math.prod(window) == 1:
        return None
    pool = sum_pool(image, window)
    behind = np.array(whole[:, :, :: window[0], :: window[1]].reshape(len(matrix), -1))
    return (pool, behind) if same(product(behind, pool), matrix) else None


def around_inner(convolution: Conv, cut: Conv) -> tuple[Conv, Conv] | None:
    """Pooling of a whole image, and the convolution of it, of which imports make the given two.

    ``cut`` leaves a part of the image, of which ``convolution`` is; None if imports would not.
    """
    parts = unpooled(convolution)
    if parts is None:
        return None
    pool = sum_pool(cut.sources, parts[0].kernel.shape[2:])
    if pool.targets != parts[0].targets:
        return None
    made = inner_image(parts[1], pool)
    if made is None or made[0] != cut or not same(product(parts[1], made[1]), convolution):
        return None
    return pool, parts[1]


def _repeats(numbers: Numbers, axis: int, most: int) -> int:
    """How often each number along an axis stands there in a row, a divisor of ``most``."""
    size = numbers.shape[axis]
    for times in _divisors(math.gcd(size, most)):
        blocks = np.moveaxis(numbers, axis, -1).reshape(-1, times)
        if np.all(blocks == blocks[:, :1]):
            return times
    return 1


def _divisors(number: int) -> Iterator[int]:
    """Divisors from the largest to 2."""
    return (times for times in range(number, 1, -1) if number % times == 0)
