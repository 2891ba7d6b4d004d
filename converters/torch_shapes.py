"""The shape of a module's samples at one step, where its layers tell it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index

from torch import nn

from ltc2hw.errors import InvalidValueError
from ltc2hw.neurons import Cell
from ltc2hw.numbers.capacity import require_capacity

Shape = tuple[int, ...]


def input_shape(given: int | Sequence[int]) -> Shape:
    """A shape as it was given, checked.

    Raises:
        InvalidValueError: unless it is integers of at least 1.
        TooLargeError: for more numbers than can be held.
    """
    try:
        shape = tuple(map(index, given if isinstance(given, Sequence) else (given,)))
    except TypeError as error:
        raise InvalidValueError("input_shape", given, "integers of at least 1") from error
    if not shape or min(shape) < 1:
        raise InvalidValueError("input_shape", shape, "integers of at least 1")
    require_capacity("input_shape", math.prod(shape))
    return shape


def shapes_to_try(module: nn.Module, given: int | Sequence[int] | None) -> list[Shape]:
    """The shape that was given, or all that the module's linear layers and cells take.

    Raises:
        InvalidValueError: if the shape is needed and missing.
    """
    if given is not None:
        return [input_shape(given)]
    sizes: dict[int, None] = {}
    for part in module.modules():
        if isinstance(part, nn.modules.conv._ConvNd):
            sizes = {}
            break
        if isinstance(part, nn.Linear):
            sizes[part.in_features] = None
        if isinstance(part, Cell):
            sizes[part.inputs] = None
    if not sizes:
        limit = "the size of a sample at one step, (channels, height, width) for images"
        raise InvalidValueError("input_shape", None, limit, "pass input_shape=...")
    return [(size,) for size in sizes]
