"""``python -m experiments.training_cost``: memory and time of training against sequence length.

Every figure is measured in a process of its own, which learns sequences of one length by one
method: FPTT with an update at every step, FPTT with windows of ten steps, BPTT.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import peak_megabytes
from experiments.training import RESULTS
from ltc2hw.files.atomic import write_text
from ltc2hw.neurons import LTCCell, ReadoutCell, SpikingNetwork
from ltc2hw.training import TrainingOptions
from ltc2hw.training.compiled import CompiledLearner

INPUTS, HIDDEN, BATCH, PIECE, RATE = 2, 64, 64, 100, 5e-3
LENGTHS = (100, 200, 500, 1000, 2000, 5000, 10_000)
METHODS = {
    "FPTT, every step": 1,
    "FPTT, windows of 10": 10,
    "BPTT": None,
}
"""Steps per update; None: all of them."""

Figures = Mapping[str, Any]


def measure(method: str, steps: int, rounds: int) -> Figures:
    """Learn one sequence to warm up, then ``rounds`` more; MB and seconds of this process."""
    torch.set_num_threads(1)
    window = METHODS[method] or steps
    options = TrainingOptions(
        method="bptt" if METHODS[method] is None else "fptt", updates=steps // window
    )
    generator = torch.Generator().manual_seed(0)
    module = SpikingNetwork(
        [LTCCell(INPUTS, HIDDEN, generator=generator)], ReadoutCell(HIDDEN, 1, generator=generator)
    )
    learner = CompiledLearner(module, "regression", options, steps)
    labels = torch.rand(BATCH, 1, generator=generator)
    piece = max(PIECE, window)
    seconds = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        for start in range(0, steps, piece):
            x = torch.rand(piece, BATCH, INPUTS, generator=generator)
            learner.learn_part(x, labels, RATE, start)
        seconds.append(time.perf_counter() - begin)
    return {
        "method": method,
        "steps": steps,
        "updates": steps // window,
        "megabytes": peak_megabytes(),
        "seconds": min(seconds[1:]),
    }


def measure_apart(method: str, steps: int) -> Figures:
    """:func:`measure` in a process of its own."""
    rounds = max(1, 2000 // steps)
    call = f"measure({method!r}, {steps}, {rounds})"
    script = (
        f"import json; from experiments.training_cost import measure; print(json.dumps({call}))"
    )
    command = [sys.executable, "-c", script]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures: Figures = json.loads(output)
    return figures


def markdown(measured: Sequence[Figures]) -> str:
    """A line per length: peak memory and time of each method."""
    header = ["T"]
    for unit in ("MB", "ms per update", "µs per step"):
        header += [f"{method}: {unit}" for method in METHODS]
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for steps in dict.fromkeys(found["steps"] for found in measured):
        row = [found for found in measured if found["steps"] == steps]
        values = [f"{steps:,}"]
        values += [f"{found['megabytes']:.0f}" for found in row]
        values += [f"{1e3 * found['seconds'] / found['updates']:.3g}" for found in row]
        values += [f"{1e6 * found['seconds'] / steps:.0f}" for found in row]
        lines.append("| " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


def draw(measured: Sequence[Figures], folder: Path) -> bool:
    """Both against T, on logarithmic axes; False without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    memory, duration = figure.subplots(1, 2)
    for method in METHODS:
        found = [figures for figures in measured if figures["method"] == method]
        steps = [figures["steps"] for figures in found]
        memory.loglog(steps, [figures["megabytes"] for figures in found], "o-", label=method)
        times = [1e3 * figures["seconds"] / figures["updates"] for figures in found]
        duration.loglog(steps, times, "o-", label=method)
    for axes, label in ((memory, "peak MB of the process"), (duration, "ms per update")):
        axes.set_xlabel("steps of a sequence")
        axes.set_ylabel(label)
        axes.legend(fontsize=7)
    figure.savefig(folder / "cost.png", dpi=110)
    return True


def save(measured: Sequence[Figures], folder: Path) -> None:
    """Write ``cost.json``, ``cost.md`` and the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    command = "python -m experiments.training_cost"
    write_text(
        folder / "cost.json",
        json.dumps({"command": command, "figures": list(measured)}, indent=1) + "\n",
    )
    picture = "\n![Memory and time against T](cost.png)\n" if draw(measured, folder) else ""
    about = (
        f"Event gates, {HIDDEN} neurons, batches of {BATCH}, compiled, one thread. Peak resident "
        "memory of a process that does nothing else (Python and its libraries are most of it); "
        f"the fastest sequence of a few. FPTT takes sequences in pieces of {PIECE} steps."
    )
    write_text(
        folder / "cost.md", f"# cost\n\n`{command}`\n\n{about}\n\n{markdown(measured)}{picture}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything and write the table."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.training_cost", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the table")
    parser.add_argument("--steps", type=int, nargs="+", default=list(LENGTHS), metavar="T")
    options = parser.parse_args(arguments)
    measured = []
    for steps in options.steps:
        for method in METHODS:
            measured.append(measure_apart(method, steps))
            sys.stdout.write(f"{json.dumps(measured[-1])}\n")
            sys.stdout.flush()
    save(measured, options.out)


if __name__ == "__main__":
    main()
