"""Time and memory of learning from each neuron's own memory, step by step and in pieces.

``python -m experiments.eligibility_cost`` learns batches of random sequences by OSTL, e-prop, HYPR
and BPTT, each in a process of its own, and prints processor seconds per batch and megabytes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.measure import peak_megabytes
from ltc2hw.dynamics.models import find_model
from ltc2hw.neurons import LTCCell, ProgramCell, ReadoutCell, SpikingNetwork
from ltc2hw.tasks import Split, Task
from ltc2hw.training import TrainingOptions
from ltc2hw.training.data import to_tensors
from ltc2hw.training.learner import new_learner

INPUTS, CLASSES, RATE = 1, 10, 1e-6

WAYS: Mapping[str, Mapping[str, Any]] = {
    "nothing learned": {},
    "OSTL, step by step": {"method": "ostl"},
    "e-prop, step by step": {"method": "eprop", "piece": 1},
    "HYPR, pieces of 32": {"method": "hypr", "piece": 32},
    "e-prop, pieces of 32": {"method": "eprop", "piece": 32},
    "BPTT": {"method": "bptt"},
}


def network(neuron: str, size: int) -> SpikingNetwork:
    """One recurrent layer and a readout."""
    generator = torch.Generator().manual_seed(0)
    cell = (
        LTCCell(INPUTS, size, generator=generator)
        if neuron == "ltc"
        else ProgramCell(find_model(neuron), INPUTS, size, generator=generator)
    )
    return SpikingNetwork([cell], ReadoutCell(size, CLASSES, generator=generator))


def measure(way: str, neuron: str, size: int, batch: int, steps: int, rounds: int) -> str:
    """Processor seconds per batch, the least of some rounds, and megabytes; as JSON."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    split = Split(rng.random((steps, batch, INPUTS)), rng.integers(0, CLASSES, batch))
    task = Task("random", "classification", steps, INPUTS, CLASSES, split, split, split)
    x, labels = to_tensors(split)
    seconds = []
    if WAYS[way]:
        learner = new_learner(network(neuron, size), task, TrainingOptions(**WAYS[way]))
        learner.learn(x, labels, RATE)
        for _ in range(rounds):
            begin = time.process_time()
            learner.learn(x, labels, RATE)
            seconds.append(time.process_time() - begin)
    return json.dumps({"seconds": min(seconds, default=0.0), "megabytes": peak_megabytes()})


def main() -> None:
    """Measure what is asked for, a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neuron", default="adlif")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs="+", default=[784])
    given = parser.parse_args()
    for steps in given.steps:
        for way in WAYS:
            numbers = (given.neuron, given.size, given.batch, steps, given.rounds)
            call = f"measure({way!r}, {', '.join(map(repr, numbers))})"
            script = f"from experiments.eligibility_cost import measure; print({call})"
            done = subprocess.run(
                [sys.executable, "-c", script], capture_output=True, text=True, check=True
            )
            found = json.loads(done.stdout)
            print(
                f"T = {steps:5}  {way:22} {found['seconds']:8.3f} s  {found['megabytes']:6.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
