"""Ctrl-C while the command line is still being imported: one line, not a traceback."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

COMMAND = "ltc2hw"

INTERRUPTED = 130
"""Exit status of whatever Ctrl-C has ended."""


@contextmanager
def ending_quietly() -> Iterator[None]:
    """Let Ctrl-C end the process at once, if this process is the command and nothing else.

    Libraries turn an interrupt of their own imports into other errors, and nothing is half done
    yet. Where ltc2hw is imported as a library, nothing changes.
    """
    before = signal.getsignal(signal.SIGINT)
    if not _is_command() or before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _is_command() -> bool:
    """Whether this is ``ltc2hw`` or ``python -m ltc2hw``, whose package comes in under ``-m``."""
    program = sys.argv[0] if sys.argv else ""
    module = program == "-m" or program.endswith(os.path.join(COMMAND, "__main__.py"))
    return (
        module or os.path.basename(program) == COMMAND
    ) and threading.current_thread() is threading.main_thread()


def _end(number: int, frame: FrameType | None) -> None:
    os.write(2, f"{COMMAND}: interrupted\n".encode())
    os._exit(INTERRUPTED)
