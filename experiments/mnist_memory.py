"""Memory of training on single pixels against the number of steps: FPTT and BPTT.

``python -m experiments.mnist memory`` measures every figure in a process of its own, which learns a
batch of the first T pixels of MNIST images, in reading order. The images come in a small file, so
that reading all of MNIST is not what takes most.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import peak_megabytes
from ltc2hw.files.atomic import write_arrays, write_text
from ltc2hw.neurons import LTCCell, ReadoutCell, SpikingNetwork
from ltc2hw.tasks import load_task
from ltc2hw.training import TrainingOptions
from ltc2hw.training.compiled import CompiledLearner
from ltc2hw.training.options import Method

RESULTS = Path("docs/results")
COMMAND = "python -m experiments.mnist memory"

HIDDEN, BATCH, RATE, ROUNDS = 128, 128, 1e-3, 3
LENGTHS = (0, 196, 392, 784)
"""Steps; 0 is a process that has everything but the learner."""

WINDOW = 28
METHODS: Mapping[str, tuple[Method, int | None]] = {
    f"FPTT, windows of {WINDOW}": ("fptt", WINDOW),
    "FPTT, every step": ("fptt", 1),
    "BPTT": ("bptt", None),
}
"""How each learns, and the steps of a window; None: all of them."""

Figures = Mapping[str, Any]


def measure(method: str, steps: int, path: str) -> Figures:
    """Learn the batch of a file a few times; MB and seconds of this process."""
    torch.set_num_threads(1)
    with np.load(path) as batch:
        x, labels = (torch.from_numpy(batch[name]) for name in ("x", "labels"))
    generator = torch.Generator().manual_seed(0)
    module = SpikingNetwork(
        [LTCCell(1, HIDDEN, generator=generator)], ReadoutCell(HIDDEN, 10, generator=generator)
    )
    seconds = [0.0]
    if steps:
        way, window = METHODS[method]
        updates = 1 if window is None else steps // window
        options = TrainingOptions(method=way, updates=updates, batch_size=BATCH)
        learner = CompiledLearner(module, "classification", options, steps)
        begin = time.perf_counter()
        for _ in range(ROUNDS):
            learner.learn(x[:steps].contiguous(), labels, RATE)
            seconds.append(time.perf_counter() - begin)
            begin = time.perf_counter()
    return {
        "method": method,
        "steps": steps,
        "megabytes": peak_megabytes(),
        "seconds": min(seconds[1:], default=0.0),
    }


def measure_apart(method: str, steps: int, path: Path) -> Figures:
    """:func:`measure` in a process of its own."""
    script = (
        "import json; from experiments.mnist_memory import measure; "
        f"print(json.dumps(measure({method!r}, {steps}, {str(path)!r})))"
    )
    command = [sys.executable, "-c", script]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures: Figures = json.loads(output)
    return figures


def some_images(folder: Path) -> Path:
    """A file with a batch of S-MNIST."""
    path = folder / "batch.npz"
    split = load_task("mnist-pixels").train.take(np.arange(BATCH))
    write_arrays(path, {"x": split.x.astype(np.float32), "labels": split.labels})
    return path


def markdown(measured: Sequence[Figures]) -> str:
    """A line per length: what a process of each method needs beyond one that does not learn."""
    idle = {found["method"]: found["megabytes"] for found in measured if not found["steps"]}
    header = ["T", *(f"{method}: MB" for method in METHODS), *(f"{m}: s" for m in METHODS)]
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for steps in dict.fromkeys(found["steps"] for found in measured if found["steps"]):
        row = [found for found in measured if found["steps"] == steps]
        values = [str(steps)]
        values += [f"{found['megabytes'] - idle[found['method']]:.0f}" for found in row]
        values += [f"{found['seconds']:.2f}" for found in row]
        lines.append("| " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


def page(measured: Sequence[Figures]) -> str:
    """The table with what it is and how to make it again."""
    about = (
        f"S-MNIST cut to its first T pixels, {HIDDEN} neurons with event gates, batches of "
        f"{BATCH}, compiled, one thread. MB: peak resident memory of a process, less that of one "
        "that has loaded everything and does not learn. s: a batch, the fastest of a few."
    )
    return f"# mnist-memory\n\n`{COMMAND}`\n\n{about}\n\n{markdown(measured)}"


def write(folder: Path, lengths: Sequence[int] = LENGTHS) -> str:
    """Measure everything and write ``mnist-memory.json`` and ``mnist-memory.md``; the table."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        batch = some_images(Path(place))
        # What is compiled for the first time takes memory, too.
        measure_apart("BPTT", WINDOW, batch)
        measured = [measure_apart(method, steps, batch) for steps in lengths for method in METHODS]
    content = {"command": COMMAND, "figures": measured}
    write_text(folder / "mnist-memory.json", json.dumps(content, indent=1) + "\n")
    write_text(folder / "mnist-memory.md", page(measured))
    return markdown(measured)
