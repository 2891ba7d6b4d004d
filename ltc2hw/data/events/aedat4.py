"""AEDAT 4: events of iniVation's newer software, decoded by the package ``aedat``.

The decoder gives what it finds in a file that is cut off, and a damaged one may end its process:
so the packets are walked here first, and it runs in a process of its own.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from ltc2hw.data.events.aedat import said_sensor
from ltc2hw.data.events.recording import Events, Sensor
from ltc2hw.errors import DamagedFileError, MissingExtraError
from ltc2hw.files.archive import MAXIMUM_FILE_BYTES, shown
from ltc2hw.files.npz import Array, read_npz

MAGIC_BYTES = len(b"#!AER-DAT4.0\r\n")
TABLE_FIELD = 1
"""Of the file's header: where the table behind the packets begins; -1 if it was never closed."""

DECODE = """
import sys
import aedat, numpy
decoder = aedat.Decoder(sys.argv[1])
streams = {i: s for i, s in decoder.id_to_stream().items() if s["type"] == "events"}
if len(streams) != 1:
    sys.exit(f"{len(streams)} streams of events, one is read")
(wanted, stream), = streams.items()
packets = [packet["events"] for packet in decoder if packet["stream_id"] == wanted]
if not sum(map(len, packets)):
    sys.exit("it holds no event")
events = numpy.concatenate(packets)
arrays = {name: events[name] for name in ("x", "y", "t", "on")}
numpy.savez(sys.argv[2], sensor=[stream["width"], stream["height"]], **arrays)
"""


def read_aedat4(content: bytes, name: str, sensor: Sensor | None) -> Events:
    """Events of AEDAT 4, of a file with one stream of events.

    Raises:
        MissingExtraError: without the package ``aedat``.
        DamagedFileError: for what is cut off, cannot be decoded, or holds no event.
        InvalidValueError: as :class:`~ltc2hw.data.events.recording.Events`, and for another sensor.
    """
    if find_spec("aedat") is None:
        raise MissingExtraError("events", f"reading {name}, which is AEDAT 4,")
    try:
        _walk(content)
    except (struct.error, ValueError) as error:
        raise DamagedFileError(name, "it is cut off or damaged", "copy the file again") from error
    arrays = _decoded(content, name)
    width, height = (int(size) for size in cast(Array, arrays["sensor"]))
    fields = {"x": arrays["x"], "y": arrays["y"], "t": arrays["t"], "p": arrays["on"]}
    found = said_sensor(name, (width, height), sensor)
    return Events.from_array(cast("dict[str, Array]", fields), found, name)


def _walk(content: bytes) -> None:
    """Go from packet to packet; ValueError or struct.error unless they end where they should.

    A packet is a stream's number and a length, then so many bytes.
    """
    start = MAGIC_BYTES + 4
    (length,) = struct.unpack_from("<I", content, MAGIC_BYTES)
    (root,) = struct.unpack_from("<I", content, start)
    table = start + root
    fields = table - struct.unpack_from("<i", content, table)[0]
    (size,) = struct.unpack_from("<H", content, fields)
    place, end = 4 + 2 * TABLE_FIELD, -1
    if size > place and (offset := struct.unpack_from("<H", content, fields + place)[0]):
        (end,) = struct.unpack_from("<q", content, table + offset)
    end = len(content) if end < 0 else end
    start += length
    while start < end <= len(content):
        _, length = struct.unpack_from("<ii", content, start)
        if length < 0:
            raise ValueError("a packet has a negative length")
        start += 8 + length
    if start != end:
        raise ValueError("packets end elsewhere than they should")


def _decoded(content: bytes, name: str) -> dict[str, Array | str]:
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "source.aedat4", Path(folder) / "events.npz"
        source.write_bytes(content)
        command = [sys.executable, "-c", DECODE, str(source), str(result)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["the decoder ended"]
            raise DamagedFileError(name, shown(said[-1]), "copy the file again")
        return read_npz(result, MAXIMUM_FILE_BYTES)
