"""Trees of plain values in HDF5 files, written whole and read with suspicion.

A :data:`Tree` is nested dictionaries of integers, flags, texts and arrays. As HDF5 it is groups,
scalar attributes and datasets, all of them inspected before anything is read: only hard links,
contiguous storage inside the file, fixed-size types, and no more declared bytes than the file has.
So a small file cannot ask for much memory, and no file can make the reader open another one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import numpy.typing as npt

from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files.atomic import StrPath, require_input, require_output, write_bytes

Leaf = bool | int | str | npt.NDArray[Any]
Tree = Mapping[str, "Leaf | Tree"]

ARRAY_TYPES: tuple[str, ...] = ("<i8", "<f8", "<i4", "|u1")
"""Array types that files hold: int64, float64, int32, uint8, little-endian."""

MAXIMUM_DEPTH = 8
"""Deepest nesting of groups."""

MAXIMUM_ENTRIES = 100_000
"""Most groups, datasets and attributes in one file."""

CHECKSUM = "checksum"
"""Attribute of the root: SHA-256 of everything else."""


def digest(tree: Tree) -> str:
    """SHA-256 of a tree's names, types, shapes and values, whatever their order.

    >>> digest({"a": 1, "b": "x"}) == digest({"b": "x", "a": 1})
    True
    """
    hasher = hashlib.sha256()
    _feed(hasher, tree)
    return hasher.hexdigest()


def write_tree(path: Path, tree: Tree) -> None:
    """Write a tree and its checksum, whole or not at all.

    Raises:
        InvalidValueError: for a value that files cannot hold.
        OSError: if the folder does not exist or cannot be written.
    """
    # From version 1.8 of the format on, HDF5 protects its own structure by checksums.
    with writing(path, libver=("v108", "v110")) as file:
        _write_group(file, tree)
        _write_attribute(file, CHECKSUM, digest(tree))


@contextmanager
def writing(path: StrPath, libver: tuple[str, str] | None = None) -> Iterator[h5py.File]:
    """Yield an HDF5 file in memory; if the block succeeds, it is written whole or not at all.

    HDF5 itself never touches the disk: it does not tell of a disk that is full when it closes.

    Raises:
        InvalidValueError: if the path leads to anything but a regular file.
        OSError: if the folder is missing or read-only, or the disk is full.
    """
    require_output(path)
    with h5py.File("image", "w", driver="core", backing_store=False, libver=libver) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    write_bytes(path, image)


def read_tree(path: Path) -> Tree:
    """Read a tree and verify its checksum.

    Raises:
        DamagedFileError: for anything but a whole, unaltered file written by :func:`write_tree`.
        InvalidValueError: for a device or a pipe, which may never end.
        OSError: if the file does not exist or cannot be opened.
    """
    require_input(path)
    with path.open("rb") as raw:
        size = raw.seek(0, 2)
    reader = _Reader(path, size)
    try:
        with h5py.File(path, "r") as file:
            tree = reader.group(file, 0)
        content = {name: value for name, value in tree.items() if name != CHECKSUM}
        whole = tree.get(CHECKSUM) == digest(content)
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise DamagedFileError(
            path, f"not a whole HDF5 file: {_one_line(error)}", "write the file again"
        ) from error
    if not whole:
        raise DamagedFileError(
            path, "its content does not match its checksum", "write the file again"
        )
    return content


def _write_group(group: h5py.Group, tree: Tree) -> None:
    for name, value in tree.items():
        if not name or "/" in name or name == ".":
            raise InvalidValueError("name in a file", repr(name), "a text without '/'")
        if isinstance(value, Mapping):
            _write_group(group.create_group(name), value)
        elif isinstance(value, np.ndarray):
            if value.dtype.newbyteorder("<").str not in ARRAY_TYPES:
                raise InvalidValueError(f"type of {name}", value.dtype, ", ".join(ARRAY_TYPES))
            group.create_dataset(name, data=value.astype(value.dtype.newbyteorder("<")))
        else:
            _write_attribute(group, name, value)


def _write_attribute(group: h5py.Group, name: str, value: bool | int | str) -> None:
    if not isinstance(value, str):
        kind = np.bool_ if isinstance(value, (bool, np.bool_)) else np.int64
        if not -(1 << 63) <= value < 1 << 63:
            raise InvalidValueError(f"integer {name}", value, "one of 64 bits")
        group.attrs.create(name, value, dtype=kind)
        return
    encoded = value.encode("utf-8", errors="replace")
    if "\0" in value or encoded.decode("utf-8") != value:
        raise InvalidValueError(f"text {name}", repr(value), "valid Unicode without NUL")
    # Fixed-size texts: reading one needs no heap, and its size is declared.
    group.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", max(len(encoded), 1)))


class _Reader:
    """Reads groups of one file, counting what the file declares against what it can hold."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.declared = 0
        self.entries = 0

    def group(self, group: h5py.Group, depth: int) -> dict[str, Leaf | Tree]:
        if depth > MAXIMUM_DEPTH:
            raise self.refuse(f"groups nested more than {MAXIMUM_DEPTH} deep")
        self.count(group)
        tree: dict[str, Leaf | Tree] = {}
        for name in group.attrs:
            tree[self.text(name)] = self.attribute(group, name)
        for name in group:
            if self.text(name) in tree:
                raise self.refuse(f"{name} is there twice")
            found = self.member(group, name)
            group_found = isinstance(found, h5py.Group)
            tree[name] = self.group(found, depth + 1) if group_found else self.dataset(found, name)
        return tree

    def count(self, group: h5py.Group) -> None:
        """Refuse, before their names are read, more entries than a file of ours has."""
        self.entries += len(group.attrs) + group.id.get_num_objs()
        if self.entries > MAXIMUM_ENTRIES:
            raise self.refuse(f"more than {MAXIMUM_ENTRIES} entries, at {group.name}")

    def text(self, name: object) -> str:
        """A name; h5py has one that is no Unicode as bytes."""
        if not isinstance(name, str):
            raise self.refuse(f"the name {name!r} is no text")
        return name

    def member(self, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
        """What a name leads to, unless it is a link to elsewhere or no group or dataset at all."""
        key = name.encode("utf-8")
        if group.id.links.get_info(key).type != h5py.h5l.TYPE_HARD:
            raise self.refuse(f"{name} is a link to elsewhere")
        found = h5py.h5o.open(group.id, key)
        if isinstance(found, h5py.h5g.GroupID):
            return h5py.Group(found)
        if isinstance(found, h5py.h5d.DatasetID):
            return h5py.Dataset(found)
        raise self.refuse(f"{name} is neither a group nor a dataset")

    def attribute(self, group: h5py.Group, name: str) -> bool | int | str:
        attribute = group.attrs.get_id(name)
        kind = attribute.get_type()
        text = isinstance(kind, h5py.h5t.TypeStringID) and not kind.is_variable_str()
        if attribute.shape != () or not (text or attribute.dtype in (np.int64, np.bool_)):
            raise self.refuse(f"attribute {name} is no single integer, flag or text")
        self.declare(name, kind.get_size())
        value = group.attrs[name]
        if isinstance(value, bytes):
            return value.decode("utf-8")
        return cast("bool | int | str", value.item() if isinstance(value, np.generic) else value)

    def dataset(self, dataset: h5py.Dataset, name: str) -> npt.NDArray[Any]:
        creation = dataset.id.get_create_plist()
        if dataset.dtype.str not in ARRAY_TYPES:
            raise self.refuse(f"array {name} has type {dataset.dtype}")
        if creation.get_layout() != h5py.h5d.CONTIGUOUS or creation.get_external_count():
            raise self.refuse(f"array {name} is not stored in one piece inside the file")
        shape = dataset.shape
        if not shape:
            raise self.refuse(f"array {name} has no dimensions")
        size = math.prod(shape) * dataset.dtype.itemsize
        self.declare(name, size)
        if dataset.id.get_storage_size() != size:
            raise self.refuse(f"array {name} is declared but not stored")
        return np.asarray(dataset[...])

    def declare(self, name: str, size: int) -> None:
        """Refuse, before reading, a file whose parts declare more bytes than it has."""
        self.declared += size
        if self.declared > self.size:
            raise self.refuse(f"{name} declares more data than the file's {self.size} bytes")

    def refuse(self, problem: str) -> DamagedFileError:
        return DamagedFileError(self.path, problem, "write the file with ltc2hw.save")


def _feed(hasher: hashlib._Hash, value: Leaf | Tree) -> None:
    """Feed a value unambiguously: what it is, how long it is, its content."""
    if isinstance(value, Mapping):
        hasher.update(b"tree %d:" % len(value))
        for name in sorted(value):
            _feed(hasher, name)
            _feed(hasher, value[name])
    elif isinstance(value, np.ndarray):
        stored = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        hasher.update(f"array {stored.dtype.str} {stored.shape}:".encode())
        hasher.update(stored.data.cast("B") if stored.size else b"")
    elif isinstance(value, str):
        encoded = value.encode("utf-8")
        hasher.update(b"text %d:" % len(encoded) + encoded)
    else:
        tag = "flag" if isinstance(value, (bool, np.bool_)) else "integer"
        hasher.update(f"{tag} {int(value)}:".encode())


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
