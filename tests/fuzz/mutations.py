"""Edits of files: raw bytes, and the structure of HDF5 and zip archives with renewed checksums.

An edit is a function of a file and a generator, so (format, seed) names a damaged file. Edits that
find nothing to change leave the file as it is.
"""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ltc2hw.errors import DamagedFileError
from ltc2hw.files.hdf5 import read_tree, write_tree
from tests.fuzz.formats import Container

Rng = np.random.Generator
Edit = Callable[[Path, Rng], None]

INTEGERS: tuple[int, ...] = (
    0, 1, -1, 2, 7, 8, 31, 32, 40, 59, 60, 61, 62, 63, 64, 127, 128, 255, 256, 1023, 1024, 65535,
    1 << 16, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 32, 1 << 40, (1 << 62), (1 << 63) - 1,
    -(1 << 63), -(1 << 31), -2, -128, 10**6, 10**9, 10**12,
)  # fmt: skip
INTEGER = 1 << 63
"""Integers of a file lie below this, and from its negative on."""

REALS: tuple[float, ...] = (
    0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, 5e-324, 1e30, 0.5,
    2.0**31,
)  # fmt: skip
TEXTS: tuple[str, ...] = (
    "", " ", "input", "hidden0", "readout", "spikes", "current", "tau_mem", "membrane", "plan",
    "table", "interpolated", "wrap", "saturate", "LTC", "LIF", "Input", "{}", "[]", "null", "1e999",
    "../../etc/passwd", "<script>alert(1)</script>", "\x1b[31m", "a\nb", "é", "x" * 300,
    "__class__", "loihi1", "loihi2", "ideal", '{"a": 1}', "x" * 70000, "[" * 5000,
)  # fmt: skip


def pick(rng: Rng, choices: Any) -> Any:
    """One of a sequence."""
    return choices[int(rng.integers(len(choices)))]


# --- raw bytes ------------------------------------------------------------------------------------


def edit_bytes(change: Callable[[bytearray, Rng], None]) -> Edit:
    """An edit of a file's bytes."""

    def edit(path: Path, rng: Rng) -> None:
        data = bytearray(path.read_bytes())
        if data:
            change(data, rng)
            path.write_bytes(data)

    edit.__name__ = change.__name__
    return edit


def flip_bits(data: bytearray, rng: Rng) -> None:
    """A few bits somewhere."""
    for _ in range(int(rng.integers(1, 9))):
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))


def random_bytes(data: bytearray, rng: Rng) -> None:
    """A short run of other bytes."""
    start, count = int(rng.integers(len(data))), int(rng.integers(1, 17))
    data[start : start + count] = rng.bytes(min(count, len(data) - start))


def fill(data: bytearray, rng: Rng) -> None:
    """A run of zeros or ones."""
    start, count = int(rng.integers(len(data))), int(2 ** rng.uniform(0, 9))
    data[start : start + count] = bytes([pick(rng, (0, 255))]) * min(count, len(data) - start)


def integer_somewhere(data: bytearray, rng: Rng) -> None:
    """A telling integer of 1 to 8 bytes, little-endian."""
    size = pick(rng, (1, 2, 4, 8))
    start = int(rng.integers(max(len(data) - size, 1)))
    value = pick(rng, INTEGERS) % (1 << (8 * size))
    data[start : start + size] = value.to_bytes(size, "little")


def truncate(data: bytearray, rng: Rng) -> None:
    """The end is missing."""
    del data[int(rng.integers(len(data))) :]


def move_part(data: bytearray, rng: Rng) -> None:
    """A part of the file stands at another place, too."""
    size = int(2 ** rng.uniform(2, 9))
    start, to = (int(value) for value in rng.integers(len(data), size=2))
    part = data[start : start + size]
    data[to : to + len(part)] = part


def cut_part(data: bytearray, rng: Rng) -> None:
    """A part is missing."""
    start = int(rng.integers(len(data)))
    del data[start : start + int(2 ** rng.uniform(0, 9))]


def signed_structure(data: bytearray, rng: Rng) -> None:
    """The global heap or another signed structure of HDF5 is damaged behind its signature."""
    signature = pick(
        rng, (b"GCOL", b"OHDR", b"TREE", b"SNOD", b"HEAP", b"FRHP", b"OCHK", b"PK\x01\x02")
    )
    start = data.find(signature)
    if start < 0:
        return
    start += int(rng.integers(4, 64))
    count = pick(rng, (1, 2, 4, 8, 16))
    data[start : start + count] = pick(rng, (bytes(count), b"\xff" * count, rng.bytes(count)))


