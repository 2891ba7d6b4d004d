"""Constants of images in files: one number per channel where all its neurons have the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.files.hdf5 import Leaf, Tree
from ltc2hw.numbers.capacity import MAXIMUM_NUMBERS, require_capacity


def constants_by_channel(populations: Leaf | Tree) -> Leaf | Tree:
    """Populations as trees, constants that are equal within each channel as (C, 1, 1).

    Those of a network whose constants are more than a file may unfold to stay as they are.
    """
    if not isinstance(populations, Mapping):
        return populations
    if sum(held for held, _ in _constants(populations)) > MAXIMUM_NUMBERS:
        return populations
    return {name: _by_channel(population) for name, population in populations.items()}


def require_spreadable(populations: object) -> None:
    """Refuse populations whose constants, one per neuron, would be too many for what is held.

    Raises:
        TooLargeError: before any are made.
    """
    if isinstance(populations, Mapping):
        found = list(_constants(populations))
        held, spread = (sum(numbers) for numbers in zip(*found, strict=True)) if found else (0, 0)
        require_capacity("constants of all neurons", spread, held)


def _constants(populations: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """How many numbers each population's constants hold, and those per channel become."""
    for population in populations.values():
        if isinstance(population, Mapping):
            constants, size = population.get("constants"), population.get("size")
            if isinstance(constants, Mapping) and type(size) is int:
                parts = [np.asarray(part) for part in constants.values()]
                yield sum(part.size for part in parts), size * sum(part.ndim > 1 for part in parts)


def _by_channel(population: Leaf | Tree) -> Leaf | Tree:
    if not isinstance(population, Mapping):
        return population
    constants, shape = population.get("constants"), population.get("shape")
    if not isinstance(constants, Mapping) or not isinstance(shape, np.ndarray):
        return population
    fewer: dict[str, Leaf | Tree] = {
        name: _fewer(numbers, shape.tolist()) if isinstance(numbers, np.ndarray) else numbers
        for name, numbers in constants.items()
    }
    return {**population, "constants": fewer}


def _fewer(numbers: npt.NDArray[Any], shape: list[int]) -> npt.NDArray[Any]:
    """One of each channel, if its numbers have the same bits.

    >>> _fewer(np.array([1.0, 1.0, 2.0, 2.0]), [2, 1, 2]).shape
    (2, 1, 1)
    """
    each = numbers.reshape(shape[0], -1)
    bits = np.ascontiguousarray(each).view(np.int64)
    if not np.array_equal(bits, np.broadcast_to(bits[:, :1], bits.shape)):
        return numbers
    return each[:, :1].reshape(shape[0], *(1 for _ in shape[1:]))
