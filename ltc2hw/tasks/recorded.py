"""Data sets of recordings as tasks: events are counted once, and samples made batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.data import DETECTED, DataOptions
from ltc2hw.data.events.batch import counts_of, described
from ltc2hw.data.events.binning import Binning
from ltc2hw.data.events.frames import Counts
from ltc2hw.data.events.recording import Sensor
from ltc2hw.data.events.recordings import Recordings
from ltc2hw.data.events.sets import EVENT_SETS
from ltc2hw.data.options import require_only
from ltc2hw.data.prepared import CHECKSUM
from ltc2hw.errors import InvalidValueError, TooLargeError
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.tasks.split import LazySplit, checksum
from ltc2hw.tasks.task import Task

MOST_PLACES = 1 << 32
"""Most steps times channels of a recording, so that a place fits into 32 bits."""

VALUES = ("uint8", "int8", "uint16", "int16", "int32")
"""Types that counts are kept in, if they hold all of a recording's."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """What is not zero of one recording's x (T, N): places, step · N + channel, and values."""

    places: npt.NDArray[np.uint32]
    values: npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class EventSequences:
    """Counts of recordings, of which x is made when it is asked for.

    >>> one = Recorded(np.array([0, 3], np.uint32), np.array([1, 2], np.uint8))
    >>> EventSequences((one,), steps=2, channels=2, spikes=False).array().tolist()
    [[[1.0, 0.0]], [[0.0, 2.0]]]
    """

    recordings: tuple[Recorded, ...]
    steps: int
    channels: int
    spikes: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Steps, samples and inputs."""
        return self.steps, len(self.recordings), self.channels

    def take(self, indices: npt.NDArray[np.int64]) -> EventSequences:
        """The recordings at ``indices``, in that order."""
        return replace(self, recordings=tuple(self.recordings[index] for index in indices))

    def array(self) -> FloatArray:
        """X as float64, (T, B, N)."""
        x = np.zeros(self.shape)
        for sample, one in enumerate(self.recordings):
            step, channel = np.divmod(one.places, self.channels)
            x[step, sample, channel] = one.values
        return x

    def digest(self) -> bytes:
        """What tells these recordings from all others."""
        hasher = hashlib.sha256(repr(self.shape).encode())
        for one in self.recordings:
            hasher.update(one.places.astype("<u4").data)
            hasher.update(one.values.astype("<i4").data)
        return hasher.digest()


@dataclass(frozen=True, eq=False)
class Counted:
    """The recordings of a part: counts, steps of each, their sensor, and what is told of them."""

    recordings: tuple[Recorded, ...]
    steps: IntArray
    sensor: Sensor
    notes: Mapping[str, str]


def recorded_task(name: str, options: DataOptions = DETECTED) -> Task:
    """The task of a data set of EVENT_SETS; ``options.binning`` says what a step is.

    Raises:
        InvalidValueError: for files that are not there, options that such data do not have,
            recordings of which nothing is left.
        TooLargeError: for recordings of too many steps.
        DamagedFileError, OSError: for files that cannot be read.
    """
    found = EVENT_SETS[name]
    require_only(options, ("root", "decision_steps", "binning"), f"task {name}")
    binning = _of_row(options.binning, name) if found.row else options.binning
    parts = found.parts(options.root)
    counted = {part: _counted(recordings, binning) for part, recordings in parts.items()}
    if len({one.sensor for one in counted.values()}) > 1:
        sensors = ", ".join(f"{part} {one.sensor}" for part, one in counted.items())
        raise InvalidValueError(f"sensors of {name}", sensors, "the same in all parts")
    shape = binning.shape(counted["train"].sensor)
    steps = max(int(one.steps.max()) for one in counted.values())
    splits = {
        part: _split(counted[part], recordings, steps, binning)
        for part, recordings in parts.items()
    }
    labelled = parts["train"].labelled
    assert labelled is not None
    about = found.about
    notes = {"source": f"{about.title}, {parts['train'].source}", "split": found.split}
    return Task(
        name=name,
        kind="classification",
        steps=steps,
        inputs=int(np.prod(shape)),
        outputs=len(labelled.classes),
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        decision_steps=options.decision_steps or 1,
        graded=binning.graded,
        classes=labelled.classes,
        provenance={**counted["train"].notes, **notes, CHECKSUM: checksum(splits)},
        shape=shape[1:] if found.row else shape,
    )


def _of_row(binning: Binning, name: str) -> Binning:
    """Channels of one polarity.

    Raises:
        InvalidValueError: if polarities are asked for.
    """
    if binning.polarity not in ("two-channels", "merge"):
        limit = "none, as its spikes have no polarity"
        raise InvalidValueError(f"polarity of {name}", binning.polarity, limit)
    return replace(binning, polarity="merge")


def _counted(recordings: Recordings, binning: Binning) -> Counted:
    """The counts of all recordings of a part, each read once."""
    kept, steps, sensor, used, total = [], [], (0, 0), 0, 0
    for events, counts in counts_of(recordings, binning):
        sensor = events.sensor
        channels = int(np.prod(binning.shape(sensor)))
        if counts.steps * channels > MOST_PLACES:
            raise TooLargeError(
                f"events of {events.source} as steps", f"{counts.steps} of {channels} channels",
                f"at most {MOST_PLACES} numbers", "set a longer window_us, max_steps or downsample",
            )  # fmt: skip
        kept.append(_compact(counts))
        steps.append(counts.steps)
        used += counts.events
        total += len(events)
    notes = described(recordings, binning, sensor, used, total - used)
    return Counted(tuple(kept), np.array(steps, np.int64), sensor, notes)


def _compact(counts: Counts) -> Recorded:
    """Counts in few bytes."""
    low, high = int(counts.values.min()), int(counts.values.max())
    kind = next(k for k in VALUES if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
    return Recorded(counts.places.astype(np.uint32), counts.values.astype(kind))


def _split(counted: Counted, recordings: Recordings, steps: int, binning: Binning) -> LazySplit:
    assert recordings.labelled is not None
    channels = int(np.prod(binning.shape(counted.sensor)))
    sequences = EventSequences(counted.recordings, steps, channels, not binning.graded)
    return LazySplit(sequences, recordings.labelled.labels, counted.steps)
