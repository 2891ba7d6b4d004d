"""Mackey-Glass: the series by another way to solve the equation, and what is to be predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import FloatArray
from ltc2hw.tasks import load_task
from ltc2hw.tasks.mackey_glass import DEVIATION, MEAN, integrate, persistence


def by_steps(start: float, intervals: int) -> list[float]:
    """x(0), x(1), ... by the method of steps: one ordinary equation for every 17 units of time.

    Within one of them the delayed value is known: it is the solution of the one before.
    """
    values, x = [start], start
    before: Any = None
    for interval in range(intervals):

        def slope(t: float, x: FloatArray, before: Any = before) -> FloatArray:
            late = start if before is None else float(before(t - 17.0)[0])
            return 0.2 * late / (1.0 + late**10) - 0.1 * x

        first = 17.0 * interval
        wanted = first + np.arange(1.0, 18.0)
        solved = solve_ivp(
            slope, (first, first + 17.0), [x], "DOP853", wanted, True, rtol=1e-11, atol=1e-12
        )
        values += solved.y[0].tolist()
        before, x = solved.sol, values[-1]
    return values


@pytest.mark.parametrize("start", [0.5, 1.2, 1.5])
def test_the_series_solves_the_equation(start: float) -> None:
    wanted = by_steps(start, 12)
    found = integrate(np.array([0.9, start]), 12 * 17)
    assert found.shape == (205, 2)
    np.testing.assert_allclose(found[:, 1], wanted, rtol=0, atol=2e-6)


def test_targets_are_what_comes_later() -> None:
    near, far = load_task("mackey-glass-3"), load_task("mackey-glass-40")
    assert near.every_step
    assert (near.kind, near.metric) == ("regression", "mse")
    for task, ahead in ((near, 3), (far, 40)):
        for part in ("train", "validation", "test"):
            split = getattr(task, part)
            assert np.isnan(split.labels[:50]).all()
            np.testing.assert_array_equal(split.labels[50:-ahead], split.x[50 + ahead :])
            assert np.isfinite(split.labels[-1]).all()
    assert not np.array_equal(near.train.x[:, :64], near.validation.x)


def test_numbers_are_of_the_scale_that_is_said() -> None:
    x = load_task("mackey-glass").train.x
    assert abs(x.mean()) < 0.05
    assert abs(x.std() - 1.0) < 0.05
    assert (MEAN + DEVIATION * x).min() > 0.1


def test_persistence_is_answering_what_has_just_come() -> None:
    task = load_task("mackey-glass-2")
    score = task.score(task.test.x, task.test.labels)
    assert score == pytest.approx(persistence(task.test), rel=1e-12)
    assert score < persistence(load_task("mackey-glass-15").test)


def test_a_name_without_a_number_is_fifteen_steps_ahead() -> None:
    assert load_task("mackey-glass").name == "mackey-glass-15"


@pytest.mark.parametrize("name", ["mackey-glass-0", "mackey-glass-201"])
def test_impossible_distances_are_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="1 to 200"):
        load_task(name)
