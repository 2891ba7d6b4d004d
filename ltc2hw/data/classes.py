"""Labels as they came, as classes 0 to C - 1 with names, or as targets of a regression."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from ltc2hw.data.arranging import Arranged, are_whole
from ltc2hw.data.options import Kind
from ltc2hw.data.parts import PartName, samples_of
from ltc2hw.data.source import Array
from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.files.archive import shown
from ltc2hw.graph.labels import NO_LABEL, is_one_hot
from ltc2hw.graph.sequences import own_steps

MANY = 20
"""So many different whole numbers are classes, however few samples there are."""

WHOLE = re.compile(r"[+-]?[0-9]+")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Known:
    """What options and the file say of labels: ``names`` of the classes, in order.

    ``indices``: labels count those names from 0 already. ``several``: each sample has a row of
    labels; ``heads`` are the numbers of classes of each, whose names then follow each other.
    """

    kind: Kind | None = None
    names: tuple[str, ...] = ()
    indices: bool = False
    several: bool = False
    heads: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labels of every part in one form: int64 (B,) or (T, B), float64 (B, N) or (T, B, N).

    Several labels of each sample are int64 (B, H); ``heads`` are the numbers of classes of each,
    whose names follow each other in ``classes``.
    """

    kind: Kind
    labels: Mapping[PartName, Array]
    outputs: int
    classes: tuple[str, ...]
    note: str
    heads: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class _Values:
    """Labels of a part without an empty last axis, and which of them there are."""

    y: Array
    known: Mask
    rows: bool

    @property
    def present(self) -> Array:
        """Labels (or rows) that there are, one after the other."""
        values: Array = self.y[self.known]
        return values


def read_labels(
    parts: Mapping[PartName, Arranged], every_step: bool, known: Known, where: str
) -> Labelled:
    """Labels of all parts; classes are those of the first part, which is that for training.

    Texts, booleans, whole numbers and one-hot rows are classes, by their sorted order; other
    numbers are targets. At a step, -1 and NaN are no label.

    Raises:
        InvalidValueError: for labels that have several readings, that are none of the classes of
            the first part, or not of the kind that was said.
        ShapeError: for parts with different numbers of targets.

    >>> part = Arranged(np.zeros((1, 3, 1)), np.array([3, 1, 3]))
    >>> found = read_labels({"all": part}, False, Known(), "samples")
    >>> found.labels["all"].tolist(), found.classes
    ([1, 0, 1], ('1', '3'))
    """
    values: dict[PartName, _Values] = {}
    for name, part in parts.items():
        assert part.y is not None
        values[name] = _values(part.y, part, every_step)
        _require_finite(values[name], samples_of(name, where))
    if known.several or known.heads:
        return _several(values, known, where)
    first = next(iter(values))
    kind = known.kind or _kind(values[first], f"labels of {where}")
    widths = {v.y.shape[-1] if v.rows else 1 for v in values.values()}
    if len(widths) > 1:
        raise ShapeError(f"labels of {where}", f"{sorted(widths)} wide", "the same in every part")
    if kind == "regression":
        return _targets(values, where)
    return _classes(values, known, every_step, where)


def _values(y: Array, part: Arranged, every_step: bool) -> _Values:
    axes = 2 if every_step else 1
    if y.ndim > axes and y.shape[-1] == 1:
        y = y[..., 0]
    known: Mask = np.ones(y.shape[:axes], dtype=np.bool_)
    if every_step:
        known = own_steps(part.lengths, *part.x.shape[:2])
        if y.dtype.kind == "f":
            missing = np.isnan(y)
            known = known & ~(missing.all(axis=-1) if y.ndim > axes else missing)
    return _Values(y, known, y.ndim > axes)


def _require_finite(part: _Values, where: str) -> None:
    """Raise for labels that are NaN or infinite.

    Raises:
        InvalidValueError: naming the sample, or with labels at every step, one such label.
    """
    y = part.y
    if y.dtype.kind != "f":
        return
    odd = ~np.isfinite(y)
    odd = part.known & (odd.any(axis=-1) if part.rows else odd)
    if odd.any():
        # Of labels at every step, (T, B), the sample is the last index.
        index = np.argwhere(odd)[0]
        found = y[tuple(index)]
        raise InvalidValueError(
            f"label of sample {index[-1]} of the {where}",
            found[~np.isfinite(found)][0] if part.rows else found,
            "a finite number, or a class", "leave out samples without a label",
        )  # fmt: skip


