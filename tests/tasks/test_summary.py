"""What a task's data are: counted here by other means."""

from __future__ import annotations

import numpy as np
import pytest

from ltc2hw.data import DataOptions
from ltc2hw.numbers.words import FloatArray
from ltc2hw.tasks import Task
from ltc2hw.tasks.summary import summarise

RNG = np.random.default_rng(2)


def test_progress_counts_training_samples_twice() -> None:
    told: list[tuple[int, int]] = []
    task = Task.from_arrays(X, Y)
    summarise(task, lambda done, total: told.append((done, total)))
    seen = task.train.samples
    assert told[-1] == (2 * seen, 2 * seen)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_numbers_are_those_of_the_samples() -> None:
    x = RNG.normal(size=(40, 9, 3))
    lengths = RNG.integers(2, 10, 40)
    lengths[:20] = 9
    options = DataOptions(layout="batch-first")
    task = Task.from_arrays(x, np.arange(40) % 4, options, lengths=lengths, test=(x[:8], [0] * 8))
    found = summarise(task)
    split = task.train
    assert split.lengths is not None
    own = np.concatenate([split.x[:n, i] for i, n in enumerate(split.lengths)])
    columns = [[getattr(c, name) for c in found.channels] for name in
               ("lowest", "highest", "mean", "deviation")]  # fmt: skip
    wanted = [own.min(0), own.max(0), own.mean(0), own.std(0)]
    np.testing.assert_allclose(columns, wanted, rtol=1e-12)
    assert found.density == np.count_nonzero(own) / own.size
    part = found.splits["train"]
    assert part.samples == 36
    assert (part.shortest, part.longest) == (split.lengths.min(), split.lengths.max())
    assert part.median == np.median(split.lengths)
    assert part.labels == {name: int((split.labels == int(name)).sum()) for name in "0123"}
    assert found.splits["test"].labels == {"0": 8, "1": 0, "2": 0, "3": 0}


def test_labels_at_every_step_are_counted_in_steps() -> None:
    y = np.tile(np.array([[0, 1, 1, -1, 2]]), (30, 1))
    task = Task.from_arrays(
        RNG.normal(size=(30, 5, 1)), y, DataOptions(layout="batch-first", every_step=True)
    )
    train = summarise(task).splits["train"]
    assert train.labels == {"0": train.samples, "1": 2 * train.samples, "2": train.samples}


def test_targets_of_a_regression() -> None:
    y = RNG.normal(size=(30, 2))
    task = Task.from_arrays(RNG.normal(size=(30, 5, 1)), y)
    found = summarise(task)
    assert [t.highest for t in found.targets] == task.train.labels.max(axis=0).tolist()
    assert found.splits["train"].labels == {}


X = RNG.uniform(-1, 1, size=(40, 9, 3))
Y = np.arange(40) % 2


@pytest.mark.parametrize(
    ("x", "y", "warning"),
    [
        (X * [1, 0, 1], Y, "channel 1 is constant in the training samples"),
        (X * 50, Y, "values reach 49"),
        (X * 1e6, Y, "values are huge, up to"),
        (X * 1e-4, Y, "values stay below 9"),
        (X, np.arange(40) < 3, "class True has 2 training samples"),
        (X, np.arange(40) < 6, "classes are imbalanced: 2"),
        (np.where(np.arange(40)[:, None, None] < 2, 0, X), Y, "2 samples are zero throughout"),
        (np.concatenate([X[:20], X[:20]]), Y, "samples are training samples, too"),
        (RNG.uniform(-1, 1, (40, 3, 90)), Y, "the layout is channels-first"),
    ],
)
def test_warnings(x: FloatArray, y: object, warning: str) -> None:
    assert warning in "\n".join(summarise(Task.from_arrays(x, y)).warnings)


def test_good_data_are_not_warned_of() -> None:
    assert summarise(Task.from_arrays(X, Y)).warnings == ()
