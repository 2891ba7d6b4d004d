"""Files of other tools: read whole, or refused before anything large or foreign is touched."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest

from ltc2hw.errors import DamagedFileError
from ltc2hw.files import foreign_hdf5, hdf5_reader
from ltc2hw.files.foreign_hdf5 import read_foreign, root_names, tree_of
from ltc2hw.files.hdf5_reader import MAXIMUM_DEPTH


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


def endless(path: Path) -> Path:
    """A file in whose heap of texts HDF5 turns in circles: an object there has the size 0."""
    with h5py.File(path, "w") as file:
        file["x"] = "a text of any length"
    content = bytearray(path.read_bytes())
    first_object = content.index(b"GCOL") + 16
    content[first_object : first_object + 16] = bytes(16)
    path.write_bytes(content)
    return path


def processes_with(text: str) -> list[int]:
    """Processes that have a text in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def test_an_endless_loop_of_hdf5_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = endless(tmp_path / "file.h5")
    monkeypatch.setattr(foreign_hdf5, "SECONDS", 1)
    with pytest.raises(DamagedFileError, match=r"file\.h5: HDF5 needs more than 1 seconds"):
        read_foreign(path)
    assert processes_with(str(path)) == []
    # What is at the root says of what format a file is, and needs no text of the heap.
    assert root_names(path) == ("x",)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, and signals of a dying parent")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_its_reader(number: signal.Signals, tmp_path: Path) -> None:
    path = endless(tmp_path / "file.h5")
    program = f"""
from ltc2hw.files import foreign_hdf5
foreign_hdf5.SECONDS = 100
foreign_hdf5.read_foreign({str(path)!r})
"""
    reader = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    # The reader itself, and the process that it started.
    while len(processes_with(str(path))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    reader.send_signal(number)
    _, complaint = reader.communicate(timeout=30)
    assert reader.returncode == -number
    assert (b"KeyboardInterrupt" in complaint) == (number is signal.SIGINT)
    while processes_with(str(path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with(str(path)) == []


def test_memory_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(1 << 22)
    assert np.asarray(read_foreign(path)["x"]).size == 1 << 22
    size, free = path.stat().st_size, foreign_hdf5.FREE_NUMBERS * 8
    monkeypatch.setattr(foreign_hdf5, "EXTRA_BYTES", (16 << 20) - 2 * (size + free))
    with pytest.raises(DamagedFileError, match="HDF5 needs more than 16 MB"):
        read_foreign(path)


def test_threads_read_at_once(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.h5" for number in range(3)]
    for number, path in enumerate(paths):
        with h5py.File(path, "w") as file:
            file["x"] = number
    with ThreadPoolExecutor(3) as pool:
        assert [tree["x"] for tree in pool.map(read_foreign, paths)] == [0, 1, 2]


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(DamagedFileError, match="no regular file"):
            read_foreign(path)
    with pytest.raises(IsADirectoryError):
        read_foreign(tmp_path)


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file.create_group(b"\xff")
    with pytest.raises(DamagedFileError, match=r"the name b'.xff' is no text"):
        read_foreign(path)


def test_entries_are_counted_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        for number in range(21):
            file.create_group(f"x{number}")
        file["x0/y"] = 1.0
    monkeypatch.setattr(hdf5_reader, "MAXIMUM_ENTRIES", 21)
    reader = hdf5_reader.Reader(BytesIO(path.read_bytes()), 0)
    with h5py.File(path) as file, pytest.raises(hdf5_reader.Refusal, match="more than 21"):
        list(reader.pieces(file))
    monkeypatch.setattr(hdf5_reader, "MAXIMUM_ENTRIES", 20)
    with h5py.File(path) as file, pytest.raises(hdf5_reader.Refusal, match="more than 20"):
        next(hdf5_reader.Reader(BytesIO(path.read_bytes()), 0).pieces(file))


def zeros(path: Path, *shapes: tuple[int, ...]) -> None:
    with h5py.File(path, "w") as file:
        for index, shape in enumerate(shapes):
            file.create_dataset(f"x{index}", data=np.zeros(shape, "f4"), compression="gzip")


def test_what_unfolds_is_counted_over_all_datasets(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    zeros(path, (500, 500), (500, 500))
    with pytest.raises(DamagedFileError, match="dataset /x1 declares more data"):
        read_foreign(path, free_numbers=400_000)
    assert np.asarray(read_foreign(path, free_numbers=500_000)["x1"]).shape == (500, 500)


def test_one_place_in_the_file_backs_one_dataset(tmp_path: Path) -> None:
    path, size = tmp_path / "file.h5", 160_000
    with h5py.File(path, "w") as file:
        file["x0"] = np.arange(size // 8.0)
        start = file["x0"].id.get_offset()
        for index in range(1, 8):
            file.create_dataset(f"x{index}", shape=(size // 8,), dtype="f8")
    # Datasets that were never written have no address: give them that of the first.
    nowhere, length = b"\xff" * 8, size.to_bytes(8, "little")
    content = path.read_bytes().replace(nowhere + length, start.to_bytes(8, "little") + length)
    path.write_bytes(content)
    with h5py.File(path) as file:
        assert file["x7"][3] == 3.0
    with pytest.raises(DamagedFileError, match="dataset /x1 declares more data"):
        read_foreign(path, free_numbers=0)


def packed_texts(file: h5py.File) -> None:
    file.create_dataset("x", data=np.zeros((1,), "S4000000"), compression="gzip")


def many_texts(file: h5py.File) -> None:
    file.create_dataset("x", data=np.zeros((100_001,), "S1"))


@pytest.mark.parametrize(
    ("make", "problem"), [(packed_texts, "longer texts"), (many_texts, "more than 100000 texts")]
)
def test_texts_are_counted(make: Callable[[h5py.File], None], problem: str, tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        make(file)
    with pytest.raises(DamagedFileError, match=problem):
        tree_of(path.read_bytes(), path)
