"""Goals of a stream: every accepted form of labels and targets has one reading."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.learning.goals import Course, class_goals, samples_of, target_goals

CLASSES = 3
LABELS = np.array([[0, 2], [1, -1], [2, 0], [0, 1]])
COURSE = Course(4, 2)


def test_labels_and_targets_of_samples_are_checked() -> None:
    course = Course(1, 2)
    assert class_goals(np.array([2, 0], np.uint8), course, 3).values.dtype == np.int64
    for labels, error in (
        ([0, 3], InvalidValueError),
        ([-1, 0], InvalidValueError),
        ([0.0, 1.0], InvalidValueError),
        ([0], ShapeError),
        ([[0, 1, 0, 1]], ShapeError),
    ):
        with pytest.raises(error):
            class_goals(labels, course, 3)
    assert target_goals([[1.0, 2.0]], Course(1, 1), 2).values.shape == (1, 1, 2)
    with pytest.raises(ShapeError):
        target_goals([[1.0]], Course(1, 1), 2)
    with pytest.raises(InvalidValueError):
        target_goals([[1.0, np.inf]], Course(1, 1), 2)


@pytest.mark.parametrize(
    "given",
    [LABELS, LABELS.tolist(), LABELS[:, :, None], LABELS.astype(np.int8)],
    ids=["array", "list", "columns", "bytes"],
)
def test_labels_of_steps(given: Any) -> None:
    goals = class_goals(given, COURSE, CLASSES)
    assert np.array_equal(goals.values, LABELS)
    assert np.array_equal(goals.wanted, LABELS >= 0)
    assert goals.updates == 7
    assert goals.at(2, 0) == 2
    assert goals.at(1, 1) is None


def test_one_hot_rows_of_samples_and_of_steps() -> None:
    full = np.maximum(LABELS, 0)
    steps = class_goals(np.eye(CLASSES)[full], COURSE, CLASSES)
    assert np.array_equal(steps.values, full)
    rows = class_goals(np.eye(CLASSES)[full[0]], COURSE, CLASSES)
    assert rows.values.tolist() == [[0, 2]]
    assert rows.at(3, 1) == 2
    assert rows.wanted.all()


def test_square_labels_have_one_reading_or_are_refused() -> None:
    """T = S = classes: rows of zeros and a one could be classes at every step as well."""
    square, course = np.eye(3), Course(3, 3)
    assert class_goals(square, course, 3).values.tolist() == [[0, 1, 2]]
    steps = np.array([[0, 2, 1], [1, 0, 0], [-1, 1, 0]])
    assert np.array_equal(class_goals(steps, course, 3).values, steps)
    with pytest.raises(InvalidValueError, match="one reading"):
        class_goals(square.astype(int), course, 3)
    assert class_goals(square.astype(int), course, 2).values.shape == (3, 3)


def test_targets_of_steps_and_of_one_output() -> None:
    reals = np.array([[0.5, np.nan], [1.0, -1.0]])
    goals = target_goals(reals, Course(2, 2), 1)
    assert goals.values.tolist() == [[[0.5], [0.0]], [[1.0], [-1.0]]]
    assert goals.wanted.tolist() == [[True, False], [True, True]]
    assert target_goals([[1.0], [2.0]], Course(2, 2), 1).values.shape == (1, 2, 1)
    assert target_goals([1.0, 2.0], Course(5, 2), 1).values.tolist() == [[[1.0], [2.0]]]


def test_what_comes_after_an_end_is_dropped() -> None:
    lengths = [1, 4]
    x = np.ones((4, 2, 1))
    x[1:, 0] = np.nan
    samples, course = samples_of(x, 1, True, lengths)
    assert samples[:, 0, 0].tolist() == [1, 0, 0, 0]
    assert course.lengths.tolist() == lengths
    goals = class_goals(LABELS, course, CLASSES)
    assert goals.wanted[:, 0].tolist() == [True, False, False, False]
    assert class_goals([0, 1], course, CLASSES).updates == 5


def test_only_samples_that_go_on_may_be_without_labels() -> None:
    none = np.full((4, 2), -1)
    with pytest.raises(InvalidValueError, match="labels of sample 0 is none"):
        class_goals(none, COURSE, CLASSES)
    going_on = Course(4, 2, reset=False)
    assert class_goals(none, going_on, CLASSES).updates == 0
    assert target_goals(np.full((4, 2, 2), np.nan), going_on, 2).updates == 0
