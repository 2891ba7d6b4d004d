"""One fault in one run of the command line, and what must hold after it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ltc2hw.cli import main
from ltc2hw.files.atomic import PART, write_text
from tests.faults.runs import Fault, Run, run
from tests.faults.scenarios import Scenario

OLD = b"the old file"

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

FRESH = 0.25
"""Share of the runs in a new interpreter."""

DISK = 2 << 20
"""Bytes of the small disk, where one may be mounted."""


@dataclass(frozen=True)
class Reference:
    """A run without faults: seconds in a new interpreter or not, and what the outputs become."""

    seconds: dict[bool, float]
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
    """Run without faults: here, so that everything is imported and compiled, then in copies."""
    clear(scenario, folder)
    here = Path.cwd()
    os.chdir(folder)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            assert main(scenario.arguments) == 0, scenario.name
    finally:
        os.chdir(here)
    outputs = {name: content(folder / name) for name in scenario.outputs}
    seconds = {}
    for fresh in (True, False):
        clear(scenario, folder)
        done = run(scenario.arguments, folder, Fault(fresh))
        assert done.status == 0, f"{scenario.name}: {done.errors}"
        seconds[fresh] = done.seconds
        for name, expected in outputs.items():
            assert content(folder / name) == expected, f"{scenario.name} varies in {name}"
    return Reference(seconds, outputs)


def limit_size(
    scenario: Scenario, folder: Path, reference: Reference, rng: np.random.Generator
) -> Outcome:
    """Run where files cannot grow beyond some size."""
    old = prepare(scenario, folder, rng)
    limit = int(rng.integers(0, int(1.2 * reference.largest) + 1))
    done = run(scenario.arguments, folder, Fault(rng.random() < FRESH, limit=limit))
    outcome = judge(scenario, folder, reference, old, done)
    judge_refusal(outcome, done, "File too large")
    return outcome


def fill_disk(
    scenario: Scenario,
    folder: Path,
    reference: Reference,
    rng: np.random.Generator,
    disk: Path,
) -> Outcome:
    """Run on a disk that has some room left, or none."""
    home, filler = disk / "run", disk / "filler"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    for path in folder.iterdir():
        if path.name not in scenario.outputs and path.is_file():
            shutil.copy(path, home)
    old = prepare(scenario, home, rng)
    room = int(rng.integers(0, int(1.2 * sum(map(len, reference.outputs.values()))) + 4096))
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        file.write(bytes(max(shutil.disk_usage(disk).free - room, 0)))
    done = run(scenario.arguments, home, Fault(rng.random() < FRESH))
    filler.unlink()
    outcome = judge(scenario, home, reference, old, done)
    judge_refusal(outcome, done, "No space left on device")
    return outcome


def kill(
    scenario: Scenario, folder: Path, reference: Reference, rng: np.random.Generator
) -> Outcome:
    """Send a signal at some time."""
    old = prepare(scenario, folder, rng)
    number, fresh = SIGNALS[int(rng.integers(len(SIGNALS)))], bool(rng.random() < FRESH)
    after = float(rng.uniform(0, 1.1)) * reference.seconds[fresh]
    done = run(scenario.arguments, folder, Fault(fresh, number=number, after=after))
    outcome = judge(scenario, folder, reference, old, done)
    judge_signal(outcome, done, number)
    return outcome


def prepare(scenario: Scenario, folder: Path, rng: np.random.Generator) -> dict[str, bytes]:
    """Nothing, or an old file, under the name of each output that is not read."""
    clear(scenario, folder)
    replaced = [name for name in scenario.replaced if rng.integers(2)]
    for name in replaced:
        (folder / name).write_bytes(OLD)
    return dict.fromkeys(replaced, OLD)


def clear(scenario: Scenario, folder: Path) -> None:
    for name in scenario.outputs:
        shutil.rmtree(folder / name, ignore_errors=True)
        with suppress(OSError):
            (folder / name).unlink()


def judge(
    scenario: Scenario, folder: Path, reference: Reference, old: dict[str, bytes], done: Run
) -> Outcome:
    """What must hold after any fault."""
    states = {
        name: state_of(folder / name, old.get(name), expected, scenario)
        for name, expected in reference.outputs.items()
    }
    parts = sum(bool(PART.fullmatch(path.name)) for path in folder.iterdir())
    outcome = Outcome(set(states.values()) == {"new"}, parts)
    outcome.findings += [
        f"{name} is {state}" for name, state in states.items() if state not in ("new", "old")
    ]
    if done.status == 0 and not outcome.done:
        outcome.findings.append("success without its files")
    if done.processes:
        outcome.findings.append(f"{len(done.processes)} processes left")
    write_text(folder / "after", "")
    if any(PART.fullmatch(path.name) for path in folder.iterdir()):
        outcome.findings.append("a part is left after the next run")
    if scenario.resumes:
        resumed = run(scenario.arguments, folder, Fault(fresh=False))
        if any(content(folder / name) != new for name, new in reference.outputs.items()):
            outcome.findings.append(f"does not go on to the same bits: {resumed.errors}")
    return outcome


def state_of(path: Path, old: bytes | None, new: bytes, scenario: Scenario) -> str:
    """``new``; ``old`` if it is what was there before; else what is wrong."""
    if not path.exists():
        return "old" if old is None else "gone"
    found = content(path)
    if found in (new, old):
        return "new" if found == new else "old"
    try:
        scenario.outputs[path.name](path)
    except Exception as error:  # noqa: BLE001  anything that a reader raises is the finding
        return f"damaged: {type(error).__name__}: {error}"
    # A whole file, but not the last: a checkpoint of an earlier epoch.
    return "old" if path.name in scenario.kept else "another than without faults"


def judge_refusal(outcome: Outcome, done: Run, reason: str) -> None:
    """A full disk is told in one line, with the status of bad input."""
    if done.status == 0:
        return
    told = done.errors.count("\n") == 1 and done.errors.endswith(f": {reason}\n")
    if done.status != 2 or not told:
        outcome.findings.append(f"status {done.status}: {done.errors.strip()[-300:]}")


def judge_signal(outcome: Outcome, done: Run, number: signal.Signals) -> None:
    """The status says which signal it was, and so does one line, but for what nobody can catch."""
    if done.status == 0:
        return
    if done.status == -number and "ltc2hw" not in done.errors:
        # The signal came before ltc2hw was there at all, or cannot be caught.
        return
    # Python itself ends by SIGINT if one met it while it ran a text as code; shells call it 130.
    if done.status not in (128 + number, -number) or done.errors.count("\n") != 1:
        outcome.findings.append(f"{number.name}: {done.status}: {done.errors.strip()[-300:]}")


def content(path: Path) -> bytes:
    """A file's bytes, or those of all files of a folder; nothing for nothing."""
    if path.is_dir():
        return b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())
    return path.read_bytes() if path.exists() else b""
