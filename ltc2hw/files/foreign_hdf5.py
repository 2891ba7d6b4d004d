"""HDF5 files that other tools wrote, read with suspicion into plain dictionaries.

Other tools compress, chunk and use texts of any length, so :mod:`ltc2hw.files.hdf5`, which reads
our own files, is too strict for them. Texts of any length lie in heaps where HDF5 follows damaged
bytes into endless loops that no signal handler of Python interrupts. Checking every structure of
HDF5 before it does would be a second HDF5; instead, a process of its own reads the file
(:mod:`ltc2hw.files.hdf5_reader`), which the operating system ends at a limit of time and
memory, and which passes on nothing but names, numbers and texts.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import h5py
import numpy as np
import numpy.typing as npt

from ltc2hw.errors import DamagedFileError, Ltc2hwError
from ltc2hw.files import hdf5_reader
from ltc2hw.files.hdf5_reader import (
    HDF5_ERRORS,
    LENGTH,
    NUMBER_BYTES,
    Piece,
    Reader,
    Refusal,
    Value,
)
from ltc2hw.numbers.capacity import MAXIMUM_NUMBERS

Foreign = str | tuple[str, ...] | npt.NDArray[Any]
ForeignTree = Mapping[str, "Foreign | ForeignTree"]

FREE_NUMBERS = MAXIMUM_NUMBERS
"""How many numbers more than it stores a file may unfold to."""

SECONDS, BYTES_PER_SECOND = 5, 1 << 20
"""Processor time that reading a file may take, and for how many bytes it gets a second more."""

EXTRA_BYTES = 128 << 20
"""Memory for reading a file, beyond twice its own size and what it may unfold to."""

BOOT = """
import sys
sys.path[:] = sys.argv.pop(1).split("\\n")
from runpy import run_path
run_path(sys.argv.pop(1), run_name="__main__")
"""
"""Finds h5py where this process found it, without what ``site`` and the environment add."""

BROKEN = "broken"
"""How a stream ends that breaks off."""

ENVIRONMENT = {
    # Threads of linear algebra reserve memory, and there is none of it here.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # HDF5 loads no plug-in libraries.
    "HDF5_PLUGIN_PRELOAD": "::",
}


def read_foreign(path: str | os.PathLike[str], free_numbers: int = FREE_NUMBERS) -> ForeignTree:
    """Read a whole file: groups as dictionaries, numbers as arrays, texts as str.

    ``free_numbers`` is how many numbers more than it stores the file may unfold to.

    Raises:
        DamagedFileError: if the file is truncated, no HDF5, hostile, larger than it can be, or
            takes HDF5 too long or too much memory.
        OSError: if it does not exist or cannot be opened.
    """
    return _tree(_read_apart(path, "tree", free_numbers))


def read_rows(path: str | os.PathLike[str], first: int, last: int) -> ForeignTree:
    """A file with datasets whose rows have any length: those rows from ``first`` to ``last``.

    Such a dataset is a group of two arrays: ``lengths`` of the rows, and ``values`` of all, one row
    after the other. ``last`` is not read, and may be beyond the end. All else is read whole.

    Raises:
        DamagedFileError, OSError: as :func:`read_foreign`.
    """
    return _tree(_read_apart(path, f"{first}:{last}", FREE_NUMBERS))


def root_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Names at the root of a file; errors as in :func:`read_foreign`."""
    return tuple(names[0] for names, _ in _read_apart(path, "names", 0))


def tree_of(image: bytes, path: str | os.PathLike[str]) -> ForeignTree:
    """Read the bytes of a file that this process itself made; ``path`` is for messages.

    Raises:
        DamagedFileError: as :func:`read_foreign`.
    """
    try:
        with h5py.File(h5py.h5f.open_file_image(image), "r") as file:
            return _tree(Reader(BytesIO(image), FREE_NUMBERS * NUMBER_BYTES).pieces(file))
    except Refusal as refusal:
        raise DamagedFileError(path, str(refusal)) from refusal
    except HDF5_ERRORS as error:
        problem = " ".join(str(error).split())
        raise DamagedFileError(path, f"not a whole HDF5 file: {problem}") from error


def _tree(pieces: Iterable[Piece]) -> ForeignTree:
    """Nested dictionaries from pieces, groups before what is in them."""
    root: dict[str, Foreign | ForeignTree] = {}
    groups: dict[tuple[str, ...], dict[str, Foreign | ForeignTree]] = {(): root}
    for path, value in pieces:
        if value is None:
            groups[path] = {}
        groups[path[:-1]][path[-1]] = groups[path] if value is None else value
    return root


def _read_apart(path: str | os.PathLike[str], mode: str, free_numbers: int) -> list[Piece]:
    """The pieces that a process of its own reads from a file; the process is gone afterwards."""
    status = os.stat(path)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise DamagedFileError(path, "it is no regular file")
    with Path(path).open("rb"):
        pass
    free_bytes = free_numbers * NUMBER_BYTES
    seconds = SECONDS + status.st_size // BYTES_PER_SECOND
    extra = EXTRA_BYTES + 2 * (free_bytes + status.st_size)
    command = [sys.executable, "-s", "-S", "-c", BOOT, "\n".join(map(str, sys.path))]
    command += [os.path.abspath(hdf5_reader.__file__), mode, os.fspath(path)]
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [*command, str(free_bytes), str(seconds), str(extra)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,
        )
        stream = cast(BinaryIO, process.stdout)
        try:
            *pieces, (kind, _, text) = _received(stream)
            if kind == BROKEN:
                process.wait()
        finally:
            process.kill()
            process.wait()
            stream.close()
        if kind == BROKEN:
            complaints.seek(0)
            raise _failure(path, process.returncode, seconds, complaints.read())
    if kind == "memory":
        raise DamagedFileError(path, f"HDF5 needs more than {extra >> 20} MB for it")
    if kind == "refused":
        raise DamagedFileError(path, str(text))
    return [(names, value) for _, names, value in pieces]


def _received(stream: BinaryIO) -> list[tuple[str, tuple[str, ...], Value]]:
    """What a process sends: pieces, and at last how it ended."""
    received: list[tuple[str, tuple[str, ...], Value]] = []
    while len(prefix := stream.read(LENGTH.size)) == LENGTH.size:
        header = stream.read(LENGTH.unpack(prefix)[0])
        if len(header) < LENGTH.unpack(prefix)[0]:
            break
        kind, names, value = json.loads(header)
        if isinstance(value, list):
            value = tuple(value)
        if kind == "array":
            value = np.empty(value[1], dtype=np.dtype(value[0]))
            content = value.reshape(-1).view(np.uint8)
            if stream.readinto(content.data) < content.size:  # type: ignore[attr-defined]
                break
        received.append((kind, tuple(names), value))
        if kind in ("end", "memory", "refused"):
            return received
    return [*received, (BROKEN, (), None)]


def _failure(
    path: str | os.PathLike[str], status: int, seconds: int, complaints: bytes
) -> Ltc2hwError:
    """The error for a process that ended before it had read everything."""
    if status in (-signal.SIGXCPU, -signal.SIGALRM):
        return DamagedFileError(path, f"HDF5 needs more than {seconds} seconds for it")
    if status < 0:
        name = signal.Signals(-status).name
        return DamagedFileError(path, f"HDF5 ends by signal {name} on it")
    text = complaints.decode("utf-8", errors="replace").strip().rpartition("\n")[2]
    return Ltc2hwError(f"cannot read {path}: the process that reads it failed: {text}")
