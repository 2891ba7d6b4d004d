"""The side of the fuzzer that may die: reads orders line by line, answers each with one line.

``python -m tests.fuzz.worker FOLDER`` makes one whole file of each format, then damages, loads and
uses a copy per order. Memory is counted by the system: the peak of this process and its children.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ltc2hw.errors import Ltc2hwError
from tests.fuzz.formats import FORMATS
from tests.fuzz.mutations import damage

ADDRESS_SPACE = 24 << 30
"""Bytes of addresses that the process may ask for beyond those it has; Numba reserves many."""

STATUS = Path("/proc/self/status")


def seed_of(format_name: str) -> int:
    """Seed of the whole file of a format, and the start of its damaged ones."""
    return 1000 * sorted(FORMATS).index(format_name)


def slug(format_name: str) -> str:
    """A format's name as part of a file's name."""
    return "-".join("".join(c if c.isalnum() else " " for c in format_name).split())


def whole_file(folder: Path, format_name: str) -> Path:
    """Make the whole file of a format, unless it is there."""
    form = FORMATS[format_name]
    path = folder / f"whole-{slug(format_name)}{form.suffix}"
    if not path.exists():
        form.make(np.random.default_rng(seed_of(format_name)), path)
    return path


def peak_kilobytes() -> int:
    """Largest resident memory since the last :func:`forget_peak`; of children, the largest ever."""
    for line in STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def forget_peak() -> int:
    """Begin to measure anew; returns what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_kilobytes()


def answer(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Damage, load and use one file."""
    form = FORMATS[order["format"]]
    path = folder / f"damaged-{os.getpid()}{form.suffix}"
    shutil.copy(whole_file(folder, order["format"]), path)
    keep = order.get("keep")
    edits = damage(path, form.container, order["seed"], None if keep is None else tuple(keep))
    before = forget_peak()
    outcome: dict[str, Any] = {"outcome": "accepted"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            form.use(path)
    except Ltc2hwError as error:
        outcome = {"outcome": "refused", "error": type(error).__name__}
    except BaseException as error:  # noqa: BLE001 - whatever else it is, it is a finding
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "ltc2hw" in f.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "?"
        outcome = {
            "outcome": "finding",
            "error": f"{type(error).__name__} in {place}",
            "message": " ".join(str(error).split())[:300],
            "traceback": traceback.format_exc(),
        }
    return {**outcome, "edits": edits, "growth": (peak_kilobytes() - before) // 1024}


def main(folder: Path) -> None:
    """Answer orders until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    # Whatever else prints must not get among the answers.
    os.dup2(2, 1)
    for format_name in FORMATS:
        FORMATS[format_name].use(copied(whole_file(folder, format_name)))
    limit = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, limit))
    answers.write(json.dumps({"outcome": "ready"}) + "\n")
    for line in sys.stdin:
        answers.write(json.dumps(answer(folder, json.loads(line))) + "\n")


def copied(path: Path) -> Path:
    """A copy, because using a checkpoint writes to it."""
    copy = path.with_name(f"copy-{os.getpid()}{path.suffix}")
    shutil.copy(path, copy)
    return copy


if __name__ == "__main__":
    main(Path(sys.argv[1]))
