"""What a task's data are, in numbers: looked at before anything is trained on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from ltc2hw.graph.labels import head_edges, labelled_steps
from ltc2hw.graph.sequences import own_steps
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.tasks.split import Split
from ltc2hw.tasks.task import Task, class_names

PARTS = ("train", "validation", "test")

FAR, HUGE, FAINT = 10.0, 1e4, 1e-2
"""Largest magnitudes of samples that networks take well, badly, and hardly notice."""

FEW, IMBALANCE = 5, 5.0
"""Samples of a class that are few, and how many times as many another may have."""

LISTED = 8
"""Most names in a warning."""


@dataclass(frozen=True)
class SplitSummary:
    """Samples of a part; ``labels`` are counts by class, of steps where each has a label.

    Classes of several labels are called ``column: class``.
    """

    samples: int
    shortest: int
    median: float
    longest: int
    labels: Mapping[str, int]


@dataclass(frozen=True)
class ChannelSummary:
    """Values of a channel in the training samples' own steps, or a target's in their labels."""

    lowest: float
    highest: float
    mean: float
    deviation: float


@dataclass(frozen=True)
class Summary:
    """What was understood of data.

    ``density``: part of the training samples' numbers that is not zero. ``targets``: of a
    regression, values of each. ``warnings`` are what a network would probably not learn from.
    """

    name: str
    kind: str
    steps: int
    inputs: int
    shape: tuple[int, ...]
    outputs: int
    classes: tuple[str, ...]
    heads: tuple[int, ...]
    every_step: bool
    graded: bool
    decision_steps: int
    splits: Mapping[str, SplitSummary]
    channels: tuple[ChannelSummary, ...]
    targets: tuple[ChannelSummary, ...]
    density: float
    provenance: Mapping[str, str]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


Progress = Callable[[int, int], None]
"""Told how many samples were looked at, and of how many."""


def summarise(task: Task, progress: Progress | None = None) -> Summary:
    """Look at all samples and labels of a task; training samples twice, as ``progress`` is told.

    >>> task = Task.from_arrays(np.ones((30, 5, 2)), ["a", "b", "c"] * 10)
    >>> found = summarise(task)
    >>> found.splits["test"].labels, found.density, found.warnings[0]
    ({'a': 2, 'b': 2, 'c': 2}, 1.0, 'channels 0, 1 are constant in the training samples')
    """
    splits = {name: _split(task, getattr(task, name)) for name in PARTS}
    channels, density = _channels(task.train, progress or (lambda done, total: None))
    return Summary(
        name=task.name,
        kind=task.kind,
        steps=task.steps,
        inputs=task.inputs,
        shape=task.shape,
        outputs=task.outputs,
        classes=task.classes,
        heads=task.heads,
        every_step=task.every_step,
        graded=task.graded,
        decision_steps=task.decision_steps,
        splits=splits,
        channels=channels,
        targets=_targets(task),
        density=density,
        provenance=dict(task.provenance),
        warnings=(*_of_values(channels), *_of_classes(splits["train"]), *_of_samples(task)),
    )


def _split(task: Task, split: Split) -> SplitSummary:
    lengths = np.full(split.samples, task.steps) if split.lengths is None else split.lengths
    labels: dict[str, int] = {}
    if task.kind == "classification":
        names = class_names(task)
        starts: IntArray = np.zeros(1, np.int64)
        if task.heads:
            starts = head_edges(task.heads)[:-1]
            heads = np.repeat(np.arange(len(task.heads)), task.heads)
            names = tuple(f"{head}: {name}" for head, name in zip(heads, names, strict=True))
        present = (split.labels + starts)[split.labels >= 0]
        counts = np.bincount(present, minlength=task.outputs)
        labels = dict(zip(names, counts.tolist(), strict=True))
    return SplitSummary(
        split.samples, int(lengths.min()), float(np.median(lengths)), int(lengths.max()), labels
    )


def _channels(split: Split, progress: Progress) -> tuple[tuple[ChannelSummary, ...], float]:
    """Values of each channel, and how many of all are not zero; step by step."""
    _, _, inputs = split.shape
    lowest, highest = np.full(inputs, np.inf), np.full(inputs, -np.inf)
    total, squares, active, count = np.zeros(inputs), np.zeros(inputs), 0, 0
    for present in _present(split, lambda seen: progress(seen, 2 * split.samples)):
        np.minimum(lowest, present.min(axis=0), out=lowest)
        np.maximum(highest, present.max(axis=0), out=highest)
        total += present.sum(axis=0)
        active += int(np.count_nonzero(present))
        count += len(present)
    mean = total / count
    # Deviations relative to the largest value: squares of huge ones would not fit.
    scale = np.maximum(np.maximum(np.abs(lowest), np.abs(highest)), np.finfo(np.float64).tiny)
    for present in _present(split, lambda seen: progress(split.samples + seen, 2 * split.samples)):
        squares += ((present / scale - mean / scale) ** 2).sum(axis=0)
    found = _summaries(lowest, highest, mean, scale * np.sqrt(squares / count))
    return found, active / (count * inputs)


def _present(split: Split, tell: Callable[[int], None]) -> Iterator[FloatArray]:
    """Values (B', N) of the samples that have a step, step by step; none where none has it.

    ``tell`` gets the samples that were seen whole.
    """
    seen = 0
    for piece in split.pieces():
        x = piece.x
        for values, own in zip(x, own_steps(piece.lengths, *x.shape[:2]), strict=True):
            if own.any():
                yield values if own.all() else values[own]
        seen += piece.samples
        tell(seen)


def _summaries(*columns: FloatArray) -> tuple[ChannelSummary, ...]:
    return tuple(ChannelSummary(*row) for row in zip(*(c.tolist() for c in columns), strict=True))


def _targets(task: Task) -> tuple[ChannelSummary, ...]:
    if task.kind == "classification":
        return ()
    labels = task.train.labels
    if task.every_step:
        labels = labels[labelled_steps(labels)]
    return _summaries(
        labels.min(axis=0), labels.max(axis=0), labels.mean(axis=0), labels.std(axis=0)
    )


def _of_values(channels: tuple[ChannelSummary, ...]) -> list[str]:
    """Warnings of channels that say nothing, and of values far from 1."""
    warnings = []
    still = [index for index, found in enumerate(channels) if found.lowest == found.highest]
    if still:
        listed = ", ".join(map(str, still[:LISTED])) + (", ..." if len(still) > LISTED else "")
        which = f"channel {listed} is" if len(still) == 1 else f"channels {listed} are"
        of_all = f" ({len(still)} of {len(channels)})" if len(still) > LISTED else ""
        warnings.append(f"{which} constant in the training samples{of_all}")
    largest = max(max(abs(found.lowest), abs(found.highest)) for found in channels)
    scale = "networks learn best from values of about -1 to 1: scale the samples"
    if largest > FAR:
        much = "are huge, up to" if largest > HUGE else "reach"
        warnings.append(f"values {much} {largest:.4g}; {scale}")
    elif 0 < largest < FAINT:
        warnings.append(f"values stay below {largest:.4g}; {scale}")
    return warnings


def _of_classes(train: SplitSummary) -> list[str]:
    """Warnings of rare classes."""
    if not train.labels:
        return []
    warnings = []
    rarest = min(train.labels, key=lambda name: train.labels[name])
    commonest = max(train.labels, key=lambda name: train.labels[name])
    least, most = train.labels[rarest], train.labels[commonest]
    if least < FEW:
        warnings.append(f"class {rarest} has {least} training samples")
    if most > IMBALANCE * least:
        warnings.append(
            f"classes are imbalanced: {most} training samples of {commonest}, {least} of {rarest}"
        )
    return warnings


def _of_samples(task: Task) -> list[str]:
    """Warnings of samples that are silent or known from training, and of unlikely axes."""
    warnings = []
    silent = sum(_silent(getattr(task, name)) for name in PARTS)
    if silent:
        warnings.append(f"{silent} samples are zero throughout")
    seen = set(_fingerprints(task.train))
    for name in PARTS[1:]:
        again = sum(found in seen for found in _fingerprints(getattr(task, name)))
        if again:
            warnings.append(f"{again} {name} samples are training samples, too")
    warnings += _of_lengths(task)
    detected = "told by the labels" in task.provenance.get("layout", "")
    rows = len(task.shape) == 1 and task.steps > 1
    if detected and rows and task.inputs > 4 * task.steps:
        warnings.append(
            f"{task.inputs} channels of {task.steps} steps: if it is the other way round, the "
            "layout is channels-first"
        )
    return warnings


def _of_lengths(task: Task) -> list[str]:
    """Warnings of parts whose samples are all longer, or all shorter, than those for training."""
    spans = {}
    for name in PARTS:
        split: Split = getattr(task, name)
        lengths = np.array([task.steps]) if split.lengths is None else split.lengths
        spans[name] = int(lengths.min()), int(lengths.max())
    low, high = spans["train"]
    return [
        f"{name} samples have {_span(*span)} steps, training samples {_span(low, high)}"
        for name, span in spans.items()
        if span[0] > high or span[1] < low
    ]


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _silent(split: Split) -> int:
    """How many samples are zero throughout."""
    return sum(int((~piece.x.any(axis=(0, 2))).sum()) for piece in split.pieces())


def _fingerprints(split: Split) -> Iterator[bytes]:
    """What tells samples from each other, but those of zeros."""
    for piece in split.pieces():
        x = piece.x
        loud: IntArray = np.flatnonzero(x.any(axis=(0, 2)))
        for index in loud:
            yield sha256(np.ascontiguousarray(x[:, index]).data).digest()
