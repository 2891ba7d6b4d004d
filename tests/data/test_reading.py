"""Files of arrays: what is written is read, in any order of axes, under any usual name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from ltc2hw.data import DataOptions, read_data, read_samples
from ltc2hw.data.names import read_name
from ltc2hw.errors import DamagedFileError, InvalidValueError, Ltc2hwError, UnknownNameError
from ltc2hw.tasks import Task, file_task
from ltc2hw.tasks.saving import save_task

Array = npt.NDArray[Any]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 7, 3))
Y = np.arange(30) % 3
LENGTHS = RNG.integers(1, 8, 30)
LENGTHS[4] = 7


def write(path: Path, arrays: Mapping[str, Any]) -> Path:
    """The arrays in a file of the kind that its name says."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".npy":
        for name, values in arrays.items():
            np.save(path.with_name(f"{name}.npy"), values)
    else:
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                kind = values.dtype.kind
                file[name] = [str(v) for v in values] if kind == "U" else values
    return path


def rows(task: Task) -> list[tuple[bytes, int]]:
    """Samples up to their ends with their labels, in no order."""
    found = []
    for split in (task.train, task.validation, task.test):
        for index in range(split.samples):
            end = task.steps if split.lengths is None else split.lengths[index]
            label = int(task.classes[split.labels[index]])
            found.append((np.ascontiguousarray(split.x[:end, index]).tobytes(), label))
    return sorted(found)


def expected(lengths: Array | None = None) -> list[tuple[bytes, int]]:
    ends = np.full(30, 7) if lengths is None else lengths
    return sorted((X[i, : ends[i]].tobytes(), int(Y[i])) for i in range(30))


@pytest.mark.parametrize("name", ["a.npz", "x.npy", "a.h5", "a.hdf5"])
@pytest.mark.parametrize("time_first", [False, True])
def test_every_container_and_order_reads_back(name: str, time_first: bool, tmp_path: Path) -> None:
    x = X.swapaxes(0, 1) if time_first else X
    task = file_task(write(tmp_path / name, {"x": x, "y": Y}))
    assert (task.steps, task.inputs, task.outputs, task.kind) == (7, 3, 3, "classification")
    assert (task.train.samples, task.validation.samples, task.test.samples) == (21, 3, 6)
    assert rows(task) == expected()
    for split, each in ((task.train, 7), (task.validation, 1), (task.test, 2)):
        assert np.bincount(split.labels).tolist() == [each] * 3


@pytest.mark.parametrize("name", ["a.npz", "a.h5"])
def test_unequal_lengths_are_told_in_three_ways(name: str, tmp_path: Path) -> None:
    flat = np.concatenate([X[i, :n] for i, n in enumerate(LENGTHS)])
    offsets = np.concatenate(([0], np.cumsum(LENGTHS)))
    ways: tuple[dict[str, Array], ...] = (
        {"x": X, "lengths": LENGTHS},
        {"x": flat, "offsets": offsets},
        {"x": flat, "lengths": LENGTHS},
        {"x": np.where(np.arange(7)[:, None] < LENGTHS[:, None, None], X, np.nan)},
    )
    for arrays in ways:
        task = file_task(write(tmp_path / name, {**arrays, "y": Y}))
        assert rows(task) == expected(LENGTHS)
        (tmp_path / name).unlink()


def test_parts_by_key_are_kept(tmp_path: Path) -> None:
    arrays = {
        "X_train": X[:15], "Y_train": Y[:15], "X_val": X[15:20], "Y_val": Y[15:20],
        "X_test": X[20:], "Y_test": Y[20:], "extra": np.zeros(2),
    }  # fmt: skip
    data = read_data(write(tmp_path / "a.npz", arrays))
    np.testing.assert_array_equal(data.train.x, X[:15].swapaxes(0, 1))
    np.testing.assert_array_equal(data.validation.labels, Y[15:20])
    np.testing.assert_array_equal(data.test.x, X[20:].swapaxes(0, 1))
    assert data.provenance["ignored arrays"] == "extra"
    assert data.provenance["split"] == "as the data say"
    grouped = {name.replace("_", "/"): values for name, values in arrays.items()}
    other = read_data(write(tmp_path / "a.h5", grouped))
    assert other.provenance["checksum"] == data.provenance["checksum"]


