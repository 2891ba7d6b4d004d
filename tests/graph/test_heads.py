"""Several labels of a sample: each group of outputs is judged as if it stood alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ltc2hw.errors import InvalidValueError, ShapeError, UnsupportedError
from ltc2hw.graph.decision import Classification, decision_for
from ltc2hw.graph.labels import head_classes, head_sizes
from ltc2hw.tasks import Split, Task

HEADS = (3, 2, 4)
STEPS, SAMPLES = 6, 20
RNG = np.random.default_rng(2)
OUTPUTS = RNG.normal(size=(STEPS, SAMPLES, sum(HEADS)))
LABELS = np.stack([RNG.integers(0, size, SAMPLES) for size in HEADS], axis=1)
LENGTHS = RNG.integers(1, STEPS + 1, SAMPLES)


def task(**changes: Any) -> Task:
    split = Split(np.ones((STEPS, SAMPLES, 1)), LABELS)
    given = {"outputs": sum(HEADS), "heads": HEADS, **changes}
    return Task(
        "three", given.pop("kind", "classification"), STEPS, 1,
        train=split, validation=split, test=split, **given,
    )  # fmt: skip


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("steps", [1, 3, None])
def test_a_sample_gets_the_part_of_its_questions_that_is_right(
    steps: int | None, lengths: Any
) -> None:
    decision = Classification(steps, heads=HEADS)
    alone = []
    for head, size in enumerate(HEADS):
        first = sum(HEADS[:head])
        part = OUTPUTS[:, :, first : first + size]
        alone.append(Classification(steps).judge(part, LABELS[:, head], lengths))
    each = decision.judge_each(OUTPUTS, LABELS, lengths)
    np.testing.assert_array_equal(each, np.stack(alone, axis=1))
    np.testing.assert_allclose(decision.judge(OUTPUTS, LABELS, lengths), np.mean(alone, axis=0))
    assert 0.0 < each.mean() < 1.0


def test_a_task_decides_and_scores_them() -> None:
    own = task(decision_steps=2)
    assert own.decision == Classification(2, heads=HEADS)
    chosen = own.decide(OUTPUTS, LENGTHS)
    assert chosen.shape == LABELS.shape
    assert own.score(OUTPUTS, chosen, LENGTHS) == 1.0
    assert own.score(OUTPUTS, LABELS, LENGTHS) == pytest.approx((chosen == LABELS).mean())


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (LABELS[:, 0], ShapeError, r"\(20,\); expected \(20, 3\), a label for each of the heads"),
        (LABELS[:, :2], ShapeError, r"\(20, 2\); expected \(20, 3\)"),
        (LABELS[1:], ShapeError, "one per sample, 20"),
        (LABELS + 1, InvalidValueError, "classes count from 0"),
        (LABELS - 1, InvalidValueError, "label is -1"),
        (LABELS + 0.5, InvalidValueError, "type of labels"),
        (LABELS * np.nan, InvalidValueError, "labels"),
        (LABELS.astype(object), InvalidValueError, "labels"),
    ],
)
def test_labels_that_are_none(labels: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        head_classes(labels, SAMPLES, HEADS)
    with pytest.raises(error, match=message):
        task().score(OUTPUTS, labels)


def test_lists_and_small_integers_are_labels() -> None:
    for given in (LABELS.tolist(), LABELS.astype(np.uint8)):
        found = head_classes(given, SAMPLES, HEADS)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, LABELS)


@pytest.mark.parametrize("heads", [(9,), (9, 1), (0, 9), (4.5, 4.5), "99", 9, None, (True, 8)])
def test_heads_that_are_none(heads: Any) -> None:
    for make in (head_sizes, lambda given: Classification(heads=given)):
        with pytest.raises(InvalidValueError, match="heads is"):
            make(heads)
    with pytest.raises(InvalidValueError, match="heads is"):
        task(heads=heads)


def test_heads_that_do_not_fit() -> None:
    with pytest.raises(InvalidValueError, match=r"together 9; expected together the 8 outputs"):
        task(outputs=8)
    with pytest.raises(InvalidValueError, match="heads of a regression"):
        task(kind="regression")
    with pytest.raises(ShapeError, match="number of outputs is 8; expected 9"):
        Classification(heads=HEADS).judge(OUTPUTS[:, :, :8], LABELS)
    for make in (
        lambda: Classification(every_step=True, heads=HEADS),
        lambda: task(every_step=True),
    ):
        with pytest.raises(UnsupportedError, match=r"labels at every step.*a task for each"):
            make()


def test_without_a_decision_the_way_is_told() -> None:
    with pytest.raises(ShapeError, match=r"decision=Classification\(heads=\.\.\.\)"):
        decision_for(LABELS, SAMPLES, sum(HEADS), spiking=False)
