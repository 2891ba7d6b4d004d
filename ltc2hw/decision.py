"""How the outputs of a run become one number: accuracy of a class, or squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.words import FloatArray

Metric = Literal["accuracy", "mse"]
Labels = npt.NDArray[Any]


class Decision(Protocol):
    """Judges every sample of a run; the mean over samples is the score."""

    @property
    def metric(self) -> Metric:
        """What the mean means: ``accuracy`` (higher is better) or ``mse`` (lower is better)."""
        ...

    def judge(self, outputs: FloatArray, labels: Labels) -> FloatArray:
        """Outputs (T, B, N_out) and labels of B samples to B numbers."""
        ...


def read_out(outputs: FloatArray, steps: int | None) -> FloatArray:
    """Mean (B, N_out) of the last ``steps`` steps of outputs (T, B, N_out); None for all steps."""
    mean: FloatArray = outputs[-steps if steps else None :].mean(axis=0)
    return mean


@dataclass(frozen=True)
class Classification:
    """1 where the largest output is the label's, else 0; labels (B,) integers.

    The outputs' last ``steps`` steps are averaged first (None: all of them, a spike count). Of
    equal outputs the first wins.

    >>> outputs = np.array([[[0.1, 0.9], [0.8, 0.3]]])
    >>> Classification().judge(outputs, np.array([1, 1]))
    array([1., 0.])
    """

    steps: int | None = 1
    metric: ClassVar[Metric] = "accuracy"

    def judge(self, outputs: FloatArray, labels: Labels) -> FloatArray:
        """Correct or not, (B,)."""
        chosen = np.argmax(read_out(outputs, self.steps), axis=1)
        correct: FloatArray = (chosen == labels).astype(np.float64)
        return correct


@dataclass(frozen=True)
class Regression:
    """Squared error of the last steps' mean output, averaged over outputs; labels (B, N_out).

    >>> Regression().judge(np.array([[[1.0], [2.0]]]), np.array([[1.0], [4.0]]))
    array([0., 4.])
    """

    steps: int | None = 1
    metric: ClassVar[Metric] = "mse"

    def judge(self, outputs: FloatArray, labels: Labels) -> FloatArray:
        """Squared error, (B,)."""
        error: FloatArray = np.mean((read_out(outputs, self.steps) - labels) ** 2, axis=1)
        return error


def decision_for(labels: npt.ArrayLike, batch: int, outputs: int, *, spiking: bool) -> Decision:
    """Choose by the labels: integers (B,) are classes, reals (B, N_out) are targets.

    Membranes are read at the last step, spikes are counted over all steps.

    Raises:
        ShapeError: for labels of another shape.
        InvalidValueError: for a class that has no output.

    >>> decision_for(np.array([0, 1]), batch=2, outputs=2, spiking=False)
    Classification(steps=1)
    """
    array = np.asarray(labels)
    steps = None if spiking else 1
    if array.dtype.kind in "iu" and array.shape == (batch,):
        if array.min() < 0 or array.max() >= outputs:
            worst = int(array.min() if array.min() < 0 else array.max())
            raise InvalidValueError("label", worst, f"0 to {outputs - 1}")
        return Classification(steps)
    if array.dtype.kind == "f" and array.shape == (batch, outputs):
        return Regression(steps)
    raise ShapeError(
        "shape and type of labels",
        f"{array.shape} {array.dtype}",
        f"integers ({batch},) or reals ({batch}, {outputs})",
    )