def test_parts_by_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", {"x": X[:20], "y": Y[:20]})
    test = write(tmp_path / "b.h5", {"data": X[20:25], "labels": Y[20:25]})
    validation = write(tmp_path / "c.npz", {"x_test": X[25:], "y_test": Y[25:],
                                            "x_validation": X[25:28], "y_validation": Y[25:28],
                                            "x_train": X[:3], "y_train": Y[:3]})  # fmt: skip
    data = read_data(path, DataOptions(test=test, validation=validation))
    assert [part.x.shape[1] for part in (data.train, data.validation, data.test)] == [20, 3, 5]
    np.testing.assert_array_equal(data.test.x, X[20:25].swapaxes(0, 1))
    both = write(tmp_path / "d.npz", {"x": X[:20], "y": Y[:20], "x_test": X, "y_test": Y})
    with pytest.raises(InvalidValueError, match=r"test samples is in .*b\.h5 and in .*d\.npz"):
        read_data(both, DataOptions(test=test))


def test_parts_of_other_lengths_are_silent_after_their_ends(tmp_path: Path) -> None:
    arrays = {"x_train": X, "y_train": Y, "x_test": X[:9, :4], "y_test": Y[:9]}
    task = file_task(write(tmp_path / "a.npz", arrays))
    assert task.steps == 7
    assert task.test.lengths is not None
    assert task.test.lengths.tolist() == [4] * 9
    assert not task.test.x[4:].any()


@pytest.mark.parametrize(
    "labels", [np.array(["b", "c", "a"])[Y], np.array(["9", "10", "1"])[Y], Y == 1, Y + 1, Y * 5.0]
)
def test_labels_of_any_type_become_classes_by_their_order(labels: Array, tmp_path: Path) -> None:
    task = file_task(write(tmp_path / "a.npz", {"x": X, "y": labels}))
    numbers = labels.dtype.kind in "if"
    names = sorted({str(int(v)) if numbers else str(v) for v in labels},
                   key=lambda n: int(n) if n.isdigit() else n)  # fmt: skip
    assert list(task.classes) == names
    wanted = sorted(
        (X[i].tobytes(), str(int(v)) if numbers else str(v)) for i, v in enumerate(labels)
    )
    found = [
        (np.ascontiguousarray(s.x[:, i]).tobytes(), task.classes[s.labels[i]])
        for s in (task.train, task.validation, task.test)
        for i in range(s.samples)
    ]
    assert sorted(found) == wanted


def test_one_hot_rows_and_explicit_classes(tmp_path: Path) -> None:
    task = file_task(write(tmp_path / "a.npz", {"x": X, "y": np.eye(3)[Y]}))
    assert rows(task) == expected()
    options = DataOptions(classes=5)
    assert file_task(write(tmp_path / "b.npz", {"x": X, "y": Y}), options).outputs == 5


def test_targets_of_a_regression(tmp_path: Path) -> None:
    targets = RNG.normal(size=(30, 2))
    task = file_task(write(tmp_path / "a.npz", {"x": X, "y": targets}))
    assert (task.kind, task.outputs) == ("regression", 2)
    one = file_task(write(tmp_path / "b.npz", {"x": X, "y": targets[:, 0]}))
    assert one.outputs == 1
    counts = file_task(write(tmp_path / "c.npz", {"x": X, "y": Y}), DataOptions(kind="regression"))
    assert counts.train.labels.dtype == np.float64