BYTES: tuple[Edit, ...] = tuple(
    edit_bytes(change)
    for change in (
        flip_bits, random_bytes, fill, integer_somewhere, truncate, move_part, cut_part,
        signed_structure,
    )
)  # fmt: skip


# --- values ---------------------------------------------------------------------------------------


def other_array(array: Any, rng: Rng) -> Any:
    """An array with other values, or of another shape or type."""
    kind = int(rng.integers(7))
    array = np.array(array)
    if kind == 0 or array.size == 0:
        shape = pick(rng, ((), (0,), (1,), (3,), (2, 2), (0, 5), (1, 1, 1, 1)))
        return np.full(shape, pick(rng, (0, 1, -1, 7)), dtype=array.dtype)
    if kind == 1:
        return array[: int(rng.integers(len(array)))] if array.ndim else array[None]
    if kind == 2:
        return np.concatenate([array, array]) if array.ndim else np.stack([array, array])
    if kind == 3:
        return array.astype(pick(rng, (np.int64, np.float64, np.int32, np.uint8)), casting="unsafe")
    if kind == 4 and array.ndim > 1:
        return np.ascontiguousarray(array.T)
    flat = array.reshape(-1)
    for place in rng.integers(flat.size, size=int(rng.integers(1, 4))):
        flat[place] = other_number(flat[place], rng)
    return flat.reshape(array.shape)


def other_number(value: Any, rng: Rng) -> Any:
    """Another number of the same type."""
    if np.issubdtype(value.dtype, np.floating):
        with np.errstate(over="ignore"):
            return value.dtype.type(pick(rng, (*REALS, value * 2, -value)))
    if np.issubdtype(value.dtype, np.integer):
        choices = (*INTEGERS, *(int(value) + step for step in (-1, 1, -9, 9)), -int(value))
        number = pick(rng, choices) if rng.random() < 0.5 else int(rng.integers(-130, 130))
        return np.array(number % (1 << 64), dtype=np.uint64).astype(value.dtype)
    return value


def other_value(value: Any, rng: Rng) -> Any:
    """Something else in the place of a flag, an integer, a text or an array."""
    if isinstance(value, np.ndarray):
        return other_array(value, rng)
    kind = int(rng.integers(8))
    if kind == 0:
        return pick(rng, TEXTS)
    if kind == 1:
        return np.array([pick(rng, (0, 1, 5))])
    if isinstance(value, (bool, np.bool_)):
        return not value
    if isinstance(value, str):
        return pick(rng, TEXTS)
    near = (max(-INTEGER, min(INTEGER - 1, int(value) + step)) for step in (1, -1))
    return int(pick(rng, (*INTEGERS[:-3], *near)))


# --- our files: any content under a right checksum ------------------------------------------------


def edit_tree(path: Path, rng: Rng) -> None:
    """Change, remove, copy or add entries of a file of ours, and write it with its checksum."""
    try:
        tree = thawed(read_tree(path))
    except DamagedFileError:
        return  # by an earlier edit of its structure, which left no right checksum
    for _ in range(int(rng.integers(1, 4))):
        edit_entry(tree, rng)
    path.unlink()
    write_tree(path, tree)


def thawed(tree: Any) -> dict[str, Any]:
    """A tree of dictionaries that can be changed."""
    return {
        name: thawed(value) if isinstance(value, Mapping) else value for name, value in tree.items()
    }


def edit_number(path: Path, rng: Rng) -> None:
    """Change one number of a file of ours, or a few of one array; what it is stays as it was."""
    try:
        tree = thawed(read_tree(path))
    except DamagedFileError:
        return
    places = list(numbers_of(tree))
    group, name = pick(rng, places)
    value = group[name]
    if isinstance(value, np.ndarray):
        changed = value.copy().reshape(-1)
        for place in rng.integers(changed.size, size=int(rng.integers(1, 4))):
            changed[place] = other_number(changed[place], rng)
        group[name] = changed.reshape(value.shape)
    elif isinstance(value, str):
        group[name] = pick(rng, TEXTS[:16])
    else:
        near = max(-INTEGER, min(INTEGER - 1, int(value) + int(rng.integers(-3, 4))))
        group[name] = pick(rng, (other_value(value, rng), pick(rng, INTEGERS[:22]), near, near))
    path.unlink()
    write_tree(path, tree)


