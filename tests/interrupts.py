"""Interrupts reach the tests' processes, however they were started."""

from __future__ import annotations

import signal


def listen_to_interrupts() -> None:
    """Undo what a shell does to its background jobs: they and their children ignore interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
