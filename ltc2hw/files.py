"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the same folder; it becomes ``path`` if the block succeeds.

    Whatever happens in the block, ``path`` is either what it was before or the whole new file.

    Raises:
        OSError: if the folder does not exist or cannot be written.

    >>> with replacing("example.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> Path("example.txt").read_text()
    'whole'
    >>> Path("example.txt").unlink()
    """
    final = Path(path)
    temporary = final.with_name(f".{final.name}.{secrets.token_hex(8)}.part")
    # Created here, so that a missing or read-only folder is found before any work is done, and
    # with the permissions that a new file gets.
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(final)) from error
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text whole or not at all.

    Raises:
        OSError: if the folder does not exist or cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
