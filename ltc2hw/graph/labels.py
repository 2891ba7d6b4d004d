"""Labels that users bring, in one form: classes as int64 (B,), targets as float64 (B, N_out).

What is accepted has one reading only: integers of any width, (B,) or (B, 1), or one-hot rows
(B, classes), as arrays, lists or tensors; real targets (B, N_out), or (B,) for a single output.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.samples import plain_array
from ltc2hw.numbers.fields import require_finite
from ltc2hw.numbers.words import FloatArray, IntArray

Labels = npt.NDArray[Any]

TIME_FIRST = "samples look batch-first; time comes first: transpose them with x.swapaxes(0, 1)"


def one_per_sample(
    labels: object, samples: int, steps: int = 0, name: str = "labels"
) -> npt.NDArray[Any]:
    """Numbers of any type and shape whose first axis is that of the samples.

    ``steps`` is the first axis of the samples, which tells what the labels of samples whose axes
    are exchanged have in common with them.

    Raises:
        ShapeError: for another length of the first axis.
        InvalidValueError: for what are no numbers.
    """
    array = plain_array(name, labels)
    count = len(array) if array.ndim else 0
    if count != samples:
        remedy = TIME_FIRST if count == steps != samples else "one row or number each"
        raise ShapeError(f"shape of {name}", array.shape, f"one per sample, {samples}", remedy)
    return array


def plain_labels(labels: object, samples: int, steps: int = 0, name: str = "labels") -> Labels:
    """Labels of ``samples`` samples as int64 or float64, in the shape (B,) or (B, N) they have.

    Raises:
        ShapeError: unless there is one label (or row) per sample.
        InvalidValueError: for what are no numbers, NaN, an infinity or beyond 64 bits.

    >>> plain_labels([True, False], samples=2)
    array([1, 0])
    """
    array = one_per_sample(labels, samples, steps, name)
    if array.ndim > 2:
        raise ShapeError(f"shape of {name}", array.shape, f"({samples},) or ({samples}, N)")
    if array.dtype.kind == "f":
        reals: FloatArray = array.astype(np.float64, copy=False)
        require_finite(name, reals)
        return reals
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise InvalidValueError(f"largest of {name}", int(array.max()), "integers of 64 bits")
    return array.astype(np.int64, copy=False)


def class_labels(labels: object, samples: int, classes: int, steps: int = 0) -> IntArray:
    """Classes from 0 to ``classes - 1`` as int64 (B,).

    Takes integers (B,) or (B, 1), and one-hot rows (B, classes) of any type.

    Raises:
        ShapeError: for another shape.
        InvalidValueError: for a label that is not an integer from 0 to ``classes - 1``, or rows
            that are not one-hot.

    >>> class_labels([[0, 0, 1], [1, 0, 0]], samples=2, classes=3)
    array([2, 0])
    """
    array = plain_labels(labels, samples, steps)
    if array.ndim == 2 and array.shape[1] == classes > 1:
        array = _from_one_hot(array)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ShapeError(
            "shape of labels",
            array.shape,
            f"({samples},), or one-hot rows ({samples}, {classes})",
            "one label per sample",
        )
    if array.dtype.kind == "f":
        raise InvalidValueError(
            "type of labels", array.dtype, "integers", "round them if they are whole numbers"
        )
    wrong = array[(array < 0) | (array >= classes)]
    if wrong.size:
        remedy = "there is one output per class"
        if wrong.max() == classes and array.min() == 1:
            remedy = "classes count from 0: subtract 1"
        raise InvalidValueError("label", int(wrong[0]), f"0 to {classes - 1}", remedy)
    return array


def real_targets(targets: object, samples: int, outputs: int, steps: int = 0) -> FloatArray:
    """Targets of a regression as float64 (B, N_out); (B,) is one target each for one output.

    Raises:
        ShapeError: for another shape.
        InvalidValueError: if a target is no number, NaN or infinite.

    >>> real_targets([1, 2], samples=2, outputs=1).tolist()
    [[1.0], [2.0]]
    """
    array = plain_labels(targets, samples, steps, "targets").astype(np.float64, copy=False)
    if array.ndim == 1 and outputs == 1:
        array = array[:, None]
    if array.shape != (samples, outputs):
        raise ShapeError(
            "shape of targets", array.shape, f"(samples, outputs) = {(samples, outputs)}"
        )
    return array


def is_one_hot(array: Labels) -> bool:
    """Whether each row (B, N) is zeros and a single one."""
    zero_or_one = bool(np.isin(array, (0, 1)).all())
    return zero_or_one and bool((array.sum(axis=1) == 1).all())


def _from_one_hot(array: Labels) -> IntArray:
    """The class of each row.

    Raises:
        InvalidValueError: naming the first row that is not zeros and a single one.
    """
    if not is_one_hot(array):
        good = np.isin(array, (0, 1)).all(axis=1) & (array.sum(axis=1) == 1)
        row = int(np.argmin(good))
        raise InvalidValueError(
            f"labels[{row}]",
            np.array2string(array[row], threshold=8),
            "a class, or a row with a single 1 and zeros",
            "soft and multiple labels have no meaning here",
        )
    chosen: IntArray = array.argmax(axis=1).astype(np.int64)
    return chosen
