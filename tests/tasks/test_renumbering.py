"""Every file numbers its own classes; a network answers in the numbers that it was trained with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ltc2hw.errors import InvalidValueError
from ltc2hw.tasks import Split, Task
from ltc2hw.tasks.renumbering import in_order

NAMES = ("loose", "well", "worn")


def task(classes: tuple[str, ...], every_step: bool = False) -> Task:
    rng = np.random.default_rng(0)
    shape = (4, 6) if every_step else (6,)
    labels = rng.integers(0, len(classes), shape)
    split = Split(rng.random((4, 6, 2)), labels, every_step=every_step)
    return Task(
        "machine", "classification", 4, 2, len(classes), split, split, split,
        every_step=every_step, classes=classes,
    )  # fmt: skip


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("classes", [("well", "loose", "worn"), ("worn", "loose")], ids=str)
def test_labels_keep_their_names(classes: tuple[str, ...], every_step: bool) -> None:
    before = task(classes, every_step)
    after = in_order(before, NAMES)
    assert (after.classes, after.outputs) == (NAMES, 3)
    for part in ("train", "validation", "test"):
        old, new = getattr(before, part).labels, getattr(after, part).labels
        assert [classes[i] for i in old.ravel()] == [NAMES[i] for i in new.ravel()]


def test_steps_without_a_label_stay_without() -> None:
    before = task(("well", "loose", "worn"), every_step=True)
    labels = before.train.labels.copy()
    labels[1] = -1
    gaps = replace(before, train=replace(before.train, labels=labels))
    assert (in_order(gaps, NAMES).train.labels[1] == -1).all()


def test_what_the_network_does_not_know_is_refused() -> None:
    assert in_order(task(NAMES), NAMES).classes == NAMES
    with pytest.raises(InvalidValueError, match="classes of task machine is worn, new; expected"):
        in_order(task(("worn", "new")), NAMES)
