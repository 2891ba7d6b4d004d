"""What a task is: its data, time first, and how outputs become decisions and a score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.labels import TIME_FIRST, Labels, class_labels, plain_labels, real_targets
from ltc2hw.graph.samples import real_array, require_spikes
from ltc2hw.numbers.fields import require_finite, require_size, set_field
from ltc2hw.numbers.words import FloatArray

Kind = Literal["classification", "regression"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, eq=False)
class Split:
    """Samples and what they should give.

    ``x`` is (T, B, N_in), time first; ``labels`` are classes or targets of a regression in any
    form of :mod:`ltc2hw.graph.labels`. Both may be arrays, nested lists or tensors and are kept as
    float64, and int64 or float64. Samples given batch-first are noticed where B and T differ.

    Raises:
        ShapeError: unless x has three axes, none of them empty, and there is a label per sample.
        InvalidValueError: for what are no numbers, NaN or infinite.
    """

    x: FloatArray
    labels: Labels

    def __post_init__(self) -> None:
        x = real_array("samples of a split", self.x)
        if x.ndim != 3 or 0 in x.shape:
            raise ShapeError("samples of a split", x.shape, "(steps, samples, inputs), none empty")
        require_finite("samples of a split", x)
        set_field(self, "x", x)
        labels = plain_labels(self.labels, x.shape[1], x.shape[0], "labels of a split")
        set_field(self, "labels", labels)

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return self.x.shape[1]

    def take(self, indices: npt.NDArray[np.int64]) -> Split:
        """The samples at ``indices``, in that order."""
        return Split(self.x[:, indices], self.labels[indices])


Augmentation = Callable[[Split, np.random.Generator], Split]
"""The training samples of one epoch, made from the training split with an explicit generator."""


@dataclass(frozen=True, eq=False)
class Task:
    """A named problem with fixed training, validation and test splits.

    ``augment`` makes each epoch's training samples; validation and test are never touched by it.
    ``decision_steps`` is how many of the last steps of the readout are averaged into a decision.
    Labels of the splits become classes (B,), or targets (B, N_out).

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

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError("kind of task", self.kind, KINDS)
        for size in ("steps", "inputs", "outputs", "decision_steps"):
            require_size(f"task {self.name}: {size}", getattr(self, size))
        if self.decision_steps > self.steps:
            raise InvalidValueError("decision_steps", self.decision_steps, f"1 to {self.steps}")
        for part in ("train", "validation", "test"):
            set_field(self, part, self.fitted(getattr(self, part), part))

    @property
    def metric(self) -> str:
        """Name of the score: ``accuracy`` (higher is better) or ``mse`` (lower is better)."""
        return "accuracy" if self.kind == "classification" else "mse"

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
        if not self.graded:
            require_spikes(split.x)
        labels = self.targets(split.labels, samples)
        return split if labels is split.labels else replace(split, labels=labels)

    def targets(self, labels: object, samples: int) -> Labels:
        """Classes (B,) or targets (B, N_out) of this task, from labels of any accepted form.

        Raises:
            ShapeError, InvalidValueError: as :mod:`ltc2hw.graph.labels`.
        """
        if self.kind == "classification":
            return class_labels(labels, samples, self.outputs)
        return real_targets(labels, samples, self.outputs)

    def epoch(self, rng: np.random.Generator) -> Split:
        """The training samples of one epoch."""
        if self.augment is None:
            return self.train
        return self.fitted(self.augment(self.train, rng), "augmented")

    def read(self, outputs: npt.NDArray[Any]) -> FloatArray:
        """Average the readout's last ``decision_steps`` steps: (T, B, N_out) -> (B, N_out)."""
        if outputs.ndim != 3 or outputs.shape[0] != self.steps or outputs.shape[2] != self.outputs:
            raise ShapeError(
                f"outputs for task {self.name}",
                outputs.shape,
                f"({self.steps}, samples, {self.outputs})",
            )
        last = outputs[self.steps - self.decision_steps :].astype(np.float64)
        require_finite(f"outputs for task {self.name}", last)
        mean: FloatArray = last.mean(axis=0)
        return mean

    def decide(self, outputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Decisions from readout membranes (T, B, N_out), floats or integers of one scale.

        Classification: the class of the largest averaged output, (B,); the first of equals.
        Regression: the averaged output itself, (B, N_out).
        """
        values = self.read(outputs)
        return values.argmax(axis=1) if self.kind == "classification" else values

    def score(self, outputs: npt.NDArray[Any], labels: object) -> float:
        """Accuracy in [0, 1], or the mean squared error, of readout membranes (T, B, N_out).

        For a regression the outputs must be in real units.

        Raises:
            ShapeError, InvalidValueError: for outputs or labels that are not this task's.
        """
        decisions = self.decide(outputs)
        if len(decisions) == 0:
            raise InvalidValueError("number of samples", 0, "at least one")
        targets = self.targets(labels, len(decisions))
        if self.kind == "classification":
            return float(np.mean(decisions == targets))
        return float(np.mean((decisions - targets) ** 2))

    def better(self, score: float, than: float) -> bool:
        """Whether one score beats another."""
        return score > than if self.kind == "classification" else score < than
