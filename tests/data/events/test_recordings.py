"""Folders, archives and lists of recordings, and data sets of tonic's."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltc2hw.data.events import (
    Binning,
    Recordings,
    bin_parts,
    bin_recordings,
    dataset_recordings,
    frames,
    read_recordings,
)
from ltc2hw.errors import DamagedFileError, InvalidValueError, Ltc2hwError, TooLargeError
from tests.data.events.recordings import listed, made, nmnist, random_events, structured
from tests.shared_data import shared_data

Files = Mapping[str, bytes]


def clip(seed: int) -> bytes:
    return nmnist(random_events(seed, 20 + seed))


BY_CLASS: Files = {f"{name}/{seed}.bin": clip(seed) for seed, name in enumerate(["10", "9", "10"])}


def write_folder(path: Path, files: Files) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def write_zip(path: Path, files: Files) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def labels_of(recordings: Recordings) -> list[tuple[str, str]]:
    assert recordings.labelled is not None
    classes = recordings.labelled.classes
    return [
        (name, classes[label])
        for name, label in zip(recordings.names, recordings.labelled.labels, strict=True)
    ]


@pytest.mark.parametrize("above", ["", "Train/", "some/where/"])
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_folder_per_class(above: str, form: str, tmp_path: Path) -> None:
    files = {above + name: content for name, content in BY_CLASS.items()}
    path = (
        write_folder(tmp_path / "data", files)
        if form == "folder"
        else write_zip(tmp_path / "data.zip", files)
    )
    parts = read_recordings(path)
    assert list(parts) == ["all"]
    found = parts["all"]
    assert labels_of(found) == [("10/0.bin", "10"), ("10/2.bin", "10"), ("9/1.bin", "9")]
    assert found.labelled is not None
    assert found.labelled.classes == ("9", "10")
    assert listed(found.read(1)) == random_events(2, 22)
    assert [len(events) for events in found] == [20, 22, 21]


def test_parts_in_folders_and_archives_have_the_classes_of_the_training_samples(
    tmp_path: Path,
) -> None:
    write_zip(tmp_path / "Test.zip", {"Test/9/a.bin": clip(7)})
    write_folder(tmp_path, {f"train/{name}": content for name, content in BY_CLASS.items()})
    write_folder(tmp_path / "val", {"10/b.bin": clip(8), ".DS_Store": b"", "readme.txt": b"hello"})
    parts = read_recordings(tmp_path)
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 3, "validation": 1, "test": 1
    }  # fmt: skip
    for part in parts.values():
        assert part.labelled is not None
        assert part.labelled.classes == ("9", "10")
    assert labels_of(parts["test"]) == [("9/a.bin", "9")]
    assert labels_of(parts["validation"]) == [("10/b.bin", "10")]
    assert parts["validation"].ignored == "1 .txt"


def test_one_archive_with_both_parts(tmp_path: Path) -> None:
    files = {"n/Train/1/a.bin": clip(1), "n/Train/2/b.bin": clip(2), "n/Test/1/c.bin": clip(3)}
    flat = {name.removeprefix("n/"): content for name, content in files.items()}
    for name, each in (("a.zip", files), ("b.zip", flat)):
        parts = read_recordings(write_zip(tmp_path / name, each))
        assert {part: len(found) for part, found in parts.items()} == {"train": 2, "test": 1}


LIST = "file,label\na.bin,left\nsub/b.bin,right\n"
LISTED: Files = {"a.bin": clip(1), "sub/b.bin": clip(2)}


@pytest.mark.parametrize(
    "text", [LIST, "\ufeff" + LIST, LIST.replace("\n", "\r\n"), LIST.replace("sub/b", "sub\\b")]
)
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_list_of_labels(text: str, form: str, tmp_path: Path) -> None:
    files = {**LISTED, "labels.csv": text.encode()}
    path = (
        write_folder(tmp_path / "data", files)
        if form == "folder"
        else write_zip(tmp_path / "data.zip", files)
    )
    assert labels_of(read_recordings(path)["all"]) == [("a.bin", "left"), ("sub/b.bin", "right")]


def test_a_list_tells_parts(tmp_path: Path) -> None:
    text = "label,part,file\nb,train,a.bin\na,train,c.bin\nb,Test,sub/b.bin\n"
    files = {**LISTED, "c.bin": clip(3), "labels.csv": text.encode()}
    parts = read_recordings(write_folder(tmp_path, files))
    assert labels_of(parts["train"]) == [("a.bin", "b"), ("c.bin", "a")]
    assert labels_of(parts["test"]) == [("sub/b.bin", "b")]
    assert parts["test"].labelled is not None
    assert parts["test"].labelled.classes == ("a", "b")


WRONG: dict[str, tuple[Files, str]] = {
    "nothing": ({}, "it holds no recording"),
    "other files": ({"a/b.txt": b""}, "it holds no recording"),
    "no classes": ({"a.bin": clip(1)}, "a.bin lies in no folder of a class"),
    "loose": ({**BY_CLASS, "a.bin": clip(1)}, "a.bin lies in no folder of a class"),
    "depths": (
        {"n/Train/1/a.bin": clip(1), "n/a.bin": clip(1)},
        "n/a.bin and n/Train/1/a.bin lie at different depths",
    ),
    "foreign": ({**BY_CLASS, "9/a.raw": b"1"}, "9/a.raw is of no event format known here"),
    "twice": (
        {"train/1/a.bin": clip(1), "training/1/a.bin": clip(1)},
        "its train samples are there twice",
    ),
    "class": (
        {"train/1/a.bin": clip(1), "test/2/a.bin": clip(1)},
        "class in .*test is '2'; expected one of 1",
    ),
    "list: name": (
        {**LISTED, "labels.csv": b"file,label\nc.bin,1\n"},
        "line 2: c.bin is not there",
    ),
    "list: out": (
        {**LISTED, "labels.csv": b"file,label\n../../etc/passwd,1\n"},
        "line 2: ../../etc/passwd is not there",
    ),
    "list: twice": (
        {**LISTED, "labels.csv": b"file,label\na.bin,1\na.bin,1\n"},
        "line 3: a.bin is there twice",
    ),
    "list: rest": (
        {**LISTED, "labels.csv": b"file,label\na.bin,1\n"},
        "1 recordings have no line, the first is sub/b.bin",
    ),
    "list: label": (
        {**LISTED, "labels.csv": b"file,label\na.bin,\n"},
        "line 2: a.bin has no label",
    ),
    "list: fields": ({**LISTED, "labels.csv": b"file,label\na.bin\n"}, "line 2 has not 2 fields"),
    "list: more": ({**LISTED, "labels.csv": b"file,label\na.bin,1,2\n"}, "line 2 has not 2 fields"),
    "list: head": ({**LISTED, "labels.csv": b"a.bin,1\n"}, "its first line is a.bin,1"),
    "list: semicolons": ({**LISTED, "labels.csv": b"file;label\n"}, "its first line is file;label"),
    "list: empty": ({**LISTED, "labels.csv": b""}, "its first line is empty"),
    "list: bytes": ({**LISTED, "labels.csv": b"\xff\xfe"}, "it is no text in UTF-8"),
    "list: part": (
        {**LISTED, "labels.csv": b"file,label,part\na.bin,1,first\n"},
        "part in line 2 of .*labels.csv is 'first'; expected one of train",
    ),
}


@pytest.mark.parametrize("name", list(WRONG))
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_folders_that_are_none_are_refused(name: str, form: str, tmp_path: Path) -> None:
    files, message = WRONG[name]
    path = tmp_path / ("data" if form == "folder" else "data.zip")
    if form == "folder":
        path.mkdir()
        write_folder(path, files)
    else:
        write_zip(path, files)
    with pytest.raises(Ltc2hwError, match=message):
        read_recordings(path)


@pytest.mark.parametrize("name", ["../a/b.bin", "/a/b.bin", "a\\b.bin", "a/../../b.bin"])
def test_members_that_lead_out_of_an_archive_are_refused(name: str, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {name: clip(1)})
    with pytest.raises(DamagedFileError, match="leads out of the archive"):
        read_recordings(path)


def test_a_damaged_recording_is_named_when_it_is_read(tmp_path: Path) -> None:
    files = {**BY_CLASS, "9/1.bin": clip(1)[:-2]}
    found = read_recordings(write_folder(tmp_path, files))["all"]
    with pytest.raises(DamagedFileError, match=r"9/1.bin: its last event is cut off"):
        bin_recordings(found, Binning())


@pytest.mark.parametrize("name", ["absent", "absent.zip", "absent.bin", "absent.npz"])
def test_what_is_not_there_is_said_by_the_system(name: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        read_recordings(tmp_path / name)


def test_samples_are_the_frames_of_each_recording(tmp_path: Path) -> None:
    found = read_recordings(write_folder(tmp_path, BY_CLASS))["all"]
    binning = Binning(window_us=1000, downsample=2)
    binned = bin_recordings(found, binning)
    assert binned.x.shape == (binned.lengths.max(), 3, 2 * 17 * 17)
    for sample, events in enumerate(found):
        own = frames(events, binning)
        assert len(own) == binned.lengths[sample]
        np.testing.assert_array_equal(binned.x[: len(own), sample], own)
        assert not binned.x[len(own) :, sample].any()
    assert binned.labels is not None
    assert binned.labels.tolist() == [1, 1, 0]
    assert binned.events == binned.x.sum() == sum(map(len, found))
    assert binned.provenance["binning"] == "window_us=1000,downsample=2"
    assert binned.provenance["sensor"] == "34x34"


def test_what_a_binning_leaves_out_is_counted(tmp_path: Path) -> None:
    found = read_recordings(write_folder(tmp_path, BY_CLASS))["all"]
    binned = bin_recordings(found, Binning(polarity="on", max_steps=1))
    assert binned.events + binned.left_out == sum(map(len, found))
    assert binned.provenance["events left out by the binning"] == str(binned.left_out)


def test_all_parts_have_the_same_steps() -> None:
    def clips(*durations: int) -> Recordings:
        found = [made([0, 0], [0, 0], [0, end], [0, 1], 1, 1) for end in durations]
        return Recordings("clips", tuple(map(str, durations)), found.__getitem__)

    parts = bin_parts({"train": clips(5, 9), "test": clips(14)}, Binning(window_us=5))
    assert {name: part.x.shape for name, part in parts.items()} == {
        "train": (3, 2, 2), "test": (3, 1, 2)
    }  # fmt: skip
    assert parts["train"].lengths.tolist() == [2, 2]


def test_recordings_of_different_sensors_are_refused() -> None:
    clips = [made([0], [0], [0], [0], size, size, f"clip {size}") for size in (1, 2)]
    with pytest.raises(InvalidValueError, match="sensor of clip 2"):
        bin_recordings(Recordings("clips", ("a", "b"), clips.__getitem__), Binning())
    with pytest.raises(InvalidValueError, match="number of recordings of none is 0"):
        bin_recordings(Recordings("none", (), clips.__getitem__), Binning())


def test_more_samples_than_fit_are_refused() -> None:
    events = made([0, 0], [0, 0], [0, 10**6], [0, 1], 1000, 1000)
    many = Recordings("many", ("a",) * 300, lambda _: events)
    with pytest.raises(TooLargeError, match="steps of 300 samples of 2000000 channels"):
        bin_recordings(many, Binning())


def test_the_first_of_each_class(tmp_path: Path) -> None:
    found = read_recordings(write_folder(tmp_path, BY_CLASS))["all"].first(1)
    assert labels_of(found) == [("10/0.bin", "10"), ("9/1.bin", "9")]
    assert listed(found.read(1)) == random_events(1, 21)


class Dataset:
    """As tonic's data sets are."""

    sensor_size: Any = (34, 34, 2)
    classes: Any = ("seven", "eight", "nine")

    def __init__(self, targets: list[Any]) -> None:
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Any:
        return structured(random_events(index, 20)), self.targets[index]


