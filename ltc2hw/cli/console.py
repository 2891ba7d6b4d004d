"""What the command line prints: lines, tables, and progress; nothing at all with ``--quiet``.

Nothing is printed but through :func:`emit`, and nothing of a file or a user reaches a terminal but
through :func:`~ltc2hw.files.texts.printable`.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from ltc2hw.comparison.tables import Table
from ltc2hw.files.texts import encodable, printable

if TYPE_CHECKING:
    from ltc2hw.cli.bar import Bar


class Console:
    """Standard output, with a progress bar on a terminal and plain lines elsewhere.

    Output that fails ends no work: ``problem`` keeps the first error, and nothing more is printed.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet = quiet
        self.stream = stream or sys.stdout
        self.terminal = self.stream is not None and self.stream.isatty()
        self.bar: Bar | None = None
        self.problem: OSError | None = None

    def line(self, text: str = "") -> None:
        """Print a line, below whatever there is."""
        self.end_bar()
        self._write(f"{printable(text)}\n")

    def table(self, table: Table) -> None:
        """Print a table with aligned columns."""
        self.line()
        self.line(table.title)
        for row in aligned(table):
            self.line(f"  {row}")

    def note(self, text: str) -> None:
        """Print a line above a bar that goes on."""
        if self.bar is None:
            self.line(text)
        else:
            self.bar.above(lambda: self._write(f"{printable(text)}\n"))

    def progress(self, what: str, done: int, total: int, note: str = "") -> None:
        """Tell how far something is: ``done`` of ``total``, and on a terminal the time left.

        Elsewhere than on a terminal, steps between start and end are told only with a note.
        """
        if self.quiet:
            return
        if not self.terminal:
            if note or done in (0, total):
                count = f"{done:>{len(str(total))}}/{total}"
                self._write(printable(f"{what} {count} {note}".rstrip()) + "\n")
            return
        bar = self._bar_of(what, done, total)
        bar.move(done, note)
        if done >= total:
            self.end_bar()

    def _bar_of(self, what: str, done: int, total: int) -> Bar:
        """The bar of what is running; another one is ended."""
        from ltc2hw.cli.bar import Bar

        bar = self.bar
        if bar is not None and (bar.what, bar.total) == (what, total) and bar.done <= done:
            return bar
        self.end_bar()
        encoding = None if self.stream is None else self.stream.encoding
        self.bar = Bar(what, done, total, self._write, encoding)
        return self.bar

    def end_bar(self) -> None:
        """Leave an open bar as it is, on a line of its own."""
        if self.bar is not None:
            bar, self.bar = self.bar, None
            bar.end()

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
