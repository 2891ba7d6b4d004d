"""AEDAT 2.0 (of the DVS128) and 3.1: polarity events of iniVation's cameras.

Both have lines of text that begin with ``#``, then binary events. Coordinates count from the upper
left, as images do: the DVS128's own, of AEDAT 2.0, count from the lower right, and its bit of
polarity is 0 for ON.

Source: iniVation's pages on its file formats; for the DVS128's address the driver libcaer.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.data.events.recording import Events, Sensor
from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files.archive import shown

MAGIC = b"#!AER-DAT"
VERSION = re.compile(rb"#!AER-DAT([0-9]\.[0-9])\r?\n")
CONVERT = "convert it to AEDAT 4, or to .npz with arrays x, y, t and p"

SENSORS: dict[str, Sensor] = {
    "DVS128": (128, 128),
    "DAVIS128": (128, 128),
    "DAVIS208": (208, 192),
    "DAVIS240": (240, 180),
    "DAVIS346": (346, 260),
    "DAVIS640": (640, 480),
}
"""Width and height by the name of the camera, without its variant's letters."""

ADDRESS_BITS, SYNCHRONIZATION = 16, 1 << 15
"""Of the DVS128's address; the highest bit marks an event of the plug, not of a pixel."""

PACKET = struct.Struct("<hhiiiiii")
"""Type, source, bytes of an event, place of its time, wraps of the clock, capacity, events, valid
events."""
POLARITY_EVENT, EVENT_BYTES, TIME_PLACE = 1, 8, 4


def version_of(content: bytes, name: str) -> str:
    """The version that the first line says, e.g. ``3.1``.

    Raises:
        DamagedFileError: if it says none.
    """
    match = VERSION.match(content)
    if match is None:
        raise DamagedFileError(name, "its first line is not #!AER-DAT and a version", CONVERT)
    return match.group(1).decode()


def said_sensor(name: str, found: Sensor | None, sensor: Sensor | None) -> Sensor:
    """The sensor that a file tells, or else that is given.

    Raises:
        InvalidValueError: if there is neither, or they differ.
    """
    if found is None and sensor is None:
        remedy = "give its width and height, sensor=..."
        raise InvalidValueError(f"sensor of {name}", "not told by the file", "its size", remedy)
    if found is not None and sensor is not None and found != sensor:
        limit = f"{found[0]}x{found[1]}, as {name} tells"
        raise InvalidValueError("sensor", f"{sensor[0]}x{sensor[1]}", limit, "leave it out")
    return found or sensor or (0, 0)


def read_aedat2(content: bytes, name: str, sensor: Sensor | None) -> Events:
    """Events of AEDAT 2.0: pairs of address and microsecond, 32 bits each, big-endian.

    Raises:
        DamagedFileError: for another chip than the DVS128, half an event, or none.
        InvalidValueError: as :class:`~ltc2hw.data.events.recording.Events`, and for another sensor.
    """
    lines, start = _header(content)
    for line in lines:
        chip = re.match(rb"#\s*AEChip:\s*(?:\S*\.)?(\w+)\s*$", line)
        if chip and chip.group(1) != b"DVS128":
            problem = (
                f"AEDAT 2.0 of {shown(chip.group(1).decode('latin-1'))}, only DVS128's is read"
            )
            raise DamagedFileError(name, problem, CONVERT)
    if (len(content) - start) % EVENT_BYTES:
        raise DamagedFileError(name, "its last event is cut off", "copy the file again")
    pairs = np.frombuffer(content, ">u4", offset=start).reshape(-1, 2)
    address, t = pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)
    foreign = np.flatnonzero(address >> ADDRESS_BITS)
    if foreign.size:
        first = int(foreign[0])
        problem = f"address {address[first]:#x} of event {first} is none of the DVS128's"
        raise DamagedFileError(name, problem, CONVERT)
    pixels = address & SYNCHRONIZATION == 0
    address, t = address[pixels], t[pixels]
    if not len(t):
        raise DamagedFileError(name, "it holds no event", "leave it out")
    width, height = said_sensor(name, SENSORS["DVS128"], sensor)
    x, y = width - 1 - (address >> 1 & 127), height - 1 - (address >> 8 & 127)
    return Events(x, y, t, address & 1 == 0, width, height, name)


