"""Numbers that users bring, as arrays: samples that enter any engine, trainer or quantization."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.images import FLATTEN
from ltc2hw.numbers.fields import require_finite
from ltc2hw.numbers.tensors import is_tensor, tensor_as_array
from ltc2hw.numbers.weights import EXACT_INTEGER
from ltc2hw.numbers.words import FloatArray


def plain_array(name: str, values: object) -> npt.NDArray[Any]:
    """Booleans, integers or reals as an array of their own type.

    Takes arrays, nested lists and torch's tensors, on any device, also with a gradient.

    Raises:
        InvalidValueError: for anything else: text, complex or ragged numbers, mappings, masks.

    >>> plain_array("labels", [[0, 1]]).dtype.kind
    'i'
    >>> plain_array("labels", ["1"])
    Traceback (most recent call last):
    ...
    ltc2hw.errors.InvalidValueError: labels is of type <U1; expected numbers
    """
    array = tensor_as_array(name, values) if is_tensor(values) else _as_array(name, values)
    if array.dtype.kind not in "biuf":
        what = type(values).__name__ if array.dtype.kind == "O" else array.dtype
        raise InvalidValueError(name, f"of type {what}", "numbers")
    if isinstance(array, np.ma.MaskedArray):
        raise InvalidValueError(name, "a masked array", "an array without gaps", "fill it first")
    return array


def real_array(name: str, values: object) -> FloatArray:
    """:func:`plain_array` as float64; an array that is float64 already is not copied.

    Raises:
        InvalidValueError: also for integers that float64 does not hold.

    >>> real_array("samples", [[1, 0]]).dtype.name
    'float64'
    """
    array = plain_array(name, values)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8 and array.size:
        largest = max(abs(int(array.min())), abs(int(array.max())))
        if largest > EXACT_INTEGER:
            raise InvalidValueError(f"largest of {name}", largest, "integers of up to 2^53")
    return array.astype(np.float64, copy=False)


def check_samples(x: object, size: int, graded: bool) -> FloatArray:
    """Return samples as float64 of shape (T, B, size), time first.

    Raises:
        ShapeError: unless x has three dimensions, none of them empty, the last one ``size``.
        InvalidValueError: if x is not made of numbers, holds NaN or an infinity, or a spiking
            input anything but 0 and 1.

    >>> check_samples([[[0, 1]]], size=2, graded=False).shape
    (1, 1, 2)
    """
    samples = real_array("samples", x)
    if samples.ndim != 3 or samples.shape[2] != size or 0 in samples.shape:
        remedy = "time first, none empty"
        if samples.ndim > 3 and math.prod(samples.shape[2:]) == size:
            remedy = FLATTEN
        raise ShapeError("shape of samples", samples.shape, f"(steps, batch, {size})", remedy)
    require_finite("samples", samples)
    if not graded:
        require_spikes(samples)
    return samples


def all_finite(values: npt.NDArray[Any]) -> bool:
    """Whether no number is NaN or infinite; one pass where none is.

    >>> all_finite(np.array([1.0, 2.0])), all_finite(np.array([np.inf, -np.inf]))
    (True, False)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum())) or bool(np.isfinite(values).all())


def require_spikes(samples: FloatArray) -> None:
    """Raise unless all samples are 0 or 1."""
    wrong = samples[(samples != 0) & (samples != 1)]
    if wrong.size:
        raise InvalidValueError(
            "sample of a spiking input", wrong[0], "0 or 1", "make the input graded"
        )


def _as_array(name: str, values: object) -> npt.NDArray[Any]:
    try:
        return np.asanyarray(values)
    except (RuntimeError, TypeError, ValueError) as error:
        what = f"a {type(values).__name__} of unequal parts or of other objects"
        raise InvalidValueError(name, what, "an array, a tensor or nested lists") from error
