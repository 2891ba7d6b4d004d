"""DVS128 Gesture as its authors publish it: long recordings in AEDAT 3.1, and lists of gestures.

``user01_led.aedat`` has a list ``user01_led_labels.csv`` with a line ``class,startTime_usec,
endTime_usec`` for each gesture, classes from 1 to 11; ``trials_to_train.txt`` and
``trials_to_test.txt`` name the recordings of each part.

Source: Amir et al., CVPR 2017, and the data set's README.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltc2hw.data.events.labelled import Labelled
from ltc2hw.data.events.reading import read_recording
from ltc2hw.data.events.recording import Events
from ltc2hw.data.events.recordings import Recordings
from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files.archive import read_bytes, shown

LISTS = {"train": "trials_to_train.txt", "test": "trials_to_test.txt"}
CLASSES = (
    *("hand_clapping", "right_hand_wave", "left_hand_wave"),
    *("right_arm_clockwise", "right_arm_counter_clockwise"),
    *("left_arm_clockwise", "left_arm_counter_clockwise"),
    *("arm_roll", "air_drums", "air_guitar", "other_gestures"),
)
"""In the order of the numbers, as ``gesture_mapping.csv`` calls them."""

COLUMNS = ["class", "startTime_usec", "endTime_usec"]
TRIAL = re.compile(r"(user[0-9]+)_[A-Za-z_]+\.aedat")

VALIDATION_SHARE = 0.1
"""Of the users of the training recordings, the last ones, one at least."""


@dataclass(frozen=True)
class Gesture:
    """A gesture within a recording: its class from 0, and its first and last microsecond."""

    file: str
    label: int
    start: int
    end: int


def read_gestures(folder: Path) -> dict[str, Recordings]:
    """Gestures of the folder ``DvsGesture`` by part; the last users of the training validate.

    Raises:
        DamagedFileError: for lists or recordings that are not as the authors made them, and
            gestures without an event.
        InvalidValueError: if all training recordings are of one user.
        OSError: for a recording that is named and not there.
    """
    trials = {part: _trials(folder / name) for part, name in LISTS.items()}
    users = sorted({_user(name) for name in trials["train"]})
    if len(users) < 2:
        limit = "two or more, of whom the last is for validation"
        raise InvalidValueError(f"users in {folder / LISTS['train']}", len(users), limit)
    last = users[-max(1, round(VALIDATION_SHARE * len(users))) :]
    parts = {
        "train": [name for name in trials["train"] if _user(name) not in last],
        "validation": [name for name in trials["train"] if _user(name) in last],
        "test": trials["test"],
    }
    return {part: _recordings(folder, names) for part, names in parts.items()}


def _user(name: str) -> str:
    return name.partition("_")[0]


def _lines(path: Path) -> list[str]:
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedFileError(path, "it is no text") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _trials(path: Path) -> list[str]:
    """Names of the recordings of a part."""
    names = _lines(path)
    for name in names:
        if TRIAL.fullmatch(name) is None:
            raise DamagedFileError(path, f"{shown(name)} is no name like user01_led.aedat")
    if not names:
        raise DamagedFileError(path, "it names no recording")
    return names


def _gestures(folder: Path, name: str) -> list[Gesture]:
    """What a recording's list says."""
    path = folder / f"{name.removesuffix('.aedat')}_labels.csv"
    head, *rows = _lines(path) or [""]
    if [cell.strip() for cell in head.split(",")] != COLUMNS:
        problem = f"its first line is {shown(head) or 'empty'}"
        raise DamagedFileError(path, problem, f"expected {','.join(COLUMNS)}")
    found = []
    for number, row in enumerate(rows, 2):
        try:
            label, start, end = map(int, row.split(","))
        except ValueError:
            label = start = end = 0
        if not 1 <= label <= len(CLASSES) or not start < end:
            problem = f"line {number} is {shown(row)}"
            limit = f"expected a class from 1 to {len(CLASSES)}, a start and a later end"
            raise DamagedFileError(path, problem, limit)
        found.append(Gesture(name, label - 1, start, end))
    return found


def _recordings(folder: Path, names: Sequence[str]) -> Recordings:
    """All gestures of some recordings; the last recording that was read is kept."""
    gestures = [gesture for name in names for gesture in _gestures(folder, name)]
    if not gestures:
        raise DamagedFileError(folder, f"the lists of {', '.join(names)} hold no gesture")
    kept: dict[str, Events] = {}

    def read(index: int) -> Events:
        gesture = gestures[index]
        if gesture.file not in kept:
            kept.clear()
            kept[gesture.file] = read_recording(folder / gesture.file)
        return _cut(kept[gesture.file], gesture)

    titles = tuple(f"{one.file} from {one.start} µs" for one in gestures)
    labels = np.array([gesture.label for gesture in gestures], np.int64)
    return Recordings(str(folder), titles, read, Labelled(labels, CLASSES))


def _cut(events: Events, gesture: Gesture) -> Events:
    """The events of a gesture, from its start on and before its end."""
    first, last = np.searchsorted(events.t, [gesture.start, gesture.end])
    if first == last:
        problem = f"no event from {gesture.start} to {gesture.end} µs, where its list has a gesture"
        raise DamagedFileError(events.source, problem)
    own = slice(first, last)
    name = f"{events.source} from {gesture.start} µs"
    return Events(events.x[own], events.y[own], events.t[own], events.p[own], *events.sensor, name)
