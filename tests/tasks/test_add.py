"""The Add task: marked numbers, their sum, and chance as an argument."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.tasks import load_task
from ltc2hw.tasks.add import generate


@given(steps=st.integers(2, 40), samples=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
def test_the_label_is_the_sum_of_one_marked_value_in_each_half(
    steps: int, samples: int, seed: int
) -> None:
    split = generate(steps, samples, np.random.default_rng(seed))
    assert split.x.shape == (steps, samples, 2)
    for sample in range(samples):
        values, markers = split.x[:, sample].T
        assert set(markers) <= {0.0, 1.0}
        first, second = np.flatnonzero(markers)
        assert first < steps // 2 <= second
        assert split.labels[sample] == pytest.approx([values[first] + values[second]])
    assert split.x[..., 0].min() >= 0.0
    assert split.x[..., 0].max() < 1.0


def test_answering_one_is_off_by_a_sixth() -> None:
    task = load_task("add-20")
    ones = np.ones((task.steps, task.test.samples, 1))
    assert task.score(ones, task.test.labels) == pytest.approx(1 / 6, rel=0.1)


def test_splits_are_fixed_and_differ() -> None:
    first, second = load_task("add-10"), load_task("add-10")
    np.testing.assert_array_equal(first.test.x, second.test.x)
    assert not np.array_equal(first.test.x, first.validation.x)


def test_every_epoch_is_new_and_repeatable() -> None:
    task = load_task("add-10")
    epochs = [task.epoch(np.random.default_rng((7, epoch))).x for epoch in (0, 0, 1)]
    assert epochs[0].shape == task.train.x.shape
    np.testing.assert_array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], epochs[2])


@pytest.mark.parametrize("name", ["add-0", "add-1", "add-10001", "add-999999999"])
def test_impossible_lengths_are_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="2 to 10000"):
        load_task(name)


@pytest.mark.parametrize(
    "name", ["add", "add-", "add--5", "add-5.0", "digits", "", "add-9999999999"]
)
def test_unknown_names_list_the_known_ones(name: str) -> None:
    with pytest.raises(
        UnknownNameError, match=r"digits-rows, digits-pixels, digits-permuted, add-T"
    ):
        load_task(name)
