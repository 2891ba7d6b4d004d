"""Datasets of HDF5 whose rows have any length: some rows of them, read with suspicion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ltc2hw.errors import DamagedFileError
from ltc2hw.files.foreign_hdf5 import read_foreign, read_rows

LENGTHS = (3, 0, 5, 1, 4)
ROWS = [np.arange(10 * n, 10 * n + length) for n, length in enumerate(LENGTHS)]


def write(path: Path, kind: Any = np.int16, **layout: Any) -> None:
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("a/x", (len(ROWS),), h5py.vlen_dtype(kind), **layout)
        for index, row in enumerate(ROWS):
            dataset[index] = row.astype(kind)
        file["plain"] = np.arange(3)
        file["text"] = np.array(["one", "two"], "S5")


@pytest.mark.parametrize("layout", [{}, {"chunks": (2,)}, {"chunks": (3,), "compression": "gzip"}])
@pytest.mark.parametrize("kind", [np.int16, np.float16, np.uint8])
def test_rows_are_those_that_were_written(
    kind: Any, layout: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.h5"
    write(path, kind, **layout)
    for first, last in ((0, 0), (0, 5), (2, 4), (3, 99), (7, 9)):
        tree: Any = read_rows(path, first, last)
        own = tree["a"]["x"]
        assert own["lengths"].tolist() == list(LENGTHS[first:last])
        wanted = [number for row in ROWS[first:last] for number in row.tolist()]
        assert own["values"].tolist() == wanted
        assert own["values"].dtype == kind
        np.testing.assert_array_equal(tree["plain"], np.arange(3))
        assert tree["text"] == ("one", "two")


def test_a_whole_file_still_has_no_such_rows(tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    with pytest.raises(DamagedFileError, match="dataset /a/x has type object"):
        read_foreign(tmp_path / "a.h5")


def test_other_rows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    pair = np.dtype([("t", np.int32), ("x", np.int32)])
    for dtype, shape, problem in (
        (h5py.vlen_dtype(pair), (2,), "has rows of type"),
        (h5py.vlen_dtype(np.int16), (2, 2), "has rows in 2 dimensions"),
    ):
        with h5py.File(path, "w") as file:
            file.create_dataset("x", shape, dtype)
        with pytest.raises(DamagedFileError, match=problem):
            read_rows(path, 0, 2)


def patched(path: Path, rows: int, pointer: bytes | None) -> None:
    """A file of one long row and others; all point to it, or the first holds ``pointer``."""
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", (rows,), h5py.vlen_dtype(np.int64))
        for index in range(rows):
            dataset[index] = np.arange(2000 if index == 0 else 1)
        start = dataset.id.get_offset()
    content = bytearray(path.read_bytes())
    first = bytes(content[start : start + 16])
    copies = first * rows if pointer is None else pointer + first[len(pointer) :]
    content[start : start + len(copies)] = copies
    path.write_bytes(content)


def test_rows_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    patched(path, 1, None)
    tree: Any = read_rows(path, 0, 1)
    assert len(tree["x"]["values"]) == 2000
    patched(path, 500, None)
    with pytest.raises(DamagedFileError, match="longer rows than the file holds"):
        read_rows(path, 0, 500)


@pytest.mark.parametrize("length", [2001, 1 << 20, (1 << 32) - 1])
def test_rows_that_lie_about_their_length_are_refused(length: int, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    patched(path, 2, length.to_bytes(4, "little"))
    with pytest.raises(DamagedFileError):
        read_rows(path, 0, 2)
