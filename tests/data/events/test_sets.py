"""Data sets of recordings by name, in small files of their official form and in the real ones."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

from ltc2hw.data.events.gestures import CLASSES, read_gestures
from ltc2hw.data.events.sets import EVENT_SETS, IMAGES, last_of_each_class
from ltc2hw.data.events.spikes import read_spikes
from ltc2hw.errors import DamagedFileError, InvalidValueError, Ltc2hwError
from tests.data.events.published import (
    WORDS,
    write_cifar10,
    write_gestures,
    write_nmnist,
    write_spikes,
)
from tests.data.events.recordings import listed
from tests.shared_data import shared_data

PARTS = ("train", "validation", "test")


def labels_of(name: str, root: Path) -> dict[str, list[int]]:
    found = {}
    for part, recordings in EVENT_SETS[name].parts(root).items():
        assert recordings.labelled is not None
        found[part] = recordings.labelled.labels.tolist()
    return found


@pytest.mark.parametrize("packed", [False, True])
def test_nmnist(packed: bool, tmp_path: Path) -> None:
    folder = tmp_path / "N-MNIST"
    written = write_nmnist(folder, train=12, test=2)
    if packed:
        for part in ("Train", "Test"):
            with zipfile.ZipFile(folder / f"{part}.zip", "w") as archive:
                for path in sorted((folder / part).rglob("*.bin")):
                    archive.write(path, path.relative_to(folder))
            shutil.rmtree(folder / part)
    parts = EVENT_SETS["nmnist"].parts(tmp_path)
    assert {part: len(parts[part]) for part in PARTS} == {"train": 22, "validation": 2, "test": 4}
    assert labels_of("nmnist", tmp_path)["validation"] == [0, 1]
    assert parts["test"].labelled is not None
    assert parts["test"].labelled.classes == ("3", "7")
    assert listed(parts["validation"].read(1)) == written["Train/7/00011.bin"]
    assert listed(parts["test"].read(0)) == written["Test/3/00000.bin"]


def test_the_real_recordings_of_nmnist() -> None:
    parts = EVENT_SETS["nmnist"].parts(shared_data("nmnist").parent)
    assert [len(parts[part]) for part in PARTS] == [900, 100, 100]
    names = [set(parts[part].names) for part in ("train", "validation")]
    assert not names[0] & names[1]
    assert np.bincount(labels_of("nmnist", shared_data("nmnist"))["test"]).sum() == 100


def test_gestures_are_cut_from_their_recordings(tmp_path: Path) -> None:
    folder = tmp_path / "DvsGesture"
    users = tuple(f"user{number:02d}" for number in range(1, 13))
    written = write_gestures(folder, users, "train", gestures=3)
    written |= write_gestures(folder, ("user29",), "test", gestures=12)
    parts = EVENT_SETS["dvs-gesture"].parts(tmp_path)
    assert [len(parts[part]) for part in PARTS] == [33, 3, 12]
    assert labels_of("dvs-gesture", folder)["test"] == [*range(11), 0]
    assert parts["test"].labelled is not None
    assert parts["test"].labelled.classes == CLASSES
    assert len(CLASSES) == 11
    for part, user, gestures in (("validation", "user12", 3), ("test", "user29", 12)):
        events = written[f"{user}_led.aedat"]
        edges = np.linspace(0, events[-1][2], gestures + 1).astype(int).tolist()
        for number, (start, end) in enumerate(pairwise(edges)):
            wanted = [event for event in events if start <= event[2] < end]
            assert listed(parts[part].read(number)) == wanted


def test_one_user_cannot_validate_others(tmp_path: Path) -> None:
    write_gestures(tmp_path, ("user01",), "train")
    write_gestures(tmp_path, ("user02",), "test")
    with pytest.raises(InvalidValueError, match="two or more, of whom the last"):
        read_gestures(tmp_path)


GESTURES = {
    "a trial with another name": ("trials_to_train.txt", "../user01_led.aedat", "is no name like"),
    "no trials": ("trials_to_test.txt", "\n", "it names no recording"),
    "other columns": ("user01_led_labels.csv", "a,b\n1,2\n", "its first line is"),
    "a list of none": (
        "user03_led_labels.csv",
        "class,startTime_usec,endTime_usec\n",
        r"the lists of user03_led\.aedat hold no gesture",
    ),
    "an empty list": ("user01_led_labels.csv", "", "its first line is empty"),
    "a class too many": (
        "user01_led_labels.csv",
        "class,startTime_usec,endTime_usec\n12,0,5\n",
        r"line 2 is '?12,0,5",
    ),
    "an end before its start": (
        "user01_led_labels.csv",
        "class,startTime_usec,endTime_usec\n1,0,9\n1,9,5\n",
        "line 3",
    ),
    "a time that is none": (
        "user01_led_labels.csv",
        "class,startTime_usec,endTime_usec\n1,soon,5\n",
        "line 2",
    ),
}


@pytest.mark.parametrize("name", list(GESTURES))
def test_damaged_lists_of_gestures_are_refused(name: str, tmp_path: Path) -> None:
    write_gestures(tmp_path, ("user01", "user02"), "train")
    write_gestures(tmp_path, ("user03",), "test")
    file, content, problem = GESTURES[name]
    (tmp_path / file).write_text(content)
    with pytest.raises(DamagedFileError, match=problem):
        read_gestures(tmp_path)


def test_damaged_recordings_of_gestures_are_refused(tmp_path: Path) -> None:
    write_gestures(tmp_path, ("user01", "user02"), "train")
    write_gestures(tmp_path, ("user03",), "test")
    path = tmp_path / "user03_led.aedat"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DamagedFileError, match="its last packet is cut off"):
        read_gestures(tmp_path)["test"].read(0)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read_gestures(tmp_path)["test"].read(0)
    (tmp_path / "user01_led_labels.csv").write_text(
        "class,startTime_usec,endTime_usec\n1,900000000,900000001\n"
    )
    with pytest.raises(DamagedFileError, match="no event from 900000000"):
        read_gestures(tmp_path)["train"].read(0)


def test_cifar10_is_split_by_the_numbers_of_its_recordings(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "CIFAR10DVS", IMAGES, 11)
    parts = EVENT_SETS["cifar10-dvs"].parts(tmp_path)
    assert [len(parts[part]) for part in PARTS] == [90, 10, 10]
    assert parts["test"].names[0] == "airplane/cifar10_airplane_10.aedat"
    assert parts["validation"].names[9] == "truck/cifar10_truck_9.aedat"
    assert labels_of("cifar10-dvs", tmp_path)["test"] == list(range(10))
    assert parts["train"].read(0).sensor == (128, 128)
    for number in range(2, 11):
        (tmp_path / "CIFAR10DVS" / "frog" / f"cifar10_frog_{number}.aedat").unlink()
    with pytest.raises(DamagedFileError, match="class frog has too few recordings"):
        EVENT_SETS["cifar10-dvs"].parts(tmp_path)
    shutil.rmtree(tmp_path / "CIFAR10DVS" / "ship")
    with pytest.raises(DamagedFileError, match=r"its folder ship holds no.*unpack ship\.zip"):
        EVENT_SETS["cifar10-dvs"].parts(tmp_path)


@pytest.mark.parametrize("chunked", [False, True])
def test_spoken_words(chunked: bool, tmp_path: Path) -> None:
    labels = [0, 1, 2] * 4
    rows = write_spikes(tmp_path / "shd" / "shd_train.h5", labels, chunked=chunked)
    write_spikes(tmp_path / "shd" / "shd_test.h5", [2, 1], seed=1)
    parts = EVENT_SETS["shd"].parts(tmp_path)
    assert [len(parts[part]) for part in PARTS] == [9, 3, 2]
    assert labels_of("shd", tmp_path) == {
        "train": labels[:9],
        "validation": [0, 1, 2],
        "test": [2, 1],
    }
    assert parts["train"].labelled is not None
    assert parts["train"].labelled.classes == WORDS
    for part, first in (("train", 0), ("validation", 9)):
        for index, events in enumerate(parts[part]):
            times, units = rows[first + index]
            assert events.t.tolist() == [round(float(time) * 1e6) for time in times]
            assert events.x.tolist() == units.tolist()
            assert events.p.all()
            assert events.sensor == (700, 1)


def test_spoken_words_are_those_that_tonic_finds(tmp_path: Path) -> None:
    hsd = pytest.importorskip("tonic.datasets.hsd")
    write_spikes(tmp_path / "shd_train.h5", [0, 1, 1])
    theirs = hsd.HSD.__new__(hsd.HSD)
    theirs.location_on_system, theirs.data_filename = str(tmp_path), "shd_train.h5"
    theirs.transform = theirs.target_transform = None
    ours = read_spikes(tmp_path / "shd_train.h5")
    assert ours.labelled is not None
    assert len(theirs) == len(ours) == 3
    for index in range(3):
        events, label = theirs[index]
        own = ours.read(index)
        assert ours.labelled.labels[index] == label
        assert own.x.tolist() == events["x"].tolist()
        # Theirs are cut to whole microseconds, ours rounded.
        assert np.abs(own.t - events["t"]).max() <= 1


def test_speech_commands_have_a_part_for_validation(tmp_path: Path) -> None:
    write_spikes(tmp_path / "ssc_train.h5", [0, 1, 2, 2])
    write_spikes(tmp_path / "ssc_valid.h5", [1], seed=1)
    write_spikes(tmp_path / "ssc_test.h5", [0, 2], seed=2)
    assert labels_of("ssc", tmp_path) == {
        "train": [0, 1, 2, 2],
        "validation": [1],
        "test": [0, 2],
    }


def test_many_blocks_are_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write_spikes(tmp_path / "a.h5", [0] * 7)
    monkeypatch.setattr("ltc2hw.data.events.spikes.BLOCK", 3)
    found = read_spikes(tmp_path / "a.h5")
    for index in (6, 0, 4, 5):
        assert found.read(index).x.tolist() == rows[index][1].tolist()


def test_packed_words_are_named(tmp_path: Path) -> None:
    write_spikes(tmp_path / "shd_train.h5", [0, 0])
    content = (tmp_path / "shd_train.h5").read_bytes()
    (tmp_path / "shd_test.h5.gz").write_bytes(gzip.compress(content))
    with pytest.raises(DamagedFileError, match=r"shd_test\.h5\.gz: it is packed \(unpack it to"):
        EVENT_SETS["shd"].parts(tmp_path)


def _without(name: str, path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file[name]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("labels", "it holds no labels"),
        ("extra/keys", "it holds no extra/keys"),
        ("spikes/times", "it holds no spikes/times with a row for each label"),
    ],
)
def test_words_without_an_array_are_refused(name: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_spikes(path, [0, 1])
    _without(name, path)
    with pytest.raises(DamagedFileError, match=problem):
        read_spikes(path).read(0)


def test_words_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_spikes(path, [0, 3])
    with pytest.raises(DamagedFileError, match="label 3 is none of its 3 keys"):
        read_spikes(path)
    write_spikes(path, [0, 1])
    with h5py.File(path, "r+") as file:
        file["spikes/units"][0] = np.array([1], np.uint16)
        file["spikes/times"][1] = np.full(len(file["spikes/units"][1]), np.inf, np.float16)
    for index, problem in ((0, "times and 1 units"), (1, "not finite")):
        with pytest.raises(DamagedFileError, match=problem):
            read_spikes(path).read(index)
    write_spikes(path, [0, 1])
    with h5py.File(path, "r+") as file:
        file["spikes/units"][0] = np.full(len(file["spikes/units"][0]), 700, np.uint16)
    with pytest.raises(
        InvalidValueError, match=r"x of event 0 of recording 0 .* expected 0 to 699"
    ):
        read_spikes(path).read(0)


def test_damaged_words_end_in_spikes_or_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_spikes(path, [0, 1, 2], chunked=False)
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFileError):
        read_spikes(path)
    rng = np.random.default_rng(0)
    for _ in range(10):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 30):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        with suppress(Ltc2hwError):
            assert len(read_spikes(path).read(0)) > 0


def test_the_last_of_each_class_are_held_back() -> None:
    labels = np.repeat(np.arange(3), (5, 20, 31))
    rest, last = last_of_each_class(labels)
    assert np.bincount(labels[last]).tolist() == [1, 2, 3]
    assert sorted([*rest, *last]) == list(range(56))
    assert last.tolist() == [4, 23, 24, 53, 54, 55]


@pytest.mark.parametrize("name", list(EVENT_SETS))
def test_missing_files_are_named_with_their_page(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = EVENT_SETS[name].about
    with pytest.raises(InvalidValueError, match=r"files of .* is not in ") as caught:
        EVENT_SETS[name].parts(tmp_path)
    for word in (about.title, about.home, about.files[0], f"{tmp_path}/{about.folders[0]}"):
        assert word in str(caught.value)
    monkeypatch.delenv("LTC2HW_DATA", raising=False)
    with pytest.raises(InvalidValueError, match="is looked for nowhere"):
        EVENT_SETS[name].parts(None)
