"""Runs a Lava job in a process group of its own, so that nothing Lava does can hang the caller.

Lava forks one operating-system process per process model. When one of them raises, ``stop()``
waits forever and the others stay behind; here the whole group is killed instead, and what was
raised becomes a :class:`~ltc2hw.errors.LavaError`. A process that is killed or stopped from outside
ends the run in the same way, and a job whose caller was killed ends itself (:mod:`.watch`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ltc2hw.converters.lava.job import FAILURE_FILE, TEMPORARY
from ltc2hw.converters.lava.shim import require_lava
from ltc2hw.converters.lava.watch import Patience
from ltc2hw.errors import InvalidValueError, LavaError

LOG_FILE = "lava.log"

_POLL_SECONDS = 0.02
_GRACE_SECONDS = 2.0
_LOG_TAIL = 400
_LONGEST_SOCKET = 100
"""A little less than the longest name of a socket on any system (104 bytes)."""
_SOCKET_BELOW = len("/pymp-12345678/listener-12345678")


class JobTraceback(Exception):
    """The traceback of the failed process, as the cause of the error that the caller gets."""


def run_job(job: str, folder: Path, timeout: float = 600.0, *, temporary: bool = False) -> None:
    """Run ``job``, named ``package.module:function``, on ``folder`` in a Python of its own.

    The function takes the folder as its only argument, reads its input from files there and
    writes its results there. It must be importable by name; the environment is inherited. What
    it and Lava print lands in ``lava.log`` in the folder.

    Args:
        job: module and function, with a colon between them.
        folder: an existing folder, best a temporary one.
        timeout: seconds after which the job counts as stuck.
        temporary: the folder is removed with the job if this process is killed meanwhile.

    Raises:
        MissingExtraError: Lava is not installed.
        InvalidValueError: ``job`` has no colon, ``timeout`` is not positive, or there is no
            such folder.
        LavaError: the job or one of Lava's processes raised (``problem`` holds the original type
            and message, ``__cause__`` the traceback), was killed or stopped, or did not end in
            time. No process of the job is left in any case, also not after KeyboardInterrupt.
    """
    require_lava("running a Lava job")
    if not all(job.partition(":")):
        raise InvalidValueError("job", repr(job), "a name like 'package.module:function'")
    if timeout <= 0:
        raise InvalidValueError("timeout", timeout, "a number of seconds above 0")
    if not folder.is_dir():
        raise InvalidValueError("folder", folder, "an existing folder")
    folder = folder.resolve()
    failure = folder / FAILURE_FILE
    failure.unlink(missing_ok=True)
    with (folder / LOG_FILE).open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "ltc2hw.converters.lava.job", job, str(folder),
                *([TEMPORARY] if temporary else []),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(folder, temporary=temporary),
            start_new_session=True,
        )  # fmt: skip
        try:
            ended = _wait(job, process, failure, timeout)
        finally:
            _end_group(process)
    if failure.exists():
        _raise_failure(job, failure)
    if not ended:
        raise LavaError(
            f"{job} did not end within {timeout:g} seconds",
            "raise the timeout, or look for a process that waits for a message",
        )
    if process.returncode != 0:
        raise LavaError(f"{job} ended with status {process.returncode}", _tail(folder / LOG_FILE))


def _environment(folder: Path, *, temporary: bool) -> dict[str, str]:
    """The caller's environment; what Lava's memory manager leaves behind goes with the folder."""
    own = dict(os.environ)
    if temporary and len(os.fsencode(folder)) + _SOCKET_BELOW <= _LONGEST_SOCKET:
        own["TMPDIR"] = str(folder)
    return own


def _wait(job: str, process: subprocess.Popen[bytes], failure: Path, timeout: float) -> bool:
    """Wait until the job ended or reported a failure; return False when the time is over."""
    deadline = time.monotonic() + timeout
    patience = Patience()
    while time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
            return True
        if failure.exists():
            return True
        fate = patience.lost(process.pid)
        if fate is not None:
            raise LavaError(f"{job} was {fate}", "run it again")
    return False


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the job and everything it forked.

    The gentle signal first: it ends all of them except Python's resource tracker, which then
    removes the shared memory that Lava left behind and ends by itself. Processes that were
    stopped must go on to receive it.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        os.killpg(process.pid, signal.SIGCONT)
        process.wait()
        deadline = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(_POLL_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)


def _raise_failure(job: str, failure: Path) -> None:
    record = json.loads(failure.read_text(encoding="utf-8"))
    problem = f"{job} failed: {record['type']}: {record['message']}"
    raise LavaError(problem) from JobTraceback("\n" + record["traceback"])


def _tail(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    return " ".join(text[-_LOG_TAIL:].split())
