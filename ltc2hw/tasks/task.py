"""What a task is: its data, time first, and how outputs become decisions and a score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.decision import Classification, Decision, Regression
from ltc2hw.graph.labels import (
    TIME_FIRST,
    Labels,
    class_labels,
    plain_labels,
    real_targets,
    step_classes,
    step_labels,
    step_targets,
)
from ltc2hw.graph.samples import real_array, require_spikes
from ltc2hw.graph.sequences import read_out, sample_lengths, silent_after
from ltc2hw.numbers.fields import require_finite, require_size, set_field
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.showing import Shown

Kind = Literal["classification", "regression"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, eq=False)
class Split(Shown):
    """Samples and what they should give.

    ``x`` is (T, B, N_in), time first; ``labels`` are classes or targets of a regression in any
    form of :mod:`ltc2hw.graph.labels`, one per sample, or with ``every_step`` one per step and
    sample. Both may be arrays, nested lists or tensors and are kept as float64, and int64 or
    float64. ``lengths`` (B,) are the steps of samples that end before T; what ``x`` holds after an
    end becomes zero. Samples given batch-first are noticed where B and T differ.

    Raises:
        ShapeError: unless x has three axes, none of them empty, and there is a label per sample.
        InvalidValueError: for what are no numbers, NaN or infinite, and lengths beyond 1 to T.

    >>> Split(np.ones((3, 2, 1)), [0, 1], lengths=[1, 3]).x[:, 0, 0].tolist()
    [1.0, 0.0, 0.0]
    """

    x: FloatArray
    labels: Labels
    lengths: IntArray | None = None
    every_step: bool = False

    def __post_init__(self) -> None:
        x = real_array("samples of a split", self.x)
        if x.ndim != 3 or 0 in x.shape:
            raise ShapeError("samples of a split", x.shape, "(steps, samples, inputs), none empty")
        steps, samples, _ = x.shape
        set_field(self, "lengths", sample_lengths(self.lengths, steps, samples))
        x = silent_after(x, self.lengths)
        require_finite("samples of a split", x)
        set_field(self, "x", x)
        name = "labels of a split"
        if self.every_step:
            set_field(self, "labels", step_labels(self.labels, steps, samples, name))
        else:
            set_field(self, "labels", plain_labels(self.labels, samples, steps, name))

    def __repr__(self) -> str:
        steps, samples, inputs = self.x.shape
        return f"<Split: {samples:,} samples, {steps:,} steps, {inputs:,} inputs>"

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return self.x.shape[1]

    def take(self, indices: npt.NDArray[np.int64]) -> Split:
        """The samples at ``indices``, in that order."""
        return Split(
            self.x[:, indices],
            self.labels[:, indices] if self.every_step else self.labels[indices],
            None if self.lengths is None else self.lengths[indices],
            self.every_step,
        )


Augmentation = Callable[[Split, np.random.Generator], Split]
"""The training samples of one epoch, made from the training split with an explicit generator."""


@dataclass(frozen=True, eq=False)
class Task(Shown):
    """A named problem with fixed training, validation and test splits.

    ``augment`` makes each epoch's training samples; validation and test are never touched by it.
    ``decision_steps`` is how many of a sample's last steps of the readout are averaged into a
    decision; with ``every_step`` each labelled step is one. Labels of the splits become classes
    (B,) or (T, B), or targets (B, N_out) or (T, B, N_out). ``classes`` names the classes, if they
    have names; ``provenance`` says where the samples come from and how they were read.

    Raises:
        UnknownNameError: for an unknown kind.
        ShapeError: for samples that are not (T, B, N_in), labels that are not one per sample.
        InvalidValueError: for sizes below one, more decision steps than steps, labels without an
            output, samples other than 0 and 1 unless ``graded``.
    """

    name: str
    kind: Kind
    steps: int
    inputs: int
    outputs: int
    train: Split
    validation: Split
    test: Split
    augment: Augmentation | None = None
    decision_steps: int = 1
    graded: bool = True
    every_step: bool = False
    classes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError("kind of task", self.kind, KINDS)
        for size in ("steps", "inputs", "outputs", "decision_steps"):
            require_size(f"task {self.name}: {size}", getattr(self, size))
        if self.decision_steps > self.steps:
            raise InvalidValueError("decision_steps", self.decision_steps, f"1 to {self.steps}")
        if self.every_step and self.decision_steps != 1:
            remedy = "each step is a decision of its own"
            raise InvalidValueError(
                "decision_steps", self.decision_steps, "1 with every_step", remedy
            )
        if self.classes and len(self.classes) != self.outputs:
            limit = f"{self.outputs}, one per output"
            raise InvalidValueError(f"names of classes of {self.name}", len(self.classes), limit)
        for part in ("train", "validation", "test"):
            set_field(self, part, self.fitted(getattr(self, part), part))

    @property
    def decision(self) -> Decision:
        """How outputs are judged."""
        kind = Classification if self.kind == "classification" else Regression
        return kind(self.decision_steps, self.every_step)

    def __repr__(self) -> str:
        splits = ((part, getattr(self, part).samples) for part in ("train", "validation", "test"))
        sizes = ", ".join(f"{samples:,} {part}" for part, samples in splits)
        shape = f"{self.steps:,} steps, {self.inputs:,} inputs, {self.outputs:,} outputs"
        return f"<Task {self.name}: {self.kind}; {shape}; {sizes} samples>"

    @property
    def metric(self) -> str:
        """Name of the score: ``accuracy`` (higher is better) or ``mse`` (lower is better)."""
        return self.decision.metric

    def fitted(self, split: Split, part: str) -> Split:
        """A split with the labels of this kind of task; the split itself where they are.

        Raises:
            ShapeError, InvalidValueError: unless samples and labels are this task's.
        """
        steps, samples, inputs = split.x.shape
        if (steps, inputs) != (self.steps, self.inputs):
            exchanged = (samples, inputs) == (self.steps, self.inputs)
            raise ShapeError(
                f"{part} samples of task {self.name}",
                split.x.shape,
                f"({self.steps}, samples, {self.inputs})",
                TIME_FIRST if exchanged else "time first",
            )
        if split.every_step != self.every_step:
            limit = f"{self.every_step}, as for task {self.name}"
            raise InvalidValueError(f"every_step of the {part} samples", split.every_step, limit)
        if not self.graded:
            require_spikes(split.x)
        labels = self.targets(split.labels, samples, split.lengths)
        same = np.array_equal(labels, split.labels, equal_nan=labels.dtype.kind == "f")
        if labels.dtype == split.labels.dtype and same:
            return split
        return replace(split, labels=labels)

    def targets(self, labels: object, samples: int, lengths: IntArray | None = None) -> Labels:
        """Labels of any accepted form as this task's: classes (B,), targets (B, N_out).

        With ``every_step`` classes (T, B), targets (T, B, N_out); ``lengths`` says which of them
        come after a sample's end.

        Raises:
            ShapeError, InvalidValueError: as :mod:`ltc2hw.graph.labels`.
        """
        if self.every_step:
            kind = step_classes if self.kind == "classification" else step_targets
            return kind(labels, self.steps, samples, self.outputs, lengths)
        if self.kind == "classification":
            return class_labels(labels, samples, self.outputs)
        return real_targets(labels, samples, self.outputs)

    def epoch(self, rng: np.random.Generator) -> Split:
        """The training samples of one epoch."""
        if self.augment is None:
            return self.train
        return self.fitted(self.augment(self.train, rng), "augmented")

    def read(self, outputs: npt.NDArray[Any], lengths: object = None) -> FloatArray:
        """Average each sample's last ``decision_steps`` steps: (T, B, N_out) -> (B, N_out).

        With ``every_step``, the outputs themselves.
        """
        if outputs.ndim != 3 or outputs.shape[0] != self.steps or outputs.shape[2] != self.outputs:
            raise ShapeError(
                f"outputs for task {self.name}",
                outputs.shape,
                f"({self.steps}, samples, {self.outputs})",
            )
        own = sample_lengths(lengths, self.steps, outputs.shape[1])
        values: FloatArray = outputs.astype(np.float64)
        if not self.every_step:
            values = read_out(values, self.decision_steps, own)
        require_finite(f"outputs for task {self.name}", values)
        return values

    def decide(self, outputs: npt.NDArray[Any], lengths: object = None) -> npt.NDArray[Any]:
        """Decisions from readout membranes (T, B, N_out), floats or integers of one scale.

        Classification: the class of the largest averaged output, (B,); the first of equals.
        Regression: the averaged output itself, (B, N_out). With ``every_step``, of each step.
        """
        values = self.read(outputs, lengths)
        return values.argmax(axis=-1) if self.kind == "classification" else values

    def score(self, outputs: npt.NDArray[Any], labels: object, lengths: object = None) -> float:
        """Accuracy in [0, 1], or the mean squared error, of readout membranes (T, B, N_out).

        The mean over samples; with ``every_step``, of each sample's mean over its labelled steps.
        For a regression the outputs must be in real units.

        Raises:
            ShapeError, InvalidValueError: for outputs or labels that are not this task's.
        """
        self.read(outputs, lengths)
        samples = outputs.shape[1]
        if samples == 0:
            raise InvalidValueError("number of samples", 0, "at least one")
        targets = self.targets(labels, samples, sample_lengths(lengths, self.steps, samples))
        return float(np.mean(self.decision.judge(outputs.astype(np.float64), targets, lengths)))

    def better(self, score: float, than: float) -> bool:
        """Whether one score beats another."""
        return score > than if self.decision.higher_is_better else score < than
