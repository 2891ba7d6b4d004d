"""Telling that the first run of a kind of network compiles, which takes its time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ltc2hw.cli.console import Console, complain
from ltc2hw.compilation.telling import LOG


class _Handler(logging.Handler):
    """What is compiled is told once, on the console; what goes wrong on standard error.

    ``aside``: all on standard error, because the console holds a result.
    """

    def __init__(self, console: Console, command: str, *, aside: bool) -> None:
        super().__init__()
        self.console = console
        self.command = command
        self.aside = aside
        self.told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record that was not shown before."""
        text = record.getMessage()
        if text in self.told:
            return
        self.told.add(text)
        if record.levelno >= logging.WARNING:
            complain(f"{self.command}: warning: {text}")
        elif not self.aside:
            self.console.note(text)
        elif not self.console.quiet:
            complain(f"{self.command}: {text}")


@contextmanager
def telling_of_compilation(
    console: Console, command: str, *, aside: bool = False
) -> Iterator[None]:
    """Within it, the console tells of compilation, or standard error aside of a result."""
    handler, level = _Handler(console, command, aside=aside), LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
