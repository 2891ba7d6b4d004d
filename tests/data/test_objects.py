"""Objects of Python: arrays, lists, tensors, data sets of torch and of tonic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ltc2hw.data import DataOptions
from ltc2hw.data.events import Binning
from ltc2hw.data.events.frames import frames
from ltc2hw.data.events.recording import Events
from ltc2hw.errors import InvalidValueError, Ltc2hwError, ShapeError
from ltc2hw.tasks import Task

RNG = np.random.default_rng(1)
X = RNG.normal(size=(30, 7, 3)).astype(np.float32)
Y = np.arange(30) % 3
UNEQUAL = [X[i, : 3 + i % 5] for i in range(30)]


def test_arrays_lists_and_tensors_are_the_same() -> None:
    torch = pytest.importorskip("torch")
    forms: tuple[tuple[Any, Any], ...] = (
        (X, Y),
        (X.tolist(), Y.tolist()),
        (torch.tensor(X, requires_grad=True), torch.tensor(Y)),
        (list(X), list(Y)),
        (X.swapaxes(0, 1), [str(label) for label in Y]),
    )
    assert len({Task.from_arrays(x, y).checksum for x, y in forms}) == 1


def test_samples_of_unequal_length() -> None:
    tasks = [
        Task.from_arrays(UNEQUAL, Y),
        Task.from_arrays([sample.tolist() for sample in UNEQUAL], Y.tolist()),
        Task.from_arrays(X, Y, lengths=[3 + i % 5 for i in range(30)]),
        Task.from_dataset([(sample, int(y)) for sample, y in zip(UNEQUAL, Y, strict=True)]),
    ]
    assert len({task.checksum for task in tasks}) == 1
    assert tasks[0].train.lengths is not None
    assert sorted(set(tasks[0].train.lengths.tolist())) == [3, 4, 5, 6, 7]


def test_arrays_of_objects_that_have_one_reading() -> None:
    texts = np.array([f"class {label}" for label in Y], dtype=object)
    samples = np.empty(30, dtype=object)
    samples[:] = UNEQUAL
    task = Task.from_arrays(samples, texts)
    assert task.classes == ("class 0", "class 1", "class 2")
    assert task.checksum == Task.from_arrays(UNEQUAL, Y).checksum
    pandas = pytest.importorskip("pandas")
    assert Task.from_arrays(UNEQUAL, pandas.Series(texts)).checksum == task.checksum
    with pytest.raises(InvalidValueError, match="expected numbers"):
        Task.from_arrays(X, np.array([None] * 30))


def test_labels_at_every_step_of_samples_of_unequal_length() -> None:
    labels = [np.arange(len(sample)) % 2 for sample in UNEQUAL]
    task = Task.from_arrays(UNEQUAL, labels)
    assert task.every_step
    assert task.train.lengths is not None
    for index, end in enumerate(task.train.lengths):
        found = task.train.labels[:, index]
        assert found[:end].tolist() == [step % 2 for step in range(end)]
        assert (found[end:] == -1).all()


def test_validation_and_test_are_kept() -> None:
    task = Task.from_arrays(X, Y, validation=(X[:5], Y[:5]), test=(X[:9, :4], Y[:9]))
    assert (task.train.samples, task.validation.samples, task.test.samples) == (30, 5, 9)
    assert task.test.lengths is not None
    assert task.steps == 7


def test_a_list_in_one_part_and_an_array_in_another_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="lists of samples in some parts and arrays in"):
        Task.from_arrays(UNEQUAL, Y, test=(X, Y))


def test_data_sets_and_loaders_of_torch() -> None:
    torch = pytest.importorskip("torch")
    data = torch.utils.data
    tensors = data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    wanted = Task.from_arrays(X, Y, DataOptions(layout="batch-first")).checksum
    for each in (
        tensors,
        data.DataLoader(tensors, batch_size=4),
        data.DataLoader(tensors, batch_size=4, shuffle=True, drop_last=True),
        data.Subset(tensors, range(30)),
    ):
        assert Task.from_dataset(each).checksum == wanted
    chosen = [1, 4, 9, 10, 11, 12, 13, 14, 15, 17, 18, 21, 22, 23, 29]
    sampler = data.SubsetRandomSampler(chosen)
    part = Task.from_dataset(tensors, test=data.DataLoader(tensors, sampler=sampler))
    np.testing.assert_array_equal(part.test.x, X[chosen].swapaxes(0, 1))
    weighted = data.WeightedRandomSampler([1.0] * 30, 10)
    with pytest.raises(InvalidValueError, match=r"WeightedRandomSampler.*give the data set itself"):
        Task.from_dataset(data.DataLoader(tensors, sampler=weighted))


def test_an_iterable_data_set() -> None:
    torch = pytest.importorskip("torch")

    class Stream(torch.utils.data.IterableDataset):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Any:
            return iter(zip(X, Y, strict=True))

    wanted = Task.from_arrays(list(X), Y).checksum
    assert Task.from_dataset(Stream()).checksum == wanted


FIELDS = [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")]


def recording(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    events = np.zeros(50, FIELDS)
    events["x"], events["y"] = rng.integers(0, 6, 50), rng.integers(0, 4, 50)
    events["t"] = np.sort(rng.integers(0, 20_000 + 5_000 * (seed % 3), 50))
    events["p"] = rng.integers(0, 2, 50)
    return events


RECORDINGS = [recording(seed) for seed in range(30)]
OPTIONS = DataOptions(sensor=(6, 4), binning=Binning(window_us=4000, polarity="merge"))


def test_recordings_and_labels() -> None:
    task = Task.from_events(RECORDINGS, Y, OPTIONS, test=(RECORDINGS[:4], Y[:4]), name="recordings")
    assert (task.inputs, task.outputs, task.name) == (24, 3, "recordings")
    assert task.test.lengths is None or task.test.lengths.max() <= task.steps
    for index in range(4):
        own = frames(Events.from_array(RECORDINGS[index], (6, 4)), OPTIONS.binning)
        np.testing.assert_array_equal(task.test.x[: len(own), index], own)
        assert not task.test.x[len(own) :, index].any()
    with pytest.raises(ShapeError, match="number of train labels is 29; expected 30, one each"):
        Task.from_events(RECORDINGS, Y[:29], OPTIONS)


class Recorded:
    """A data set with the attributes of tonic's."""

    sensor_size = (6, 4, 2)
    classes = ("left", "right", "up")

    def __init__(self, transform: Any = None) -> None:
        self.transform = transform

    def __len__(self) -> int:
        return len(RECORDINGS)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        events = RECORDINGS[index]
        return events if self.transform is None else self.transform(events), int(Y[index])


