"""NumPy's ``.npz`` and ``.npy`` files of foreign origin: numbers and texts, without any object.

The header of every array is checked against the bytes that its member has, before any array is
made. Source: NumPy enhancement proposal 1, a format for arrays.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import DamagedFileError
from ltc2hw.files.archive import MAXIMUM_BYTES, Archive, StrPath, read_bytes, shown

Array = npt.NDArray[Any]

MAGIC = b"\x93NUMPY"
LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
"""Bytes of the header's length, by version."""

LONGEST_HEADER = 1 << 12
MOST_DIMENSIONS = 32
LARGEST_DIMENSION = 1 << 48

HEADER = re.compile(
    r"\{ *'descr': *'([<>|=])([biufcSU])([0-9]{1,9})', *"
    r"'fortran_order': *(True|False), *"
    r"'shape': *\(([0-9, ]*)\),? *\}[ \n]*"
)
TEXTS = {"S": "utf-8", "U": "utf-32"}
"""How texts are encoded, by kind."""

OBJECTS = "'|O'"
"""Type of arrays of Python objects, in a header."""

SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16)}
"""Bytes of a number, by kind."""


def read_npz(
    path: StrPath,
    most: int = MAXIMUM_BYTES,
    *,
    content: bytes | None = None,
    texts: bool = False,
) -> dict[str, Array | str]:
    """Arrays of numbers, and single texts, by name; with ``texts`` also arrays of texts.

    ``most`` is how many bytes they may have together, unless the file itself has more. With
    ``content`` these bytes are read, and ``path`` is what errors call them.

    Raises:
        DamagedFileError: for anything else, naming the member.
        OSError: if the file cannot be opened.
    """
    archive = Archive(read_bytes(path) if content is None else content, path, most)
    found: dict[str, Array | str] = {}
    for member in archive.sizes:
        name = member.removesuffix(".npy")
        if name == member:
            raise DamagedFileError(path, f"member {shown(member)} is no array")
        try:
            found[name] = _parsed(archive.read(member), texts)
        except ValueError as error:
            raise DamagedFileError(path, f"array {shown(name)}: {error}") from error
    return found


def read_npy(path: StrPath) -> Array | str:
    """One array of numbers or texts, or a single text.

    Raises:
        DamagedFileError: for anything else.
        OSError: if the file cannot be opened.
    """
    try:
        return _parsed(read_bytes(path), texts=True)
    except ValueError as error:
        raise DamagedFileError(path, str(error)) from error


def _parsed(content: bytes, texts: bool) -> Array | str:
    """An array from the bytes of a ``.npy`` file; ValueError where it makes no sense."""
    kind, size, order, fortran, shape, start = _header(content)
    count = math.prod(shape)
    if len(content) - start != count * size:
        raise ValueError(f"{len(content) - start} bytes for {count} items of {size}")
    if kind in TEXTS:
        if shape != () and not texts:
            raise ValueError("texts are read one by one")
        encoding = TEXTS[kind] + ("-be" if order == ">" else "-le") * (kind == "U")
        # Ends of texts are filled up with zeros.
        found = [
            content[place : place + size].decode(encoding).rstrip("\0")
            for place in range(start, start + count * size, size)
        ]
        return (
            found[0]
            if shape == ()
            else np.array(found, dtype=np.str_).reshape(shape, order="F" if fortran else "C")
        )
    values: Array
    if kind == "b":
        values = np.frombuffer(content, np.uint8, count, start) != 0
    else:
        values = np.frombuffer(content, f"{'>' if order == '>' else '<'}{kind}{size}", count, start)
        values = values.astype(values.dtype.newbyteorder("="))
    return values.reshape(shape, order="F" if fortran else "C")


def _header(content: bytes) -> tuple[str, int, str, bool, tuple[int, ...], int]:
    """Kind, bytes of an item, byte order, order, shape, and where the items start."""
    if content[: len(MAGIC)] != MAGIC or len(content) < len(MAGIC) + 2:
        raise ValueError("no array of NumPy")
    wide = LENGTH_BYTES.get(content[len(MAGIC)])
    if wide is None:
        raise ValueError(f"version {content[len(MAGIC)]} of NumPy's format")
    first = len(MAGIC) + 2 + wide
    start = first + int.from_bytes(content[first - wide : first], "little")
    if start > len(content) or start - first > LONGEST_HEADER:
        raise ValueError("its header is cut off or too long")
    header = content[first:start].decode("latin-1")
    match = HEADER.fullmatch(header)
    if match is None and OBJECTS in header:
        raise ValueError(
            "it holds Python objects, which are never loaded; save plain numbers, and samples of"
            " unequal length padded, with an array of their lengths"
        )
    if match is None:
        raise ValueError("its header describes neither numbers nor a text")
    order, kind, digits, fortran, dimensions = match.groups()
    shape = tuple(int(part) for part in dimensions.split(",") if part.strip())
    if len(shape) > MOST_DIMENSIONS or any(number > LARGEST_DIMENSION for number in shape):
        raise ValueError("its shape is beyond all bounds")
    size = 4 * int(digits) if kind == "U" else int(digits)
    if size == 0 or (kind not in TEXTS and size not in SIZES[kind]):
        raise ValueError(f"items of type {order}{kind}{digits}")
    return kind, size, order, fortran == "True", shape, start
