"""IDX files: what is read, and what is not."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from ltc2hw.data.idx import MOST_BYTES, parse_idx, unfolded
from ltc2hw.errors import DamagedFileError


def idx(array: np.ndarray, kind: int = 8) -> bytes:  # type: ignore[type-arg]
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes((0, 0, kind, array.ndim)) + sizes + array.tobytes()


def test_bytes_come_in_their_shape() -> None:
    array = np.random.default_rng(0).integers(0, 256, (3, 5, 4), dtype=np.uint8)
    np.testing.assert_array_equal(parse_idx(idx(array), "a"), array)
    content = gzip.compress(idx(array))
    np.testing.assert_array_equal(parse_idx(unfolded(content, "a"), "a"), array)
    assert unfolded(idx(array), "a") == idx(array)


GOOD = idx(np.arange(12, dtype=np.uint8).reshape(3, 4))

WRONG = {
    "empty": (b"", "too short for an IDX file"),
    "a short header": (GOOD[:9], "its header is cut off"),
    "a byte less": (GOOD[:-1], "it holds 11 bytes, its header says 3 x 4"),
    "a byte more": (GOOD + b"\0", "it holds 13 bytes, its header says 3 x 4"),
    "floats": (idx(np.zeros(3, np.uint8), kind=13), "no IDX file of unsigned bytes"),
    "a page": (b"<html><head>404</head></html>", "no IDX file of unsigned bytes"),
    "no axes": (bytes((0, 0, 8, 0, 1)), "no IDX file of unsigned bytes"),
    "an axis too large": (bytes((0, 0, 8, 1, 255, 255, 255, 255)), "its header says 4294967295"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_what_is_no_idx_file_is_refused(name: str) -> None:
    content, problem = WRONG[name]
    with pytest.raises(DamagedFileError, match=problem) as caught:
        parse_idx(content, "labels.gz")
    assert "cannot read labels.gz" in str(caught.value)


def test_damaged_compression_is_refused() -> None:
    packed = gzip.compress(GOOD)
    with pytest.raises(DamagedFileError, match="it is cut off"):
        unfolded(packed[:-9], "a.gz")
    with pytest.raises(DamagedFileError, match="damaged"):
        unfolded(packed[:10] + b"\xff" * 8 + packed[18:], "a.gz")
    with pytest.raises(DamagedFileError, match="damaged"):
        unfolded(packed[:-8] + bytes(8), "a.gz")
    bomb = gzip.compress(bytes(MOST_BYTES + 1))
    with pytest.raises(DamagedFileError, match="unfolds to more than"):
        unfolded(bomb, "a.gz")