def test_a_data_set_as_tonic_has_them() -> None:
    options = DataOptions(binning=OPTIONS.binning)
    task = Task.from_dataset(Recorded(), options)
    assert task.classes == Recorded.classes
    assert task.checksum == Task.from_events(RECORDINGS, Y, OPTIONS).checksum
    torch = pytest.importorskip("torch")
    loader = torch.utils.data.DataLoader(Recorded(), batch_size=4, collate_fn=list)
    assert Task.from_dataset(loader, options).checksum == task.checksum


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_frames_of_tonic_itself() -> None:
    transforms = pytest.importorskip("tonic.transforms")
    to_frame = transforms.ToFrame(sensor_size=(6, 4, 2), time_window=4000)
    task = Task.from_dataset(Recorded(to_frame))
    assert task.inputs == 2 * 4 * 6
    ours = frames(Events.from_array(RECORDINGS[0], (6, 4)), Binning(window_us=4000))
    theirs = np.asarray(to_frame(RECORDINGS[0])).reshape(-1, 48)
    steps = min(len(ours), len(theirs))
    np.testing.assert_array_equal(ours[: steps - 1], theirs[: steps - 1])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "data is a int; expected arrays"),
        ([(X[0], 1, 2)], "item 0 of list is tuple of 3; expected a pair"),
        ([(X[0, :, 0], 1)] * 4, r"sample 0 of the .*\(7,\).*x\[..., None\]"),
        ([(X[0], 0), (X[0].T, 1)] * 9, r"sample 1 of the .*of shape \(3, 7\)"),
        ([(X[0], 0), (X[1, :, :2], 1)] * 9, "transpose them: time comes first|same inputs"),
        ([], "an empty list"),
    ],
)
def test_what_is_no_data_set_is_refused(data: Any, message: str) -> None:
    with pytest.raises(Ltc2hwError, match=message):
        Task.from_dataset(data)
