"""One recording from a file, by what the file is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from ltc2hw.data.events.aedat import CONVERT, MAGIC, read_aedat2, read_aedat3, version_of
from ltc2hw.data.events.aedat4 import read_aedat4
from ltc2hw.data.events.arrays import read_arrays
from ltc2hw.data.events.nmnist import read_nmnist
from ltc2hw.data.events.recording import Events, Sensor, sensor_size
from ltc2hw.errors import DamagedFileError
from ltc2hw.files.archive import StrPath, read_bytes, shown

Reader = Callable[[bytes, str, Sensor | None], Events]

AEDAT_READERS: dict[str, Reader] = {"2.0": read_aedat2, "3.1": read_aedat3, "4.0": read_aedat4}
"""By the version that the file's first line says."""

READERS: dict[str, Reader] = {".bin": read_nmnist, ".npz": read_arrays}
"""Other formats by the end of the name."""

AEDAT_ENDS = (".aedat", ".aedat2", ".aedat3", ".aedat4")
RECORDING_ENDS = (*READERS, *AEDAT_ENDS)
"""Ends of names of recordings."""

FOREIGN_ENDS = (".dat", ".raw", ".es", ".npy", ".mat", ".hdf5", ".h5", ".bag")
"""Ends of names of what may be recordings, and is not read."""


def end_of(name: str) -> str:
    """The end of a name, in small letters, e.g. ``.bin``."""
    return PurePosixPath(name).suffix.lower()


def read_recording(path: StrPath, sensor: tuple[int, ...] | None = None) -> Events:
    """The events of a file: N-MNIST's ``.bin``, AEDAT 2.0 (DVS128), 3.1 or 4, or ``.npz``.

    ``sensor``: (width, height) where the file does not tell it; N-MNIST's 34x34 is known.

    Raises:
        DamagedFileError: for what is cut off, damaged, empty or of another format.
        InvalidValueError: for events that make no sense, and without a sensor; names the event.
        MissingExtraError: for AEDAT 4 without its decoder.
        OSError: if the file cannot be opened.
    """
    size = None if sensor is None else sensor_size(sensor)
    return parse_recording(read_bytes(path), str(path), size)


def parse_recording(content: bytes, name: str, sensor: Sensor | None) -> Events:
    """The events in the bytes of a file; ``name`` tells the format where they do not.

    Raises:
        DamagedFileError, InvalidValueError, MissingExtraError: as :func:`read_recording`.
    """
    if content.startswith(MAGIC):
        version = version_of(content, name)
        if version not in AEDAT_READERS:
            known = ", ".join(AEDAT_READERS)
            raise DamagedFileError(name, f"AEDAT {version} is not read, {known} are", CONVERT)
        return AEDAT_READERS[version](content, name, sensor)
    end = end_of(name)
    if end in AEDAT_ENDS:
        version_of(content, name)
    if end not in READERS:
        known = ", ".join((*READERS, *AEDAT_ENDS))
        problem = (
            f"{shown(end) or 'a file without an end to its name'} is no event format known here"
        )
        raise DamagedFileError(name, f"{problem} ({known})", CONVERT)
    if not content:
        raise DamagedFileError(name, "it is empty", "leave it out")
    return READERS[end](content, name, sensor)
