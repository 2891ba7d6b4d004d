"""IDX files, as MNIST came in: bytes with a header that tells their shape.

Two zeros, the type (8 is unsigned bytes), the number of axes, their sizes as big-endian 32 bits,
then the bytes in C order. Source: LeCun, Cortes, Burges, the page of MNIST.
"""

from __future__ import annotations

import math
import struct
import zlib

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import DamagedFileError

Bytes = npt.NDArray[np.uint8]

UNSIGNED_BYTES = 8
HEADER = struct.Struct(">HBB")
AGAIN = "get the file again"

MOST_BYTES = 1 << 26
"""Most bytes that a compressed file may unfold to."""

GZIP = b"\x1f\x8b"
GZIP_WINDOW = 16 + zlib.MAX_WBITS


def unfolded(content: bytes, name: str) -> bytes:
    """The bytes of a file that may be compressed by gzip.

    Raises:
        DamagedFileError: for a compressed file that is damaged, cut off, or too large.

    >>> import gzip
    >>> unfolded(gzip.compress(b"abc"), "a.gz")
    b'abc'
    """
    if not content.startswith(GZIP):
        return content
    stream = zlib.decompressobj(GZIP_WINDOW)
    try:
        found = stream.decompress(content, MOST_BYTES)
    except zlib.error as error:
        raise DamagedFileError(name, "its compressed bytes are damaged", AGAIN) from error
    if len(found) == MOST_BYTES and stream.unconsumed_tail:
        raise DamagedFileError(name, f"it unfolds to more than {MOST_BYTES} bytes")
    if not stream.eof:
        raise DamagedFileError(name, "it is cut off", AGAIN)
    return found


def parse_idx(content: bytes, name: str) -> Bytes:
    """The unsigned bytes of an IDX file in their shape.

    Raises:
        DamagedFileError: for another type of numbers, what is no such file, or is cut off or
            followed by more.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), "labels").tolist()
    [7, 9]
    """
    if len(content) < HEADER.size:
        raise DamagedFileError(name, "it is too short for an IDX file", AGAIN)
    zeros, kind, axes = HEADER.unpack_from(content)
    if zeros or kind != UNSIGNED_BYTES or not axes:
        raise DamagedFileError(name, "it is no IDX file of unsigned bytes", AGAIN)
    start = HEADER.size + 4 * axes
    if len(content) < start:
        raise DamagedFileError(name, "its header is cut off", AGAIN)
    shape = struct.unpack_from(f">{axes}I", content, HEADER.size)
    if len(content) - start != math.prod(shape):
        sizes = " x ".join(map(str, shape))
        problem = f"it holds {len(content) - start} bytes, its header says {sizes}"
        raise DamagedFileError(name, problem, AGAIN)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
