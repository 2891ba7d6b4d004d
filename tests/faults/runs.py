"""The command line in a process that is stopped, limited, and searched for what it leaves."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ltc2hw.cli import main

MARK = "LTC2HW_FAULTS"
"""Environment variable by which the processes of a run are found."""

LONGEST = 300.0
"""Seconds after which a run counts as stuck."""

STUCK = 87
"""Status of a run that was stuck."""


@dataclass(frozen=True)
class Fault:
    """What happens to a run: files of at most ``limit`` bytes, a signal after some seconds.

    ``fresh``: in a new interpreter, imports and all; otherwise in a copy of this process, which
    has imported and compiled everything, so that more happens in less time.
    """

    fresh: bool
    limit: int | None = None
    number: signal.Signals | None = None
    after: float = LONGEST


@dataclass(frozen=True)
class Run:
    """A finished run: its status as of :mod:`subprocess`, and what it left."""

    status: int
    errors: str
    seconds: float
    processes: Sequence[int]


def run(arguments: Sequence[str], folder: Path, fault: Fault) -> Run:
    """Run ``ltc2hw`` in a session of its own, and end whatever it leaves."""
    token = secrets.token_hex(8)
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        begin = _begin if fault.fresh else _fork
        status = _supervised(begin(arguments, folder, fault.limit, errors, token), fault)
        seconds = time.monotonic() - began
        errors.seek(0)
        return Run(status, errors.read(), seconds, _left_behind(token))


def _begin(
    arguments: Sequence[str], folder: Path, limit: int | None, errors: TextIO, token: str
) -> int:
    """Start a new interpreter; returns the process's number."""
    command = [sys.executable, "-m", "ltc2hw", *arguments]
    if limit is not None:
        command = [sys.executable, "-c", LIMITED, str(limit), *command]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
        env={**os.environ, MARK: token, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    process.returncode = 0  # waited for below
    return process.pid


LIMITED = """
import os, resource, sys
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), hard))
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Runs a command whose files cannot grow beyond some size."""


def _fork(
    arguments: Sequence[str], folder: Path, limit: int | None, errors: TextIO, token: str
) -> int:
    """Go on in a copy of this process; returns its number."""
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Newer Pythons warn of threads, of which the copy uses none.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process:
        return process
    status = 1
    try:
        os.setsid()
        os.chdir(folder)
        os.environ[MARK] = token
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(errors.fileno(), 2)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  for the rest of the process
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        if limit is not None:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        sys.argv = ["ltc2hw", *arguments]
        status = main()
    except SystemExit as error:
        status = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stderr.flush()
        os._exit(status)


def _supervised(process: int, fault: Fault) -> int:
    """Wait, send the signal at its time, and end what is stuck; returns the status."""
    status = _wait(process, fault.after)
    if status is None and fault.number is not None:
        os.kill(process, fault.number)
        status = _wait(process, LONGEST)
    if status is None:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        return STUCK
    return status


def _wait(process: int, seconds: float) -> int | None:
    """The status of a process once it has ended; None if it runs on."""
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)


def _left_behind(token: str) -> list[int]:
    """Processes of a run that outlive it by a second; they are ended."""
    deadline = time.monotonic() + 1.0
    while found := _processes(token):
        if time.monotonic() > deadline:
            for number in found:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            return found
        time.sleep(0.05)
    return []


def _processes(token: str) -> list[int]:
    wanted = f"{MARK}={token}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found
