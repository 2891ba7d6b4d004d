"""Events and files of events that tests write, each format in a second writing of its own."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.data.events import Events

TONIC = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", bool)])
Event = tuple[int, int, int, bool]


def random_events(seed: int, count: int = 300, width: int = 34, height: int = 34) -> list[Event]:
    """Events (x, y, t, p) at times that rise, some of them equal."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(0, 700, count))
    return [
        (int(rng.integers(width)), int(rng.integers(height)), int(t), bool(rng.integers(2)))
        for t in times
    ]


def made(*values: Any, **named: Any) -> Events:
    """Events of lists, as a user may write them."""
    return Events(*values, **named)


def structured(events: Iterable[Event]) -> npt.NDArray[Any]:
    """As tonic gives them."""
    return np.array(list(events), TONIC)


def listed(events: Events) -> list[Event]:
    """As :func:`random_events` gives them."""
    columns = (events.x.tolist(), events.y.tolist(), events.t.tolist(), events.p.tolist())
    return list(zip(*columns, strict=True))


def nmnist(events: Iterable[Event]) -> bytes:
    """40 bits an event."""
    return b"".join(
        ((x << 32) | (y << 24) | (int(p) << 23) | t).to_bytes(5, "big") for x, y, t, p in events
    )


def aedat2(events: Iterable[Event], lines: tuple[str, ...] = ()) -> bytes:
    """Of the DVS128: the address counts pixels from the lower right, its lowest bit is 0 for ON."""
    head = "".join(f"{line}\r\n" for line in ("#!AER-DAT2.0", *lines))
    words = (
        struct.pack(">Ii", (127 - y) << 8 | (127 - x) << 1 | (not p), t) for x, y, t, p in events
    )
    return head.encode() + b"".join(words)


def aedat3_header(*lines: str) -> bytes:
    usual = lines or ("#Format: RAW", "#Source 0: DVS128", "#Start-Time: 2020-01-01 00:00:00")
    return "".join(f"{line}\r\n" for line in ("#!AER-DAT3.1", *usual, "#!END-HEADER")).encode()


def packet(
    events: Iterable[Event],
    *,
    kind: int = 1,
    source: int = 0,
    wraps: int = 0,
    spare: int = 0,
    invalid: tuple[int, ...] = (),
) -> bytes:
    """A packet of AEDAT 3.1, with room for ``spare`` more events."""
    rows = [
        struct.pack("<Ii", x << 17 | y << 2 | int(p) << 1 | (index not in invalid), t)
        for index, (x, y, t, p) in enumerate(events)
    ]
    sizes = (kind, source, 8, 4, wraps, len(rows) + spare, len(rows), len(rows) - len(invalid))
    return struct.pack("<hhiiiiii", *sizes) + b"".join(rows) + bytes(8 * max(0, spare))
