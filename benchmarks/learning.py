"""On-chip learning: the compiled engine beside the Lava processes, in bits and in time."""

from __future__ import annotations

import json
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.measure import Paired
from benchmarks.report import ResultTable
from experiments.on_chip_runs import untrained
from ltc2hw import FixedNetwork, FPTTRule, PlasticWords, QuantizeOptions, quantize
from ltc2hw.converters.lava.runner import run_job
from ltc2hw.learned import Learning
from ltc2hw.plasticity import Memory, parameter_name
from ltc2hw.plasticity_fixed import integer_rule
from ltc2hw.simulations.plasticity import fast
from ltc2hw.simulations.plasticity.integer import IntegerLearner
from ltc2hw.words import FloatArray, IntArray

STEPS, INPUTS, OUTPUTS = 8, 8, 10
SMALL, UPDATES = 12, 10_000
"""Hidden neurons and updates of the comparison of bits."""

HIDDEN, SAMPLES = 128, 10
"""Hidden neurons, and samples of a round of the measurement of time."""

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
    """Compare every update of a long stream, then take turns on a larger network."""
    compared, wrong = mismatches()
    times = timed()
    lava, ours = (times.spread(name).scaled(1e6) for name in ("lava", "fast"))
    return ResultTable(
        f"On-chip learning against the Lava processes, H = {HIDDEN}, single stream",
        ("Lava, per update", "`fast`, per update", "ratio"),
        ((f"{lava} µs", f"{ours} µs", f"{times.ratio('lava', 'fast')}"),),
        f"{UPDATES} updates of a network with {SMALL} hidden neurons: {compared} states of"
        f" parameters compared between `integer`, `fast` and Lava, {wrong} mismatches. Lava's start"
        " is not counted; one core each, in turns.",
    )


def checksum(memory: Memory) -> int:
    """CRC-32 of Φ, Φ̄, λ as little-endian 64-bit integers."""
    return zlib.crc32(np.stack(memory).astype("<i8").tobytes())


def mismatches() -> tuple[int, int]:
    """States of parameters compared, and how many differ.

    Lava's state after every update, and the compiled engine's after every sample, beside the
    specification's.
    """
    from ltc2hw.converters.lava import learning as lava

    network = deployed(SMALL)
    samples = UPDATES // STEPS
    x, labels = stream(samples)
    found = lava.learn(network, x, labels, RULE, WORDS, timeout=3600.0)
    chip = integer_rule(network, RULE, WORDS)
    learner = IntegerLearner(chip)
    encoded, state = learner.encode(x), learner.start()
    compiled: Learning | None = None
    compared = wrong = 0
    for s in range(samples):
        state = replace(state, registers=learner.rest())
        for t in range(STEPS):
            _, state = learner.step(state, encoded[t, s], labels[s], t, STEPS)
            for parameter, memory in state.memories.items():
                theirs = found.checksums[parameter_name(network, parameter)].ravel()
                compared += 1
                wrong += int(theirs[s * STEPS + t]) != checksum(memory)
        compiled = fast.learn_with(chip, x[:, [s]], labels[[s]], compiled).learning
        for parameter, memory in state.memories.items():
            compared += 1
            wrong += checksum(compiled.memories[parameter]) != checksum(memory)
    return compared, wrong


def timed() -> Paired:
    """Seconds per update of Lava and of the compiled engine, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        run_job("benchmarks.learning_job:run", Path(folder), timeout=1800.0)
        result = json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))
    return Paired(result["seconds"])
