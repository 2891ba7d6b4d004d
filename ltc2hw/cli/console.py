"""What the command line prints: lines, tables, and progress; nothing at all with ``--quiet``.

Nothing is printed but through :func:`emit`, and nothing of a file or a user reaches a terminal but
through :func:`~ltc2hw.files.texts.printable`.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TextIO

from ltc2hw.comparison.tables import Table
from ltc2hw.files.texts import encodable, printable

BAR_WIDTH = 24


class Console:
    """Standard output, with a progress bar on a terminal and plain lines elsewhere.

    Output that fails ends no work: ``problem`` keeps the first error, and nothing more is printed.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet = quiet
        self.stream = stream or sys.stdout
        self.bar = self.stream is not None and self.stream.isatty()
        self.open_bar = False
        self.problem: OSError | None = None

    def line(self, text: str = "") -> None:
        """Print a line."""
        self._end_bar()
        self._write(f"{printable(text)}\n")

    def table(self, table: Table) -> None:
        """Print a table with aligned columns."""
        self.line()
        self.line(table.title)
        for row in aligned(table):
            self.line(f"  {row}")

    def progress(self, what: str, done: int, total: int, note: str = "") -> None:
        """Tell how far something is: ``done`` of ``total``.

        Elsewhere than on a terminal, steps between start and end are told only with a note.
        """
        digits = len(str(total))
        count = f"{done:>{digits}}/{total}"
        if not self.bar:
            if note or done in (0, total):
                self._write(printable(f"{what} {count} {note}".rstrip()) + "\n")
            return
        filled = BAR_WIDTH * done // max(total, 1)
        bar = f"[{'#' * filled:.<{BAR_WIDTH}}]"
        self._write("\r\x1b[K" + printable(f"{what} {bar} {count} {note}".rstrip()))
        self.open_bar = True
        if done >= total:
            self._end_bar()

    def _end_bar(self) -> None:
        if self.open_bar:
            self.open_bar = False
            self._write("\n")

    def _write(self, text: str) -> None:
        if self.quiet or self.problem is not None:
            return
        try:
            emit(self.stream, text)
        except OSError as error:
            self.problem = error


def emit(stream: TextIO | None, text: str) -> None:
    """Write to a standard stream at once, in escapes where its encoding lacks a character.

    A stream that fails is led nowhere, so that the interpreter does not fail again at its end.

    Raises:
        OSError: if the stream is closed or full, or if nobody reads it any more.
    """
    if stream is None or stream.closed:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    try:
        stream.write(encodable(text, stream.encoding))
        stream.flush()
    except OSError:
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        raise


def complain(text: str) -> None:
    """Print one line on standard error; where that is impossible, the exit status must do."""
    with suppress(OSError):
        emit(sys.stderr, f"{printable(text)}\n")


def aligned(table: Table) -> list[str]:
    """Header and rows as lines of columns, numbers to the right.

    >>> aligned(Table("", ("name", "size"), (("a", "1"), ("bcd", "20"))))
    ['name  size', 'a        1', 'bcd     20']
    """
    lines = (table.header, *table.rows)
    columns = range(len(table.header))
    widths = [max(len(line[column]) for line in lines) for column in columns]
    return [
        "  ".join(
            line[column].rjust(widths[column])
            if table.is_numeric(column)
            else line[column].ljust(widths[column])
            for column in columns
        ).rstrip()
        for line in lines
    ]
