"""How the outputs of a run become one number: accuracy of a class, or squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from ltc2hw.errors import InvalidValueError, ShapeError, UnsupportedError
from ltc2hw.graph.labels import (
    Labels,
    class_labels,
    head_classes,
    head_edges,
    head_sizes,
    is_one_hot,
    labelled_steps,
    plain_labels,
    real_targets,
    step_classes,
    step_targets,
)
from ltc2hw.graph.sequences import read_out, sample_lengths
from ltc2hw.numbers.fields import set_field
from ltc2hw.numbers.words import FloatArray, IntArray


class Decision(Protocol):
    """Judges every sample of a run; the mean over samples is the score."""

    @property
    def metric(self) -> str:
        """What the mean is called, e.g. ``accuracy`` or ``mse``."""
        ...

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger mean is a better one."""
        ...

    def judge(self, outputs: FloatArray, labels: Labels, lengths: object = None) -> FloatArray:
        """Outputs (T, B, N_out), labels of B samples and their steps (B,) to B numbers."""
        ...


def decided_by(decision: Decision, outputs: FloatArray, lengths: object = None) -> FloatArray:
    """What a decision looks at of outputs (T, B, N_out): (T', B, N'), in the same unit.

    The read-out of the steps that count, where it is one; for a choice of the largest, less the
    mean of all outputs, which chooses nothing. Of a decision that is not known, all steps.

    >>> outputs = np.array([[[5.0, 5.0]], [[1.0, 3.0]]])
    >>> decided_by(Classification(), outputs).tolist()
    [[[-1.0, 1.0]]]
    >>> decided_by(Regression(every_step=True), outputs).shape
    (2, 1, 2)
    """
    if not isinstance(decision, (Classification, Regression)):
        return outputs
    found = outputs
    if not decision.every_step:
        *_, own = _sizes(outputs, lengths)
        found = read_out(outputs, decision.steps, own)[None]
    if isinstance(decision, Classification):
        sizes = decision.heads or (found.shape[2],)
        groups = np.split(found, head_edges(sizes)[1:-1], axis=2)
        found = np.concatenate([g - g.mean(axis=2, keepdims=True) for g in groups], axis=2)
    return found


def require_steps(steps: int | None) -> None:
    """Raise unless this is a number of steps, or None."""
    if steps is not None and (not isinstance(steps, int) or steps < 1):
        raise InvalidValueError("steps of a decision", steps, "an integer >= 1, or None for all")


def _sizes(outputs: FloatArray, lengths: object) -> tuple[int, int, int, IntArray | None]:
    """T, B and N_out of outputs, and the checked steps of each sample."""
    if outputs.ndim != 3 or len(outputs) == 0:
        raise ShapeError("shape of outputs", outputs.shape, "(T, B, N_out) with T >= 1")
    steps, batch, size = outputs.shape
    return steps, batch, size, sample_lengths(lengths, steps, batch)


def _mean_of_steps(values: FloatArray, labelled: Labels) -> FloatArray:
    """Mean over each sample's labelled steps of values (T, B)."""
    total = np.where(labelled, values, 0.0).sum(axis=0)
    mean: FloatArray = total / labelled.sum(axis=0)
    return mean


@dataclass(frozen=True)
class Classification:
    """1 where the largest output is the label's, else 0; labels as of ``class_labels``.

    The last ``steps`` steps of each sample are averaged first (None: all of them, a spike count).
    Of equal outputs the first wins. With ``every_step`` labels are (T, B), each labelled step is
    judged for itself, and a sample gets the part of them that is right.

    ``heads`` are sizes of groups of outputs that answer a question each: labels are (B, H), in each
    group the largest output wins, and a sample gets the part of its questions that is right.

    Raises:
        InvalidValueError: for steps that are not positive, or a label that names no output.
        ShapeError: for labels of another shape (see :mod:`ltc2hw.graph.labels`).
        UnsupportedError: for heads with labels at every step.

    >>> outputs = np.array([[[0.1, 0.9], [0.8, 0.3]]])
    >>> Classification().judge(outputs, np.array([1, 1]))
    array([1., 0.])
    """

    steps: int | None = 1
    every_step: bool = False
    heads: tuple[int, ...] = ()
    metric: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_steps(self.steps)
        set_field(self, "heads", head_sizes(self.heads))
        if self.heads and self.every_step:
            raise several_at_steps()

    def judge(self, outputs: FloatArray, labels: Labels, lengths: object = None) -> FloatArray:
        """Correct or not, or the part that is, (B,)."""
        steps, batch, classes, own = _sizes(outputs, lengths)
        if self.every_step:
            wanted = step_classes(labels, steps, batch, classes, own)
            hits = (outputs.argmax(axis=2) == wanted).astype(np.float64)
            return _mean_of_steps(hits, labelled_steps(wanted))
        if self.heads:
            right: FloatArray = self.judge_each(outputs, labels, lengths).mean(axis=1)
            return right
        chosen = self.choose(outputs, lengths)
        correct: FloatArray = (chosen == class_labels(labels, batch, classes)).astype(np.float64)
        return correct

    def choose(self, outputs: FloatArray, lengths: object = None) -> IntArray:
        """The answer to each sample as a whole, (B,): the largest of all outputs.

        >>> Classification().choose(np.array([[[0.1, 0.9], [0.8, 0.3]]]))
        array([1, 0])
        """
        *_, own = _sizes(outputs, lengths)
        chosen: IntArray = np.argmax(read_out(outputs, self.steps, own), axis=1)
        return chosen

    def judge_each(self, outputs: FloatArray, labels: Labels, lengths: object = None) -> FloatArray:
        """Correct or not for each of the labels of the samples, (B, H).

        Raises:
            ShapeError: if the heads are not the outputs.

        >>> decision = Classification(heads=(2, 3))
        >>> decision.judge_each(np.array([[[0.0, 1.0, 0.5, 0.2, 0.1]]]), np.array([[1, 2]]))
        array([[1., 0.]])
        """
        _, batch, size, own = _sizes(outputs, lengths)
        if sum(self.heads) != size:
            limit = f"{sum(self.heads)}, those of the heads {self.heads}"
            raise ShapeError("number of outputs", size, limit)
        chosen = head_choices(read_out(outputs, self.steps, own), self.heads)
        correct: FloatArray = (chosen == head_classes(labels, batch, self.heads)).astype(np.float64)
        return correct


