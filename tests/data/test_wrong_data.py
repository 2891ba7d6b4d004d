"""Data given in a wrong way: refused where a wrong reading is possible, and told where it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from ltc2hw.data import DataOptions
from ltc2hw.data import objects as objects_module
from ltc2hw.data.names import arrays_source
from ltc2hw.data.objects import object_source
from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.tasks import Task, load_task
from ltc2hw.tasks.summary import summarise

B, T, N = 30, 8, 2
Y = np.arange(B) % 3
X = np.random.default_rng(0).random((B, T, N))


def changed(index: tuple[int, ...], value: float) -> Any:
    x = X.copy()
    x[index] = value
    return x


def batches(size: int) -> list[tuple[Any, Any]]:
    return [(X[n : n + size], Y[n : n + size]) for n in range(0, B, size)]


class Table:
    """Indexed by names alone, as tables are."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, name: str) -> Any:
        return {"x": X}[name]


LAYOUT = DataOptions(layout="time-first")

WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "batches": (lambda: Task.from_dataset(batches(3)), "not batches"),
    "batches of one": (lambda: Task.from_dataset(batches(1)), "not batches"),
    "batches, the last smaller": (lambda: Task.from_dataset(iter(batches(4))), "not batches"),
    "two parts": (lambda: object_source(((X, Y), (X, Y))), "x_train"),
    "four arrays": (lambda: object_source((X, Y, X, Y)), "a tuple of 4 arrays.*x_train"),
    "a mapping of pairs": (lambda: object_source({"train": (X, Y)}), "x_train"),
    "a mapping of lists": (lambda: object_source({"x": [X[0], X[1, :3]], "y": [0, 1]}), "unequal"),
    "a mapping as a data set": (lambda: Task.from_dataset({"x": X, "y": Y}), "data is a dict"),
    "a table": (lambda: Task.from_dataset(Table()), "item 0 of Table is not there: KeyError"),
    "a name": (lambda: Task.from_dataset("own.npz"), "data is a str"),
    "images": (lambda: Task.from_arrays(np.ones((B, 1, 6, 6)), Y), r"1 colours.*x\[:, 0\]"),
    "colours": (lambda: Task.from_arrays(np.ones((B, 3, 6, 6)), Y), r"3 colours.*swapaxes\(1, 2\)"),
    "images one by one": (
        lambda: Task.from_dataset([(np.ones((1, 6, 6)), y) for y in Y]),
        "1 colours",
    ),
    "a list of steps": (lambda: Task.from_arrays(list(X.swapaxes(0, 1)), Y), r"np.stack\(x\)"),
    "a list said to be steps": (lambda: Task.from_arrays(list(X), Y, LAYOUT), r"np.stack\(x\)"),
    "binning of arrays": (
        lambda: Task.from_arrays(X, Y, DataOptions(sensor=(3, 3))),
        "sensor of data is given; .*holds no events",
    ),
    "options that are none": (
        lambda: Task.from_arrays(X, Y, "batch-first"),  # type: ignore[arg-type]
        "options of data is 'batch-first'",
    ),
    "a file beside arrays": (
        lambda: Task.from_arrays(X, Y, DataOptions(test="test.npz")),
        "test of the options of data is 'test.npz'; .*test=",
    ),
    "a fraction of what is there": (
        lambda: Task.from_arrays(X, Y, DataOptions(test_fraction=0.3), test=(X, Y)),
        "test_fraction is 0.3; expected none",
    ),
    "other widths": (
        lambda: Task.from_arrays(X, Y, test=(X[..., :1], Y)),
        "number of inputs of arrays is 2 in train, 1 in test",
    ),
    "samples alone for a part": (
        lambda: Task.from_arrays(X, Y, test=X),  # type: ignore[arg-type]
        r"expected \(x, y\)",
    ),
    "no task": (lambda: load_task(None), "task is None"),  # type: ignore[arg-type]
    "exchanged": (lambda: Task.from_arrays(Y, X), "samples come first"),
    "no samples": (lambda: Task.from_arrays(X[:0], Y[:0]), "no empty axis"),
    "NaN": (
        lambda: Task.from_arrays(changed((17, 4, 1), np.nan), Y),
        "sample 17, step 4, input 1 is nan",
    ),
    "an infinity, time first": (
        lambda: Task.from_arrays(changed((17, 4, 1), np.inf).swapaxes(0, 1), Y),
        "sample 17, step 4, input 1 is inf",
    ),
    "all NaN": (lambda: Task.from_arrays(changed((17,), np.nan), Y), "sample 17 .*NaN throughout"),
    "label NaN": (
        lambda: Task.from_arrays(X, np.where(np.arange(B) == 17, np.nan, Y)),
        "label of sample 17 .*is nan",
    ),
    "targets with NaN": (
        lambda: Task.from_arrays(X, np.where(np.arange(B)[:, None] == 17, [[0.5, np.inf]], 0.5)),
        "label of sample 17 .*is inf",
    ),
    "several classes each": (
        lambda: Task.from_arrays(X, (np.arange(B * 2).reshape(B, 2) % 3 > 0).astype(float)),
        "several per sample.*kind='regression'",
    ),
    "several classes each, whole": (
        lambda: Task.from_arrays(X, np.ones((B, 2), dtype=int)),
        "several_labels=True",
    ),
    "steps first in labels": (
        lambda: Task.from_arrays(X, np.zeros((T, B), dtype=int)),
        "transpose them",
    ),
    "from 1, with names": (
        lambda: object_source_task({"x": X, "y": Y + 1, "classes": np.array(["a", "b", "c"])}),
        "is 3; .*count them from 0",
    ),
    "a layout against the file": (
        lambda: object_source_task({"x": X, "y": Y, "layout": "batch-first"}, LAYOUT),
        "said to be time-first; expected batch-first",
    ),
    "a network": (
        lambda: arrays_source({"content/populations/0/size": np.ones(1)}, "model.h5"),
        "model.h5 is a network",
    ),
}