def numbers_of(tree: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every entry that is not a group, as (group, name)."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from numbers_of(value)
        elif not isinstance(value, np.ndarray) or value.size:
            yield tree, name


def edit_entry(tree: dict[str, Any], rng: Rng) -> None:
    """Change one entry at some depth."""
    group = tree
    while True:
        inner = [name for name, value in group.items() if isinstance(value, dict) and value]
        if not inner or rng.random() < 0.15:
            break
        group = group[pick(rng, inner)]
    if not group:
        return
    name, kind = pick(rng, sorted(group)), int(rng.integers(10))
    if kind == 0:
        del group[name]
    elif kind == 1:
        group[pick(rng, ("extra", name + "2", "9", "a.b"))] = group[name]
    elif kind == 2:
        group[name] = group[pick(rng, sorted(group))]
    elif isinstance(group[name], dict):
        group[name] = pick(rng, ({}, "text", 3, np.zeros(2)))
    else:
        group[name] = other_value(group[name], rng)


# --- HDF5 of other tools --------------------------------------------------------------------------


def edit_hdf5(path: Path, rng: Rng) -> None:
    """Change, remove, copy, link or add entries of any HDF5 file."""
    try:
        with h5py.File(path, "r+") as file:
            names: list[str] = []
            file.visit(names.append)
            if names:
                edit_object(file, pick(rng, sorted(names)), rng)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError):
        return


def edit_object(file: Any, name: str, rng: Rng) -> None:
    """Change one object of an HDF5 file."""
    kind = int(rng.integers(12))
    found = file[name]
    if kind == 0:
        del file[name]
    elif kind == 1:
        file[name + pick(rng, ("2", "/x", "é", "\u202e", "y" * 260))] = found
    elif kind == 2:
        del file[name]
        file[name] = pick(
            rng,
            (h5py.SoftLink("/"), h5py.SoftLink(f"/{name}"), h5py.ExternalLink("/etc/passwd", "/"),
             h5py.ExternalLink(str(path_of(file)), "/")),
        )  # fmt: skip
    elif kind == 3:
        del file[name]
        file.create_group(name)
    elif kind == 4:
        found.attrs[pick(rng, ("type", "version", "x"))] = pick(rng, (*TEXTS[:8], 3, [1.0, 2.0]))
    elif isinstance(found, h5py.Dataset):
        edit_dataset(file, name, found, rng)


def path_of(file: Any) -> str:
    """Name of an open file."""
    return str(file.filename)


def edit_dataset(file: Any, name: str, dataset: Any, rng: Rng) -> None:
    """Put another dataset in the place of one."""
    kind = int(rng.integers(8))
    # An earlier edit may have declared terabytes.
    value: Any = dataset[()] if dataset.size is None or dataset.size < 1 << 20 else np.zeros(2)
    del file[name]
    if kind == 0:
        shape = pick(rng, ((1 << 40,), (1 << 20, 1 << 20), (10**6,)))
        file.create_dataset(name, shape=shape, chunks=True, dtype="f8")
    elif kind == 1:
        file.create_dataset(name, data=np.zeros(int(10 ** rng.uniform(0, 6))), compression="gzip")
    elif kind == 2:
        file.create_dataset(name, data=pick(rng, TEXTS[:-2]).replace("\0", ""))
    elif isinstance(value, np.ndarray) and value.dtype == object:
        texts = [entry.decode() for entry in value.reshape(-1)]
        texts[int(rng.integers(len(texts)))] = pick(rng, (*texts, *TEXTS[:8]))
        texts = texts[: int(rng.integers(1, len(texts) + 1))]
        file.create_dataset(name, data=texts, dtype=h5py.string_dtype())
    elif isinstance(value, (bytes, str)):
        text = pick(rng, (*NODE_TYPES, *TEXTS[:-2]))
        file.create_dataset(name, data=text, dtype=h5py.string_dtype())
    else:
        file.create_dataset(name, data=other_array(value, rng))


NODE_TYPES = (
    "Affine", "Linear", "Scale", "Conv1d", "Conv2d", "AvgPool2d", "SumPool2d", "Flatten", "Delay",
    "Threshold", "LIF", "LI", "IF", "I", "CubaLIF", "CubaLI", "Input", "Output", "NIRGraph",
)  # fmt: skip


