"""The Lava side of the learning benchmark: Lava and the compiled engine take turns."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from lava.magma.core.run_conditions import RunSteps

from benchmarks.learning import HIDDEN as NEURONS
from benchmarks.learning import RULE, STEPS, WORDS, deployed, stream
from benchmarks.measure import seconds_of
from ltc2hw.converters.lava.learning import encode
from ltc2hw.converters.lava.learning_build import build_learner
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.simulations.plasticity import fast

ROUNDS = 7

SAMPLES, STREAM = 10, 1000
"""Samples of a turn of Lava, and of the compiled engine, which takes milliseconds to start."""


def run(folder: Path) -> None:
    """Measure, stop Lava, and leave the seconds per update in ``result.json``."""
    chip = integer_rule(deployed(NEURONS), RULE, WORDS)
    ours = partial(fast.learn_with, chip, *stream(STREAM))
    ours()
    x, labels = stream(SAMPLES * (ROUNDS + 1))
    learner = build_learner(chip, *encode(chip, x, labels))
    config, steps = learner.run_config(), learner.steps // (ROUNDS + 1)
    seconds: dict[str, list[float]] = {"lava": [], "fast": []}
    learner.goal.run(RunSteps(steps), config)
    for _ in range(ROUNDS):
        lava = seconds_of(lambda: learner.goal.run(RunSteps(steps), config))
        seconds["lava"].append(lava / (SAMPLES * STEPS))
        seconds["fast"].append(seconds_of(ours) / (STREAM * STEPS))
    learner.goal.stop()
    (folder / "result.json").write_text(json.dumps({"seconds": seconds}), encoding="utf-8")