def object_source_task(arrays: dict[str, Any], options: DataOptions | None = None) -> Task:
    from ltc2hw.data import prepare

    options = DataOptions() if options is None else options
    return Task.from_data(prepare(arrays_source(arrays, "file"), options, "file"), "file")


@pytest.mark.parametrize("name", WRONG)
def test_it_is_refused_and_says_what_to_do(name: str) -> None:
    make, message = WRONG[name]
    with pytest.raises(InvalidValueError, match=message) as caught:
        make()
    assert len(str(caught.value).splitlines()) == 1


def test_a_data_set_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless() -> Iterator[tuple[Any, int]]:
        while True:
            yield X[0], 0

    monkeypatch.setattr(objects_module, "MOST_ITEMS", 100)
    with pytest.raises(InvalidValueError, match="more than 100 items"):
        Task.from_dataset(endless())


def test_what_is_said_is_done() -> None:
    # Each is refused above where nothing is said.
    whole = Task.from_dataset(
        [(np.ones((4, 2, 2)) * n, np.arange(4) % 2) for n in range(B)],
        DataOptions(every_step=True),
    )
    assert (whole.steps, whole.inputs, whole.every_step) == (4, 4, True)
    rows = Task.from_arrays(np.ones((B, 1, 6, 6)), Y, DataOptions(layout="batch-first"))
    assert (rows.steps, rows.inputs) == (1, 36)
    targets = Task.from_arrays(X, np.eye(2)[Y % 2] + np.eye(2)[0], DataOptions(kind="regression"))
    assert (targets.kind, targets.outputs) == ("regression", 2)


def test_channels_first_samples_of_a_list_are_turned() -> None:
    pairs = [(x[: 5 + n % 3].T, y) for n, (x, y) in enumerate(zip(X, Y, strict=True))]
    turned = Task.from_dataset(pairs, DataOptions(layout="channels-first"))
    plain = Task.from_dataset([(x.T, y) for x, y in pairs])
    assert turned.inputs == N
    assert turned.provenance["checksum"] == plain.provenance["checksum"]
    with pytest.raises(ShapeError, match="channels, steps"):
        Task.from_dataset([(np.ones((2, 3, 4)), 0)] * 9, DataOptions(layout="channels-first"))


def test_parts_of_other_lengths_are_told() -> None:
    task = Task.from_arrays(X, Y, test=(X[:, :5], Y))
    assert "test samples have 5 steps, training samples 8" in summarise(task).warnings


@pytest.mark.filterwarnings("error")
def test_huge_values_are_summarised() -> None:
    found = summarise(Task.from_arrays(X * 1e300, Y))
    usual = summarise(Task.from_arrays(X, Y))
    for huge, channel in zip(found.channels, usual.channels, strict=True):
        assert huge.deviation == pytest.approx(channel.deviation * 1e300)
    assert any("are huge" in warning for warning in found.warnings)