def test_a_data_set_of_pairs() -> None:
    found = dataset_recordings(Dataset([2, np.int64(0), 2]))
    assert labels_of(found) == [("0", "nine"), ("1", "seven"), ("2", "nine")]
    assert listed(found.read(2)) == random_events(2, 20)
    named = dataset_recordings(Dataset(["eight", "nine"]))
    assert labels_of(named) == [("0", "eight"), ("1", "nine")]


def test_a_data_set_without_classes_or_sensor() -> None:
    data = Dataset([10, 9])
    data.classes = data.sensor_size = None
    with pytest.raises(InvalidValueError, match="sensor of Dataset is not told"):
        dataset_recordings(data)
    found = dataset_recordings(data, (34, 34))
    assert labels_of(found) == [("0", "10"), ("1", "9")]


@pytest.mark.parametrize("targets", [[3], ["ten"]])
def test_labels_beyond_the_classes_are_refused(targets: list[Any]) -> None:
    with pytest.raises(InvalidValueError, match="label in Dataset is"):
        dataset_recordings(Dataset(targets))


def test_frames_of_a_transform_are_no_events() -> None:
    class Framed(Dataset):
        def __getitem__(self, index: int) -> Any:
            return np.zeros((5, 2, 34, 34)), 0

    with pytest.raises(InvalidValueError, match="recording 0 of Framed is an array of shape"):
        dataset_recordings(Framed([0])).read(0)

    class Single(Dataset):
        def __getitem__(self, index: int) -> Any:
            return structured(random_events(0))

    with pytest.raises(InvalidValueError, match="item 0 of Single is ndarray; expected a pair"):
        dataset_recordings(Single([0]))


def test_tonics_own_data_set_of_the_same_files(tmp_path: Path) -> None:
    """N-MNIST by tonic, from an unpacked archive, against the archive itself."""
    tonic = pytest.importorskip("tonic")
    archive = shared_data("nmnist", "Test.zip")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "Whole")

    class Whole(tonic.datasets.NMNIST):  # type: ignore[misc, name-defined]
        """Without the count of all 70,000 files."""

        def _check_exists(self) -> bool:
            return True

    theirs = dataset_recordings(Whole(str(tmp_path), train=False))
    ours = read_recordings(archive)["all"]
    assert len(theirs) == len(ours) == 100
    assert ours.labelled is not None
    assert theirs.labelled is not None
    np.testing.assert_array_equal(ours.labelled.labels, theirs.labelled.labels)
    binning = Binning(window_us=20_000, downsample=4)
    np.testing.assert_array_equal(
        bin_recordings(ours, binning).x, bin_recordings(theirs, binning).x
    )
