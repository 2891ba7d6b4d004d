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
from ltc2hw.data.events.frames import Counts, require_room
from ltc2hw.data.events.recording import Sensor
from ltc2hw.data.events.recordings import Recordings
from ltc2hw.data.events.sets import EVENT_SETS
from ltc2hw.data.options import require_only
from ltc2hw.data.prepared import CHECKSUM
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.tasks.split import LazySplit, checksum
from ltc2hw.tasks.task import Task

UNSIGNED, SIGNED = ("uint8", "uint16", "uint32"), ("int8", "int16", "int32")
"""Types that whole numbers are kept in, if they hold all of a recording's."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """What is not zero of one recording's x (T, N), step by step, in the smallest types.

    ``counts`` (T,) are how many ``channels`` each step has; ``values`` are theirs, None where all
    are 1.
    """

    counts: npt.NDArray[Any]
    channels: npt.NDArray[Any]
    values: npt.NDArray[Any] | None

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        values = 0 if self.values is None else self.values.nbytes
        return self.counts.nbytes + self.channels.nbytes + values


@dataclass(frozen=True, eq=False)
class EventSequences:
    """Counts of recordings, of which x is made when it is asked for.

    >>> one = Recorded(np.array([1, 2]), np.array([0, 0, 1]), np.array([1, 1, 2]))
    >>> EventSequences((one,), steps=3, channels=2, spikes=False).array().tolist()
    [[[1.0, 0.0]], [[1.0, 2.0]], [[0.0, 0.0]]]
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
            step = np.repeat(np.arange(len(one.counts)), one.counts)
            x[step, sample, one.channels] = 1.0 if one.values is None else one.values
        return x

    def digest(self) -> bytes:
        """What tells these recordings from all others."""
        hasher = hashlib.sha256(repr(self.shape).encode())
        for one in self.recordings:
            for array in (one.counts, one.channels, one.values):
                hasher.update(b"1" if array is None else array.astype("<i8").data)
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
        TooLargeError: for a recording of too many steps.
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
        require_room(counts.steps, 1, channels, events.source)
        kept.append(_compact(counts, channels))
        steps.append(counts.steps)
        used += counts.events
        total += len(events)
    notes = described(recordings, binning, sensor, used, total - used)
    return Counted(tuple(kept), np.array(steps, np.int64), sensor, notes)


def _compact(counts: Counts, channels: int) -> Recorded:
    """Counts in few bytes."""
    step, channel = np.divmod(counts.places, channels)
    ones = bool((counts.values == 1).all())
    return Recorded(
        _smallest(np.bincount(step, minlength=counts.steps)),
        _smallest(channel),
        None if ones else _smallest(counts.values),
    )


def _smallest(values: IntArray) -> npt.NDArray[Any]:
    """Whole numbers of at most 32 bits in the smallest type that holds them."""
    low, high = int(values.min()), int(values.max())
    kinds = SIGNED if low < 0 else UNSIGNED
    fitting = (kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return values.astype(next(fitting))


def _split(counted: Counted, recordings: Recordings, steps: int, binning: Binning) -> LazySplit:
    assert recordings.labelled is not None
    channels = int(np.prod(binning.shape(counted.sensor)))
    sequences = EventSequences(counted.recordings, steps, channels, not binning.graded)
    return LazySplit(sequences, recordings.labelled.labels, counted.steps)
