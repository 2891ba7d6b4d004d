"""What a task is: its data, time first, and how outputs become decisions and a score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError

FloatArray = npt.NDArray[np.float64]
Kind = Literal["classification", "regression"]


@dataclass(frozen=True, eq=False)
class Split:
    """Samples and what they should give.

    ``x`` is (T, B, N_in) float64; ``labels`` are (B,) int64 classes, or (B, N_out) float64 targets
    of a regression.

    Raises:
        ShapeError: if the two disagree on the number of samples.
    """

    x: FloatArray
    labels: npt.NDArray[Any]

    def __post_init__(self) -> None:
        if self.x.ndim != 3 or len(self.labels) != self.x.shape[1]:
            raise ShapeError(
                "labels of a split", self.labels.shape, f"one per sample of x {self.x.shape}"
            )

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

    @property
    def metric(self) -> str:
        """Name of the score: ``accuracy`` (higher is better) or ``mse`` (lower is better)."""
        return "accuracy" if self.kind == "classification" else "mse"

    def epoch(self, rng: np.random.Generator) -> Split:
        """The training samples of one epoch."""
        return self.train if self.augment is None else self.augment(self.train, rng)

    def read(self, outputs: npt.NDArray[Any]) -> FloatArray:
        """Average the readout's last ``decision_steps`` steps: (T, B, N_out) -> (B, N_out)."""
        if outputs.ndim != 3 or outputs.shape[0] != self.steps or outputs.shape[2] != self.outputs:
            raise ShapeError(
                f"outputs for task {self.name}",
                outputs.shape,
                f"({self.steps}, samples, {self.outputs})",
            )
        last = outputs[self.steps - self.decision_steps :].astype(np.float64)
        mean: FloatArray = last.mean(axis=0)
        return mean

    def decide(self, outputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Decisions from readout membranes (T, B, N_out), floats or integers of one scale.

        Classification: the class of the largest averaged output, (B,); the first of equals.
        Regression: the averaged output itself, (B, N_out).
        """
        values = self.read(outputs)
        return values.argmax(axis=1) if self.kind == "classification" else values

    def score(self, outputs: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
        """Accuracy in [0, 1], or the mean squared error, of readout membranes (T, B, N_out).

        For a regression the outputs must be in real units.
        """
        if len(labels) == 0:
            raise InvalidValueError("number of samples", 0, "at least one")
        decisions = self.decide(outputs)
        if self.kind == "classification":
            return float(np.mean(decisions == labels))
        return float(np.mean((decisions - labels) ** 2))

    def better(self, score: float, than: float) -> bool:
        """Whether one score beats another."""
        return score > than if self.kind == "classification" else score < than
