"""A progress bar on a terminal: tqdm, with the time that is left."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any

import tqdm

from ltc2hw.files.texts import printable

any_tqdm: Any = tqdm.tqdm  # without types of its own

FORMAT = "{desc} {bar:24} {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"


class _Terminal:
    """What tqdm writes to: a function, and the encoding that decides which characters it uses."""

    def __init__(self, write: Callable[[str], None], encoding: str | None) -> None:
        self.write = write
        self.encoding = encoding or "ascii"

    def flush(self) -> None:
        """Nothing is held back."""


class _Tqdm(any_tqdm):  # type: ignore[misc]
    """Without a thread that watches, and without locks between processes."""

    monitor_interval = 0


_Tqdm.set_lock(RLock())


class Bar:
    """One line that grows; ``write`` gets what the terminal is to show."""

    def __init__(
        self, what: str, done: int, total: int, write: Callable[[str], None], encoding: str | None
    ) -> None:
        self.what = what
        self.total = total
        self.bar: Any = _Tqdm(
            desc=printable(what),
            initial=done,
            total=total,
            file=_Terminal(write, encoding),
            bar_format=FORMAT,
            smoothing=0.1,
        )

    @property
    def done(self) -> int:
        """How much was told last."""
        return int(self.bar.n)

    def move(self, done: int, note: str) -> None:
        """Show how far it is."""
        if note:
            self.bar.set_postfix_str(printable(note), refresh=False)
        self.bar.update(done - self.bar.n)

    def above(self, write: Callable[[], None]) -> None:
        """Let something be written where the bar is, which goes on below."""
        self.bar.clear()
        write()
        self.bar.refresh()

    def end(self) -> None:
        """Leave the line as it is."""
        self.bar.close()
