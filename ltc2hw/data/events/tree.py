"""Files by name, from a folder or from a zip archive that is never unpacked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ltc2hw.errors import DamagedFileError
from ltc2hw.files.archive import MAXIMUM_FILE_BYTES, Archive, StrPath, read_bytes, shown

MOST_BYTES = 1 << 34
"""Most bytes that all members of an archive may unfold to; one at a time is."""

FOREIGN = "__MACOSX"
"""What macOS adds to archives."""


@dataclass(frozen=True, eq=False)
class Tree:
    """Files below a folder or in an archive: names with ``/``, in order, without hidden ones."""

    source: str
    names: tuple[str, ...]
    read: Callable[[str], bytes]
    """The bytes of a file; raises DamagedFileError."""

    def below(self, folder: str) -> Tree:
        """The files of a folder, by their names from there."""
        prefix = f"{folder}/"
        names = tuple(name.removeprefix(prefix) for name in self.names if name.startswith(prefix))
        return Tree(f"{self.source}/{folder}", names, lambda name: self.read(prefix + name))


def open_tree(path: StrPath) -> Tree:
    """The files of a folder, or of a zip archive.

    Raises:
        DamagedFileError: for an archive that is damaged, or names that lead out of it.
        OSError: if there is no such file.
    """
    return _folder(Path(path)) if os.path.isdir(path) else _zip(path)


def _is_plain(name: str) -> bool:
    """Whether no part of a name is hidden or macOS's own."""
    return not any(part.startswith(".") or part == FOREIGN for part in name.split("/"))


def _folder(path: Path) -> Tree:
    names = []
    for place, folders, files in os.walk(path):
        folders[:] = [folder for folder in folders if _is_plain(folder)]
        below = Path(place).relative_to(path)
        names += [(below / file).as_posix() for file in files if _is_plain(file)]
    return Tree(str(path), tuple(sorted(names)), lambda name: read_bytes(path / name))


def _zip(path: StrPath) -> Tree:
    archive = Archive(read_bytes(path), path, MOST_BYTES)
    for name in archive.sizes:
        if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
            raise DamagedFileError(path, f"member {shown(name)} leads out of the archive")

    def read(name: str) -> bytes:
        if archive.sizes[name] > MAXIMUM_FILE_BYTES:
            size = archive.sizes[name]
            problem = f"member {shown(name)} unfolds to {size} bytes, at most {MAXIMUM_FILE_BYTES}"
            raise DamagedFileError(path, problem)
        return archive.read(name)

    names = tuple(sorted(n for n in archive.sizes if not n.endswith("/") and _is_plain(n)))
    return Tree(os.fspath(path), names, read)
