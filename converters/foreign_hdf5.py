"""HDF5 files that other tools wrote, read with suspicion into plain dictionaries.

Other tools compress, chunk and use texts of any length, so :mod:`ltc2hw.hdf5`, which reads our own
files, is too strict for them. What is refused here, before anything of it is read: links other
than hard ones, loops, storage outside the file, filters that HDF5 would load code for, types other
than numbers and texts, and sizes that the file cannot back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import numpy.typing as npt

from ltc2hw.errors import DamagedFileError
from ltc2hw.hdf5 import member

Foreign = str | tuple[str, ...] | npt.NDArray[Any]
ForeignTree = Mapping[str, "Foreign | ForeignTree"]

MAXIMUM_DEPTH = 16
"""Deepest nesting of groups."""

MAXIMUM_ENTRIES = 100_000
"""Most groups and datasets in one file, and most texts in one dataset."""

MAXIMUM_BYTES = 2 << 30
"""Most bytes that one file may unfold to."""

DEFLATE_RATIO = 1040
"""Deflate shrinks nothing by more than this; a dataset that declares more is lying."""

FREE_BYTES, UNFOLDING = 256 << 20, 64
"""A file may unfold to this much, and to that many times its own size."""

SMALL = 1 << 16
"""Bytes that a dataset may always have, stored or not."""

POINTER = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
"""How a text of any length is stored in its dataset."""

FILTERS: Mapping[int, str] = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""Filters built into HDF5 and h5py; every other one would be a plug-in library."""


def read_foreign(path: str | os.PathLike[str]) -> ForeignTree:
    """Read a whole file: groups as dictionaries, numbers as arrays, texts as str.

    Raises:
        DamagedFileError: if the file is truncated, no HDF5, hostile, or larger than it can be.
        OSError: if it does not exist or cannot be opened.
    """
    with Path(path).open("rb") as raw:
        try:
            with h5py.File(path, "r") as file:
                return tree_of(file, path, raw)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
            problem = " ".join(str(error).split())
            raise DamagedFileError(path, f"not a whole HDF5 file: {problem}") from error


def tree_of(group: h5py.Group, path: str | os.PathLike[str], raw: BinaryIO) -> ForeignTree:
    """Read an open group of a file whose bytes are ``raw``; ``path`` is for messages.

    Raises:
        DamagedFileError: as :func:`read_foreign`.
    """
    return _Reader(path, raw).group(group, 0)


class _Reader:
    """Reads one file, counting what it declares against what it can hold."""

    def __init__(self, path: str | os.PathLike[str], raw: BinaryIO) -> None:
        self.path = path
        self.raw = raw
        self.size = raw.seek(0, 2)
        self.limit = min(MAXIMUM_BYTES, FREE_BYTES + UNFOLDING * self.size)
        self.declared = 0
        self.text_bytes = 0
        self.entries = 0
        self.groups: set[object] = set()

    def group(self, group: h5py.Group, depth: int) -> dict[str, Foreign | ForeignTree]:
        if depth > MAXIMUM_DEPTH:
            raise self.refuse(f"groups nested more than {MAXIMUM_DEPTH} deep")
        identity = h5py.h5o.get_info(group.id).addr
        if identity in self.groups:
            raise self.refuse(f"group {group.name} is linked twice")
        self.groups.add(identity)
        tree: dict[str, Foreign | ForeignTree] = {}
        for name in group:
            self.entries += 1
            if self.entries > MAXIMUM_ENTRIES:
                raise self.refuse(f"more than {MAXIMUM_ENTRIES} entries")
            found = member(group, name, self.refuse)
            group_found = isinstance(found, h5py.Group)
            tree[name] = self.group(found, depth + 1) if group_found else self.dataset(found)
        return tree

    def dataset(self, dataset: h5py.Dataset) -> Foreign:
        name = dataset.name
        self.inspect_storage(dataset)
        if dataset.shape is None:
            raise self.refuse(f"dataset {name} is empty")
        kind = dataset.id.get_type()
        if isinstance(kind, h5py.h5t.TypeStringID):
            return self.texts(dataset)
        if not isinstance(kind, (h5py.h5t.TypeIntegerID, h5py.h5t.TypeFloatID)):
            enumerated = isinstance(kind, h5py.h5t.TypeEnumID) and dataset.dtype == np.bool_
            if not enumerated:
                raise self.refuse(f"dataset {name} has type {dataset.dtype}")
        return np.asarray(dataset[()])

    def inspect_storage(self, dataset: h5py.Dataset) -> None:
        name, creation = dataset.name, dataset.id.get_create_plist()
        if dataset.is_virtual or creation.get_external_count():
            raise self.refuse(f"dataset {name} is stored outside the file")
        for index in range(creation.get_nfilters()):
            number = creation.get_filter(index)[0]
            if number not in FILTERS:
                raise self.refuse(f"dataset {name} needs filter {number}")
        declared = int(dataset.size or 0) * dataset.dtype.itemsize
        if dataset.chunks is not None:
            declared = max(declared, int(np.prod(dataset.chunks)) * dataset.dtype.itemsize)
        stored = dataset.id.get_storage_size()
        self.declared += declared
        backed = min(stored, self.size) * DEFLATE_RATIO
        if declared > max(SMALL, backed) or self.declared > self.limit:
            raise self.refuse(f"dataset {name} declares more data than the file holds")

    def texts(self, dataset: h5py.Dataset) -> str | tuple[str, ...]:
        if dataset.size > MAXIMUM_ENTRIES:
            raise self.refuse(f"dataset {dataset.name} has more than {MAXIMUM_ENTRIES} texts")
        if h5py.check_string_dtype(dataset.dtype).length is None:
            self.inspect_lengths(dataset)
        values = np.asarray(dataset.asstr()[()])
        if values.ndim == 0:
            return str(values[()])
        return tuple(str(value) for value in values.ravel())

    def inspect_lengths(self, dataset: h5py.Dataset) -> None:
        """Refuse texts of any length that are longer together than the file: some would be shared.

        HDF5 stores such a text elsewhere, and in its place length, address and index (16 bytes).
        """
        stored = dataset.id.get_storage_size()
        offset = dataset.id.get_offset()
        if stored == 0:
            return
        if offset is None or stored != POINTER.itemsize * dataset.size:
            raise self.refuse(f"dataset {dataset.name} stores its texts in an unusual way")
        self.raw.seek(offset)
        pointers = np.frombuffer(self.raw.read(stored), dtype=POINTER)
        self.text_bytes += int(pointers["length"].sum(dtype=np.int64))
        if self.text_bytes > self.size:
            raise self.refuse(f"dataset {dataset.name} has longer texts than the file holds")

    def refuse(self, problem: str) -> DamagedFileError:
        return DamagedFileError(self.path, problem)
