"""Samples with what is known of them: labels, lengths, and how outputs are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import TypeGuard

import numpy as np

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.decision import Classification, Decision, Regression, decision_for
from ltc2hw.graph.labels import Labels, one_per_sample, step_labels
from ltc2hw.graph.samples import check_samples, plain_array, real_array
from ltc2hw.graph.sequences import Mask, own_steps, sample_lengths, silent_after
from ltc2hw.numbers.fields import require_finite
from ltc2hw.numbers.words import FloatArray, IntArray

PART = 128
"""Samples that are run together: what a step works on then stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples x (T, B, N_in) with their labels, steps (B,) (None: T each) and decision."""

    x: FloatArray
    labels: Labels
    lengths: IntArray | None
    decision: Decision

    @property
    def count(self) -> int:
        """How many samples there are."""
        return self.x.shape[1]

    @property
    def own(self) -> Mask:
        """Which steps (T, B) belong to each sample."""
        return own_steps(self.lengths, *self.x.shape[:2])

    def take(self, part: slice) -> Samples:
        """Some of the samples."""
        return Samples(
            self.x[:, part],
            self.labels[:, part] if at_every_step(self.decision) else self.labels[part],
            None if self.lengths is None else self.lengths[part],
            self.decision,
        )

    def first(self, count: int) -> Samples:
        """The first samples."""
        return self.take(slice(0, count))

    def parts(self, most: int = PART) -> Iterator[slice]:
        """Slices of at most so many samples."""
        return (slice(i, min(i + most, self.count)) for i in range(0, self.count, most))

    def judge(self, outputs: FloatArray) -> FloatArray:
        """Verdict on each sample, (B,), of outputs (T, B, N_out).

        Raises:
            ShapeError, InvalidValueError: if the decision does not give one finite number each.
        """
        if self.lengths is None:
            found = self.decision.judge(outputs, self.labels)
        else:
            found = self.decision.judge(outputs, self.labels, self.lengths)
        name = f"verdicts of {type(self.decision).__name__}"
        verdicts = real_array(name, found)
        if verdicts.shape != (self.count,):
            limit = f"({self.count},), one number per sample"
            raise ShapeError(f"shape of {name}", verdicts.shape, limit)
        require_finite(name, verdicts)
        return verdicts

    def answers(self, outputs: FloatArray) -> IntArray | None:
        """The class that outputs (T, B, N_out) give each sample; None where that is not asked."""
        if not asks_for_a_class(self.decision):
            return None
        return self.decision.choose(outputs, self.lengths)

    def class_of(self, sample: int) -> int | None:
        """The class that a sample's label names; None where labels do not name one."""
        if not asks_for_a_class(self.decision):
            return None
        label = self.labels[sample]
        return int(label) if np.ndim(label) == 0 or len(label) == 1 else int(np.argmax(label))

    def score(self, outputs: FloatArray) -> float:
        """Mean verdict."""
        return float(np.mean(self.judge(outputs)))


def asks_for_a_class(decision: Decision) -> TypeGuard[Classification]:
    """Whether a decision takes one class for each sample.

    >>> asks_for_a_class(Classification()), asks_for_a_class(Classification(heads=(2, 3)))
    (True, False)
    """
    if not isinstance(decision, Classification):
        return False
    return not decision.every_step and not decision.heads


def own_samples(
    x: object, lengths: object, size: int, *, graded: bool
) -> tuple[FloatArray, IntArray | None]:
    """Samples (T, B, size), zero after their ends, and their steps (B,) (None: T each).

    Raises:
        ShapeError, InvalidValueError: for samples or lengths that do not fit.

    >>> own_samples([[[1.0], [2.0]], [[3.0], [4.0]]], [1, 2], 1, graded=True)[0][:, :, 0].tolist()
    [[1.0, 2.0], [0.0, 4.0]]
    """
    given = plain_array("samples", x)
    own = None
    if lengths is not None:
        if given.ndim != 3:
            check_samples(given, size, graded)
        own = sample_lengths(lengths, *given.shape[:2])
        given = silent_after(given, own)
    return check_samples(given, size, graded), own


def at_every_step(decision: Decision) -> bool:
    """Whether a decision's labels have the steps as their first axis."""
    return bool(getattr(decision, "every_step", False))


def fitting_labels(labels: object, decision: Decision, steps: int, samples: int) -> Labels:
    """Labels as an array with an axis of samples, or of steps and samples.

    Raises:
        ShapeError, InvalidValueError: as :mod:`ltc2hw.graph.labels`.
    """
    if at_every_step(decision):
        return step_labels(labels, steps, samples)
    return one_per_sample(labels, samples, steps)


def suited_decision(
    labels: object, steps: int, samples: int, outputs: int, *, spiking: bool
) -> Decision:
    """Choose by the labels: as :func:`~ltc2hw.graph.decision.decision_for`, or at every step.

    Labels are read as those of steps, (T, B) or (T, B, N), where they cannot be anything else.

    Raises:
        ShapeError, InvalidValueError: for labels that are neither.
    """
    array = plain_array("labels", labels)
    if array.ndim in (2, 3) and array.shape[:2] == (steps, samples) and steps != samples:
        kind = Regression if array.dtype.kind == "f" else Classification
        return kind(1, every_step=True)
    return decision_for(one_per_sample(labels, samples, steps), samples, outputs, spiking=spiking)


def check_decision(decision: object, lengths: IntArray | None) -> None:
    """Raise unless this judges and says what its number is called and which side of it is better.

    Only where samples have ``lengths`` must ``judge`` take them.

    Raises:
        InvalidValueError: naming what is missing.
    """
    metric = getattr(decision, "metric", None)
    better = getattr(decision, "higher_is_better", None)
    judge = getattr(decision, "judge", None)
    given = ("outputs", "labels") if lengths is None else ("outputs", "labels", "lengths")
    for name, good, limit in (
        ("judge", callable(judge) and takes(judge, given), f"a function of {', '.join(given)}"),
        ("metric", isinstance(metric, str) and bool(metric), "a name for the score"),
        ("higher_is_better", isinstance(better, (bool, np.bool_)), "True or False"),
    ):
        if not good:
            value = repr(getattr(decision, name, "missing"))
            raise InvalidValueError(f"{name} of {type(decision).__name__}", value, limit)


def takes(function: Callable[..., object], given: Sequence[object]) -> bool:
    """Whether a function can be called with so many arguments.

    >>> takes(lambda outputs, labels: None, ("outputs", "labels", "lengths"))
    False
    """
    try:
        signature(function).bind(*given)
    except TypeError:
        return False
    return True
