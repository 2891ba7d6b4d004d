"""Reads an HDF5 file with suspicion, piece by piece, and can run as a process of its own.

:mod:`ltc2hw.files.foreign_hdf5` runs this file as a script, so it imports nothing of ltc2hw:
that would triple the time it takes to start. What is refused here, before anything of it is read:
links other than hard ones, loops, storage outside the file, filters that HDF5 would load code for,
types other than numbers and texts, and sizes that the file cannot back. What HDF5 itself makes of
damaged bytes (it loops in its heaps, asks for any amount of memory) only a limit on the process
can end.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import h5py
import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]
Value = str | tuple[str, ...] | npt.NDArray[Any] | None
Piece = tuple[tuple[str, ...], Value]
"""Names that lead to an entry, and what it holds; None is a group."""

MAXIMUM_DEPTH = 16
"""Deepest nesting of groups."""

MAXIMUM_ENTRIES = 100_000
"""Most groups and datasets in one file, and most texts in all its datasets."""

DEFLATE_RATIO = 1040
"""Deflate shrinks nothing by more than this; a dataset that declares more is lying."""

USUAL_RATIO = 4
"""Compression that costs nothing: numbers of a trained network do not shrink by more."""

NUMBER_BYTES = 8
"""What a number takes once it is converted, however short it is in the file."""

SMALL = 1 << 16
"""Bytes that a dataset may always have, stored or not."""

POINTER = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
"""How a text of any length is stored in its dataset."""

FILTERS: Mapping[int, str] = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""Filters built into HDF5 and h5py; every other one would be a plug-in library."""

COMPRESSING = frozenset((1, 32000))

LENGTHS, VALUES = "lengths", "values"
"""Names of the two arrays that stand for rows of any length."""

LENGTH = struct.Struct("<I")
"""What stands before each header in the stream of :func:`main`."""

HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError)
"""What h5py raises for damaged files."""


class Refusal(Exception):
    """Something in a file that is not read; the text says what."""