def _kind(values: _Values, name: str) -> Kind:
    """What labels are, by their type and values.

    Raises:
        InvalidValueError: where they can be both.
    """
    present, kind = values.present, values.y.dtype.kind
    remedy = "say kind='classification' or kind='regression'"
    if values.rows:
        if kind in "biuf" and is_one_hot(present):
            return "classification"
        if kind in "US" or np.isin(present, (0, 1)).all():
            raise InvalidValueError(
                name, "several per sample", "one class each",
                "say kind='regression' to take them as targets",
            )  # fmt: skip
        return "regression"
    if kind in "bUS":
        return "classification"
    if kind == "f" and not are_whole(present):
        return "regression"
    distinct = len(np.unique(present))
    if distinct > MANY and 2 * distinct > len(present):
        what = f"{distinct} different whole numbers in {len(present)} labels"
        raise InvalidValueError(name, what, "clearly classes or targets", remedy)
    return "classification"


def _targets(values: Mapping[PartName, _Values], where: str) -> Labelled:
    labels: dict[PartName, Array] = {}
    for name, part in values.items():
        if part.y.dtype.kind not in "biuf":
            raise InvalidValueError(f"labels of {where}", "texts", "numbers for a regression")
        y = part.y if part.rows else part.y[..., None]
        labels[name] = np.ascontiguousarray(y, dtype=np.float64)
    outputs = next(iter(labels.values())).shape[-1]
    return Labelled("regression", labels, outputs, (), f"{outputs} real targets")


def _several(values: Mapping[PartName, _Values], known: Known, where: str) -> Labelled:
    """Classes of each column of labels (B, H) by themselves.

    Raises:
        ShapeError: unless every part has a row of equally many labels for each sample.
    """
    first = next(iter(values.values())).y
    count = len(known.heads) or (first.shape[1] if first.ndim == 2 else 1)
    for name, part in values.items():
        if part.y.shape != (len(part.y), count) or count < 2:
            found = f"labels of the {samples_of(name, where)}"
            limit = f"a row of {count} for each sample" if count > 1 else "two or more in each row"
            remedy = "" if count > 1 else "leave out several_labels=True for one label per sample"
            raise ShapeError(found, f"of shape {part.y.shape}", limit, remedy)
    if known.heads and len(known.heads) != first.shape[1]:
        raise ShapeError(f"labels of {where}", f"{first.shape[1]} wide", f"{len(known.heads)} wide")
    ends = list(accumulate(known.heads))
    columns = []
    for head in range(count):
        own = {name: _Values(v.y[:, head], v.known, rows=False) for name, v in values.items()}
        names: tuple[str, ...] = ()
        if known.heads:
            names = known.names[ends[head] - known.heads[head] : ends[head]]
        told = Known(known.kind, names, known.indices)
        columns.append(_classes(own, told, False, f"column {head} of {where}"))
    labels = {
        name: np.stack([column.labels[name] for column in columns], axis=1) for name in values
    }
    return Labelled(
        "classification",
        labels,
        sum(column.outputs for column in columns),
        tuple(name for column in columns for name in column.classes),
        "; ".join(f"column {head}: {column.note}" for head, column in enumerate(columns)),
        tuple(column.outputs for column in columns),
    )


