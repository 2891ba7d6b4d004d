"""Labels that users bring, in one form: classes as int64 (B,), targets as float64 (B, N_out).

What is accepted has one reading only: integers of any width, (B,) or (B, 1), or one-hot rows
(B, classes), as arrays, lists or tensors; real targets (B, N_out), or (B,) for a single output.
Labels at every step have the steps as one more axis before: (T, B) classes, where
:data:`NO_LABEL` is a step without one, and targets (T, B, N_out), where NaN is a step without any.
A sample with several labels has a row of them, (B, H), each for a group of outputs (a head).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.samples import plain_array
from ltc2hw.graph.sequences import own_steps
from ltc2hw.numbers.fields import require_finite
from ltc2hw.numbers.scalars import is_integer, shown
from ltc2hw.numbers.words import FloatArray, IntArray

Labels = npt.NDArray[Any]

NO_LABEL = -1
"""Class of a step that has no label."""

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
    return _integers(array, name)


def _integers(array: Labels, name: str) -> IntArray:
    """Integers or booleans as int64.

    Raises:
        InvalidValueError: for one beyond 64 bits.
    """
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise InvalidValueError(f"largest of {name}", int(array.max()), "integers of 64 bits")
    return array.astype(np.int64, copy=False)


def step_labels(labels: object, steps: int, samples: int, name: str = "labels") -> Labels:
    """Labels at every step, (T, B) or (T, B, N), as int64 or float64; NaN is a step without.

    Raises:
        ShapeError: unless there is a label (or row) for every step of every sample.
        InvalidValueError: for what are no numbers, an infinity, or beyond 64 bits.

    >>> step_labels([[0, -1], [1, 1]], steps=2, samples=2).dtype.name
    'int64'
    """
    array = plain_array(name, labels)
    if array.ndim not in (2, 3) or array.shape[:2] != (steps, samples):
        expected = f"({steps}, {samples}) or ({steps}, {samples}, N), a label at every step"
        exchanged = array.ndim in (2, 3) and array.shape[:2] == (samples, steps)
        remedy = "time comes first, as in the samples" if exchanged else ""
        raise ShapeError(f"shape of {name}", array.shape, expected, remedy)
    if array.dtype.kind != "f":
        return _integers(array, name)
    reals: FloatArray = array.astype(np.float64, copy=False)
    if np.isinf(reals).any():
        raise InvalidValueError(f"value of {name}", "infinite", "finite numbers, NaN for none")
    return reals


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
    _require_classes(array, classes, 0)
    return array


def head_sizes(heads: object, outputs: int | None = None, name: str = "heads") -> tuple[int, ...]:
    """Sizes of the groups of outputs that answer a question each; empty for a single one.

    Raises:
        InvalidValueError: for a single group, one of fewer than two classes, or if together they
            are not the ``outputs``.

    >>> head_sizes([9, 4], outputs=13)
    (9, 4)
    """
    given = tuple(heads) if isinstance(heads, Sequence) and not isinstance(heads, str) else None
    if given is None or not all(is_integer(size) and size >= 2 for size in given):
        limit = "numbers of classes of each label, 2 or more"
        raise InvalidValueError(name, shown(heads), limit)
    if len(given) == 1:
        remedy = "leave them out for one label per sample"
        raise InvalidValueError(name, given, "two or more, one per label", remedy)
    if given and outputs is not None and sum(given) != outputs:
        limit = f"together the {outputs} outputs"
        raise InvalidValueError("heads", f"{given}, together {sum(given)}", limit)
    return tuple(int(size) for size in given)


def head_edges(heads: tuple[int, ...]) -> IntArray:
    """Where the heads begin among the outputs, and where the last one ends, (H + 1,).

    >>> head_edges((9, 4)).tolist()
    [0, 9, 13]
    """
    return np.cumsum([0, *heads], dtype=np.int64)


def head_classes(labels: object, samples: int, heads: tuple[int, ...], steps: int = 0) -> IntArray:
    """Classes of samples with several labels as int64 (B, H), each from 0 within its own head.

    Raises:
        ShapeError: unless each sample has a label for every head.
        InvalidValueError: for a label that is not an integer from 0 to its head's size less 1.

    >>> head_classes([[8, 0], [2, 3]], samples=2, heads=(9, 4)).tolist()
    [[8, 0], [2, 3]]
    """
    array = plain_labels(labels, samples, steps)
    if array.shape != (samples, len(heads)):
        limit = f"({samples}, {len(heads)}), a label for each of the heads {heads}"
        raise ShapeError("shape of labels", array.shape, limit)
    columns = [
        class_labels(column, samples, size) for column, size in zip(array.T, heads, strict=True)
    ]
    return np.stack(columns, axis=1)


def _require_classes(array: IntArray, classes: int, least: int) -> None:
    """Raise unless all labels are from ``least`` to ``classes - 1``."""
    wrong = array[(array < least) | (array >= classes)]
    if wrong.size:
        remedy = "there is one output per class"
        if wrong.max() == classes and array[array != NO_LABEL].min() == 1:
            remedy = "classes count from 0: subtract 1"
        raise InvalidValueError("label", int(wrong[0]), f"{least} to {classes - 1}", remedy)


def step_classes(
    labels: object,
    steps: int,
    samples: int,
    classes: int,
    lengths: IntArray | None = None,
    *,
    each: bool = True,
) -> IntArray:
    """Classes at every step as int64 (T, B); :data:`NO_LABEL` where there is none.

    Takes integers (T, B) or (T, B, 1), and one-hot rows (T, B, classes) of any type. What is said
    of steps after a sample's end is dropped. ``each``: every sample must have a label.

    Raises:
        ShapeError: for another shape.
        InvalidValueError: for a label that is no class, or a sample without any label.

    >>> step_classes([[0, 1], [1, -1]], 2, 2, classes=2, lengths=np.array([1, 2])).tolist()
    [[0, 1], [-1, -1]]
    """
    array = step_labels(labels, steps, samples)
    if array.ndim == 3 and array.shape[2] == classes > 1:
        array = _from_one_hot(array.reshape(-1, classes)).reshape(steps, samples)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2:
        expected = f"({steps}, {samples}), or one-hot rows ({steps}, {samples}, {classes})"
        raise ShapeError("shape of labels", array.shape, expected)
    if array.dtype.kind == "f":
        limit, remedy = "integers", "a step without a label is -1"
        raise InvalidValueError("type of labels", array.dtype, limit, remedy)
    own = np.where(own_steps(lengths, steps, samples), array, NO_LABEL)
    _require_classes(own, classes, NO_LABEL)
    if each:
        _require_labelled(own != NO_LABEL)
    return own


def step_targets(
    targets: object,
    steps: int,
    samples: int,
    outputs: int,
    lengths: IntArray | None = None,
    *,
    each: bool = True,
) -> FloatArray:
    """Targets at every step as float64 (T, B, N_out); NaN in all outputs where there is none.

    (T, B) is one target each for one output. What is said of steps after a sample's end is dropped.
    ``each``: every sample must have a target.

    Raises:
        ShapeError: for another shape.
        InvalidValueError: for an infinity, a step with a target for some outputs only, or a sample
            without any target.

    >>> step_targets([[1.0], [2.0]], 2, 1, outputs=1).shape
    (2, 1, 1)
    """
    array = step_labels(targets, steps, samples, "targets").astype(np.float64, copy=False)
    if array.ndim == 2 and outputs == 1:
        array = array[:, :, None]
    if array.shape != (steps, samples, outputs):
        expected = f"(steps, samples, outputs) = {(steps, samples, outputs)}"
        raise ShapeError("shape of targets", array.shape, expected)
    own = np.where(own_steps(lengths, steps, samples)[:, :, None], array, np.nan)
    missing = np.isnan(own)
    partly = missing.any(axis=2) & ~missing.all(axis=2)
    if partly.any():
        step, sample = np.argwhere(partly)[0]
        limit = "a number for every output, or NaN for all of them"
        raise InvalidValueError(f"targets[{step}, {sample}]", "NaN for some outputs", limit)
    if each:
        _require_labelled(~missing.all(axis=2))
    return own


def labelled_steps(labels: Labels) -> npt.NDArray[np.bool_]:
    """Which steps (T, B) of classes (T, B) or targets (T, B, N) have a label.

    >>> labelled_steps(np.array([[0, -1]])).tolist()
    [[True, False]]
    """
    if labels.ndim == 2:
        return np.not_equal(labels, NO_LABEL)
    known: npt.NDArray[np.bool_] = np.logical_not(np.isnan(labels).all(axis=2))
    return known


def _require_labelled(known: npt.NDArray[np.bool_]) -> None:
    """Raise unless every sample has a label at some step."""
    without = np.flatnonzero(~known.any(axis=0))
    if without.size:
        limit = "a label at one of its steps at least"
        raise InvalidValueError(f"labels of sample {without[0]}", "none", limit, "leave it out")


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


def plain_goals(
    labels: object,
    classes: bool,
    samples: int,
    outputs: int,
    steps: int | None,
    lengths: IntArray | None,
    heads: tuple[int, ...] = (),
) -> Labels:
    """Classes or targets of any accepted form in the one form of their kind.

    One per sample, or for each of its ``heads``, or at each of ``steps`` steps; those after a
    sample's end are dropped then.

    Raises:
        ShapeError, InvalidValueError: as the functions for each kind.

    >>> plain_goals([[0, 1]], True, samples=1, outputs=2, steps=None, lengths=None)
    array([1])
    """
    if heads:
        return head_classes(labels, samples, heads)
    if steps is None:
        read = class_labels if classes else real_targets
        return read(labels, samples, outputs)
    read_steps = step_classes if classes else step_targets
    return read_steps(labels, steps, samples, outputs, lengths)