def head_choices(outputs: FloatArray, heads: tuple[int, ...]) -> IntArray:
    """The largest output of each group, counted within it: (B, N_out) -> (B, H).

    >>> head_choices(np.array([[0.0, 1.0, 0.5, 0.2, 0.1]]), (2, 3))
    array([[1, 0]])
    """
    groups = np.split(outputs, head_edges(heads)[1:-1], axis=1)
    return np.stack([group.argmax(axis=1) for group in groups], axis=1)


def several_at_steps() -> UnsupportedError:
    """What is said of several labels at every step."""
    remedy = "a task for each of them, or one-hot rows of all as targets of a regression"
    return UnsupportedError("several labels", "labels at every step", "one per step", remedy)


@dataclass(frozen=True)
class Regression:
    """Squared error of the last steps' mean output, averaged over outputs; labels (B, N_out).

    With ``every_step`` targets are (T, B, N_out), and the error is the mean over the steps that
    have one.

    Raises:
        InvalidValueError: for steps that are not positive, or a target that is not finite.
        ShapeError: for labels of another shape (see :mod:`ltc2hw.graph.labels`).

    >>> Regression().judge(np.array([[[1.0], [2.0]]]), np.array([[1.0], [4.0]]))
    array([0., 4.])
    """

    steps: int | None = 1
    every_step: bool = False
    metric: ClassVar[str] = "mse"
    higher_is_better: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_steps(self.steps)

    def judge(self, outputs: FloatArray, labels: Labels, lengths: object = None) -> FloatArray:
        """Squared error, (B,)."""
        steps, batch, size, own = _sizes(outputs, lengths)
        if self.every_step:
            wanted = step_targets(labels, steps, batch, size, own)
            known = labelled_steps(wanted)
            return _mean_of_steps(np.mean((outputs - wanted) ** 2, axis=2), known)
        mean = read_out(outputs, self.steps, own)
        error: FloatArray = np.mean((mean - real_targets(labels, batch, size)) ** 2, axis=1)
        return error


def decision_for(labels: object, batch: int, outputs: int, *, spiking: bool) -> Decision:
    """Choose by the labels: integers are classes, reals (B, N_out) are targets of a regression.

    Integers are (B,), (B, 1) or one-hot rows (B, N_out); a single output can only be a target's,
    (B,) or (B, 1). Membranes are read at the last step, spikes are counted over all steps.

    Raises:
        ShapeError: for labels of another shape.
        InvalidValueError: for a class that has no output, a label that is not finite, and reals
            that are one-hot rows, which may be either.

    >>> decision_for(np.array([0, 1]), batch=2, outputs=2, spiking=False)
    Classification(steps=1, every_step=False, heads=())
    """
    array = plain_labels(labels, batch)
    read = None if spiking else 1
    shapes = {(batch,), (batch, 1)}
    if array.dtype.kind == "f":
        if array.shape == (batch, outputs) or (outputs == 1 and array.shape in shapes):
            if batch > 1 and outputs > 1 and is_one_hot(array):
                raise InvalidValueError(
                    "labels", "reals that are one-hot rows", "classes or targets, clearly",
                    "give integers for classes, y.argmax(1); for targets, a Regression as decision",
                )  # fmt: skip
            return Regression(read)
    elif outputs > 1 and array.shape == (batch, outputs):
        if is_one_hot(array):
            return Classification(read)
    elif array.shape == (batch,) or (outputs > 1 and array.shape in shapes):
        class_labels(array, batch, outputs)
        return Classification(read)
    several = array.dtype.kind != "f" and array.ndim == 2 and array.shape[1] > 1
    remedy = "several classes each: give decision=Classification(heads=...)" if several else ""
    raise ShapeError(
        "shape and type of labels",
        f"{array.shape} {array.dtype}",
        f"integers ({batch},), one-hot rows or reals ({batch}, {outputs})",
        remedy,
    )
