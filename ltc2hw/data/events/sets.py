"""Data sets of recordings by name: where they lie, how they are split, what is read of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltc2hw.data.events.gestures import LISTS, read_gestures
from ltc2hw.data.events.labelled import Labelled
from ltc2hw.data.events.reading import read_recording
from ltc2hw.data.events.recordings import Recordings, read_recordings, with_classes
from ltc2hw.data.events.spikes import read_spikes
from ltc2hw.data.places import DataSet, find
from ltc2hw.errors import DamagedFileError
from ltc2hw.files.archive import StrPath
from ltc2hw.numbers.words import IntArray

Parts = Mapping[str, Recordings]
"""Recordings for ``train``, ``validation`` and ``test``."""

HELD_BACK = 0.1
"""Of the recordings of each class, the last ones: for validation, or for the test."""


@dataclass(frozen=True)
class EventSet:
    """A data set of recordings; ``marks`` are its files by one of which its folder is known.

    ``row``: its sensor is a row of channels of one polarity, not an area of pixels.
    """

    about: DataSet
    marks: tuple[str, ...]
    read: Callable[[Path], Parts]
    split: str
    row: bool = False

    def parts(self, root: StrPath | None) -> Parts:
        """The recordings of the data set below a root.

        Raises:
            InvalidValueError: if its files are not there; says where to get them.
            DamagedFileError, OSError: for files that cannot be read.
        """
        return self.read(find(self.about, root, self._holds))

    def _holds(self, folder: Path) -> bool:
        return any((folder / mark).exists() for mark in self.marks)


def last_of_each_class(labels: IntArray, share: float = HELD_BACK) -> tuple[IntArray, IntArray]:
    """Indices of all but the last recordings of each class, and of these, one each at least.

    >>> rest, last = last_of_each_class(np.array([0, 0, 1, 1, 0]))
    >>> rest.tolist(), last.tolist()
    ([0, 1, 2], [3, 4])
    """
    last = [
        members[-max(1, round(share * len(members))) :]
        for members in (np.flatnonzero(labels == label) for label in np.unique(labels))
    ]
    chosen = np.sort(np.concatenate(last))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def _held_back(recordings: Recordings) -> tuple[Recordings, Recordings]:
    """Recordings without the last ones of each class, and these."""
    own = recordings.labelled
    assert own is not None
    rest, last = last_of_each_class(own.labels)
    lost = np.setdiff1d(own.labels, own.labels[rest])
    if len(lost):
        problem = f"class {own.classes[lost[0]]} has too few recordings"
        raise DamagedFileError(recordings.source, problem, "each part needs one of each class")
    return recordings.take(rest), recordings.take(last)


def _nmnist(folder: Path) -> Parts:
    found = read_recordings(folder)
    missing = [part for part in ("train", "test") if part not in found]
    if missing:
        problem = f"it holds no folder or archive {' and '.join(missing).title()}"
        raise DamagedFileError(folder, problem, "N-MNIST is Train.zip and Test.zip")
    train, validation = _held_back(found["train"])
    return {"train": train, "validation": validation, "test": found["test"]}


IMAGES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
NUMBERED = re.compile(r"cifar10_[a-z]+_([0-9]+)\.aedat")


def _cifar10(folder: Path) -> Parts:
    """CIFAR10-DVS: a folder for each class; of each the last recordings are for the test."""
    paths, labels = [], []
    for label, name in enumerate(IMAGES):
        own = [path for path in (folder / name).glob("*.aedat") if NUMBERED.fullmatch(path.name)]
        if not own:
            problem = f"its folder {name} holds no recording like cifar10_{name}_0.aedat"
            raise DamagedFileError(folder, problem, f"unpack {name}.zip there")
        paths += sorted(own, key=_number)
        labels += [label] * len(own)
    found = Recordings(
        str(folder),
        tuple(str(path.relative_to(folder)) for path in paths),
        lambda index: read_recording(paths[index]),
        Labelled(np.array(labels, np.int64), IMAGES),
    )
    rest, test = _held_back(found)
    train, validation = _held_back(rest)
    return {"train": train, "validation": validation, "test": test}


def _number(path: Path) -> int:
    match = NUMBERED.fullmatch(path.name)
    assert match is not None
    return int(match[1])


def _spikes(folder: Path, name: str) -> Recordings:
    path = folder / name
    packed = [end for end in (".gz", ".zip") if (folder / f"{name}{end}").exists()]
    if packed and not path.exists():
        raise DamagedFileError(f"{path}{packed[0]}", "it is packed", f"unpack it to {name}")
    return read_spikes(path)


def _shd(folder: Path) -> Parts:
    whole = _spikes(folder, "shd_train.h5")
    train, validation = _held_back(whole)
    test = _spikes(folder, "shd_test.h5")
    return {"train": train, "validation": validation, "test": _of_classes(test, whole)}


def _ssc(folder: Path) -> Parts:
    train = _spikes(folder, "ssc_train.h5")
    others = {"validation": "ssc_valid.h5", "test": "ssc_test.h5"}
    found = {part: _of_classes(_spikes(folder, name), train) for part, name in others.items()}
    return {"train": train, **found}


def _of_classes(recordings: Recordings, known: Recordings) -> Recordings:
    assert known.labelled is not None
    return with_classes(recordings, known.labelled.classes)


SHD_FILES = ("shd_train.h5", "shd_test.h5")
SSC_FILES = ("ssc_train.h5", "ssc_valid.h5", "ssc_test.h5")
WORDS_HOME = "https://zenkelab.org/resources/spiking-heidelberg-datasets-shd"

LAST = "of each class the last tenth"

EVENT_SETS: Mapping[str, EventSet] = {
    "nmnist": EventSet(
        DataSet(
            "N-MNIST",
            ("nmnist", "N-MNIST", "NMNIST"),
            ("Train.zip", "Test.zip"),
            "https://www.garrickorchard.com/datasets/n-mnist",
            "CC BY-SA 4.0",
        ),
        ("Train.zip", "Test.zip", "Train", "Test"),
        _nmnist,
        f"the test as the data say; {LAST} of the training recordings for validation",
    ),
    "dvs-gesture": EventSet(
        DataSet(
            "DVS128 Gesture",
            ("DvsGesture", "dvs-gesture", "dvs-gesture/DvsGesture"),
            ("DvsGesture.tar.gz, unpacked: user01_fluorescent.aedat, ...", *LISTS.values()),
            "https://research.ibm.com/interactive/dvsgesture",
            "CC BY 4.0",
        ),
        tuple(LISTS.values()),
        read_gestures,
        "the test as the data say; of the users for training the last tenth for validation",
    ),
    "cifar10-dvs": EventSet(
        DataSet(
            "CIFAR10-DVS",
            ("cifar10-dvs", "CIFAR10-DVS", "CIFAR10DVS"),
            tuple(f"{name}.zip, unpacked to {name}" for name in (IMAGES[0], "...", IMAGES[-1])),
            "https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671",
            "CC BY 4.0",
        ),
        IMAGES,
        _cifar10,
        f"the data have none: {LAST} for the test, and of the rest for validation",
    ),
    "shd": EventSet(
        DataSet("SHD", ("shd", "SHD", "hsd"), SHD_FILES, WORDS_HOME, "CC BY 4.0"),
        tuple(f"{file}{end}" for file in SHD_FILES for end in ("", ".gz", ".zip")),
        _shd,
        f"the test as the data say; {LAST} of the training recordings for validation",
        row=True,
    ),
    "ssc": EventSet(
        DataSet("SSC", ("ssc", "SSC", "hsd"), SSC_FILES, WORDS_HOME, "CC BY 4.0"),
        tuple(f"{file}{end}" for file in SSC_FILES for end in ("", ".gz", ".zip")),
        _ssc,
        "as the data say",
        row=True,
    ),
}
"""Data sets of recordings by the name of their task."""
