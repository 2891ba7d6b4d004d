"""How events become steps and channels: declared options, and their text for provenance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ltc2hw.data.events.recording import Sensor
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.numbers.fields import set_field
from ltc2hw.numbers.scalars import is_integer, shown

Polarity = Literal["two-channels", "merge", "signed", "on", "off"]
Values = Literal["count", "binary"]
Origin = Literal["first-event", "clock"]

CHOICES: dict[str, tuple[str, ...]] = {
    "polarity": get_args(Polarity),
    "values": get_args(Values),
    "origin": get_args(Origin),
}
"""Options that are one of several words."""

CUTS = ("window_us", "events_per_bin", "bins")
"""Options that say where a step ends: one of them."""

USUAL_WINDOW = 10_000
LARGEST, MOST_STEPS = 1 << 53, 1 << 20


@dataclass(frozen=True)
class Binning:
    """How the events of a recording become x of shape (T, N).

    What a step is, one of: ``window_us``, so many microseconds (10,000 unless anything is said);
    ``events_per_bin``, so many events; ``bins``, so many equal parts of the time from the first to
    the last event. A last step that is not full is kept.

    ``polarity``: ``two-channels`` (OFF, then ON), ``merge`` (both in one), ``signed`` (ON minus
    OFF, in one), ``on`` or ``off`` (the others are left out). ``values``: ``count`` is how many
    events a channel has in a step, ``binary`` clips that to 1 (``signed``: to -1 and 1).

    ``crop`` (x0, y0, width, height) keeps a part of the sensor; then ``downsample`` adds up
    squares of that many pixels; those at the right and lower edge may be smaller.

    ``first_us`` and ``last_us`` keep the events from the one on and before the other, counted from
    the first event, or with ``origin="clock"`` on the recording's own clock; windows start at
    ``first_us``. With windows and ``last_us`` every recording has the same number of steps, be they
    silent. ``max_steps`` ends a recording after so many.

    Channel (p·H + y)·W + x of N = P·H·W is polarity p, row y and column x of what remains.

    Raises:
        InvalidValueError: for numbers out of range, or several kinds of steps.
        UnknownNameError: for an unknown word.

    >>> binning = Binning(window_us=1000, polarity="merge", downsample=2)
    >>> binning.shape((34, 34))
    (1, 17, 17)
    >>> binning.text
    'window_us=1000,polarity=merge,downsample=2'
    """

    window_us: int | None = None
    events_per_bin: int | None = None
    bins: int | None = None
    polarity: Polarity = "two-channels"
    values: Values = "count"
    downsample: int = 1
    crop: tuple[int, int, int, int] | None = None
    origin: Origin = "first-event"
    first_us: int | None = None
    last_us: int | None = None
    max_steps: int | None = None

    def __post_init__(self) -> None:
        given = [name for name in CUTS if getattr(self, name) is not None]
        if len(given) > 1:
            raise InvalidValueError("steps of a binning", " and ".join(given), "one of them")
        if not given:
            set_field(self, "window_us", USUAL_WINDOW)
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise UnknownNameError(name, str(getattr(self, name)), known)
        for name in (*CUTS, "downsample", "max_steps"):
            self._require_whole(name, 1, MOST_STEPS if name == "bins" else LARGEST)
        for name in ("first_us", "last_us"):
            self._require_whole(name, -LARGEST, LARGEST)
        first, last = self.first_us, self.last_us
        if first is not None and last is not None and last <= first:
            raise InvalidValueError("last_us", last, f"above first_us, {first}")
        if self.crop is not None:
            set_field(self, "crop", _crop(self.crop))

    def _require_whole(self, name: str, least: int, most: int) -> None:
        value = getattr(self, name)
        if value is None and name != "downsample":
            return
        if not is_integer(value) or not least <= value <= most:
            raise InvalidValueError(name, shown(value), f"a whole number from {least} to {most}")
        set_field(self, name, int(value))

    @property
    def graded(self) -> bool:
        """Whether there may be other values than 0 and 1."""
        return self.values == "count" or self.polarity == "signed"

    def area(self, sensor: Sensor) -> tuple[int, int, int, int]:
        """The part of a sensor that is kept: x0, y0, width, height.

        Raises:
            InvalidValueError: unless the crop lies inside of it.
        """
        if self.crop is None:
            return 0, 0, *sensor
        left, top, width, height = self.crop
        if left + width > sensor[0] or top + height > sensor[1]:
            limit = f"inside of the sensor, {sensor[0]}x{sensor[1]}"
            raise InvalidValueError("crop", self.crop, limit, "x0, y0, width, height")
        return self.crop

    def shape(self, sensor: Sensor) -> tuple[int, int, int]:
        """Polarities, rows and columns of a step.

        Raises:
            InvalidValueError: for a crop outside of the sensor.
        """
        _, _, width, height = self.area(sensor)
        polarities = 2 if self.polarity == "two-channels" else 1
        return polarities, -(-height // self.downsample), -(-width // self.downsample)

    @property
    def text(self) -> str:
        """The options that are set, as :meth:`from_text` reads them."""
        parts = []
        for option in dataclasses.fields(self):
            value = getattr(self, option.name)
            if value != option.default:
                shown_value = ":".join(map(str, value)) if option.name == "crop" else str(value)
                parts.append(f"{option.name}={shown_value}")
        return ",".join(parts)

    @classmethod
    def from_text(cls, text: str) -> Binning:
        """Options from ``name=value`` pairs between commas; of a crop with colons.

        Raises:
            InvalidValueError: for a part that is no pair, a name given twice, a value that is none.
            UnknownNameError: for an unknown name or word.

        >>> Binning.from_text("bins=10, crop=0:0:32:32, polarity=on")
        Binning(bins=10, polarity='on', crop=(0, 0, 32, 32))
        """
        found: dict[str, Any] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            known = [option.name for option in dataclasses.fields(cls)]
            if name not in known:
                raise UnknownNameError("option of a binning", name, known, "e.g. window_us=5000")
            if name in found or not equals:
                limit = "given once, as name=value"
                raise InvalidValueError("option of a binning", repr(part), limit)
            found[name] = value if name in CHOICES else _numbers(name, value)
        return cls(**found)

    def __repr__(self) -> str:
        given = [
            f"{option.name}={getattr(self, option.name)!r}"
            for option in dataclasses.fields(self)
            if getattr(self, option.name) != option.default
        ]
        return f"Binning({', '.join(given)})"


def _crop(crop: object) -> tuple[int, int, int, int]:
    """Four whole numbers: a corner and two sizes."""
    whole = isinstance(crop, Sequence) and len(crop) == 4 and all(map(is_integer, crop))
    if not whole or min(crop[:2]) < 0 or min(crop[2:]) < 1:  # type: ignore[index]
        limit = "four whole numbers: x0 and y0 of at least 0, width and height of at least 1"
        raise InvalidValueError("crop", shown(crop), limit)
    left, top, width, height = (int(number) for number in crop)  # type: ignore[attr-defined]
    return left, top, width, height


def _numbers(name: str, value: str) -> int | tuple[int, ...]:
    """A whole number, or of a crop several between colons."""
    try:
        numbers = tuple(int(number) for number in value.split(":"))
    except ValueError:
        limit = "x0:y0:width:height" if name == "crop" else "a whole number"
        raise InvalidValueError(name, repr(value), limit) from None
    return numbers if name == "crop" or len(numbers) > 1 else numbers[0]
