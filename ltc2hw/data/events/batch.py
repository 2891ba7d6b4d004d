"""Many recordings as one array of samples, time first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.data.events.binning import Binning
from ltc2hw.data.events.frames import Counts, count, require_room
from ltc2hw.data.events.recording import Events, Sensor
from ltc2hw.data.events.recordings import Recordings
from ltc2hw.data.parts import PartName
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Binned:
    """Recordings as samples.

    ``x`` is (T, B, N), zero after a recording's end; ``lengths`` (B,) are its own steps; ``labels``
    (B,) are indices into ``classes``, None where there are none. ``shape`` is (P, H, W) with
    N = P·H·W. ``events`` were counted, ``left_out`` were left out by the binning.
    """

    x: FloatArray
    lengths: IntArray
    labels: IntArray | None
    classes: tuple[str, ...]
    names: tuple[str, ...]
    shape: tuple[int, int, int]
    graded: bool
    events: int
    left_out: int
    provenance: Mapping[str, str]


def bin_recordings(recordings: Recordings, binning: Binning) -> Binned:
    """Count the events of many recordings; each is read once, one at a time.

    Raises:
        DamagedFileError, InvalidValueError: for a recording that cannot be read or has no event
            left, recordings of different sensors, no recording.
        TooLargeError: for more than MOST_NUMBERS numbers; x is not allocated then.

    >>> from ltc2hw.data.events import Events
    >>> clip = Events([0, 1], [0, 0], [0, 2000], [1, 1], width=2, height=1)
    >>> binned = bin_recordings(Recordings("two", ("a", "b"), lambda _: clip), Binning(bins=2))
    >>> binned.x.shape, binned.lengths.tolist()
    ((2, 2, 4), [2, 2])
    """
    counted: list[Counts] = []
    sensor: Sensor | None = None
    total = 0
    for events, counts in counts_of(recordings, binning):
        sensor = events.sensor
        counted.append(counts)
        total += len(events)
    if sensor is None:
        raise InvalidValueError(f"number of recordings of {recordings.source}", 0, "at least one")
    shape = binning.shape(sensor)
    lengths = np.array([one.steps for one in counted], np.int64)
    used = sum(one.events for one in counted)
    own = recordings.labelled
    return Binned(
        x=_filled(counted, int(lengths.max()), int(np.prod(shape)), recordings.source),
        lengths=lengths,
        labels=None if own is None else own.labels,
        classes=() if own is None else own.classes,
        names=recordings.names,
        shape=shape,
        graded=binning.graded,
        events=used,
        left_out=total - used,
        provenance=described(recordings, binning, sensor, used, total - used),
    )


def counts_of(recordings: Recordings, binning: Binning) -> Iterator[tuple[Events, Counts]]:
    """Each recording and its counts, one at a time.

    Raises:
        DamagedFileError, InvalidValueError: for a recording that cannot be read or has no event
            left, and for recordings of different sensors.
    """
    sensor: Sensor | None = None
    for events in recordings:
        sensor = events.sensor if sensor is None else sensor
        if events.sensor != sensor:
            what, limit = f"sensor of {events.source}", f"{sensor}, as the recordings before"
            raise InvalidValueError(what, events.sensor, limit)
        yield events, count(events, binning)


def bin_parts(parts: Mapping[PartName, Recordings], binning: Binning) -> dict[PartName, Binned]:
    """All parts, each with the steps of the longest recording of them all.

    Raises:
        DamagedFileError, InvalidValueError, TooLargeError: as :func:`bin_recordings`, and for parts
            of different sensors.
    """
    found = {part: bin_recordings(recordings, binning) for part, recordings in parts.items()}
    if len({one.shape for one in found.values()}) > 1:
        shapes = ", ".join(f"{part} {one.shape}" for part, one in found.items())
        raise InvalidValueError("polarities, rows and columns", shapes, "the same in all parts")
    steps = max((len(one.x) for one in found.values()), default=0)
    return {part: _longer(one, steps) for part, one in found.items()}


def _filled(counted: list[Counts], steps: int, channels: int, source: str) -> FloatArray:
    """X of shape (T, B, N)."""
    require_room(steps, len(counted), channels, source)
    x = np.zeros((steps, len(counted), channels))
    for sample, one in enumerate(counted):
        step, channel = np.divmod(one.places, channels)
        x[step, sample, channel] = one.values
    return x


def _longer(binned: Binned, steps: int) -> Binned:
    """The same with silent steps at the end."""
    if len(binned.x) == steps:
        return binned
    _, samples, channels = binned.x.shape
    require_room(steps, samples, channels, binned.names[0])
    missing = np.zeros((steps - len(binned.x), samples, channels))
    return replace(binned, x=np.concatenate((binned.x, missing)))


def described(
    recordings: Recordings, binning: Binning, sensor: Sensor, used: int, left_out: int
) -> dict[str, str]:
    """How recordings became steps, for the provenance of a task."""
    polarities, rows, columns = binning.shape(sensor)
    notes = {
        "events": f"{used} of {len(recordings)} recordings in {recordings.source}",
        "binning": binning.text,
        "sensor": f"{sensor[0]}x{sensor[1]}",
        "channels": f"{polarities} polarities of {rows} rows of {columns} columns",
    }
    if left_out:
        notes["events left out by the binning"] = str(left_out)
    if recordings.ignored:
        notes["files passed over"] = recordings.ignored
    return notes
