"""Zip archives of foreign origin: what they hold is checked before anything is unpacked."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

from ltc2hw.errors import DamagedFileError
from ltc2hw.numbers.capacity import MAXIMUM_NUMBERS

StrPath = str | os.PathLike[str]

MAXIMUM_FILE_BYTES = 1 << 31
"""Longest file that is read."""

MAXIMUM_BYTES = 8 * MAXIMUM_NUMBERS
"""Most bytes that a file may unfold to, unless it is longer itself."""

DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What Python's own parsers raise for bytes that make no sense to them."""


def read_bytes(path: StrPath) -> bytes:
    """All bytes of a file.

    Raises:
        DamagedFileError: if it is no regular file, or longer than 2 GiB.
        OSError: if it cannot be opened.
    """
    # Before it is opened: opening a pipe waits for whoever writes into it.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise DamagedFileError(path, "it is no regular file", "copy it into one")
    with Path(path).open("rb") as file:
        found = os.fstat(file.fileno())
        if found.st_size > MAXIMUM_FILE_BYTES:
            problem = f"it has {found.st_size} bytes, at most {MAXIMUM_FILE_BYTES} are read"
            raise DamagedFileError(path, problem)
        return file.read(MAXIMUM_FILE_BYTES + 1)


class Archive:
    """The members of a zip file by name, unfolded when they are asked for.

    ``path`` is what errors call it; ``most`` is how many bytes all members may have together,
    unless the file itself has more.

    Raises:
        DamagedFileError: for bytes that are no zip file, members that are encrypted, compressed
            otherwise than by deflation or named twice, or too many bytes.
    """

    def __init__(self, content: bytes, path: StrPath, most: int = MAXIMUM_BYTES) -> None:
        self.path = path
        self.size = len(content)
        try:
            self._zip = zipfile.ZipFile(BytesIO(content))
        except DAMAGE as error:
            raise DamagedFileError(path, f"no zip file: {one_line(error)}") from error
        self.sizes: dict[str, int] = {}
        """Bytes of every member, as the directory says."""
        packed = 0
        for entry in self._zip.infolist():
            self._check(entry)
            self.sizes[entry.filename] = entry.file_size
            packed += entry.compress_size
        if packed > self.size:
            raise DamagedFileError(path, "its members overlap")
        unfolded, limit = sum(self.sizes.values()), max(most, self.size)
        if unfolded > limit:
            raise DamagedFileError(
                path, f"it unfolds to {unfolded} bytes, at most {limit} are read"
            )

    def read(self, name: str) -> bytes:
        """The bytes of a member, whose checksum is right.

        Raises:
            DamagedFileError: if there is no such member, or it is damaged.
        """
        if name not in self.sizes:
            raise DamagedFileError(self.path, f"it has no member {shown(name)}")
        try:
            content = self._zip.read(name)
        except DAMAGE as error:
            problem = f"member {shown(name)} is damaged: {one_line(error)}"
            raise DamagedFileError(self.path, problem) from error
        if len(content) != self.sizes[name]:
            raise DamagedFileError(self.path, f"member {shown(name)} is cut off")
        return content

    def _check(self, entry: zipfile.ZipInfo) -> None:
        name = shown(entry.filename)
        if entry.filename in self.sizes:
            raise DamagedFileError(self.path, f"it has two members {name}")
        if entry.flag_bits & 1:
            raise DamagedFileError(self.path, f"member {name} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DamagedFileError(self.path, f"member {name} is compressed in an unknown way")
        if entry.compress_type == zipfile.ZIP_STORED and entry.compress_size != entry.file_size:
            raise DamagedFileError(self.path, f"member {name} has two sizes")


def shown(name: str) -> str:
    r"""A name out of a file as a message can hold it: printable, at most 80 characters.

    >>> shown("a\x1b[2J")
    'a?[2J'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in name[:80])


def one_line(error: BaseException) -> str:
    """What an error says, on one line of at most 80 characters."""
    said = str(error) or type(error).__name__
    return shown(" ".join(said.split()))