def test_labels_at_every_step(tmp_path: Path) -> None:
    y = RNG.integers(-1, 3, (30, 7))
    y[:, 0] = np.arange(30) % 3
    arrays = {"x": X, "y": y, "lengths": LENGTHS}
    task = file_task(write(tmp_path / "a.npz", arrays), DataOptions(every_step=True))
    assert task.every_step
    assert task.outputs == 3
    labels = np.concatenate([s.labels for s in (task.train, task.validation, task.test)], axis=1)
    own = y[np.arange(7) < LENGTHS[:, None]]
    assert sorted(labels[labels >= 0]) == sorted(own[own >= 0])
    reals = {"x": X, "y": RNG.normal(size=(30, 7, 1))}
    running = file_task(write(tmp_path / "b.npz", reals), DataOptions(layout="batch-first"))
    assert (running.kind, running.every_step, running.outputs) == ("regression", True, 1)


def test_frames_and_channels_first(tmp_path: Path) -> None:
    frames = RNG.integers(0, 2, (30, 7, 2, 4, 4)).astype(np.uint8)
    task = file_task(write(tmp_path / "a.npz", {"x": frames, "y": Y}))
    assert (task.inputs, task.graded) == (32, False)
    np.testing.assert_array_equal(np.sort(task.train.x.sum(axis=(0, 2)))[:1] >= 0, [True])
    path = write(tmp_path / "b.npz", {"x": X.transpose(0, 2, 1), "y": Y})
    assert rows(file_task(path, DataOptions(layout="channels-first"))) == expected()
    assert file_task(path).steps == 3


def test_spikes_are_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", {"x": (X > 0).astype(np.float32), "y": Y})
    assert not file_task(path).graded
    assert file_task(path, DataOptions(graded=True)).graded
    graded = write(tmp_path / "b.npz", {"x": X, "y": Y})
    with pytest.raises(InvalidValueError, match="sample of a spiking input"):
        file_task(graded, DataOptions(graded=False))


def test_a_saved_task_reads_back_as_itself(tmp_path: Path) -> None:
    names = np.array(["b", "c", "a"])[Y]
    task = file_task(write(tmp_path / "a.npz", {"x": X, "y": names, "lengths": LENGTHS}),
                     DataOptions(decision_steps=2))  # fmt: skip
    save_task(task, tmp_path / "saved.npz")
    again = file_task(tmp_path / "saved.npz")
    assert again.checksum == task.checksum
    for field in ("kind", "steps", "classes", "graded", "every_step", "decision_steps"):
        assert getattr(again, field) == getattr(task, field)
    for part in ("train", "validation", "test"):
        ours, theirs = getattr(again, part), getattr(task, part)
        np.testing.assert_array_equal(ours.x, theirs.x)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        np.testing.assert_array_equal(ours.lengths, theirs.lengths)


def test_the_same_numbers_have_the_same_checksum_in_any_type(tmp_path: Path) -> None:
    x = RNG.integers(0, 2, X.shape)
    found = {
        file_task(write(tmp_path / f"{kind}.npz", {"x": x.astype(kind), "y": Y})).checksum
        for kind in ("uint8", "float32", "int64", "bool")
    }
    assert len(found) == 1
    changed = x.copy()
    changed[0, 0, 0] ^= 1
    other = file_task(write(tmp_path / "other.npz", {"x": changed, "y": Y}))
    assert other.checksum not in found


def test_samples_to_calibrate_on_need_no_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "any.npy", X)
    with pytest.raises(InvalidValueError, match="layout='time-first'"):
        read_samples(tmp_path / "any.npy")
    x, lengths, shape = read_samples(tmp_path / "any.npy", DataOptions(layout="batch-first"))
    assert shape == X.shape[2:]
    np.testing.assert_array_equal(x, X.swapaxes(0, 1))
    assert lengths is None
    path = write(tmp_path / "a.npz", {"x_train": X, "lengths_train": LENGTHS, "x_test": X})
    x, lengths, _ = read_samples(path)
    assert lengths is not None
    np.testing.assert_array_equal(lengths, LENGTHS)


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("x", ("all", "x")),
        ("X", ("all", "x")),
        ("xtest", ("test", "x")),
        ("Y_TRAIN", ("train", "y")),
        ("val_targets", ("validation", "y")),
        ("train/lengths", ("train", "lengths")),
        ("x_train_y", None),
        ("train", None),
        ("weights", None),
    ],
)
def test_names(name: str, meaning: tuple[str, str] | None) -> None:
    assert read_name(name) == meaning