def read_aedat3(content: bytes, name: str, sensor: Sensor | None) -> Events:
    """Events of AEDAT 3.1: packets of events of one type, little-endian.

    Packets of other types and events that are marked as invalid are passed over.

    Raises:
        DamagedFileError: for another form than RAW, several cameras, what is cut off or no event.
        InvalidValueError: as :class:`~ltc2hw.data.events.recording.Events`, and for another sensor.
    """
    lines, start = _header(content)
    if not lines or lines[-1].strip() != b"#!END-HEADER":
        raise DamagedFileError(name, "its header has no end")
    form = [line.partition(b":")[2].strip() for line in lines if line.startswith(b"#Format:")]
    if form != [b"RAW"]:
        what = shown(b", ".join(form).decode("latin-1")) or "not told"
        raise DamagedFileError(name, f"its form is {what}, only RAW is read", CONVERT)
    sources: set[int] = set()
    data, times = [], []
    for source, wraps, events in _packets(content, start, name):
        valid = events[events["data"] & 1 == 1]
        if len(valid):
            sources.add(source)
            data.append(valid["data"].astype(np.int64))
            times.append(valid["t"].astype(np.int64) + (wraps << 31))
    if not data:
        raise DamagedFileError(name, "it holds no event of polarity", "leave it out")
    if len(sources) > 1:
        raise DamagedFileError(name, f"it is of {len(sources)} cameras, one is read", CONVERT)
    width, height = said_sensor(name, _camera(lines, sources.pop()), sensor)
    words, t = np.concatenate(data), np.concatenate(times)
    return Events(words >> 17, words >> 2 & 0x7FFF, t, words >> 1 & 1, width, height, name)


def _header(content: bytes) -> tuple[list[bytes], int]:
    """The lines that begin with ``#``, up to the end of a header that says so, and its length."""
    lines, start = [], 0
    while content[start : start + 1] == b"#":
        end = content.find(b"\n", start) + 1 or len(content)
        lines.append(content[start:end])
        start = end
        if lines[-1].strip() == b"#!END-HEADER":
            break
    return lines, start


def _camera(lines: list[bytes], source: int) -> Sensor | None:
    """The sensor of a source, from the line that names its camera."""
    for line in lines:
        match = re.match(rb"#Source ([0-9]+): *([A-Za-z]+[0-9]+)", line)
        if match and int(match.group(1)) == source:
            return SENSORS.get(match.group(2).decode().upper())
    return None


def _packets(content: bytes, start: int, name: str) -> Iterator[tuple[int, int, npt.NDArray[Any]]]:
    """Source, wraps of the clock and events (data, t) of every packet of polarity."""
    pair = np.dtype([("data", "<u4"), ("t", "<i4")])
    while start < len(content):
        if start + PACKET.size > len(content):
            raise DamagedFileError(name, "its last packet is cut off", "copy the file again")
        head = PACKET.unpack_from(content, start)
        kind, source, size, place, wraps, capacity, number, _ = head
        start += PACKET.size
        if min(kind, source, wraps, number) < 0 or size < 1 or capacity < number:
            raise DamagedFileError(name, f"the packet at byte {start - PACKET.size} makes no sense")
        if start + capacity * size > len(content):
            raise DamagedFileError(name, "its last packet is cut off", "copy the file again")
        if kind == POLARITY_EVENT:
            if (size, place) != (EVENT_BYTES, TIME_PLACE):
                problem = f"its events of polarity have {size} bytes, not {EVENT_BYTES}"
                raise DamagedFileError(name, problem)
            yield source, wraps, np.frombuffer(content, pair, number, start)
        start += capacity * size
