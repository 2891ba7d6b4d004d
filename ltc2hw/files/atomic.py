"""Outputs written whole or not at all, and inputs that are files in the first place.

Every file that ltc2hw writes is made in memory and handed to :func:`write_bytes` or one of its
neighbours. Python does the writing, so that a full disk is an error; the name then leads to the
old file or to the whole new one, never to anything between.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError

StrPath = str | os.PathLike[str]

PART = re.compile(r"\.ltc2hw-[0-9a-f]{16}\.part")
"""Names of files and folders that are being written."""

STANDARD_OUTPUTS = (1, 2)
"""Descriptors of standard output and standard error."""

KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISSOCK, "a socket"),
)
"""What a path may lead to instead of a file or folder."""


def require_input(path: StrPath) -> None:
    """Raise unless a path leads to a regular file, before anything of it is read.

    Raises:
        InvalidValueError: for a device, a pipe or a socket, which may never end.
        OSError: if there is no such file, or if it is a folder.
    """
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(status.st_mode):
        raise InvalidValueError(
            f"file {os.fspath(path)}", _kind(status), "a regular file", "store it in a file first"
        )


def require_output(path: StrPath, *, text: bool = False) -> None:
    """Raise if a file could not be written in the end, before any work is done for it.

    Text may also go into a pipe, a character device (``/dev/stdout``), or where standard output
    or error go.

    Raises:
        InvalidValueError: for a place that cannot hold this output.
        OSError: naming the folder that is missing or read-only, or the path that is a folder.
    """
    status = _status(path)
    if status is not None:
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        streams = text and not stat.S_ISBLK(status.st_mode)
        if _descriptor(status) is not None or not stat.S_ISREG(status.st_mode):
            if not streams:
                raise InvalidValueError(
                    f"output {os.fspath(path)}", _kind(status), "a regular file",
                    "only text can be sent elsewhere",
                )  # fmt: skip
            return
    _require_folder(path, _final(path).parent)
    if status is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "this output is read-only", os.fspath(path))


def require_output_folder(path: StrPath) -> None:
    """Raise if a folder could not be written in the end: it must be new or empty.

    Raises:
        InvalidValueError: for a file, or a folder that holds something.
        OSError: naming the folder around it that is missing or read-only.
    """
    final = _final(path)
    if _status(path) is not None and (not final.is_dir() or any(final.iterdir())):
        raise InvalidValueError("folder", os.fspath(path), "a new or empty folder")
    _require_folder(path, final.parent)


def write_bytes(path: StrPath, content: bytes) -> None:
    """Write a file whole or not at all.

    A link is followed; the file that it leads to is replaced and keeps its permissions.

    Raises:
        InvalidValueError: if the path leads to anything but a regular file.
        OSError: if the folder is missing or read-only, or the disk is full.

    >>> write_bytes("example.bin", b"whole")
    >>> Path("example.bin").read_bytes()
    b'whole'
    >>> Path("example.bin").unlink()
    """
    require_output(path)
    _replace(path, content)


def write_text(path: StrPath, text: str) -> None:
    """Write UTF-8 text: a file whole or not at all, or into a pipe or a character device.

    Half of a surrogate pair, which UTF-8 cannot hold, is written as its escape.

    Raises:
        InvalidValueError: if the path leads to a block device.
        OSError: if the folder is missing or read-only, the disk full, or nobody reads the pipe.
    """
    content = text.encode("utf-8", "backslashreplace")
    require_output(path, text=True)
    status = _status(path)
    own = None if status is None else _descriptor(status)
    if status is None or (own is None and stat.S_ISREG(status.st_mode)):
        _replace(path, content)
        return
    # Opened by its path, a file that standard output goes to would be written from its start.
    with open(path if own is None else own, "wb", closefd=own is None) as stream:
        stream.write(content)


def write_arrays(path: StrPath, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays by name in NumPy's format ``.npz``, whole or not at all.

    Raises:
        InvalidValueError, OSError: as :func:`write_bytes`.
    """
    image = io.BytesIO()
    # Any, because savez takes other things than arrays by name.
    named: dict[str, Any] = dict(arrays)
    np.savez(image, **named)
    write_bytes(path, image.getvalue())


