"""The side of the fuzzer that watches: workers, time and memory, and what becomes of findings."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.formats import FORMATS
from tests.fuzz.mutations import damage
from tests.fuzz.worker import slug, whole_file

ROOT = Path(__file__).parents[2]

PATIENCE = 60.0
"""Seconds after which a file that is not done with counts as a hang."""

GROWTH = 500
"""Megabytes by which a process may grow for one small file."""

KEPT = 3
"""Files that are kept of each kind of finding."""


@dataclass(frozen=True)
class Finding:
    """A file that was neither read nor refused by name."""

    format: str
    seed: int
    error: str
    message: str
    keep: tuple[int, ...] = ()
    """Those of the file's edits that suffice."""


@dataclass
class Tally:
    """What became of the files of each format."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    growth: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, order: dict[str, Any], reply: dict[str, Any]) -> None:
        """Count one answer."""
        name = order["format"]
        self.outcomes[name, reply["outcome"]] += 1
        self.errors[name, reply.get("error", "")] += 1
        self.growth[name] = max(self.growth.get(name, 0), reply.get("growth", 0))


class Worker:
    """A process that loads files; a new one takes its place when it dies or hangs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """The worker's answer, or what became of the worker."""
        process = self.process or self.start()
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        reply = self.reply(PATIENCE)
        if reply["outcome"] != "finding" and reply.get("growth", 0) > GROWTH:
            return {**reply, "outcome": "finding", "error": f"grew by more than {GROWTH} MB"}
        return reply

    def start(self) -> subprocess.Popen[bytes]:
        """Start a process and wait until it has read every whole file."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", str(self.folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT,
            start_new_session=True,
        )  # fmt: skip
        ready = self.reply(1800.0)
        if ready["outcome"] != "ready":
            raise RuntimeError(f"a worker did not get ready: {ready}")
        return self.process

    def reply(self, seconds: float) -> dict[str, Any]:
        """One line from the process, or its end."""
        process = self.process
        assert process is not None
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], seconds)[0]:
            self.end()
            return {"outcome": "finding", "error": "hang", "message": f"more than {seconds} s"}
        line = process.stdout.readline()
        if not line:
            process.communicate()
            self.process = None
            return {"outcome": "finding", "error": f"ended with status {process.returncode}"}
        reply: dict[str, Any] = json.loads(line)
        return reply

    def end(self) -> None:
        """Kill the process and what it started."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
            self.process = None


def hunt(
    files: int,
    seed: int,
    folder: Path,
    *,
    jobs: int = 1,
    formats: tuple[str, ...] = tuple(FORMATS),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tally:
    """Damage, load and use ``files`` files, all formats in turn; findings are kept in ``folder``.

    The same ``files`` and ``seed`` give the same damaged files, whatever ``jobs``. An interrupt
    ends the hunt with what was found so far.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in formats:
        whole_file(folder, name)
    orders = [
        {"format": formats[index % len(formats)], "seed": seed * 10**9 + index}
        for index in range(files)
    ]
    tally, workers = Tally(), [Worker(folder) for _ in range(jobs)]
    done, stop = 0, threading.Event()

    def run(worker: Worker, own: list[dict[str, Any]]) -> Iterator[tuple[Any, Any, Any]]:
        for order in own:
            if stop.is_set():
                return
            reply = worker.ask(order)
            keep = minimised(worker, order, reply) if reply["outcome"] == "finding" else ()
            yield order, reply, keep

    def work(index: int) -> None:
        nonlocal done
        for order, reply, keep in run(workers[index], orders[index::jobs]):
            tally.add(order, reply)
            if reply["outcome"] == "finding":
                note(tally, folder, order, reply, keep)
            done += 1
            progress(done, files)

    try:
        with ThreadPoolExecutor(jobs) as pool:
            wait_for([pool.submit(work, index) for index in range(jobs)], stop)
    finally:
        for worker in workers:
            worker.end()
    return tally


def wait_for(results: Sequence[Future[None]], stop: threading.Event) -> None:
    """Wait for all workers; an interrupt tells them to stop after the file at hand."""
    try:
        for result in results:
            result.result()
    except KeyboardInterrupt:
        stop.set()


def minimised(worker: Worker, order: dict[str, Any], reply: dict[str, Any]) -> tuple[int, ...]:
    """The fewest of a file's edits that give the same finding."""
    keep = tuple(range(reply.get("edits", 3)))
    for place in keep:
        fewer = tuple(other for other in keep if other != place)
        if fewer and worker.ask({**order, "keep": fewer}).get("error") == reply["error"]:
            keep = fewer
    return keep


def note(
    tally: Tally, folder: Path, order: dict[str, Any], reply: dict[str, Any], keep: tuple[int, ...]
) -> None:
    """Remember a finding; the first files of each kind are kept with what they did."""
    name = order["format"]
    tally.findings.append(
        Finding(name, order["seed"], reply["error"], reply.get("message", ""), keep)
    )
    if tally.errors[name, reply["error"]] > KEPT:
        return
    form = FORMATS[name]
    kept = folder / "findings"
    kept.mkdir(exist_ok=True)
    path = kept / f"{slug(name)}-{order['seed']}{form.suffix}"
    shutil.copy(whole_file(folder, name), path)
    damage(path, form.container, order["seed"], keep)
    record = {**order, "keep": keep, **reply}
    path.with_name(path.name + ".json").write_text(json.dumps(record, indent=2) + "\n")


def table(tally: Tally) -> str:
    """Files by format and outcome, as Markdown."""
    lines = [
        "| format | files | refused | read | findings | largest growth |",
        "|---|---|---|---|---|---|",
    ]
    for name in FORMATS:
        counts = [tally.outcomes[name, key] for key in ("refused", "accepted", "finding")]
        if sum(counts):
            cells = " | ".join(f"{number:,}" for number in (sum(counts), *counts))
            lines.append(f"| {name} | {cells} | {tally.growth.get(name, 0)} MB |")
    return "\n".join(lines)