class Reader:
    """Reads one file, counting what it declares against what it can hold.

    ``raw`` are the file's bytes; ``free_bytes`` is how much more than it stores it may unfold to.
    ``rows`` are the first row and the one after the last of datasets whose rows have any length;
    without them such datasets are refused. Raises :class:`Refusal`, or one of :data:`HDF5_ERRORS`.
    """

    def __init__(self, raw: BinaryIO, free_bytes: int, rows: tuple[int, int] | None = None) -> None:
        self.raw = raw
        self.rows = rows
        self.row_bytes = 0
        self.size = raw.seek(0, 2)
        self.free_bytes = free_bytes
        self.unfolded = 0
        self.stored = 0
        self.text_bytes = 0
        self.texts_read = 0
        self.entries = 0
        self.groups: set[object] = set()

    def names(self, group: h5py.Group) -> list[str]:
        """Names in a group, counted before they are read."""
        self.entries += group.id.get_num_objs()
        if self.entries > MAXIMUM_ENTRIES:
            raise Refusal(f"it has more than {MAXIMUM_ENTRIES} entries")
        names = [*group]
        for name in names:
            if not isinstance(name, str):
                raise Refusal(f"the name {name!r} is no text")
        return names

    def pieces(self, group: h5py.Group, path: tuple[str, ...] = ()) -> Iterator[Piece]:
        """Everything below a group, in the order of the file's names."""
        if len(path) > MAXIMUM_DEPTH:
            raise Refusal(f"groups nested more than {MAXIMUM_DEPTH} deep")
        identity = h5py.h5o.get_info(group.id).addr
        if identity in self.groups:
            raise Refusal(f"group {group.name} is linked twice")
        self.groups.add(identity)
        for name in self.names(group):
            found = self.member(group, name)
            if isinstance(found, h5py.Group):
                yield (*path, name), None
                yield from self.pieces(found, (*path, name))
            elif self.rows is not None and isinstance(found.id.get_type(), h5py.h5t.TypeVlenID):
                yield (*path, name), None
                lengths, values = self.uneven(found, *self.rows)
                yield (*path, name, LENGTHS), lengths
                yield (*path, name, VALUES), values
            else:
                yield (*path, name), self.dataset(found)

    def member(self, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
        """What a name leads to, unless it is a link to elsewhere or no group or dataset at all."""
        key = name.encode("utf-8")
        if group.id.links.get_info(key).type != h5py.h5l.TYPE_HARD:
            raise Refusal(f"{name} is a link to elsewhere")
        found = h5py.h5o.open(group.id, key)
        if isinstance(found, h5py.h5g.GroupID):
            return h5py.Group(found)
        if isinstance(found, h5py.h5d.DatasetID):
            return h5py.Dataset(found)
        raise Refusal(f"{name} is neither a group nor a dataset")

    def dataset(self, dataset: h5py.Dataset) -> Value:
        """The numbers or texts of a dataset."""
        name = dataset.name
        if dataset.shape is None:
            raise Refusal(f"dataset {name} is empty")
        self.inspect_storage(dataset)
        kind = dataset.id.get_type()
        if isinstance(kind, h5py.h5t.TypeStringID):
            return self.texts(dataset)
        if not isinstance(kind, (h5py.h5t.TypeIntegerID, h5py.h5t.TypeFloatID)):
            enumerated = isinstance(kind, h5py.h5t.TypeEnumID) and dataset.dtype == np.bool_
            if not enumerated:
                raise Refusal(f"dataset {name} has type {dataset.dtype}")
        return np.asarray(dataset[()])

    def uneven(self, dataset: h5py.Dataset, first: int, last: int) -> tuple[Numbers, Numbers]:
        """Lengths of some rows of any length, and their numbers one after the other.

        How long a row is only reading tells; the process's limit of memory ends what lies. Rows of
        the same numbers would let a small file unfold to a large one: so they are counted.
        """
        name, base = dataset.name, dataset.id.get_type().get_super()
        if not isinstance(base, (h5py.h5t.TypeIntegerID, h5py.h5t.TypeFloatID)):
            raise Refusal(f"dataset {name} has rows of type {base.dtype}")
        if len(dataset.shape) != 1:
            raise Refusal(f"dataset {name} has rows in {len(dataset.shape)} dimensions, not one")
        self.inspect_storage(dataset)
        rows = [np.asarray(row, base.dtype) for row in dataset[first:last]]
        self.row_bytes += sum(row.nbytes for row in rows)
        if self.row_bytes > max(SMALL, self.size):
            raise Refusal(f"dataset {name} has longer rows than the file holds")
        lengths = np.array([row.size for row in rows], np.int64)
        return lengths, np.concatenate(rows) if rows else np.zeros(0, base.dtype)

    def inspect_storage(self, dataset: h5py.Dataset) -> None:
        """Refuse, before anything is read, a dataset that declares more than the file can hold."""
        name, creation = dataset.name, dataset.id.get_create_plist()
        if dataset.is_virtual or creation.get_external_count():
            raise Refusal(f"dataset {name} is stored outside the file")
        filters = [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]
        for number in filters:
            if number not in FILTERS:
                raise Refusal(f"dataset {name} needs filter {number}")
        # A chunk is read whole, however little of it belongs to the dataset.
        numbers = max(math.prod(dataset.shape), math.prod(dataset.chunks or ()))
        declared, stored = numbers * dataset.dtype.itemsize, dataset.id.get_storage_size()
        packed = bool(COMPRESSING & set(filters))
        self.stored += stored
        if self.stored > self.size:  # several datasets claim the same bytes of the file
            stored = 0
        held = numbers * NUMBER_BYTES if stored >= declared else USUAL_RATIO * stored * packed
        self.unfolded += max(0, max(declared, numbers * NUMBER_BYTES) - held)
        backed = max(SMALL, stored * (DEFLATE_RATIO if packed else 1))
        if declared > backed or self.unfolded > self.free_bytes:
            raise Refusal(f"dataset {name} declares more data than the file holds")

    def texts(self, dataset: h5py.Dataset) -> str | tuple[str, ...]:
        """The texts of a dataset: one, or a flat row."""
        self.texts_read += dataset.size
        if self.texts_read > MAXIMUM_ENTRIES:
            raise Refusal(f"at dataset {dataset.name}, more than {MAXIMUM_ENTRIES} texts")
        length = h5py.check_string_dtype(dataset.dtype).length
        self.text_bytes += self.lengths(dataset) if length is None else length * dataset.size
        if self.text_bytes > max(SMALL, self.size):
            raise Refusal(f"dataset {dataset.name} has longer texts than the file holds")
        values = np.asarray(dataset.asstr()[()])
        if values.ndim == 0:
            return str(values[()])
        return tuple(str(value) for value in values.ravel())

    def lengths(self, dataset: h5py.Dataset) -> int:
        """How long texts of any length are together: some may be one and the same in the file.

        HDF5 stores such a text elsewhere, and in its place length, address and index (16 bytes).
        """
        stored = dataset.id.get_storage_size()
        offset = dataset.id.get_offset()
        if stored == 0:
            return 0
        if offset is None or stored != POINTER.itemsize * dataset.size:
            raise Refusal(f"dataset {dataset.name} stores its texts in an unusual way")
        self.raw.seek(offset)
        pointers = np.frombuffer(self.raw.read(stored), dtype=POINTER)
        return int(pointers["length"].sum(dtype=np.int64))


def send(out: BinaryIO, kind: str, path: tuple[str, ...], value: Value = None) -> None:
    """Write one piece: the length of a JSON header, the header, the bytes of an array."""
    header: list[Any] = [kind, path, value]
    if isinstance(value, np.ndarray):
        header = ["array", path, [value.dtype.str, value.shape]]
    encoded = json.dumps(header).encode("ascii")
    out.write(LENGTH.pack(len(encoded)) + encoded)
    if isinstance(value, np.ndarray) and value.size:
        out.write(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)


def limit_process(seconds: int, extra_bytes: int) -> None:
    """End this process by a signal after some seconds, and its memory where it is now plus some.

    ``seconds`` are of the processor; by the clock it is ten times as many, for slow disks.
    """
    for number in (signal.SIGALRM, signal.SIGXCPU, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.alarm(10 * seconds)
    # Not with SIGKILL: the caller tells from the signal that it was this limit.
    _lower(resource.RLIMIT_CPU, seconds)
    _lower(resource.RLIMIT_CORE, 0)
    with contextlib.suppress(OSError):  # there is no such file on macOS, nor such a limit
        with open("/proc/self/statm", encoding="ascii") as pages:
            now = int(pages.read().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, now + extra_bytes)


def _lower(limit: int, value: int) -> None:
    soft, hard = resource.getrlimit(limit)
    known = [given for given in (soft, hard, value) if given != resource.RLIM_INFINITY]
    resource.setrlimit(limit, (min(known), hard))


def die_with_parent() -> None:
    """Have Linux end this process when the one that started it ends, however it does."""
    with contextlib.suppress(OSError, AttributeError, ImportError):
        import ctypes

        set_signal_at_parents_death = 1
        ctypes.CDLL(None).prctl(set_signal_at_parents_death, signal.SIGKILL)


def main(mode: str, path: str, free_bytes: str, seconds: str, extra_bytes: str) -> None:
    """Write the pieces of a file to the standard output; only names at its root for ``names``.

    ``mode`` is ``tree``, ``names``, or two numbers ``FIRST:LAST`` for rows of any length.
    """
    out = sys.stdout.buffer
    die_with_parent()
    limit_process(int(seconds), int(extra_bytes))
    try:
        with open(path, "rb") as raw:
            first, colon, last = mode.partition(":")
            rows = (int(first), int(last)) if colon else None
            file, reader = h5py.File(path, "r"), Reader(raw, int(free_bytes), rows)
            if mode == "names":
                for name in reader.names(file):
                    send(out, "group", (name,))
            else:
                for names, value in reader.pieces(file):
                    send(out, "group" if value is None else "text", names, value)
    except Refusal as refusal:
        send(out, "refused", (), str(refusal))
    except MemoryError:
        send(out, "memory", ())
    except Exception as error:  # noqa: BLE001 - nothing but this file is worked on here
        send(out, "refused", (), f"not a whole HDF5 file: {' '.join(str(error).split())}")
    else:
        send(out, "end", ())
    out.flush()
    # Closing a damaged file may crash.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
