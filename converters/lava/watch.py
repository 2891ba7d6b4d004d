"""What the job's main process watches for: processes of Lava that died, and its own caller's end.

Lava's processes wait for each other's messages without end, so the death of one of them is never
noticed by the others; and a caller that was killed cannot end its job.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

STOPPED, TERMINATED = "stopped", f"killed by signal {int(signal.SIGTERM)}"

PATIENCE: Mapping[str, float] = {STOPPED: 5.0, TERMINATED: 60.0}
"""Seconds for which a process may be stopped, and a job may go on after one was terminated: Lava
does that itself to processes that end slowly."""

KILLED_SECONDS = 2.0
"""The same after any other signal."""

_POLL_SECONDS = 0.2


def fate_of(pid: int) -> str | None:
    """``killed by signal N`` or ``stopped`` for a child in that state, else None; reaps nothing.

    Python tells it on systems with ``waitid`` (Linux and others, macOS from Python 3.13 on);
    elsewhere the answer is always None.
    """
    if not hasattr(os, "waitid"):
        return None
    wanted = os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT
    try:
        state = os.waitid(os.P_PID, pid, wanted)
    except ChildProcessError:
        return None
    if state is None:
        return None
    if state.si_code in (os.CLD_KILLED, os.CLD_DUMPED):
        return f"killed by signal {state.si_status}"
    return STOPPED if state.si_code == os.CLD_STOPPED else None


class Patience:
    """How long processes may be in a state that they cannot be left in."""

    def __init__(self) -> None:
        self.since: dict[tuple[int, str], float] = {}

    def lost(self, pid: int) -> str | None:
        """What became of a child, once that has lasted too long.

        A process that went on again is forgotten.
        """
        fate = fate_of(pid)
        if fate is None:
            self.since = {key: start for key, start in self.since.items() if key[0] != pid}
            return None
        now = time.monotonic()
        start = self.since.setdefault((pid, fate), now)
        return fate if now - start >= PATIENCE.get(fate, KILLED_SECONDS) else None


class Watch:
    """A thread of the job's main process, told of every process that Lava starts."""

    def __init__(
        self, folder: Path, report: Callable[[BaseException], None], *, temporary: bool
    ) -> None:
        self.folder = folder
        self.report = report
        self.temporary = temporary
        self.caller = os.getppid()
        self.children: dict[int, str] = {}

    def start(self) -> None:
        """Begin to watch."""
        self._note_children()
        threading.Thread(target=self._watch, daemon=True).start()

    def _note_children(self) -> None:
        process_class: Any = BaseProcess
        start = process_class.start

        def start_and_note(process: Any) -> None:
            start(process)
            self.children[process.pid] = process.name

        process_class.start = start_and_note

    def _watch(self) -> None:
        patience = Patience()
        while True:
            time.sleep(_POLL_SECONDS)
            if os.getppid() != self.caller:
                self._end()
            for pid, name in list(self.children.items()):
                fate = patience.lost(pid)
                if fate is not None:
                    self.report(ChildProcessError(f"process {name} was {fate}"))
                    return

    def _end(self) -> None:
        """End all processes of a job whose caller is gone, and remove what it made for the job.

        The gentle signal to the whole group comes last because it ends this process, too. It
        leaves Python's resource tracker, which then removes Lava's shared memory.
        """
        for pid in self.children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.killpg(os.getpgrp(), signal.SIGTERM)
