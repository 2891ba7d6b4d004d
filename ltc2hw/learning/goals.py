"""What the output should say at each step of each sample, and at which steps it should say any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.labels import (
    class_labels,
    is_one_hot,
    labelled_steps,
    real_targets,
    step_classes,
    step_targets,
)
from ltc2hw.graph.samples import check_samples, plain_array, real_array
from ltc2hw.graph.sequences import Mask, own_steps, sample_lengths, silent_after
from ltc2hw.graph.trace import Array
from ltc2hw.learning.checks import require_flag
from ltc2hw.numbers.words import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Course:
    """The steps of a stream: S samples of at most T steps, one after the other.

    ``ends`` (S,) are the steps of each, None where all have T; ``reset``: whether registers are
    cleared before each.

    >>> Course(3, 2, np.array([1, 3])).lengths
    array([1, 3])
    """

    steps: int
    samples: int
    ends: IntArray | None = None
    reset: bool = True

    @property
    def lengths(self) -> IntArray:
        """Steps of each sample (S,)."""
        if self.ends is not None:
            return self.ends
        return np.full(self.samples, self.steps, np.int64)

    @property
    def own(self) -> Mask:
        """Which steps (T, S) belong to each sample."""
        return own_steps(self.ends, self.steps, self.samples)


def samples_of(
    x: object, size: int, graded: bool, lengths: object = None, *, reset: bool = True
) -> tuple[FloatArray, Course]:
    """Samples (T, S, N_in) with zeros after each one's end, and the steps that they make.

    What an array holds after an end is not read, be it what it may.

    Raises:
        ShapeError, InvalidValueError: for samples, lengths or a reset that do not fit.
    """
    require_flag("reset", reset)
    samples, ends = real_array("samples", x), None
    if samples.ndim == 3:
        ends = sample_lengths(lengths, *samples.shape[:2])
        samples = silent_after(samples, ends)
    samples = check_samples(samples, size, graded)
    steps, count, _ = samples.shape
    return samples, Course(steps, count, ends, reset)


@dataclass(frozen=True, eq=False)
class Goals:
    """What the output should say.

    ``values``: classes (1, S) or targets (1, S, N_out) for all steps of a sample, or the same for
    each step, (T, S) and (T, S, N_out); ``wanted`` (T, S): the steps that have a goal, none of them
    after a sample's end. A step without a goal makes no update.
    """

    values: Array
    wanted: Mask

    def at(self, t: int, s: int) -> Array | None:
        """The goal of a step of a sample; None where it has none."""
        if not self.wanted[t, s]:
            return None
        goal: Array = self.values[t if len(self.values) > 1 else 0, s]
        return goal

    @property
    def updates(self) -> int:
        """Updates that these goals make."""
        return int(self.wanted.sum())

    def changed(self, change: Callable[[Array], Array]) -> Goals:
        """The same goals in other numbers."""
        return replace(self, values=change(self.values))


def class_goals(labels: object, course: Course, classes: int) -> Goals:
    """Goals of labels: one per sample, or one per step, where -1 is none.

    Takes what :func:`~ltc2hw.graph.labels.class_labels` and
    :func:`~ltc2hw.graph.labels.step_classes` take. Where registers go on from sample to sample, a
    sample may be without any label.

    Raises:
        ShapeError, InvalidValueError: for any other labels, or if they can be read as both.

    >>> class_goals([[0], [-1]], Course(2, 1), classes=2).wanted.tolist()
    [[True], [False]]
    """
    if _at_steps(labels, course, classes):
        values = step_classes(
            labels, course.steps, course.samples, classes, course.ends, each=course.reset
        )
        return Goals(values, labelled_steps(values))
    values = class_labels(labels, course.samples, classes, course.steps)
    return Goals(values[None], course.own)


def target_goals(targets: object, course: Course, outputs: int) -> Goals:
    """Goals of real targets: (S, N_out), or (T, S, N_out), where a step of NaN has none.

    Takes what :func:`~ltc2hw.graph.labels.real_targets` and
    :func:`~ltc2hw.graph.labels.step_targets` take, samples without any as :func:`class_goals`.

    Raises:
        ShapeError, InvalidValueError: for any other targets.
    """
    array = plain_array("targets", targets)
    single = outputs == 1 and array.shape != (course.samples, 1) and _is_grid(array, course)
    if array.ndim == 3 or single:
        values = step_targets(
            array, course.steps, course.samples, outputs, course.ends, each=course.reset
        )
        return Goals(np.nan_to_num(values), labelled_steps(values))
    return Goals(real_targets(array, course.samples, outputs, course.steps)[None], course.own)


def _is_grid(array: Array, course: Course) -> bool:
    """Whether an array has a number per step and sample, in whichever order."""
    grid = course.steps, course.samples
    return array.shape in {grid, grid[::-1]}


def _at_steps(labels: object, course: Course, classes: int) -> bool:
    """Whether labels are those of steps.

    Raises:
        InvalidValueError: if they can be read as rows of samples as well.
    """
    array = plain_array("labels", labels)
    rows = array.shape in {(course.samples, 1), (course.samples, classes)}
    if array.ndim != 2 or not _is_grid(array, course) or not rows:
        return array.ndim == 3 or _is_grid(array, course)
    if array.shape != (course.steps, course.samples) or array.dtype.kind == "f":
        return False
    if array.size > 1 and is_one_hot(array):
        raise InvalidValueError(
            "labels", f"{array.shape} of zeros and ones", "labels with one reading",
            "give classes of samples as (S,), those of steps as (T, S, 1)",
        )  # fmt: skip
    return True
