"""Files of other tools: read whole, or refused before anything large or foreign is touched."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from ltc2hw.converters.foreign_hdf5 import read_foreign, tree_of
from ltc2hw.converters.hdf5_reader import MAXIMUM_DEPTH
from ltc2hw.errors import DamagedFileError


def test_numbers_texts_and_groups_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a/zeros", data=np.zeros((300, 300)), compression="gzip")
        file.create_dataset("a/small", data=np.arange(6).reshape(2, 3), compression="lzf")
        file["text"] = "größer"
        file.create_dataset("fixed", (1,), "S10", [b"dense"])
        file.create_dataset("pairs", data=[["a", "b"]], dtype=h5py.string_dtype())
        file["flag"] = True
        file["number"] = 2.5
    tree = read_foreign(path)
    group = tree["a"]
    assert isinstance(group, dict)
    assert np.array_equal(group["zeros"], np.zeros((300, 300)))
    assert np.array_equal(group["small"], [[0, 1, 2], [3, 4, 5]])
    assert tree["text"] == "größer"
    assert tree["fixed"] == ("dense",)
    assert tree["pairs"] == ("a", "b")
    assert tree["flag"] == np.True_
    assert tree["number"] == 2.5


def enormous(file: h5py.File) -> None:
    file.create_dataset("x", shape=(1 << 30, 1 << 30), dtype="f8")


def enormous_chunk(file: h5py.File) -> None:
    file.create_dataset("x", shape=(10,), maxshape=(None,), chunks=(1 << 28,), dtype="f8")


def external_link(file: h5py.File) -> None:
    file["x"] = h5py.ExternalLink("/etc/hostname", "/")


def soft_link(file: h5py.File) -> None:
    file["x"] = h5py.SoftLink("/y")


def loop(file: h5py.File) -> None:
    file.create_group("x")["again"] = file["/"]


def deep(file: h5py.File) -> None:
    file.create_group("/".join("x" * (MAXIMUM_DEPTH + 2)))


def external_storage(file: h5py.File) -> None:
    file.create_dataset("x", shape=(4,), dtype="u1", external=[("secret", 0, 4)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(4,), dtype="u1")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(4,))
    file.create_virtual_dataset("x", layout)


def references(file: h5py.File) -> None:
    file.create_dataset("x", data=[file.ref], dtype=h5py.ref_dtype)


def compound(file: h5py.File) -> None:
    file["x"] = np.zeros(3, dtype=[("a", "i4"), ("b", "f8")])


def ragged(file: h5py.File) -> None:
    file.create_dataset("x", (2,), dtype=h5py.vlen_dtype(np.int32))


def complex_numbers(file: h5py.File) -> None:
    file["x"] = np.zeros(3, dtype=np.complex128)


def unknown_filter(file: h5py.File) -> None:
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((4,))
    creation.set_filter(307, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_INT32, space, creation)


def empty(file: h5py.File) -> None:
    file["x"] = h5py.Empty("f8")


def named_type(file: h5py.File) -> None:
    file["x"] = np.dtype("f8")


def bomb(file: h5py.File) -> None:
    """Two gigabytes of zeros in two megabytes."""
    chunk = 1 << 24
    made = file.create_dataset(
        "x", shape=(128 * chunk,), chunks=(chunk,), dtype="u1", compression="gzip"
    )
    packed = zlib.compress(bytes(chunk), 9)
    for start in range(0, made.shape[0], chunk):
        made.id.write_direct_chunk((start,), packed)


def small_chunk_of_much(file: h5py.File) -> None:
    made = file.create_dataset("x", shape=(1 << 25,), chunks=(1 << 10,), dtype="f8")
    made[0] = 1.0


def chunked_texts(file: h5py.File) -> None:
    file.create_dataset("x", data=["a", "b"], dtype=h5py.string_dtype(), chunks=(1,))


HOSTILE: dict[Callable[[h5py.File], None], str] = {
    enormous: "declares more data",
    enormous_chunk: "declares more data",
    external_link: "link to elsewhere",
    soft_link: "link to elsewhere",
    loop: "linked twice",
    deep: "nested more than",
    external_storage: "stored outside",
    virtual: "stored outside",
    references: "has type",
    compound: "has type",
    ragged: "has type",
    complex_numbers: "has type",
    unknown_filter: "needs filter 307",
    empty: "is empty",
    named_type: "neither a group nor a dataset",
    bomb: "declares more data",
    small_chunk_of_much: "declares more data",
    chunked_texts: "in an unusual way",
}


@pytest.mark.parametrize("make", list(HOSTILE), ids=lambda make: make.__name__)
def test_hostile_files_are_refused(make: Callable[[h5py.File], None], tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        make(file)
    image = path.read_bytes()
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFileError, match=HOSTILE[make]):
            read_foreign(path)
        # What the other process does, watched from inside.
        with pytest.raises(DamagedFileError, match=HOSTILE[make]):
            tree_of(image, path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("kind", ["shared", "longer than the file"])
def test_texts_cannot_be_multiplied(kind: str, tmp_path: Path) -> None:
    path, count = tmp_path / "file.h5", 1000
    with h5py.File(path, "w") as file:
        made = file.create_dataset("x", shape=(count,), dtype=h5py.string_dtype())
        made[0] = "a" * (1 << 16)
        file.flush()
        start = made.id.get_offset()
    content = bytearray(path.read_bytes())
    if kind == "shared":
        # Every place points to the one text.
        content[start : start + 16 * count] = content[start : start + 16] * count
    else:
        content[start : start + 4] = b"\xff" * 4
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFileError, match="longer texts than the file"):
            read_foreign(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(1000)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        with pytest.raises(DamagedFileError):
            tree_of(whole[:length], path)
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedFileError):
            read_foreign(path)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_foreign(tmp_path / "none.h5")
