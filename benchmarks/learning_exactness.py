"""On-chip learning in bits: Lava, the compiled engine and the specification, update by update."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from benchmarks.learning import RULE, STEPS, WORDS, deployed, stream
from benchmarks.report import ResultTable
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.learning.learned import Learning
from ltc2hw.learning.rule import Memory, parameter_name
from ltc2hw.numbers.words import IntArray
from ltc2hw.simulations.plasticity import fast
from ltc2hw.simulations.plasticity.integer import IntegerLearner

UPDATES = 10_000
SMALL, LARGE = 12, 128
"""Hidden neurons of the networks that learn in Lava, and in the compiled engine alone."""

PATIENCE = 3600.0
"""Seconds that Lava may take."""


def run() -> ResultTable:
    """Learn on two networks and count states of parameters that differ.

    In a process of its own: Lava cannot be imported where another benchmark's library has chosen
    how processes start.
    """
    command = [sys.executable, "-m", "benchmarks.learning_exactness"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = json.loads(output.splitlines()[-1])
    return ResultTable(
        f"On-chip learning, {UPDATES:,} updates: Φ, Φ̄, λ of every parameter",
        ("engines", "hidden neurons", "states compared", "words in them", "mismatches"),
        tuple(tuple(f"{cell:,}" if isinstance(cell, int) else cell for cell in r) for r in rows),
        "Lava's state after every update and the compiled engine's after every sample of"
        f" {STEPS} updates, beside the specification's.",
    )


def measured() -> list[tuple[str | int, ...]]:
    """Engines, hidden neurons, and what :func:`mismatches` finds, of both networks."""
    from ltc2hw.converters.lava import learning as lava

    checksums = lava.learn(
        deployed(SMALL), *stream(UPDATES // STEPS), RULE, WORDS, timeout=PATIENCE
    ).checksums
    return [
        ("Lava, `fast`, `integer`", SMALL, *mismatches(SMALL, checksums)),
        ("`fast`, `integer`", LARGE, *mismatches(LARGE)),
    ]


def mismatches(
    hidden: int, checksums: Mapping[str, IntArray] | None = None
) -> tuple[int, int, int]:
    """States of parameters compared, words in them, and how many states differ.

    ``checksums``: Lava's, by parameter, of every update; without them the compiled engine alone is
    compared.
    """
    network = deployed(hidden)
    x, labels = stream(UPDATES // STEPS)
    chip = integer_rule(network, RULE, WORDS)
    learner = IntegerLearner(chip)
    encoded, state = learner.encode(x), learner.start()
    compiled: Learning | None = None
    compared = words = wrong = 0
    for s in range(x.shape[1]):
        state = replace(state, registers=learner.rest())
        for t in range(STEPS):
            _, state = learner.step(state, encoded[t, s], labels[s], t, STEPS)
            if checksums is None:
                continue
            for parameter, memory in state.memories.items():
                theirs = checksums[parameter_name(network, parameter)].ravel()[s * STEPS + t]
                compared, words = compared + 1, words + 3 * memory.value.size
                wrong += int(theirs) != checksum(memory)
        compiled = fast.learn_with(chip, x[:, [s]], labels[[s]], compiled).learning
        for parameter, memory in state.memories.items():
            compared, words = compared + 1, words + 3 * memory.value.size
            wrong += checksum(compiled.memories[parameter]) != checksum(memory)
    return compared, words, wrong


def checksum(memory: Memory) -> int:
    """CRC-32 of Φ, Φ̄, λ as little-endian 64-bit integers."""
    return zlib.crc32(np.stack(memory).astype("<i8").tobytes())


if __name__ == "__main__":
    print(json.dumps(measured()))
