"""On-chip learning: the compiled engine beside the Lava processes, in time."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measure import Paired
from benchmarks.report import ResultTable
from experiments.on_chip_runs import untrained
from ltc2hw import FixedNetwork, FPTTRule, PlasticWords, QuantizeOptions, quantize
from ltc2hw.converters.lava.runner import run_job
from ltc2hw.numbers.words import FloatArray, IntArray

STEPS, INPUTS, OUTPUTS = 8, 8, 10
HIDDEN = 128
RULE, WORDS = FPTTRule(learning_rate=2.0**-5), PlasticWords()


def deployed(hidden: int) -> FixedNetwork:
    """An untrained event-gated network with room for its weights."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (STEPS, 50, INPUTS))
    network = untrained(hidden, 0, INPUTS, OUTPUTS)
    return quantize(network, "loihi2", x, QuantizeOptions(weight_reach=2.0))


def stream(samples: int) -> tuple[FloatArray, IntArray]:
    """Ten noisy patterns and their labels, single stream."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, OUTPUTS, samples)
    patterns = rng.uniform(0, 1, (STEPS, OUTPUTS, INPUTS))
    noise = rng.normal(0, 0.1, (STEPS, samples, INPUTS))
    return np.clip(patterns[:, labels] + noise, 0, 1), labels


def run() -> ResultTable:
    """Take turns on one network."""
    with tempfile.TemporaryDirectory() as folder:
        run_job("benchmarks.learning_job:run", Path(folder), timeout=1800.0)
        result = json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))
    times = Paired(result["seconds"])
    lava, ours = (times.spread(name) for name in ("lava", "fast"))
    return ResultTable(
        f"On-chip learning against the Lava processes, H = {HIDDEN}, single stream",
        ("Lava, per update", "`fast`, per update", "ratio"),
        (
            (
                f"{lava.scaled(1e3)} ms",
                f"{ours.scaled(1e6)} µs",
                f"{times.ratio('lava', 'fast')}",
            ),
        ),
        "Three words of 16 bits, stochastic rounding, everything learns. Lava's start is not"
        " counted; in turns.",
    )
