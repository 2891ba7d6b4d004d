"""Decisions and scores from readout traces, and independence from torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.tasks import Split, Task, load_task


def small(kind: str, outputs: int, decision_steps: int = 1) -> Task:
    split = Split(np.zeros((4, 2, 1)), np.zeros(2, dtype=np.int64))
    return Task(
        name="small",
        kind=kind,  # type: ignore[arg-type]
        steps=4,
        inputs=1,
        outputs=outputs,
        train=split,
        validation=split,
        test=split,
        decision_steps=decision_steps,
    )


def test_the_last_step_decides() -> None:
    task = small("classification", 3)
    outputs = np.zeros((4, 2, 3))
    outputs[:3, :, 0] = 99.0
    outputs[3] = [[0.1, 0.3, 0.2], [0.5, 0.5, 0.4]]
    assert task.decide(outputs).tolist() == [1, 0]
    assert task.score(outputs, np.array([1, 1])) == 0.5


def test_several_last_steps_are_averaged() -> None:
    task = small("classification", 2, decision_steps=2)
    outputs = np.zeros((4, 1, 2))
    outputs[1, 0] = [50.0, 0.0]
    outputs[2, 0] = [0.0, 3.0]
    outputs[3, 0] = [2.0, 0.0]
    assert task.decide(outputs).tolist() == [1]


def test_integers_decide_like_the_floats_that_they_stand_for() -> None:
    task = small("classification", 3, decision_steps=3)
    outputs = np.random.default_rng(0).integers(-(2**23), 2**23, (4, 50, 3)).astype(np.int32)
    np.testing.assert_array_equal(task.decide(outputs), task.decide(outputs / 2.0**12))


def test_regression_is_scored_by_the_mean_square() -> None:
    task = small("regression", 1)
    outputs = np.zeros((4, 2, 1))
    outputs[3, :, 0] = [0.5, 2.0]
    assert task.decide(outputs).tolist() == [[0.5], [2.0]]
    assert task.score(outputs, np.array([[1.0], [2.0]])) == 0.125
    assert task.metric == "mse"
    assert task.better(0.1, 0.2)
    assert not task.better(0.2, 0.2)


def test_better_accuracy_is_higher() -> None:
    task = small("classification", 3)
    assert task.metric == "accuracy"
    assert task.better(0.9, 0.8)
    assert not task.better(0.8, 0.8)


def test_outputs_of_the_wrong_shape_are_refused() -> None:
    task = small("classification", 3)
    with pytest.raises(ShapeError, match=r"expected \(4, samples, 3\)"):
        task.decide(np.zeros((5, 2, 3)))
    with pytest.raises(InvalidValueError, match="number of samples"):
        task.score(np.zeros((4, 0, 3)), np.zeros(0))
    with pytest.raises(ShapeError, match="one per sample"):
        Split(np.zeros((4, 2, 1)), np.zeros(3))


def test_tasks_do_not_import_torch() -> None:
    code = "import sys, ltc2hw.tasks as t; t.load_task('add-5'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_task_without_augmentation_trains_on_its_split() -> None:
    task = small("classification", 3)
    assert task.epoch(np.random.default_rng(0)) is task.train
    assert load_task("add-5").augment is not None
