"""Events counted into steps and channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltc2hw.data.events.binning import Binning
from ltc2hw.data.events.recording import BoolArray, Events
from ltc2hw.errors import InvalidValueError, TooLargeError
from ltc2hw.numbers.words import FloatArray, IntArray

MOST_NUMBERS = 1 << 29
"""Most numbers of x, 4 GiB in float64."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Where the events of a recording fall: what is not zero of x (T, N)."""

    places: IntArray
    """step·N + channel, rising."""
    values: IntArray
    steps: int
    events: int
    """How many events were counted; the others are left out by the binning."""


def frames(events: Events, binning: Binning) -> FloatArray:
    """A recording as x of shape (T, N), counts or bits as ``binning`` says.

    Raises:
        InvalidValueError: for a crop outside of the sensor, and where no event is left.
        TooLargeError: for more than MOST_NUMBERS numbers; nothing is allocated.

    >>> events = Events([0, 1, 1], [0, 0, 0], [0, 999, 1000], [0, 1, 1], width=2, height=1)
    >>> frames(events, Binning(window_us=1000)).tolist()
    [[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]]
    """
    counted = count(events, binning)
    channels = int(np.prod(binning.shape(events.sensor)))
    require_room(counted.steps, 1, channels, events.source)
    x = np.zeros((counted.steps, channels))
    x.reshape(-1)[counted.places] = counted.values
    return x


def require_room(steps: int, samples: int, channels: int, source: str) -> None:
    """Raise unless x of shape (steps, samples, channels) has at most MOST_NUMBERS numbers.

    Raises:
        TooLargeError: with the three sizes.
    """
    if steps * samples * channels > MOST_NUMBERS:
        raise TooLargeError(
            f"events of {source} as steps",
            f"{steps} steps of {samples} samples of {channels} channels",
            f"at most {MOST_NUMBERS} numbers",
            "set a longer window_us, max_steps, downsample, crop, or take fewer recordings",
        )


def count(events: Events, binning: Binning) -> Counts:
    """Count the events of a recording.

    Raises:
        InvalidValueError: for a crop outside of the sensor, and where no event is left.
    """
    polarities, rows, columns = binning.shape(events.sensor)
    left, top, width, height = binning.area(events.sensor)
    x, y = events.x - left, events.y - top
    kept = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if binning.polarity in ("on", "off"):
        kept &= events.p == (binning.polarity == "on")
    step, steps, kept = _steps(events, binning, kept)
    side = binning.downsample
    channel = (y // side)[kept] * columns + (x // side)[kept]
    p = events.p[kept]
    if polarities == 2:
        channel = channel + p * (rows * columns)
    places, which = np.unique(step * (polarities * rows * columns) + channel, return_inverse=True)
    signs = np.where(p, 1, -1) if binning.polarity == "signed" else None
    values = np.bincount(which.reshape(-1), signs).astype(np.int64)
    if binning.values == "binary":
        values = values.clip(-1, 1)
    return Counts(places, values, steps, len(p))


def _steps(events: Events, binning: Binning, kept: BoolArray) -> tuple[IntArray, int, BoolArray]:
    """The step of each event that is left, the number of steps, and which are left."""
    zero = int(events.t[0]) if binning.origin == "first-event" else 0
    t = events.t - zero
    if binning.first_us is not None:
        kept = kept & (t >= binning.first_us)
    elif binning.window_us is not None:
        kept = kept & (t >= 0)
    if binning.last_us is not None:
        kept = kept & (t < binning.last_us)
    step, steps = _cut(t[_required(events, binning, kept)], binning)
    if binning.max_steps is not None:
        steps = min(steps, binning.max_steps)
        kept = kept.copy()
        kept[kept] = step < steps
        step = step[step < steps]
        _required(events, binning, kept)
    return step, steps, kept


def _cut(t: IntArray, binning: Binning) -> tuple[IntArray, int]:
    """The step of each event by its time, and the number of steps."""
    if binning.window_us is not None:
        first = binning.first_us or 0
        step = (t - first) // binning.window_us
        if binning.last_us is not None:
            return step, -(-(binning.last_us - first) // binning.window_us)
    elif binning.events_per_bin is not None:
        step = np.arange(len(t)) // binning.events_per_bin
    else:
        assert binning.bins is not None
        # Every part of the span has the same length; in Python's integers, which do not overflow.
        span = int(t[-1]) - int(t[0]) + 1
        edges = [-(-part * span // binning.bins) for part in range(1, binning.bins)]
        return np.searchsorted(np.array(edges, np.int64), t - t[0], side="right"), binning.bins
    return step, int(step[-1]) + 1


def _required(events: Events, binning: Binning, kept: BoolArray) -> BoolArray:
    """The same, unless no event is left."""
    if not kept.any():
        remedy = "set crop, first_us and last_us to where its events are"
        raise InvalidValueError(
            f"events of {events.source} left by {binning.text or 'the binning'}",
            f"none of {len(events)}",
            "at least one",
            remedy,
        )
    return kept
