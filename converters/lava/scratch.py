"""Temporary folders of Lava runs, which are removed even when their maker was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "ltc2hw-lava-"

_LOCK = "lock"
_UNLOCKED_SECONDS = 3600.0


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder and remove it afterwards, and those of makers that were killed before.

    A living maker holds the lock of its folder; the system takes it from a dead one.

    Raises:
        OSError: if no temporary folder can be made.
    """
    remove_abandoned(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        # The lock has its name only once it is held: a name that anybody can lock is abandoned.
        with (folder / f"{_LOCK}.new").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(lock.name, folder / _LOCK)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(parent: Path) -> None:
    """Remove this user's folders whose makers have ended without removing them."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.stat().st_uid == os.getuid() and not folder.is_symlink():
                _remove_unless_held(folder)


def _remove_unless_held(folder: Path) -> None:
    try:
        with (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        # Its maker was killed before it locked the folder, or is just about to.
        if time.time() - folder.stat().st_mtime < _UNLOCKED_SECONDS:
            return
    except BlockingIOError:
        return
    shutil.rmtree(folder, ignore_errors=True)
