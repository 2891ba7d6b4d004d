"""Archives of arrays: what NumPy writes is read as NumPy reads it, everything else is refused."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ltc2hw.errors import DamagedFileError
from ltc2hw.files.archive import Archive, read_bytes
from ltc2hw.files.npz import read_npy, read_npz
from tests.mutation import mutants

DTYPES = ("?", "i1", "u1", "<i2", ">i2", "<u4", ">i8", "<f2", ">f4", "<f8", "<c8", ">c16")


def npy(header: str, data: bytes, version: bytes = b"\x01\x00") -> bytes:
    """The bytes of an array with any header."""
    length = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + length + header.encode("latin-1") + data


def packed(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    image = BytesIO()
    with zipfile.ZipFile(image, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return image.getvalue()


def described(descr: str, shape: str = "(3,)", fortran: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        f"a{number}/{shape}": np.array(rng.integers(0, 100, shape)).astype(dtype)
        for number, dtype in enumerate(DTYPES)
        for shape in ((), (3,), (2, 3), (0, 4), (2, 1, 3))
    }
    arrays["fortran"] = np.asfortranarray(rng.normal(size=(3, 4)))
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **arrays)
        found = read_npz(tmp_path / "a.npz")
        with np.load(tmp_path / "a.npz") as theirs:
            assert list(found) == theirs.files
            for name, values in found.items():
                assert isinstance(values, np.ndarray)
                np.testing.assert_array_equal(values, theirs[name])
                assert values.dtype == theirs[name].dtype.newbyteorder("=")
                assert values.flags.writeable


@pytest.mark.parametrize("text", ["", "a", "schön \U0001f600\n", "x" * 100_000])
def test_texts_are_read_as_numpy_reads_them(text: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", text=np.array(text))
    assert read_npz(tmp_path / "a.npz") == {"text": text}


TEXTS = (np.array(["a", "longer", ""]), np.array([["ä"], ["b"]], dtype=">U3"), np.array([b"a"]))


@pytest.mark.parametrize("texts", TEXTS, ids=lambda texts: str(texts.dtype))
def test_arrays_of_texts_are_read_on_demand(texts: npt.NDArray[Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", texts=texts)
    found = read_npz(tmp_path / "a.npz", texts=True)["texts"]
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, texts.astype(np.str_))
    np.save(tmp_path / "a.npy", texts)
    np.testing.assert_array_equal(read_npy(tmp_path / "a.npy"), texts.astype(np.str_))


WRONG = {
    "no array": b"text",
    "its header is cut off": b"\x93NUMPY\x01\x00\xff\xffabc",
    "version 9": npy(described("'<f8'"), bytes(24), b"\x09\x00"),
    "Python objects, which are never loaded": npy(described("'|O'"), bytes(24)),
    "neither numbers nor a text": npy(described("[('a', '<f8')]"), bytes(24)),
    "header describes neither": npy("(" * 3000, bytes(24)),
    "nor a text": npy("__import__('os').system('true')", bytes(24)),
    "items of type <U0": npy(described("'<U0'"), b""),
    "items of type <f16": npy(described("'<f16'"), bytes(48)),
    "items of type <f0": npy(described("'<f0'"), b""),
    "16 bytes for 3 items of 8": npy(described("'<f8'"), bytes(16)),
    "32 bytes for 3 items of 8": npy(described("'<f8'"), bytes(32)),
    "0 bytes for 1000000000000 items": npy(described("'<f8'", "(1000000000000,)"), b""),
    "shape is beyond all bounds": npy(described("'<f8'", f"({10**30}, 0)"), b""),
    "beyond all bounds": npy(described("'|b1'", f"({'1, ' * 40})"), b"1"),
    "cannot reshape": npy(described("'<f8'", f"({1 << 47}, {1 << 47}, 0)"), b""),
    "texts are read one by one": npy(described("'<U1'"), bytes(12)),
    "not in range": npy(described("'<U1'", "()"), b"\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("problem", list(WRONG))
def test_other_arrays_are_refused(problem: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(packed({"a.npy": WRONG[problem]}))
    with pytest.raises(DamagedFileError, match=f"array a: .*({problem})"):
        read_npz(path)


def with_flag(content: bytes, offset: int, value: int) -> bytes:
    """A zip file of one member with a byte of its directory entry set."""
    data = bytearray(content)
    data[data.index(b"PK\x01\x02") + offset] = value
    return bytes(data)


ONE = packed({"a.npy": npy(described("'<f8'"), bytes(24))})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no zip file"),
        (ONE[:-30], "no zip file"),
        (with_flag(ONE, 8, 1), "member a.npy is encrypted"),
        (with_flag(ONE, 10, 14), "compressed in an unknown way"),
        (with_flag(ONE, 20, 3), "has two sizes"),
        (with_flag(ONE, 16, 0xAB), "member a.npy is damaged: Bad CRC"),
        (with_flag(ONE, 6, 99), "no zip file|is damaged"),
        (packed({"a.txt": b"text"}), "member a.txt is no array"),
        (packed({"a\x1b[2J.txt": b""}), r"member a\?\[2J.txt is no array"),
        (ONE.replace(b"a.npy", b"b.npy", 1), "member a.npy is damaged"),
    ],
)
def test_damaged_archives_are_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=problem):
        read_npz(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_neither_repeat_nor_overlap(tmp_path: Path) -> None:
    image = BytesIO()
    with zipfile.ZipFile(image, "w") as archive:
        archive.writestr("a.npy", b"1")
        archive.writestr("a.npy", b"2")
    with pytest.raises(DamagedFileError, match=r"two members a\.npy"):
        Archive(image.getvalue(), "a.npz")
    # Two entries of the directory for the same bytes.
    twice = bytearray(packed({"a.npy": bytes(500), "b.npy": bytes(500)}))
    entry = twice.rindex(b"PK\x01\x02")
    twice[entry + 42 : entry + 46] = bytes(4)
    del twice[530:1060]
    with pytest.raises(DamagedFileError):
        Archive(bytes(twice), "a.npz").read("b.npy")


def test_sizes_are_checked_before_anything_is_unfolded(tmp_path: Path) -> None:
    content = packed({"a.npy": bytes(1 << 20)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(DamagedFileError, match="it unfolds to 1048576 bytes, at most 65536"):
        Archive(content, "a.npz", 1 << 16)
    # Its own length is always allowed.
    assert Archive(packed({"a.npy": bytes(1 << 20)}), "a.npz", 1 << 16).sizes["a.npy"] == 1 << 20


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match="no regular file"):
        read_bytes("/dev/zero")
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)
    with pytest.raises(DamagedFileError, match="it has 1099511627776 bytes"):
        read_bytes(sparse)


def test_mutated_archives_are_read_or_refused(tmp_path: Path) -> None:
    rng, image, path = np.random.default_rng(1), BytesIO(), tmp_path / "a.npz"
    np.savez(image, a=rng.normal(size=(3, 4)), b=np.arange(5), text=np.array("text"))
    refused = 0
    for content in mutants(image.getvalue(), rng, 400):
        path.write_bytes(content)
        try:
            read_npz(path)
        except DamagedFileError:
            refused += 1
    assert refused > 200
