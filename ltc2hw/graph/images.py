"""Whether samples are the images or rows that something is for."""

from __future__ import annotations

import math

from ltc2hw.errors import ShapeError
from ltc2hw.numbers.convolution import Shape

FLATTEN = "reshape to (T, B, -1), channels first: x.reshape(*x.shape[:2], -1)"
"""What to do about samples whose steps are still images."""


def require_same_image(name: str, found: Shape, wanted: Shape, why: str) -> None:
    """Raise if two shapes are both of images or rows, and not of the same ones.

    Axes of one place do not count: they leave all numbers where they are. What has a single axis
    then is plain numbers, which fit any shape of as many.

    Raises:
        ShapeError: naming both shapes.

    >>> require_same_image("samples", (28, 28), (1, 28, 28), "as the network has")
    >>> require_same_image("samples", (1, 34, 68), (2, 34, 34), "as the network has")
    Traceback (most recent call last):
    ...
    ltc2hw.errors.ShapeError: shape of samples is (1, 34, 68); expected (2, 34, 34), as the \
network has (arrange their axes so, channels first; if the 2312 numbers are in that order already, \
give them as one axis)
    """
    axes = [tuple(size for size in shape if size != 1) for shape in (found, wanted)]
    if min(map(len, axes)) > 1 and axes[0] != axes[1]:
        remedy = (
            "arrange their axes so, channels first; "
            f"if the {math.prod(found)} numbers are in that order already, give them as one axis"
        )
        raise ShapeError(f"shape of {name}", tuple(found), f"{tuple(wanted)}, {why}", remedy)
