"""Signals that end a run: what is half done is undone, as after any error."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """The signal that came, if any, whatever became of the exception that it raised."""

    def __init__(self) -> None:
        self.number: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        self.number = number
        raise KeyboardInterrupt

    @property
    def words(self) -> str:
        """What happened, for one line."""
        if self.number is None or self.number == signal.SIGINT:
            return "interrupted"
        return f"stopped by {signal.Signals(self.number).name}"

    @property
    def status(self) -> int:
        """The exit status of what this signal has ended.

        >>> Stop().status
        130
        """
        return 128 + (self.number or signal.SIGINT)


@contextmanager
def stopping(*, last: bool) -> Iterator[Stop]:
    """Have signals raise KeyboardInterrupt, so that folders and processes are cleaned up.

    Signals that are ignored stay so (``nohup``). ``last``: nothing comes after this but the end of
    the process, which an interrupt must not fill with tracebacks.
    """
    stop = Stop()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            ended = last and number == signal.SIGINT
            signal.signal(number, signal.SIG_IGN if ended else handler)
