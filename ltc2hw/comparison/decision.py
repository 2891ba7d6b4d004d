"""How the outputs of a run become one number: accuracy of a class, or squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.labels import Labels, class_labels, is_one_hot, plain_labels, real_targets
from ltc2hw.numbers.words import FloatArray

Metric = Literal["accuracy", "mse"]


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
    """Mean (B, N_out) of the last ``steps`` steps of outputs (T, B, N_out); None for all steps.

    Raises:
        ShapeError: for outputs of other dimensions, or fewer steps.
    """
    least = steps or 1
    if outputs.ndim != 3 or len(outputs) < least:
        raise ShapeError("shape of outputs", outputs.shape, f"(T, B, N_out) with T >= {least}")
    mean: FloatArray = outputs[-steps if steps else None :].mean(axis=0)
    return mean


def require_steps(steps: int | None) -> None:
    """Raise unless this is a number of steps, or None."""
    if steps is not None and (not isinstance(steps, int) or steps < 1):
        raise InvalidValueError("steps of a decision", steps, "an integer >= 1, or None for all")


@dataclass(frozen=True)
class Classification:
    """1 where the largest output is the label's, else 0; labels as of ``class_labels``.

    The outputs' last ``steps`` steps are averaged first (None: all of them, a spike count). Of
    equal outputs the first wins.

    Raises:
        InvalidValueError: for steps that are not positive, or a label that names no output.
        ShapeError: for labels of another shape (see :func:`~ltc2hw.graph.labels.class_labels`).

    >>> outputs = np.array([[[0.1, 0.9], [0.8, 0.3]]])
    >>> Classification().judge(outputs, np.array([1, 1]))
    array([1., 0.])
    """

    steps: int | None = 1
    metric: ClassVar[Metric] = "accuracy"

    def __post_init__(self) -> None:
        require_steps(self.steps)

    def judge(self, outputs: FloatArray, labels: Labels) -> FloatArray:
        """Correct or not, (B,)."""
        mean = read_out(outputs, self.steps)
        chosen = np.argmax(mean, axis=1)
        correct: FloatArray = (chosen == class_labels(labels, *mean.shape)).astype(np.float64)
        return correct


@dataclass(frozen=True)
class Regression:
    """Squared error of the last steps' mean output, averaged over outputs; labels (B, N_out).

    Raises:
        InvalidValueError: for steps that are not positive, or a target that is not finite.
        ShapeError: for labels of another shape (see :func:`~ltc2hw.graph.labels.real_targets`).

    >>> Regression().judge(np.array([[[1.0], [2.0]]]), np.array([[1.0], [4.0]]))
    array([0., 4.])
    """

    steps: int | None = 1
    metric: ClassVar[Metric] = "mse"

    def __post_init__(self) -> None:
        require_steps(self.steps)

    def judge(self, outputs: FloatArray, labels: Labels) -> FloatArray:
        """Squared error, (B,)."""
        mean = read_out(outputs, self.steps)
        error: FloatArray = np.mean((mean - real_targets(labels, *mean.shape)) ** 2, axis=1)
        return error


def decision_for(labels: object, batch: int, outputs: int, *, spiking: bool) -> Decision:
    """Choose by the labels: integers are classes, reals (B, N_out) are targets of a regression.

    Integers are (B,), (B, 1) or one-hot rows (B, N_out); a single output can only be a target's,
    (B,) or (B, 1). Membranes are read at the last step, spikes are counted over all steps.

    Raises:
        ShapeError: for labels of another shape.
        InvalidValueError: for a class that has no output, or a label that is not finite.

    >>> decision_for(np.array([0, 1]), batch=2, outputs=2, spiking=False)
    Classification(steps=1)
    """
    array = plain_labels(labels, batch)
    read = None if spiking else 1
    shapes = {(batch,), (batch, 1)}
    if array.dtype.kind == "f":
        if array.shape == (batch, outputs) or (outputs == 1 and array.shape in shapes):
            return Regression(read)
    elif outputs > 1 and array.shape == (batch, outputs):
        if is_one_hot(array):
            return Classification(read)
    elif array.shape == (batch,) or (outputs > 1 and array.shape in shapes):
        class_labels(array, batch, outputs)
        return Classification(read)
    raise ShapeError(
        "shape and type of labels",
        f"{array.shape} {array.dtype}",
        f"integers ({batch},), one-hot rows or reals ({batch}, {outputs})",
    )
