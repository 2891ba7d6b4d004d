"""Tasks of data sets of recordings: shapes, steps, options, and the samples of a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ltc2hw.data import DataOptions
from ltc2hw.data.events import Binning, frames, read_recordings
from ltc2hw.data.events.sets import IMAGES
from ltc2hw.errors import InvalidValueError, TooLargeError
from ltc2hw.tasks import LazySplit, load_task
from ltc2hw.tasks.recorded import EventSequences
from tests.data.events.published import (
    WORDS,
    write_cifar10,
    write_gestures,
    write_nmnist,
    write_spikes,
)
from tests.shared_data import shared_data

PARTS = ("train", "validation", "test")


@pytest.mark.parametrize(
    "binning",
    [
        Binning(),
        Binning(window_us=20_000, downsample=2, values="binary"),
        Binning(bins=5, polarity="signed", crop=(3, 5, 20, 10)),
    ],
    ids=lambda one: one.text,
)
def test_samples_are_the_frames_of_their_recordings(binning: Binning, tmp_path: Path) -> None:
    write_nmnist(tmp_path / "nmnist", train=4, test=2)
    task = load_task("nmnist", DataOptions(root=tmp_path, binning=binning))
    recordings = read_recordings(tmp_path / "nmnist")["test"]
    wanted = [frames(events, binning) for events in recordings]
    x, lengths = task.test.x, task.test.lengths
    assert x.shape == (task.steps, 4, task.inputs)
    for index, one in enumerate(wanted):
        assert (task.steps if lengths is None else lengths[index]) == len(one)
        np.testing.assert_array_equal(x[: len(one), index], one)
        assert not x[len(one) :, index].any()
    assert task.shape == binning.shape((34, 34))
    assert task.graded == binning.graded
    assert (task.classes, task.outputs) == (("3", "7"), 2)
    assert task.test.labels.tolist() == [0, 0, 1, 1]
    assert task.provenance["binning"] == binning.text


def test_inputs_are_numbered_by_polarity_row_and_column(tmp_path: Path) -> None:
    write_nmnist(tmp_path / "nmnist")
    task = load_task("nmnist", DataOptions(root=tmp_path, binning=Binning(downsample=3)))
    events = read_recordings(tmp_path / "nmnist")["test"].read(0)
    assert task.shape == (2, 12, 12)
    images = task.test.x[:, 0].reshape(task.steps, *task.shape)
    wanted = np.zeros_like(images)
    steps = (events.t - events.t[0]) // 10_000
    np.add.at(wanted, (steps, events.p.astype(int), events.y // 3, events.x // 3), 1)
    np.testing.assert_array_equal(images, wanted)


def test_the_real_nmnist_is_a_task_and_little_memory() -> None:
    task = load_task("nmnist", DataOptions(root=shared_data("nmnist").parent))
    assert [getattr(task, part).samples for part in PARTS] == [900, 100, 100]
    assert (task.inputs, task.shape, task.outputs) == (2312, (2, 34, 34), 10)
    split = task.train
    assert isinstance(split, LazySplit)
    assert isinstance(split.sequences, EventSequences)
    kept = sum(one.nbytes for one in split.sequences.recordings)
    dense = 8 * task.steps * 900 * 2312
    assert kept * 40 < dense
    whole = load_task(str(shared_data("nmnist")))
    assert whole.shape == (2, 34, 34)
    chosen = np.arange(7)
    steps = min(task.steps, whole.steps)
    np.testing.assert_array_equal(
        task.test.take(chosen).x[:steps], whole.test.take(chosen).x[:steps]
    )


def test_a_folder_of_the_name_that_is_here_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_nmnist(tmp_path / "nmnist")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LTC2HW_DATA", raising=False)
    with pytest.raises(InvalidValueError, match=r"; root='\.' for nmnist in this folder\)"):
        load_task("nmnist")
    assert load_task("nmnist", DataOptions(root=".")).shape == (2, 34, 34)


def test_gestures_and_images(tmp_path: Path) -> None:
    write_gestures(tmp_path / "DvsGesture", ("user01", "user02"), "train")
    write_gestures(tmp_path / "DvsGesture", ("user03",), "test")
    options = DataOptions(root=tmp_path, binning=Binning(downsample=4, max_steps=3))
    task = load_task("dvs-gesture", options)
    assert (task.shape, task.outputs, task.steps) == ((2, 32, 32), 11, 3)
    write_cifar10(tmp_path / "cifar10-dvs", IMAGES, 3)
    task = load_task("cifar10-dvs", DataOptions(root=tmp_path, decision_steps=2))
    assert (task.shape, task.classes, task.decision_steps) == ((2, 128, 128), IMAGES, 2)
    assert [getattr(task, part).samples for part in PARTS] == [10, 10, 10]


def test_words_have_channels_in_a_row(tmp_path: Path) -> None:
    rows = write_spikes(tmp_path / "shd_train.h5", [0, 1, 2] * 2)
    write_spikes(tmp_path / "shd_test.h5", [1], seed=3)
    task = load_task("shd", DataOptions(root=tmp_path))
    assert (task.shape, task.inputs, task.classes) == ((1, 700), 700, WORDS)
    assert task.train.x.sum() == sum(len(times) for times, _ in rows[:3])
    binning = Binning(window_us=4_000, downsample=5, values="binary", origin="clock")
    task = load_task("shd", DataOptions(root=tmp_path, binning=binning))
    assert (task.shape, task.graded) == ((1, 140), False)
    times, units = rows[1]
    wanted = np.zeros((task.steps, 140))
    steps = np.rint(times.astype(np.float64) * 1e6).astype(int) // 4_000
    wanted[steps, units // 5] = 1
    np.testing.assert_array_equal(task.train.x[:, 1], wanted)


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    write_nmnist(tmp_path / "nmnist")
    with pytest.raises(InvalidValueError, match=r"sensor of data is .* expected nothing, for task"):
        load_task("nmnist", DataOptions(root=tmp_path, sensor=(34, 34)))
    with pytest.raises(InvalidValueError, match="crop is"):
        load_task("nmnist", DataOptions(root=tmp_path, binning=Binning(crop=(30, 0, 10, 10))))
    with pytest.raises(TooLargeError, match="set a longer window_us"):
        load_task("nmnist", DataOptions(root=tmp_path, binning=Binning(window_us=1, last_us=10**7)))
    write_spikes(tmp_path / "shd_train.h5", [0, 0])
    write_spikes(tmp_path / "shd_test.h5", [0])
    with pytest.raises(InvalidValueError, match="polarity of shd is signed; expected none"):
        load_task("shd", DataOptions(root=tmp_path, binning=Binning(polarity="signed")))


def test_the_same_files_are_the_same_data(tmp_path: Path) -> None:
    write_nmnist(tmp_path / "nmnist")
    first, again = (load_task("nmnist", DataOptions(root=tmp_path)) for _ in range(2))
    other = load_task("nmnist", DataOptions(root=tmp_path, binning=Binning(window_us=9_000)))
    assert first.checksum == again.checksum != other.checksum