OBJECTS = np.array([np.zeros((2, 3)), np.zeros((3, 3))], dtype=object)

WRONG: Mapping[str, tuple[dict[str, Any], str]] = {
    "no labels": ({"x": X}, "labels of the samples of .* is not there; expected an array y"),
    "no samples": ({"y": Y}, "samples of .* is not among y; expected arrays x and y"),
    "other names": ({"a": X, "b": Y}, "is a, b; expected arrays x and y.*rename its arrays"),
    "one thing twice": ({"x": X, "data": X, "y": Y}, "x of .* is there twice, as x and data"),
    "test alone": ({"x_test": X, "y_test": Y}, "parts of .* is test; expected samples for train"),
    "two axes": ({"x": X[:, 0], "y": Y}, r"of shape \(30, 3\).*x\[..., None\]"),
    "empty": ({"x": X[:0], "y": Y[:0]}, r"of shape \(0, 7, 3\)"),
    "too few labels": ({"x": X, "y": Y[:29]}, r"is of shape \(29,\); expected one per sample"),
    "square": ({"x": X[:7], "y": Y[:7]}, "not to be told .*layout='batch-first'"),
    "NaN": ({"x": np.where(X[2, 3, 1] == X, np.nan, X), "y": Y}, "is nan; expected a finite"),
    "several labels": ({"x": X, "y": np.ones((30, 2), int)}, "labels of the samples|several"),
    "one class": ({"x": X, "y": np.zeros(30, int)}, "classes of .* is 0 alone"),
    "many whole numbers": ({"x": X, "y": np.arange(30)}, "say kind='classification' or kind="),
    "complex": ({"x": X * 1j, "y": Y}, "is of type complex128; expected numbers"),
    "bad offsets": ({"x": X[:, 0], "offsets": np.arange(29), "y": Y}, "rising numbers from 0"),
    "bad lengths": ({"x": X, "lengths": LENGTHS + 7, "y": Y}, "lengths of the samples"),
    "length 0": ({"x": X, "lengths": LENGTHS - LENGTHS, "y": Y}, r"lengths\[0\] is 0; expected 1"),
    "an unseen class": (
        {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1},
        "label of the test samples of .* is 3; expected a class that the training samples have",
    ),
    "other widths": (
        {"x_train": X, "y_train": Y, "x_test": X[:, :, :2], "y_test": Y},
        r"3 in train, 2 in test",
    ),
    "one sample": ({"x": X[:1], "y": np.array([0.5])}, "expected at least one .*in a file"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(WRONG))
def test_what_has_no_reading_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    arrays, message = WRONG[name]
    with pytest.raises(Ltc2hwError, match=message) as caught:
        file_task(write(tmp_path / "a.npz", arrays))
    assert "\n" not in str(caught.value)


def test_python_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=OBJECTS, y=np.arange(2))
    with pytest.raises(DamagedFileError, match="padded, with an array of their lengths"):
        read_data(tmp_path / "a.npz")


def test_other_paths(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(UnknownNameError, match=r"is '.csv'; expected one of .npz"):
        read_data(tmp_path / "a.csv")
    with pytest.raises(FileNotFoundError):
        read_data(tmp_path / "none.npz")
    (tmp_path / "a.npz").write_text("no archive")
    with pytest.raises(DamagedFileError):
        read_data(tmp_path / "a.npz")
    with pytest.raises(Ltc2hwError):
        read_data(tmp_path)


def test_big_bytes_are_not_kept_in_other_types(tmp_path: Path) -> None:
    """Reading keeps uint8 as uint8; only a task's split has float64."""
    path = write(tmp_path / "a.npz", {"x": np.zeros((30, 5, 4), np.uint8), "y": Y})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = read_data(path)
    assert data.train.x.dtype == np.uint8
