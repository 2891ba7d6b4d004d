"""Checks on the samples that enter any engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.fields import number_array, require_finite


def real_samples(x: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return samples as an array of whatever type of real numbers they have; nothing is copied.

    Raises:
        InvalidValueError: for texts, ragged lists, dictionaries and other objects.
    """
    return number_array("samples", x, "iubf", "real numbers (steps, batch, inputs)")


def check_samples(x: npt.ArrayLike, size: int, graded: bool) -> npt.NDArray[np.float64]:
    """Return samples as float64 of shape (T, B, size), time first.

    Raises:
        ShapeError: unless x has three dimensions, none of them empty, the last one ``size``.
        InvalidValueError: if x is not real numbers, or holds NaN or an infinity, or a spiking
            input anything but 0 and 1.

    >>> check_samples([[[0, 1]]], size=2, graded=False).shape
    (1, 1, 2)
    """
    samples = real_samples(x).astype(np.float64, copy=False)
    if samples.ndim != 3 or samples.shape[2] != size or 0 in samples.shape:
        raise ShapeError(
            "shape of samples", samples.shape, f"(steps, batch, {size})", "time first, none empty"
        )
    require_finite("samples", samples)
    if not graded:
        wrong = samples[(samples != 0) & (samples != 1)]
        if wrong.size:
            raise InvalidValueError(
                "sample of a spiking input", wrong[0], "0 or 1", "make the input graded"
            )
    return samples
