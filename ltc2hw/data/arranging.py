"""Parts as they were read, in one form: (T, B, N), time first, with labels and lengths beside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ltc2hw.data.layout import Shapes, read_axes
from ltc2hw.data.options import USUAL, DataOptions, Layout
from ltc2hw.data.parts import PartName, samples_of
from ltc2hw.data.source import Array, Part, Source
from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.images import require_same_image
from ltc2hw.graph.labels import is_one_hot
from ltc2hw.graph.samples import all_finite, plain_array
from ltc2hw.graph.sequences import Mask, sample_lengths, silent_after
from ltc2hw.numbers.convolution import Shape
from ltc2hw.numbers.scalars import require_type
from ltc2hw.numbers.weights import EXACT_INTEGER
from ltc2hw.numbers.words import IntArray

AXES = "three axes, (steps, samples, inputs) in any order of the first two"
ONE_CHANNEL = "give samples of one channel a last axis of size 1: x[..., None]"
EXCHANGED = "samples come first, labels second"

SAME = "as the others of the same data"

COLOURS = (1, 3)
"""Channels of images, which as the second of four axes would pass for steps."""


@dataclass(frozen=True, eq=False)
class Arranged:
    """Samples (T, B, N) of any type, time first, zero after each end.

    ``y`` are labels as they came, numbers or texts, one or a row per sample, or with the two axes
    of the samples, time first; None where there are none.
    """

    x: Array
    y: Array | None
    lengths: IntArray | None = None

    def take(self, indices: IntArray, *, every_step: bool) -> Arranged:
        """The samples at ``indices``, in that order."""
        y = self.y
        if y is not None:
            y = y[:, indices] if every_step else y[indices]
        lengths = None if self.lengths is None else self.lengths[indices]
        return Arranged(self.x[:, indices], y, lengths)


@dataclass(frozen=True, eq=False)
class Arrangement:
    """All parts in one form, and what was found out on the way; ``shape`` is that of a step."""

    parts: Mapping[PartName, Arranged]
    every_step: bool
    notes: Mapping[str, str]
    shape: tuple[int, ...] = ()


def arrange(source: Source, options: DataOptions, where: str) -> Arrangement:
    """Bring all parts in one form.

    Raises:
        ShapeError, InvalidValueError: for arrays that do not belong together, values that are no
            numbers, and where there are several readings.
    """
    require_type("options of data", options, DataOptions)
    _require_belonging(source, options, where)
    layout = options.layout or source.layout
    parts = {
        name: _padded(
            _turned(part, options.layout, samples_of(name, where)), samples_of(name, where)
        )
        for name, part in source.parts.items()
    }
    listed = {part.listed for part in parts.values()}
    if len(listed) > 1:
        given = "lists of samples in some parts and arrays in others"
        raise InvalidValueError(f"samples of {where}", given, "the same in every part")
    if layout == "channels-first" and listed == {False}:
        parts = {name: _channels_last(part, where) for name, part in parts.items()}
    told: Layout | None = layout
    if layout == "channels-first" or listed == {True}:
        told = "batch-first"
    every_step = source.every_step if options.every_step is None else options.every_step
    kind = options.kind or source.kind
    several = options.several_labels or bool(source.heads)
    shapes: dict[str, Shapes] = {
        name: _shapes(part, kind == "regression", several) for name, part in parts.items()
    }
    axes = read_axes(shapes, where, told, every_step)
    first = next(iter(parts.values()))
    if layout is None and axes.layout == "batch-first":
        _require_steps(first.x.shape, where)
    arranged = {
        name: _time_first(
            part, axes.layout == "batch-first", axes.every_step, samples_of(name, where)
        )
        for name, part in parts.items()
    }
    said = "told by the labels"
    if layout is not None:
        said = "as said" if options.layout is not None else "as the data say"
    notes = {"layout": f"{layout or axes.layout}, {said}: {first.x.shape}"}
    if listed == {True}:
        notes = {"layout": "one sample after another"}
    if first.x.ndim > 3:
        notes["channels"] = f"{first.x.shape[2:]} in one row"
    return Arrangement(arranged, axes.every_step, notes, _step_shape(source, parts, where))


def _step_shape(source: Source, parts: Mapping[PartName, _Padded], where: str) -> Shape:
    """What the inputs of a step are, by the data themselves or by the axes of all parts.

    Raises:
        ShapeError: where they say different things.
    """
    shapes = {name: tuple(part.x.shape[2:]) for name, part in parts.items()}
    shape = source.shape or next(iter(shapes.values()))
    for name, found in shapes.items():
        if math.prod(found) == math.prod(shape):
            require_same_image(samples_of(name, where), found, shape, SAME)
    return shape


def _require_belonging(source: Source, options: DataOptions, where: str) -> None:
    """Raise for options that say otherwise than the data, or say something of other data.

    Raises:
        InvalidValueError: naming the option.
    """
    for name, given in (("binning", options.binning != USUAL), ("sensor", options.sensor)):
        if given and not source.events:
            limit = f"nothing, as {where} holds no events"
            raise InvalidValueError(f"{name} of data", "given", limit, "leave it out")
    if source.layout is not None and options.layout not in (None, source.layout):
        raise InvalidValueError(
            f"layout of {where}", f"said to be {options.layout}",
            f"{source.layout}, as the data say themselves", "leave it out",
        )  # fmt: skip


def _turned(part: Part, layout: Layout | None, where: str) -> Part:
    """Samples of a list, each time first.

    Raises:
        InvalidValueError: if the list is said to hold steps.
    """
    if isinstance(part.x, np.ndarray) or layout in (None, "batch-first"):
        return part
    if layout == "time-first":
        raise InvalidValueError(
            f"layout of the {where}", "said to be time-first", "a list of samples (steps, inputs)",
            "leave it out; if it is a list of steps: np.stack(x)",
        )  # fmt: skip
    arrays = [plain_array(f"sample {index} of the {where}", x) for index, x in enumerate(part.x)]
    for index, array in enumerate(arrays):
        if array.ndim != 2:
            name = f"sample {index} of the {where}"
            raise ShapeError(name, f"of shape {array.shape}", "(channels, steps)")
    return replace(part, x=[array.T for array in arrays])


def _require_steps(shape: tuple[int, ...], where: str) -> None:
    """Raise for images (samples, colours, height, width), whose colours would be steps.

    Raises:
        InvalidValueError: says how rows become steps, and which option keeps this reading.
    """
    if len(shape) == 4 and shape[1] in COLOURS:
        rows = "x[:, 0]" if shape[1] == 1 else "x.swapaxes(1, 2)"
        raise InvalidValueError(
            f"order of axes of {where}", f"not to be told from {shape}",
            f"steps, or {shape[1]} colours of an image, in the second axis",
            f"rows of images become steps by {rows}; for steps say layout='batch-first'",
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Padded:
    """A part of one array, its first two axes in any order; ``listed`` came one by one."""

    x: Array
    y: Array | None
    lengths: Array | None
    listed: bool = False


def _is_sequence(x: object) -> bool:
    return isinstance(x, (list, tuple))


def _padded(part: Part, where: str) -> _Padded:
    """A part as one array with three axes or more."""
    if part.offsets is not None or (_flat(part) and part.lengths is not None):
        part = _cut(part, where)
    if not isinstance(part.x, np.ndarray):
        x, lengths = stack(part.x, where)
        y: Any = part.y
        single = not _is_sequence(y) and getattr(y, "ndim", 0) == 0
        if not single and len(y) != len(x):
            raise ShapeError(
                f"labels of the {where}", f"{len(y)}", f"{len(x)}, one for each sample of the list",
                "if it is a list of steps: np.stack(x)",
            )  # fmt: skip
        if _is_sequence(y):
            y = _stacked_labels(y, lengths, where)
        elif y is not None:
            y = label_array(y, where)
        return _Padded(x, y, lengths, listed=True)
    x = plain_array(where, part.x)
    if x.ndim < 3:
        remedy = ONE_CHANNEL if x.ndim == 2 else EXCHANGED
        raise ShapeError(where, f"of shape {x.shape}", AXES, remedy)
    if 0 in x.shape:
        raise ShapeError(where, f"of shape {x.shape}", "no empty axis")
    y = None if part.y is None else label_array(part.y, where)
    if part.lengths is None:
        return _Padded(x, y, None)
    return _Padded(x, y, _whole(f"lengths of the {where}", part.lengths))


def _flat(part: Part) -> bool:
    """Whether samples lie one behind the other, each with its own length."""
    if not isinstance(part.x, np.ndarray) or part.x.ndim != 2 or part.lengths is None:
        return False
    return int(_whole("lengths", part.lengths).sum()) == len(part.x)


def are_whole(array: Array) -> bool:
    """Whether numbers are whole and of at most 2^53, which every type holds exactly.

    >>> are_whole(np.array([1.0, -3.0])), are_whole(np.array([0.5])), are_whole(np.array([np.nan]))
    (True, False, False)
    """
    small = (array >= -EXACT_INTEGER) & (array <= EXACT_INTEGER)
    return bool(small.all()) and np.array_equal(array, np.rint(array))


def _whole(name: str, values: object) -> IntArray:
    """Whole numbers (B,) as int64."""
    array = plain_array(name, values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or not are_whole(array):
        raise ShapeError(name, f"{array.dtype} of shape {array.shape}", "whole numbers, (B,)")
    return array.astype(np.int64)


def _cut(part: Part, where: str) -> Part:
    """Samples that lie one behind the other, as a sequence of arrays."""
    x = plain_array(where, part.x)
    if x.ndim < 2:
        raise ShapeError(where, f"of shape {x.shape}", "(sum of all steps, inputs)", ONE_CHANNEL)
    if part.offsets is None:
        ends = np.cumsum(_whole(f"lengths of the {where}", part.lengths))
        offsets = np.concatenate(([0], ends))
    else:
        offsets = _whole(f"offsets of the {where}", part.offsets)
    if part.offsets is not None and part.lengths is not None:
        raise InvalidValueError(where, "given with lengths and offsets", "one of them")
    good = len(offsets) > 1 and offsets[0] == 0 and offsets[-1] == len(x)
    if not good or (np.diff(offsets) < 1).any():
        raise InvalidValueError(
            f"offsets of the {where}",
            f"{len(offsets)} numbers from {offsets[:1].tolist()} to {offsets[-1:].tolist()}",
            f"rising numbers from 0 to {len(x)}, one more than samples",
        )
    pairs = list(pairwise(offsets))
    y: Any = part.y
    if y is not None and np.ndim(y) and len(y) == len(x) != len(pairs):
        y = [label_array(y, where)[start:end] for start, end in pairs]
    return Part([x[start:end] for start, end in pairs], y)


def stack(sequences: Sequence[object], where: str) -> tuple[Array, IntArray]:
    """Samples of unequal length as (B, T, N), zero after each end, and their lengths.

    What more axes a step has is kept.

    Raises:
        ShapeError: for samples without two axes or of unequal widths, and for none.
        InvalidValueError: for what are no numbers.

    >>> x, lengths = stack([np.ones((2, 1)), np.ones((3, 1))], "samples")
    >>> x.shape, lengths.tolist()
    ((2, 3, 1), [2, 3])
    """
    arrays = [plain_array(f"sample {index} of the {where}", s) for index, s in enumerate(sequences)]
    if not arrays:
        raise ShapeError(where, "an empty list", "at least one sample")
    width = arrays[0].shape[1:]
    same_steps = len({array.shape[:1] for array in arrays}) == 1
    for index, array in enumerate(arrays):
        if array.ndim < 2 or 0 in array.shape:
            raise ShapeError(
                f"sample {index} of the {where}", f"of shape {array.shape}", "(steps, inputs)",
                ONE_CHANNEL if array.ndim == 1 else "",
            )  # fmt: skip
        if array.shape[1:] != width:
            remedy = "transpose them: time comes first" if same_steps else "the same inputs in each"
            raise ShapeError(
                f"sample {index} of the {where}", f"of shape {array.shape}",
                f"(steps, {', '.join(map(str, width))}) as sample 0", remedy,
            )  # fmt: skip
    lengths = np.array([len(array) for array in arrays], dtype=np.int64)
    kind = np.result_type(*{array.dtype for array in arrays})
    x = np.zeros((len(arrays), int(lengths.max()), *width), dtype=kind)
    for row, array in zip(x, arrays, strict=True):
        row[: len(array)] = array
    return x, lengths


def _stacked_labels(labels: Any, lengths: IntArray, where: str) -> Array:
    """Labels of a sequence of samples: one, or a row, each; or one at every step of each."""
    arrays = [label_array(label, where) for label in labels]
    if len({array.shape for array in arrays}) == 1:
        return np.stack(arrays)
    fits = len(arrays) == len(lengths) and all(
        array.ndim in (1, 2) and len(array) == length
        for array, length in zip(arrays, lengths, strict=True)
    )
    if not fits or len({array.shape[1:] for array in arrays}) > 1:
        raise ShapeError(
            f"labels of the {where}", "of unequal shapes", "one per sample, or one at every step"
        )
    kind = np.result_type(*{array.dtype for array in arrays})
    y = np.zeros((len(arrays), int(lengths.max()), *arrays[0].shape[1:]), dtype=kind)
    for row, array in zip(y, arrays, strict=True):
        row[: len(array)] = array
    return y


def label_array(labels: object, where: str) -> Array:
    """Labels as an array of numbers or texts.

    Raises:
        InvalidValueError: for anything else.

    >>> label_array(["a", "b"], "samples").dtype.kind
    'U'
    """
    array = labels if isinstance(labels, np.ndarray) else _texts(labels)
    if (
        array is not None
        and array.dtype.kind == "O"
        and all(isinstance(v, str) for v in array.flat)
    ):
        array = array.astype(np.str_)
    if array is not None and array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    if array is not None and array.dtype.kind == "U":
        return array
    return plain_array(f"labels of the {where}", labels)


def _texts(labels: object) -> Array | None:
    """Labels that are no array as one, if they are texts: lists, columns of tables."""
    if hasattr(labels, "detach"):
        return None
    try:
        array = np.asanyarray(labels)
    except ValueError:
        return None
    return array if array.dtype.kind in "OSU" else None


def _channels_last(part: _Padded, where: str) -> _Padded:
    """(B, N, T) as (B, T, N)."""
    if part.x.ndim != 3:
        raise ShapeError(f"samples of {where}", part.x.shape, "(samples, channels, steps)")
    return _Padded(part.x.transpose(0, 2, 1), part.y, part.lengths)


def _shapes(part: _Padded, targets: bool, several: bool) -> Shapes:
    y, lengths = part.y, part.lengths
    rows = True
    if y is not None and y.ndim == 2 and not targets and not several:
        # Whole numbers are classes; only one-hot rows of them belong to one sample.
        rows = y.dtype.kind == "f" or (y.dtype.kind in "biu" and is_one_hot(y))
    return Shapes(
        part.x.shape,
        None if y is None else y.shape,
        None if lengths is None else len(lengths),
        0 if lengths is None else int(lengths.max(initial=0)),
        rows,
        steps=not several,
    )


def _time_first(part: _Padded, exchanged: bool, every_step: bool, where: str) -> Arranged:
    x, y = part.x, part.y
    if exchanged:
        x = x.swapaxes(0, 1)
        y = y.swapaxes(0, 1) if y is not None and every_step else y
    x = np.ascontiguousarray(x.reshape(*x.shape[:2], -1))
    steps, samples, _ = x.shape
    given = part.lengths if part.lengths is not None else _ends(x, where)
    lengths = sample_lengths(given, steps, samples)
    x = silent_after(x, lengths)
    _require_finite(x, where)
    return Arranged(x, y, lengths)


def _require_finite(x: Array, where: str) -> None:
    """Raise for NaN and infinities, where the user finds them.

    Raises:
        InvalidValueError: naming sample, step and input.
    """
    if all_finite(x):
        return
    step, sample, channel = np.argwhere(~np.isfinite(x))[0].tolist()
    raise InvalidValueError(
        f"{where}: sample {sample}, step {step}, input {channel}", x[step, sample, channel],
        "a finite number", "fill gaps, or leave the sample out; only ends may be filled with NaN",
    )  # fmt: skip


def _ends(x: Array, where: str) -> IntArray | None:
    """Lengths of samples that are filled up with NaN; None where there is no such sample.

    Raises:
        InvalidValueError: for a sample that is NaN throughout.
    """
    if x.dtype.kind != "f" or not np.isnan(x[-1]).all(axis=1).any():
        return None
    known: Mask = np.logical_not(np.isnan(x).all(axis=2))
    empty = np.flatnonzero(~known.any(axis=0))
    if empty.size:
        what = f"sample {empty[0]} of {where}"
        raise InvalidValueError(what, "NaN throughout", "one step or more", "leave it out")
    lengths: IntArray = len(x) - np.argmax(known[::-1], axis=0)
    return lengths.astype(np.int64)
