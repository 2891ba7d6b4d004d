"""What the command line prints: lines, tables, and progress; nothing at all with ``--quiet``."""

from __future__ import annotations

import sys
from typing import TextIO

from ltc2hw.tables import Table

BAR_WIDTH = 24


class Console:
    """Standard output, with a progress bar on a terminal and plain lines elsewhere."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet = quiet
        self.stream = stream or sys.stdout
        self.bar = self.stream.isatty()
        self.open_bar = False

    def line(self, text: str = "") -> None:
        """Print a line."""
        self._end_bar()
        self._write(f"{text}\n")

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
                self._write(f"{what} {count} {note}".rstrip() + "\n")
            return
        filled = BAR_WIDTH * done // max(total, 1)
        bar = f"[{'#' * filled:.<{BAR_WIDTH}}]"
        self._write(f"\r\x1b[K{what} {bar} {count} {note}".rstrip())
        self.open_bar = True
        if done >= total:
            self._end_bar()

    def _end_bar(self) -> None:
        if self.open_bar:
            self.open_bar = False
            self._write("\n")

    def _write(self, text: str) -> None:
        if not self.quiet:
            self.stream.write(text)
            self.stream.flush()


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