def _classes(
    values: Mapping[PartName, _Values], known: Known, every_step: bool, where: str
) -> Labelled:
    """Classes of all parts."""
    flat = {name: _single(part, f"labels of {where}") for name, part in values.items()}
    if every_step:
        flat = {name: _without_unlabelled(part, where) for name, part in flat.items()}
    first = next(iter(flat))
    rows = values[first].rows
    if rows and not known.names:
        names = tuple(map(str, range(values[first].y.shape[-1])))
        known = Known(known.kind, names, indices=True)
    given = flat[first].y.dtype.kind
    indices = known.indices and given not in "US"
    names = known.names
    if not names:
        names = _names(flat[first].present)
    if len(names) < 2:
        what = f"{names[0] if names else 'none'} alone"
        raise InvalidValueError(f"classes of {where}", what, "two or more")
    numbers = {str(index) if indices else name: index for index, name in enumerate(names)}
    labels = {
        name: _numbered(
            part, numbers, f"label of the {samples_of(name, where)}", name != first, indices
        )
        for name, part in flat.items()
    }
    counted = indices or names == tuple(map(str, range(len(names))))
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    note = f"{len(names)} classes: {listed}" + ("" if counted else ", numbered in this order")
    return Labelled("classification", labels, len(names), names, note)


def _single(part: _Values, name: str) -> _Values:
    """Labels of one number or text each; whole numbers as int64, booleans as texts.

    Raises:
        InvalidValueError: for rows that are not one-hot, and for fractions.
    """
    y = part.y
    if part.rows:
        if y.dtype.kind not in "biuf" or not is_one_hot(part.present):
            limit = "one class each, or rows with a single 1 and zeros"
            remedy = "" if part.known.ndim > 1 else "say several_labels=True if each is a class"
            raise InvalidValueError(name, "several per sample", limit, remedy)
        y = np.where(part.known, y.argmax(axis=-1), NO_LABEL)
    if y.dtype.kind == "b":
        y = np.where(y, "True", "False")
    elif y.dtype.kind in "iuf":
        whole = np.where(part.known, y, 0)
        if not are_whole(whole):
            raise InvalidValueError(
                name, f"numbers like {_odd(whole):g}", "whole numbers or texts for classes",
                "say kind='regression' if they are targets",
            )  # fmt: skip
        y = whole.astype(np.int64)
    return _Values(y, part.known, rows=False)


def _odd(values: Array) -> float:
    """The first number that is not whole, or else the largest."""
    odd = values[values != np.rint(values)]
    return float(odd.flat[0] if odd.size else np.abs(values.astype(np.float64)).max())


def _without_unlabelled(part: _Values, where: str) -> _Values:
    """Labels at every step, without those that stand for none.

    Raises:
        InvalidValueError: if -1 seems to be a class.
    """
    if part.y.dtype.kind != "i":
        return part
    none = part.known & (part.y == NO_LABEL)
    if none.any() and len(np.unique(part.y[part.known & ~none])) < 2:
        raise InvalidValueError(
            f"labels of {where}", "-1 and at most one other", "two classes",
            "at a step, -1 is no label: number classes from 0",
        )  # fmt: skip
    return _Values(part.y, part.known & ~none, part.rows)


def _names(present: Array) -> tuple[str, ...]:
    """Names of the classes that there are; numbers, also as texts, in their order."""
    names = [str(name) for name in np.unique(present)]
    if all(WHOLE.fullmatch(name) for name in names):
        names.sort(key=int)
    return tuple(names)


def _numbered(
    part: _Values, numbers: Mapping[str, int], name: str, later: bool, indices: bool
) -> Array:
    """Numbers of the classes; :data:`NO_LABEL` where there is none.

    Raises:
        InvalidValueError: for a label that is no class.
    """
    found, inverse = np.unique(part.present, return_inverse=True)
    wrong = [str(label) for label in found if str(label) not in numbers]
    if wrong:
        listed = ", ".join(shown(key) for key in list(numbers)[:12])
        whose = "a class that the training samples have" if later else "a class"
        remedy = "say classes=... if there are more than the training samples show" if later else ""
        if indices:
            remedy = "where the number or the names of classes are given, labels count them from 0"
        raise InvalidValueError(
            name, shown(wrong[0]), f"{whose}: {listed}{', ...' if len(numbers) > 12 else ''}",
            remedy,
        )  # fmt: skip
    labels = np.full(part.y.shape, NO_LABEL, dtype=np.int64)
    table = np.array([numbers[str(label)] for label in found], dtype=np.int64)
    labels[part.known] = table[inverse.reshape(-1)]
    return labels