def write_files(path: StrPath, files: Mapping[str, bytes]) -> None:
    """Write a new folder whole or not at all; names of files may lie in folders, ``a/b``.

    Raises:
        InvalidValueError: for a file, or a folder that holds something.
        OSError: if the folder around it is missing or read-only, or the disk full.
    """
    require_output_folder(path)
    final = _final(path)
    _clear(final.parent)
    with _named(path), _draft(final.parent) as draft:
        for name, content in files.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            with (draft / name).open("xb") as file:
                _fill(file.fileno(), content)
        os.replace(draft, final)
    _sync(final.parent)


def _replace(path: StrPath, content: bytes) -> None:
    final = _final(path)
    _clear(final.parent)
    with _named(path):
        folder = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _replace_in(folder, final, content)
        finally:
            os.close(folder)
    _sync(final.parent)


def _replace_in(folder: int, final: Path, content: bytes) -> None:
    temporary = _part(final.parent)
    nameless = _nameless(final.parent)
    descriptor = _locked(temporary, _create) if nameless is None else nameless
    try:
        with suppress(FileNotFoundError):
            os.fchmod(descriptor, stat.S_IMODE(os.stat(final).st_mode))
        _fill(descriptor, content)
        if nameless is not None:
            _lock(descriptor, fcntl.LOCK_EX)
            # With a descriptor of a folder, Python follows the link to the nameless file.
            os.link(_entry(descriptor), temporary.name, dst_dir_fd=folder)
        os.replace(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _nameless(folder: Path) -> int | None:
    """A file that is gone if the process ends; None where the system has no such thing."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError:
        return None
    if os.path.exists(_entry(descriptor)):
        return descriptor
    os.close(descriptor)
    return None


def _entry(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """A folder to fill and to rename; what is left of it is removed."""
    draft = _part(folder)
    lock = _locked(draft, _create_folder)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(lock)


def _part(folder: Path) -> Path:
    return folder / f".ltc2hw-{secrets.token_hex(8)}.part"


def _create(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)


def _create_folder(path: Path) -> int:
    path.mkdir()
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def _locked(path: Path, create: Callable[[Path], int]) -> int:
    """Create a part and lock it, so that nobody takes it for one left behind."""
    while True:
        descriptor = create(path)
        _lock(descriptor, fcntl.LOCK_EX)
        if _leads_to(path, descriptor):
            return descriptor
        # Removed by another process before it was locked.
        os.close(descriptor)


def _clear(folder: Path) -> None:
    """Remove what processes that were killed have left: parts that nobody has locked."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if PART.fullmatch(name):
                _remove_abandoned(folder / name)


def _remove_abandoned(part: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB) and _leads_to(part, descriptor):
                if part.is_dir():
                    shutil.rmtree(part)
                else:
                    part.unlink()
        finally:
            os.close(descriptor)


def _lock(descriptor: int, operation: int) -> bool:
    """Lock; False if another process has it, or where the system has no locks."""
    try:
        fcntl.flock(descriptor, operation)
    except OSError:
        return False
    return True


def _leads_to(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _fill(descriptor: int, content: bytes) -> None:
    """Write everything, down to the disk: what a full disk refuses is an error here."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _sync(folder: Path) -> None:
    """Have a renamed entry survive a loss of power, where folders can be told so."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _named(path: StrPath) -> Iterator[None]:
    """Say of system errors which output they stopped, not which part of it."""
    try:
        yield
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from error


def _final(path: StrPath) -> Path:
    """Where a path leads in the end: links are written through, not replaced."""
    return Path(os.path.realpath(path))


def _status(path: StrPath) -> os.stat_result | None:
    """What a path leads to; None for nothing yet."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InvalidValueError("path", repr(os.fspath(path)), "a text without NUL") from error


def _descriptor(status: os.stat_result) -> int | None:
    """Descriptor of this process's standard output or error, if a path leads there."""
    for descriptor in STANDARD_OUTPUTS:
        with suppress(OSError):
            if os.path.samestat(status, os.fstat(descriptor)):
                return descriptor
    return None


def _kind(status: os.stat_result) -> str:
    """What a path leads to, in words."""
    for is_kind, words in KINDS:
        if is_kind(status.st_mode):
            return words
    return "where this program's own output goes"


def _require_folder(path: StrPath, folder: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, "the folder of this output does not exist", os.fspath(path)
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            errno.EACCES, "the folder of this output cannot be written", os.fspath(path)
        )