# --- zip archives ---------------------------------------------------------------------------------


def edit_zip(path: Path, rng: Rng) -> None:
    """Change, remove, double, rename or compress members, with right sums (CRC)."""
    with zipfile.ZipFile(path) as archive:
        members = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    if not members:
        return
    compression = zipfile.ZIP_STORED
    if rng.random() < 0.1:
        compression = pick(rng, (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    edit_member(members, rng)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, data in members:
                archive.writestr(zipfile.ZipInfo(name), data, compression)
    path.write_bytes(buffer.getvalue())


def edit_member(members: list[tuple[str, bytes]], rng: Rng) -> None:
    """Change one member of an archive, or which there are."""
    place, kind = int(rng.integers(len(members))), int(rng.integers(9))
    name, data = members[place]
    if kind == 0:
        del members[place]
    elif kind == 1:
        members.append((name, data))
    elif kind == 2:
        members[place] = (pick(rng, ("x", "a/data.pkl", name + "2", "../x", "code/x.py")), data)
    elif kind == 3:
        members[place] = (name, members[int(rng.integers(len(members)))][1])
    elif kind in (4, 5) and name.endswith(".npy"):
        members[place] = (name, (other_npy if kind == 4 else other_header)(data, rng))
    else:
        content = bytearray(data or b"\0")
        pick(rng, MEMBER_BYTES)(content, rng)
        members[place] = (name, bytes(content))


MEMBER_BYTES = (flip_bits, random_bytes, fill, integer_somewhere, truncate, cut_part)


def other_npy(data: bytes, rng: Rng) -> bytes:
    """A member with another array."""
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception:  # noqa: BLE001 - an earlier edit damaged it, in whatever way
        return data
    if array.dtype.kind in "US":
        changed: Any = np.array(other_json(str(array), rng))
    else:
        changed = other_array(array, rng)
    buffer = io.BytesIO()
    np.save(buffer, changed)
    return buffer.getvalue()


def other_json(text: str, rng: Rng) -> str:
    """A text with a part replaced: numbers and names of JSON become others."""
    if not text:
        return "x"
    start = int(rng.integers(len(text)))
    end = start + int(rng.integers(0, 6))
    part: str = pick(
        rng, ("", "1e999", "-1", "null", "NaN", "[]", "{", '"', "9" * 30, "true", "\\u0000")
    )
    return text[:start] + part + text[end:]


def other_header(data: bytes, rng: Rng) -> bytes:
    """A member whose header of NumPy says another type or shape."""
    if not data.startswith(b"\x93NUMPY\x01\x00"):
        return data
    (size,) = struct.unpack("<H", data[8:10])
    descr = pick(
        rng, ("<f8", "<i8", "<U0", "|S0", "|O", "<f2", ">f8", "|V0", "<c16", "<M8[s]", "<U9999999")
    )
    shape = pick(
        rng, ((), (0,), (3,), (-1,), (1 << 40,), (1 << 62,), (2, 2), (1 << 32, 1 << 32), (10**6,))
    )
    header = f"{{'descr': '{descr}', 'fortran_order': {bool(rng.integers(2))}, 'shape': {shape}, }}"
    padded = header.encode().ljust(117) + b"\n"
    return data[:8] + struct.pack("<H", len(padded)) + padded + data[10 + size :]


STRUCTURE: Mapping[Container, tuple[Edit, ...]] = {
    "own": (edit_number, edit_number, edit_number, edit_tree, edit_tree, edit_hdf5),
    "hdf5": (edit_hdf5,),
    "zip": (edit_zip,),
}
"""Edits that keep a container whole around what they damage."""

STRUCTURED_SHARE = 0.6
"""How many of the edits are such; the others are of raw bytes."""


def damage(path: Path, container: Container, seed: int, keep: tuple[int, ...] | None = None) -> int:
    """Damage a file by one to three edits; returns how many. ``keep`` makes only those of them.

    Edits of the structure come first: only they need a file that can be read.
    """
    rng = np.random.default_rng(seed)
    count = int(pick(rng, (1, 1, 1, 2, 3)))
    structured = int(rng.binomial(count, STRUCTURED_SHARE))
    for place in range(count):
        own = np.random.default_rng((seed, place))
        edit = pick(own, STRUCTURE[container] if place < structured else BYTES)
        if keep is None or place in keep:
            edit(path, own)
    return count
