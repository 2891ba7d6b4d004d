"""Samples of unequal lengths in one array: each has its own steps, then zeros up to step T."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.samples import plain_array
from ltc2hw.numbers.words import FloatArray, IntArray

Mask = npt.NDArray[np.bool_]


def sample_lengths(lengths: object, steps: int, samples: int) -> IntArray | None:
    """Steps of each sample as int64 (B,), 1 to T; None where every sample has all T steps.

    Raises:
        ShapeError: unless there is one length per sample.
        InvalidValueError: for a length that is no integer from 1 to T.

    >>> sample_lengths([2, 3], steps=3, samples=2)
    array([2, 3])
    >>> sample_lengths([3, 3], steps=3, samples=2) is None
    True
    """
    if lengths is None:
        return None
    array = plain_array("lengths", lengths)
    if array.shape != (samples,):
        raise ShapeError("shape of lengths", array.shape, f"one per sample, ({samples},)")
    if array.dtype.kind not in "iu":
        raise InvalidValueError("type of lengths", array.dtype, "integers")
    wrong = np.flatnonzero((array < 1) | (array > steps))
    if wrong.size:
        limit = f"1 to {steps}, the steps of the array"
        raise InvalidValueError(f"lengths[{wrong[0]}]", int(array[wrong[0]]), limit)
    return None if (array == steps).all() else array.astype(np.int64)


def own_steps(lengths: IntArray | None, steps: int, samples: int) -> Mask:
    """Which steps (T, B) belong to each sample.

    >>> own_steps(np.array([1, 2]), 2, 2).tolist()
    [[True, True], [False, True]]
    """
    if lengths is None:
        return np.ones((steps, samples), dtype=np.bool_)
    mask: Mask = np.arange(steps)[:, None] < lengths
    return mask


def silent_after(values: npt.NDArray[Any], lengths: IntArray | None) -> npt.NDArray[Any]:
    """Values (T, B, ...) with zeros after each sample's end; the array itself if they are there.

    >>> silent_after(np.ones((2, 2)), np.array([1, 2])).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    if lengths is None:
        return values
    after = ~own_steps(lengths, *values.shape[:2])
    if not values[after].any():
        return values
    silent = values.copy()
    silent[after] = 0
    return silent


def read_out(
    outputs: npt.NDArray[Any], steps: int | None, lengths: IntArray | None = None
) -> FloatArray:
    """Mean (B, N) of each sample's last ``steps`` steps of outputs (T, B, N); None for all of them.

    A sample that has fewer steps is read over all of its own.

    Raises:
        ShapeError: for outputs of other dimensions, or fewer steps than are read.

    >>> read_out(np.arange(6.0).reshape(3, 2, 1), 1, np.array([1, 3])).tolist()
    [[0.0], [5.0]]
    """
    least = steps or 1
    if outputs.ndim != 3 or len(outputs) < least:
        raise ShapeError("shape of outputs", outputs.shape, f"(T, B, N_out) with T >= {least}")
    if lengths is None:
        mean: FloatArray = outputs[-steps if steps else None :].astype(np.float64).mean(axis=0)
        return mean
    read = own_steps(lengths, *outputs.shape[:2])
    if steps is not None:
        read &= ~own_steps(np.maximum(lengths - steps, 0), *outputs.shape[:2])
    total = np.where(read[:, :, None], outputs, 0).sum(axis=0, dtype=np.float64)
    mean = total / read.sum(axis=0)[:, None]
    return mean
