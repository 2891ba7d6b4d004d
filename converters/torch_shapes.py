"""The shape of a module's samples at one step, where its layers tell it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ltc2hw.converters.sample_shape import checked_shape
from ltc2hw.errors import InvalidValueError
from ltc2hw.neurons import Cell
from ltc2hw.numbers.convolution import Shape


def shapes_to_try(module: nn.Module, given: int | Sequence[int] | None) -> list[Shape]:
    """The shape that was given, or all that the module's layers and cells take.

    Raises:
        InvalidValueError: if the shape is needed and missing.
    """
    if given is not None:
        return [checked_shape(given)]
    sizes: dict[int, None] = {}
    for part in module.modules():
        if isinstance(part, nn.modules.conv._ConvNd):
            sizes = {}
            break
        if isinstance(part, nn.Linear):
            sizes[part.in_features] = None
        if isinstance(part, nn.BatchNorm1d):
            sizes[part.num_features] = None
        if isinstance(part, Cell):
            sizes[part.inputs] = None
    if not sizes:
        limit = "the size of a sample at one step, (channels, height, width) for images"
        raise InvalidValueError("input_shape", None, limit, "pass input_shape=...")
    return [(size,) for size in sizes]
