"""Events of one recording: pixel, time and polarity of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.samples import plain_array
from ltc2hw.numbers.fields import ArrayFields, frozen, require_size, set_field
from ltc2hw.numbers.weights import EXACT_INTEGER
from ltc2hw.numbers.words import IntArray

Sensor = tuple[int, int]
"""Width and height in pixels."""

BoolArray = npt.NDArray[np.bool_]

NAMES: dict[str, tuple[str, ...]] = {
    "x": ("x",),
    "y": ("y",),
    "t": ("t", "ts", "timestamp", "timestamps", "t_us"),
    "p": ("p", "pol", "polarity", "on"),
}
"""What other tools call the fields."""

SECONDS = "times are microseconds; multiply seconds by 1e6 and round"
UNSORTED = "sort the events by time"


@dataclass(frozen=True, eq=False)
class Events(ArrayFields):
    """Events in the order of their times.

    ``x`` in 0..width-1 from the left, ``y`` in 0..height-1 from the top, ``t`` in microseconds,
    all int64 (N,); ``p`` is True where it got brighter (ON), given as booleans, 0 and 1, or -1
    and 1. ``source`` is what errors call the recording.

    Raises:
        ShapeError: unless the four are vectors of one length above zero.
        InvalidValueError: for coordinates outside of the sensor, times that go backwards, other
            polarities, numbers that are not whole; names the event.

    >>> events = Events([0, 1], [2, 2], [10, 30], [1, 0], width=3, height=3)
    >>> events.duration_us, events.p.tolist()
    (20, [True, False])
    >>> Events([0, 3], [2, 2], [10, 30], [1, 0], width=3, height=3, source="a.bin")
    Traceback (most recent call last):
    ...
    ltc2hw.errors.InvalidValueError: x of event 1 of a.bin is 3; expected 0 to 2 (sensor 3x3)
    """

    x: IntArray
    y: IntArray
    t: IntArray
    p: BoolArray
    width: int
    height: int
    source: str = "events"

    def __post_init__(self) -> None:
        for size in ("width", "height"):
            require_size(f"the sensor's {size}", getattr(self, size))
            set_field(self, size, int(getattr(self, size)))
        count = len(vector(f"x of {self.source}", self.x))
        for name in ("x", "y", "t"):
            values = whole(name, getattr(self, name), self.source, count)
            set_field(self, name, frozen(values))
        set_field(self, "p", frozen(polarities(self.p, self.source, count)))
        self._check_places()
        self._check_times()

    def _check_places(self) -> None:
        for name, size in (("x", self.width), ("y", self.height)):
            values = getattr(self, name)
            wrong = np.flatnonzero((values < 0) | (values >= size))
            if wrong.size:
                what = f"{name} of event {wrong[0]} of {self.source}"
                remedy = f"sensor {self.width}x{self.height}"
                raise InvalidValueError(what, values[wrong[0]], f"0 to {size - 1}", remedy)

    def _check_times(self) -> None:
        if max(-int(self.t.min()), int(self.t.max())) > EXACT_INTEGER:
            latest = f"at most 2^53 microseconds, {SECONDS}"
            raise InvalidValueError(
                f"time in {self.source}", self.t[np.abs(self.t).argmax()], latest
            )
        back = np.flatnonzero(np.diff(self.t) < 0)
        if back.size:
            after = int(back[0]) + 1
            raise InvalidValueError(
                f"time of event {after} of {self.source}",
                self.t[after],
                f"at least {self.t[after - 1]}, the time before",
                UNSORTED,
            )

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        size = f"{self.width}x{self.height}"
        return f"Events({len(self)} of {self.source}, {size}, {self.duration_us} µs)"

    @property
    def sensor(self) -> Sensor:
        """Width and height."""
        return self.width, self.height

    @property
    def duration_us(self) -> int:
        """Microseconds from the first to the last event."""
        return int(self.t[-1]) - int(self.t[0])

    @classmethod
    def from_array(
        cls,
        events: npt.NDArray[Any] | Mapping[str, npt.ArrayLike],
        sensor: tuple[int, ...],
        source: str = "events",
    ) -> Events:
        """Events from a structured array, as tonic gives them, or from arrays by name.

        Fields are x, y, t, p in any order, or by the names in :data:`NAMES`; without y the sensor
        is a row of channels. ``sensor``: (width, height), also with tonic's number of polarities.

        Raises:
            InvalidValueError: without one of the fields, for a plain array, an unclear sensor.
            ShapeError, InvalidValueError: as :class:`Events`.

        >>> array = np.array([(5, True, 1)], [("t", int), ("p", bool), ("x", int)])
        >>> Events.from_array(array, (4, 1))
        Events(1 of events, 4x1, 0 µs)
        """
        width, height = sensor_size(sensor)
        fields = _fields(events, source)
        if "y" not in fields and height == 1:
            fields["y"] = np.zeros(len(fields["x"]), np.int64)
        missing = [name for name in NAMES if name not in fields]
        if missing:
            remedy = f"name them {', '.join(NAMES)}"
            found = ", ".join(map(str, _names(events))) or "none"
            raise InvalidValueError(
                f"fields of {source}", found, f"also {' and '.join(missing)}", remedy
            )
        return cls(**fields, width=width, height=height, source=source)


def sensor_size(sensor: object) -> Sensor:
    """Width and height from two sizes, or from tonic's three.

    Raises:
        InvalidValueError: for anything else.

    >>> sensor_size((34, 34, 2))
    (34, 34)
    """
    remedy = "e.g. (34, 34)"
    if not isinstance(sensor, (tuple, list)) or len(sensor) not in (2, 3):
        raise InvalidValueError("sensor", sensor, "(width, height) in pixels", remedy)
    for name, size in zip(("width", "height", "polarities"), sensor, strict=False):
        require_size(f"the sensor's {name}", size)
    return int(sensor[0]), int(sensor[1])


def _names(events: object) -> tuple[object, ...]:
    if isinstance(events, Mapping):
        return tuple(events)
    return getattr(getattr(events, "dtype", None), "names", None) or ()


def _fields(events: Any, source: str) -> dict[str, Any]:
    """Columns by our names."""
    names = _names(events)
    if not names:
        what = (
            f"an array of shape {events.shape}"
            if hasattr(events, "shape")
            else type(events).__name__
        )
        limit = "a structured array or a mapping with x, y, t and p"
        remedy = 'name the columns: {"x": a[:, 0], "y": a[:, 1], "t": a[:, 2], "p": a[:, 3]}'
        raise InvalidValueError(source, what, limit, remedy)
    found: dict[str, Any] = {}
    for ours, theirs in NAMES.items():
        given = [name for name in theirs if name in names]
        if len(given) > 1:
            raise InvalidValueError(f"fields of {source}", " and ".join(given), f"one {ours}")
        if given:
            found[ours] = events[given[0]]
    return found


def vector(name: str, values: object) -> npt.NDArray[Any]:
    """Numbers of one axis that is not empty."""
    array = plain_array(name, values)
    if array.ndim != 1 or array.size == 0:
        raise ShapeError(f"shape of {name}", array.shape, "(events,), at least one")
    return array


def whole(name: str, values: object, source: str, count: int) -> IntArray:
    """Whole numbers (count,) as int64; real ones that are whole are taken as such."""
    array = vector(f"{name} of {source}", values)
    if len(array) != count:
        raise ShapeError(f"number of {name} of {source}", len(array), f"{count}, as many as x")
    remedy = SECONDS if name == "t" else "round them"
    if array.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            wrong = np.flatnonzero(~(np.abs(array) <= EXACT_INTEGER) | (array % 1 != 0))
    else:
        wrong = np.flatnonzero(array > EXACT_INTEGER) if array.dtype.kind == "u" else array[:0]
    if wrong.size:
        first = int(wrong[0])
        limit = "a whole number of at most 2^53"
        raise InvalidValueError(f"{name} of event {first} of {source}", array[first], limit, remedy)
    return array.astype(np.int64)


def polarities(values: object, source: str, count: int) -> BoolArray:
    """Booleans (count,), True for ON, from booleans, 0 and 1, or -1 and 1."""
    numbers = whole("p", values, source, count)
    wrong = np.flatnonzero(np.abs(numbers) > 1)
    if not wrong.size and (numbers == 0).any():
        wrong = np.flatnonzero(numbers == -1)
    if wrong.size:
        first = int(wrong[0])
        limit = "0 and 1, or -1 and 1, in the whole recording"
        raise InvalidValueError(f"p of event {first} of {source}", numbers[first], limit)
    on: BoolArray = numbers == 1
    return on
