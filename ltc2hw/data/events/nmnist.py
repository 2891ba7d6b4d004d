"""N-MNIST's ``.bin`` files, which N-Caltech101 has too: 40 bits an event, big-endian.

Bits from the highest: x 8, y 8, polarity 1 (1 is ON), time 23 in microseconds. An event of row 240
is none: the clock wrapped, and every time from it on is 2^13 later.

Source: Orchard, Jayawant, Cohen, Thakor, Frontiers in Neuroscience 9, 2015, with the authors'
reader for Python.
"""

from __future__ import annotations

import numpy as np

from ltc2hw.data.events.recording import Events, Sensor
from ltc2hw.errors import DamagedFileError

EVENT_BYTES = 5
WRAPPED_ROW, WRAP_US = 240, 1 << 13
SENSOR: Sensor = (34, 34)


def read_nmnist(content: bytes, name: str, sensor: Sensor | None) -> Events:
    """Events of a ``.bin`` file; ``sensor`` is N-MNIST's own, 34x34, unless it is given.

    Raises:
        DamagedFileError: for half an event, or none.
        InvalidValueError: as :class:`~ltc2hw.data.events.recording.Events`.

    >>> read_nmnist(bytes([1, 2, 0x80, 0, 7]), "a.bin", None).t.tolist()
    [7]
    """
    if len(content) % EVENT_BYTES:
        problem = f"its last event is cut off: {len(content)} bytes, {EVENT_BYTES} an event"
        raise DamagedFileError(name, problem, "copy the file again")
    rows = np.frombuffer(content, np.uint8).reshape(-1, EVENT_BYTES).astype(np.int64)
    wrapped = rows[:, 1] == WRAPPED_ROW
    t = (rows[:, 2] & 127) << 16 | rows[:, 3] << 8 | rows[:, 4]
    t = t + WRAP_US * np.cumsum(wrapped)
    events = ~wrapped
    if not events.any():
        raise DamagedFileError(name, "it holds no event", "leave it out")
    width, height = SENSOR if sensor is None else sensor
    x, y, p = rows[:, 0][events], rows[:, 1][events], rows[:, 2][events] >> 7
    return Events(x, y, t[events], p, width, height, name)
