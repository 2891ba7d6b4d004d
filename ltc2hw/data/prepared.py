"""From what a reader gave to what a task needs: three parts in one form, and how it came about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.data.arranging import Arranged, arrange
from ltc2hw.data.classes import Known, Labelled, read_labels
from ltc2hw.data.options import DataOptions, Kind
from ltc2hw.data.parts import PartName, samples_of
from ltc2hw.data.source import Array, Source
from ltc2hw.data.splitting import choose, training_part
from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.labels import NO_LABEL, head_edges, head_sizes
from ltc2hw.numbers.words import IntArray

CHECKSUM = "checksum"
"""Entry of the provenance: SHA-256 of samples, labels and lengths of all parts."""


@dataclass(frozen=True, eq=False)
class Samples:
    """One part: x (T, B, N) of any type, labels in their final form, steps of each sample."""

    x: Array
    labels: Array
    lengths: IntArray | None


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything that a task is made of, but its name."""

    kind: Kind
    train: Samples
    validation: Samples
    test: Samples
    outputs: int
    classes: tuple[str, ...]
    graded: bool
    every_step: bool
    decision_steps: int
    provenance: Mapping[str, str]
    heads: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()


def prepare(source: Source, options: DataOptions, where: str) -> Prepared:
    """Arrange, label and split samples; ``where`` is what errors call the data.

    What is detected, chosen or set apart is told in the provenance, beside a checksum.

    Raises:
        ShapeError, InvalidValueError: for arrays that do not belong together or have several
            readings; says which option decides.

    >>> from ltc2hw.data.source import Part
    >>> source = Source({"all": Part(np.ones((30, 5, 2)), np.arange(30) % 3)})
    >>> found = prepare(source, DataOptions(), "example")
    >>> found.train.x.shape, found.test.x.shape, found.provenance["layout"]
    ((5, 21, 2), (5, 6, 2), 'batch-first, told by the labels: (30, 5, 2)')
    """
    first = training_part(source.parts, where)
    source = replace(source, parts={first: source.parts[first], **source.parts})
    for name, part in source.parts.items():
        if part.y is None:
            limit = "an array y beside x"
            raise InvalidValueError(f"labels of the {samples_of(name, where)}", "not there", limit)
    arrangement = arrange(source, options, where)
    every_step, parts = arrangement.every_step, dict(arrangement.parts)
    widths = {name: part.x.shape[2] for name, part in parts.items()}
    if len(set(widths.values())) > 1:
        found = ", ".join(f"{width} in {name}" for name, width in widths.items())
        raise ShapeError(f"number of inputs of {where}", found, "the same in every part")
    labelled = read_labels(parts, every_step, _known(source, options), where)
    counts = {name: part.x.shape[1] for name, part in parts.items()}
    choice = choose(counts, _groups(labelled, first, every_step), options, where)
    steps = max(len(part.x) for part in parts.values())
    made = {
        name: _samples(parts[part], labelled.labels[part], indices, steps, every_step)
        for name, (part, indices) in (
            ("train", choice.train),
            ("validation", choice.validation),
            ("test", choice.test),
        )
    }
    stated = options.classes is not None or source.index
    if labelled.kind == "classification" and not stated:
        _require_seen(made, labelled, where)
    graded = _graded(source, options, parts)
    provenance = {
        **source.notes,
        **arrangement.notes,
        "labels": labelled.note + (", at every step" if every_step else ""),
        "split": choice.note + (", classes of column 0" if labelled.heads else ""),
        "values": "numbers" if graded else "spikes, 0 and 1",
        CHECKSUM: checksum(made),
    }
    decision_steps = options.decision_steps or source.decision_steps or 1
    return Prepared(
        labelled.kind, **made, outputs=labelled.outputs, classes=labelled.classes, graded=graded,
        every_step=every_step, decision_steps=decision_steps, provenance=provenance,
        heads=labelled.heads, shape=arrangement.shape,
    )  # fmt: skip


def _groups(labelled: Labelled, part: PartName, every_step: bool) -> IntArray | None:
    """Classes (B,) that every split should have in proportion: of several labels, the first's."""
    if labelled.kind == "regression" or every_step:
        return None
    labels: IntArray = labelled.labels[part]
    return labels[:, 0] if labelled.heads else labels


