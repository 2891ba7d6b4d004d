"""Small data sets in the form in which their authors publish them, written by tests."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from ltc2hw.data.source import Array
from tests.data.events.recordings import (
    Event,
    aedat2,
    aedat3_header,
    nmnist,
    packet,
    random_events,
)

WORDS = ("zero", "one", "null")


def write_nmnist(folder: Path, train: int = 3, test: int = 1) -> dict[str, list[Event]]:
    """``Train/<class>/<number>.bin`` and ``Test``, classes 3 and 7; events by path."""
    written: dict[str, list[Event]] = {}
    for part, count in (("Train", train), ("Test", test)):
        for label in (3, 7):
            for number in range(count):
                path = folder / part / str(label) / f"{number:05d}.bin"
                path.parent.mkdir(parents=True, exist_ok=True)
                events = random_events(len(written))
                path.write_bytes(nmnist(events))
                written[str(path.relative_to(folder))] = events
    return written


def write_gestures(
    folder: Path, users: tuple[str, ...], part: str, gestures: int = 2
) -> dict[str, list[Event]]:
    """Recordings of two packets with lists of their gestures; events by the recording's name."""
    written = {}
    folder.mkdir(parents=True, exist_ok=True)
    for user in users:
        events = random_events(len(user) + int(user[-2:]), 200, 128, 128)
        half = len(events) // 2
        content = aedat3_header("#Format: RAW", "#Source 1: DVS128", "#Start-Time: 10:00")
        content += packet(events[:half], source=1) + packet(events[half:], source=1)
        (folder / f"{user}_led.aedat").write_bytes(content)
        last = events[-1][2]
        edges = np.linspace(0, last, gestures + 1).astype(int).tolist()
        rows = [
            f"{1 + number % 11},{edges[number]},{edges[number + 1]}" for number in range(gestures)
        ]
        text = "\n".join(("class,startTime_usec,endTime_usec", *rows, ""))
        (folder / f"{user}_led_labels.csv").write_text(text)
        written[f"{user}_led.aedat"] = events
    names = "".join(f"{user}_led.aedat\n" for user in users) + "\n"
    (folder / f"trials_to_{part}.txt").write_text(names)
    return written


def write_cifar10(folder: Path, names: tuple[str, ...], count: int) -> None:
    """``<class>/cifar10_<class>_<number>.aedat``, AEDAT 2.0 of the DVS128."""
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            events = random_events(100 * label + number, 30, 128, 128)
            path = folder / name / f"cifar10_{name}_{number}.aedat"
            path.write_bytes(aedat2(events, ("# This is a raw AE data file - do not edit",)))


def write_spikes(
    path: Path, labels: list[int], seed: int = 0, *, chunked: bool = True, keys: bool = True
) -> list[tuple[Array, Array]]:
    """A file of SHD or SSC; times and units of each recording."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in labels:
        count = int(rng.integers(5, 40))
        times = np.sort(rng.random(count)).astype(np.float16)
        rows.append((times, rng.integers(0, 700, count).astype(np.uint16)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        layout = {"chunks": (2,), "maxshape": (None,)} if chunked else {}
        for name, kind, place in (("times", np.float16, 0), ("units", np.uint16, 1)):
            shape = (len(labels),)
            column = file.create_dataset(f"spikes/{name}", shape, h5py.vlen_dtype(kind), **layout)
            for index, row in enumerate(rows):
                column[index] = row[place]
        file["labels"] = np.array(labels, np.uint16)
        file["extra/speaker"] = np.zeros(len(labels), np.uint16)
        if keys:
            file["extra/keys"] = np.array(WORDS, "S8")
    return rows
