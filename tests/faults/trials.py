"""One fault in one run of the command line, and what must hold after it."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ltc2hw.files import PART, write_text
from tests.faults.scenarios import Scenario

OLD = b"the old file"

MARK = "LTC2HW_FAULTS"
"""Environment variable by which the processes of a run are found."""

LONGEST = 300.0
"""Seconds after which a run counts as stuck."""

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

LIMITED = """
import os, resource, sys
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), hard))
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Runs a command whose files cannot grow beyond some size."""

DISK = 1 << 20
"""Bytes of the small disk, where one may be mounted."""


@dataclass(frozen=True)
class Reference:
    """A run without faults: its seconds, and its outputs as they must become."""

    seconds: float
    outputs: dict[str, bytes]

    @property
    def largest(self) -> int:
        """Bytes of the largest output."""
        return max(map(len, self.outputs.values()))


@dataclass
class Outcome:
    """How a run with a fault ended: whether its result was there, and what was wrong."""

    done: bool
    parts: int
    findings: list[str] = field(default_factory=list)


@dataclass
class Run:
    """A finished process: its status and what it printed."""

    status: int
    errors: str
    seconds: float
    processes: list[int]


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """A disk of :data:`DISK` bytes; None where mounting one is not permitted."""
    with tempfile.TemporaryDirectory(prefix="ltc2hw-faults-") as name:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", name]
        mounted = shutil.which("mount") is not None and (
            subprocess.run(command, capture_output=True, check=False).returncode == 0
        )
        try:
            yield Path(name) if mounted else None
        finally:
            if mounted:
                subprocess.run(["umount", name], check=True)


def refer(scenario: Scenario, folder: Path) -> Reference:
    """Run without faults, twice where compilers have to be warmed up."""
    for _ in range(2):
        clear(scenario, folder)
        run = start(scenario, folder)
        assert run.status == 0, f"{scenario.name}: {run.errors}"
    outputs = {name: content(folder / name) for name in scenario.outputs}
    return Reference(run.seconds, outputs)


def fill_disk(
    scenario: Scenario, folder: Path, reference: Reference, rng: np.random.Generator
) -> Outcome:
    """Run where files cannot grow beyond some size."""
    old = prepare(scenario, folder, rng)
    limit = int(rng.integers(0, int(1.2 * reference.largest) + 1))
    run = start(scenario, folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard)))
    outcome = judge(scenario, folder, reference, old, run)
    judge_refusal(outcome, run, "File too large")
    return outcome


def fill_small_disk(
    scenario: Scenario,
    folder: Path,
    reference: Reference,
    rng: np.random.Generator,
    disk: Path,
) -> Outcome:
    """Run on a disk that has some room left, or none."""
    home = disk / "run"
    shutil.rmtree(home, ignore_errors=True)
    (disk / "filler").unlink(missing_ok=True)
    shutil.copytree(folder, home)
    old = prepare(scenario, home, rng)
    room = int(rng.integers(0, int(1.2 * sum(map(len, reference.outputs.values()))) + 4096))
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        free = shutil.disk_usage(disk).free
        filler.write(bytes(max(free - room, 0)))
    run = start(scenario, home)
    (disk / "filler").unlink(missing_ok=True)
    outcome = judge(scenario, home, reference, old, run)
    judge_refusal(outcome, run, "No space left on device")
    return outcome


def kill(
    scenario: Scenario, folder: Path, reference: Reference, rng: np.random.Generator
) -> Outcome:
    """Send a signal at some time."""
    old = prepare(scenario, folder, rng)
    number = SIGNALS[int(rng.integers(len(SIGNALS)))]
    run = start(scenario, folder, kill_by=(number, float(rng.uniform(0, 1.1)) * reference.seconds))
    outcome = judge(scenario, folder, reference, old, run)
    judge_signal(outcome, run, number)
    return outcome


def prepare(scenario: Scenario, folder: Path, rng: np.random.Generator) -> dict[str, bytes]:
    """Nothing, or an old file, under the name of each output; a checkpoint is read, so none."""
    clear(scenario, folder)
    old = {}
    for name, check in scenario.outputs.items():
        replaced = check.__name__ not in ("whole_folder", "whole_checkpoint")
        if replaced and rng.integers(2):
            (folder / name).write_bytes(OLD)
            old[name] = OLD
    return old


def clear(scenario: Scenario, folder: Path) -> None:
    for name in scenario.outputs:
        shutil.rmtree(folder / name, ignore_errors=True)
        with suppress(OSError):
            (folder / name).unlink()


def start(
    scenario: Scenario,
    folder: Path,
    limit: int | None = None,
    kill_by: tuple[signal.Signals, float] | None = None,
) -> Run:
    """Run the command in a session of its own, and end whatever it leaves."""
    token = secrets.token_hex(8)
    command = [sys.executable, "-m", "ltc2hw", *scenario.arguments]
    if limit is not None:
        command = [sys.executable, "-c", LIMITED, str(limit), *command]
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
            env={**os.environ, MARK: token, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        try:
            if kill_by is not None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(kill_by[1])
                process.send_signal(kill_by[0])
            status = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = 0x57
        seconds = time.monotonic() - began
        errors.seek(0)
        return Run(status, errors.read(), seconds, left_behind(token))


def left_behind(token: str) -> list[int]:
    """Processes of a run that outlive it by a second; they are ended."""
    deadline = time.monotonic() + 1.0
    while found := processes(token):
        if time.monotonic() > deadline:
            for number in found:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            return found
        time.sleep(0.05)
    return []


def processes(token: str) -> list[int]:
    wanted = f"{MARK}={token}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def judge(
    scenario: Scenario, folder: Path, reference: Reference, old: dict[str, bytes], run: Run
) -> Outcome:
    """What must hold after any fault."""
    parts = sum(bool(PART.fullmatch(path.name)) for path in folder.iterdir())
    fresh = [is_new(scenario, folder, name, old, reference) for name in scenario.outputs]
    outcome = Outcome(all(state is True for state in fresh), parts)
    for name, state in zip(scenario.outputs, fresh, strict=True):
        if isinstance(state, str):
            outcome.findings.append(f"{name} is damaged: {state}")
    if run.status == 0 and not outcome.done:
        outcome.findings.append("success without its files")
    if run.processes:
        outcome.findings.append(f"{len(run.processes)} processes left")
    write_text(folder / "after", "")
    if any(PART.fullmatch(path.name) for path in folder.iterdir()):
        outcome.findings.append("a part is left after the next run")
    if scenario.resumes:
        resumed = start(scenario, folder)
        if resumed.status or content(folder / "out.h5") != reference.outputs["out.h5"]:
            outcome.findings.append(f"does not go on to the same bits: {resumed.errors}")
    return outcome


def is_new(
    scenario: Scenario, folder: Path, name: str, old: dict[str, bytes], reference: Reference
) -> bool | str:
    """Whether an output is the new one; False for the old one, or what is wrong with it."""
    path = folder / name
    if not path.exists():
        return "it is gone" if name in old else False
    if not path.is_dir() and name in old and path.read_bytes() == OLD:
        return False
    try:
        scenario.outputs[name](path)
    except Exception as error:  # noqa: BLE001  anything that a reader raises is the finding
        return f"{type(error).__name__}: {error}"
    partial = name.endswith(".npz") and run_is_partial(path, reference.outputs[name])
    return not partial


def run_is_partial(path: Path, whole: bytes) -> bool:
    """Whether a checkpoint is one of an earlier epoch."""
    return path.read_bytes() != whole


def judge_refusal(outcome: Outcome, run: Run, reason: str) -> None:
    """A full disk is told in one line, with the status of bad input."""
    if run.status == 0:
        return
    told = run.errors.count("\n") == 1 and run.errors.endswith(f": {reason}\n")
    if run.status != 2 or not told:
        outcome.findings.append(f"status {run.status}: {run.errors.strip()[-300:]}")


def judge_signal(outcome: Outcome, run: Run, number: signal.Signals) -> None:
    """The status says which signal it was, and so does one line, but for what nobody can catch."""
    if run.status == 0:
        return
    if run.status == -number and (number != signal.SIGINT or "ltc2hw" not in run.errors):
        # The signal came before ltc2hw was there at all, or cannot be caught.
        return
    if run.status != 128 + number or run.errors.count("\n") != 1:
        outcome.findings.append(f"{number.name}: status {run.status}: {run.errors.strip()[-300:]}")


def content(path: Path) -> bytes:
    """A file's bytes, or those of all files of a folder."""
    if path.is_dir():
        return b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())
    return path.read_bytes() if path.exists() else b""