def _known(source: Source, options: DataOptions) -> Known:
    names, indices = source.classes, source.index
    if options.several_labels or source.heads:
        return _known_several(source, options)
    if isinstance(options.classes, int) and options.classes != len(names):
        names, indices = tuple(map(str, range(options.classes))), True
    return Known(options.kind or source.kind, names, indices)


def _known_several(source: Source, options: DataOptions) -> Known:
    """What is known of several labels of each sample."""
    heads, names, indices = head_sizes(source.heads), source.classes, source.index
    counts = options.classes if isinstance(options.classes, tuple) else heads
    if counts and (counts != heads or not names):
        heads, indices = counts, True
        names = tuple(str(index) for size in heads for index in range(size))
    if heads and len(names) != sum(heads):
        raise InvalidValueError("names of classes", len(names), f"{sum(heads)} for heads {heads}")
    return Known("classification", names, indices, several=True, heads=heads)


def _samples(
    part: Arranged, labels: Array, indices: IntArray, steps: int, every_step: bool
) -> Samples:
    """The chosen samples of a part, with silent steps after it up to ``steps``."""
    own = len(part.x)
    chosen = labels[:, indices] if every_step else labels[indices]
    x, lengths = part.x[:, indices], None if part.lengths is None else part.lengths[indices]
    if own == steps:
        return Samples(x, chosen, lengths)
    after = steps - own
    if lengths is None:
        lengths = np.full(len(indices), own, dtype=np.int64)
    x = np.pad(x, ((0, after), (0, 0), (0, 0)))
    if every_step:
        none = NO_LABEL if chosen.dtype.kind == "i" else np.nan
        axes = ((0, after),) + ((0, 0),) * (chosen.ndim - 1)
        chosen = np.pad(chosen, axes, constant_values=none)
    return Samples(x, chosen, lengths)


def _require_seen(made: Mapping[str, Samples], labelled: Labelled, where: str) -> None:
    """Raise unless the training samples have every class that the others have."""
    starts = head_edges(labelled.heads)[:-1] if labelled.heads else 0

    def classes(labels: Array) -> set[int]:
        return set(np.unique(np.where(labels == NO_LABEL, NO_LABEL, labels + starts)).tolist())

    seen = classes(made["train"].labels)
    for name, samples in made.items():
        unseen = sorted(classes(samples.labels) - seen - {NO_LABEL})
        if unseen:
            raise InvalidValueError(
                f"class {labelled.classes[unseen[0]]} of {where}",
                f"in the {name} samples alone", "in the training samples, too",
                "say classes=... if that is meant",
            )  # fmt: skip


def _graded(source: Source, options: DataOptions, parts: Mapping[PartName, Arranged]) -> bool:
    """Whether samples are numbers; False where all are 0 or 1."""
    if options.graded is not None:
        return options.graded
    if source.graded is not None:
        return source.graded
    return not all(is_spikes(part.x) for part in parts.values())


def is_spikes(x: Array) -> bool:
    """Whether all numbers are 0 or 1; step by step, so that little memory is needed.

    >>> is_spikes(np.array([[0.0, 1.0]])), is_spikes(np.array([0.5]))
    (True, False)
    """
    return x.dtype.kind == "b" or all(bool(((step == 0) | (step == 1)).all()) for step in x)


def checksum(parts: Mapping[str, Samples]) -> str:
    """SHA-256 of samples as float64, labels and lengths, whatever type they came in.

    >>> x = np.ones((1, 2, 1))
    >>> one, other = (Samples(x.astype(t), np.array([0, 1]), None) for t in ("u1", "f8"))
    >>> checksum({"train": one}) == checksum({"train": other})
    True
    """
    hasher = hashlib.sha256()
    for name, samples in parts.items():
        hasher.update(f"{name} {samples.x.shape} {samples.labels.shape}".encode())
        for piece in _pieces(samples):
            hasher.update(np.ascontiguousarray(piece).data)
    return hasher.hexdigest()


def _pieces(samples: Samples) -> Iterator[Array]:
    """A part's numbers, a step at a time."""
    for step in samples.x:
        yield step.astype(np.float64)
    yield samples.labels
    if samples.lengths is not None:
        yield samples.lengths
