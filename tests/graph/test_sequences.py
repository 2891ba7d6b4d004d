"""Samples of unequal lengths: what is read, judged and kept of them is what their own steps say."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.decision import Classification, Decision, Regression
from ltc2hw.graph.sequences import own_steps, read_out, sample_lengths
from ltc2hw.tasks import Split, Task

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int) -> tuple[np.random.Generator, int, int, npt.NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    steps, samples = int(rng.integers(1, 7)), int(rng.integers(1, 5))
    return rng, steps, samples, rng.integers(1, steps + 1, samples)


@given(SEEDS, st.one_of(st.none(), st.integers(1, 6)))
def test_each_sample_is_read_as_if_it_were_alone(seed: int, read: int | None) -> None:
    rng, steps, samples, lengths = drawn(seed)
    read = None if read is None else min(read, steps)
    outputs = rng.normal(size=(steps, samples, 3))
    found = read_out(outputs, read, sample_lengths(lengths, steps, samples))
    for sample, length in enumerate(lengths):
        own = [outputs[t, sample] for t in range(length)]
        last = own if read is None else own[-read:]
        np.testing.assert_allclose(found[sample], sum(last) / len(last), atol=1e-15)


@given(SEEDS, st.sampled_from(["classification", "regression"]), st.booleans())
def test_each_sample_is_judged_as_if_it_were_alone(seed: int, kind: str, every_step: bool) -> None:
    rng, steps, samples, lengths = drawn(seed)
    outputs = rng.normal(size=(steps, samples, 3))
    decision: Decision
    labels: npt.NDArray[Any]
    if kind == "classification":
        decision = Classification(every_step=every_step)
        labels = rng.integers(0, 3, (steps, samples) if every_step else samples)
    else:
        decision = Regression(every_step=every_step)
        labels = rng.normal(size=(steps, samples, 3) if every_step else (samples, 3))
    found = decision.judge(outputs, labels, lengths)
    for b, length in enumerate(lengths):
        alone = labels[:length, b : b + 1] if every_step else labels[b : b + 1]
        np.testing.assert_array_equal(decision.judge(outputs[:length, b : b + 1], alone), found[b])


def test_steps_without_a_label_are_not_judged() -> None:
    outputs = np.array([[[0.0, 1.0]], [[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]])
    labels = np.array([[1], [-1], [0], [0]])
    assert Classification(every_step=True).judge(outputs, labels) == [2 / 3]
    targets = np.array([[[0.0, 3.0]], [[np.nan, np.nan]], [[0.0, 1.0]], [[1.0, 0.0]]])
    assert Regression(every_step=True).judge(outputs, targets) == pytest.approx([2 / 3])
    with pytest.raises(InvalidValueError, match="labels of sample 0"):
        Classification(every_step=True).judge(outputs, np.full((4, 1), -1))
    targets[0, 0, 0] = np.nan
    with pytest.raises(InvalidValueError, match="NaN for some outputs"):
        Regression(every_step=True).judge(outputs, targets)


@pytest.mark.parametrize(
    ("lengths", "error", "words"),
    [
        ([1, 2, 3], ShapeError, "one per sample"),
        ([0, 3], InvalidValueError, r"lengths\[0\] is 0; expected 1 to 4"),
        ([4, 5], InvalidValueError, r"lengths\[1\] is 5"),
        ([1.0, 2.0], InvalidValueError, "integers"),
        (["1", "2"], InvalidValueError, "numbers"),
    ],
)
def test_lengths_that_mean_nothing(lengths: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Split(np.zeros((4, 2, 1)), [0, 1], lengths)  # type: ignore[arg-type]


def test_a_split_forgets_what_comes_after_an_end() -> None:
    x = np.ones((3, 2, 1))
    x[2, 0] = np.nan
    split = Split(x, [0, 1], [2, 3])  # type: ignore[arg-type]
    assert split.x[:, 0, 0].tolist() == [1.0, 1.0, 0.0]
    assert np.isnan(x[2, 0, 0])
    taken = split.take(np.array([1]))
    assert taken.lengths is None
    assert taken.x[:, 0, 0].tolist() == [1.0, 1.0, 1.0]


def stepwise(labels: object, kind: str = "classification", outputs: int = 2) -> Task:
    split = Split(np.zeros((3, 2, 1)), labels, [2, 3], every_step=True)  # type: ignore[arg-type]
    return Task("steps", kind, 3, 1, outputs, split, split, split, every_step=True)  # type: ignore[arg-type]


def test_a_task_drops_labels_after_an_end() -> None:
    task = stepwise([[0, 1], [-1, 1], [7, 0]])
    assert task.train.labels.tolist() == [[0, 1], [-1, 1], [-1, 0]]
    outputs = np.zeros((3, 2, 2))
    outputs[:, :, 0] = 1.0
    assert task.score(outputs, task.test.labels, task.test.lengths) == pytest.approx(
        (1 + 1 / 3) / 2
    )
    assert task.fitted(task.train, "test") is task.train
    real = stepwise(np.ones((3, 2)), "regression", 1)
    assert np.isnan(real.train.labels[2, 0]).all()
    assert real.score(np.zeros((3, 2, 1)), real.test.labels, real.test.lengths) == 1.0
    assert real.fitted(real.train, "test") is real.train


def test_labels_of_steps_are_asked_for_by_name() -> None:
    with pytest.raises(ShapeError, match="one per sample"):
        Split(np.zeros((3, 2, 1)), np.zeros((3, 2), dtype=int))
    split = Split(np.zeros((3, 2, 1)), [0, 1])  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="every_step of the train samples"):
        Task("t", "classification", 3, 1, 2, split, split, split, every_step=True)
    with pytest.raises(ShapeError, match="time comes first"):
        Split(np.zeros((3, 2, 1)), np.zeros((2, 3), dtype=int), every_step=True)
    assert own_steps(None, 2, 1).all()
