"""A small network learns still images from scratch on integers, beside an accelerator's figure.

``python -m experiments.on_chip_image`` shows each of the 8x8 digits for ten steps to 64 inputs, 20
hidden neurons and 10 outputs, as Spiker-LL does on an FPGA with 16 bits (Caviglia, Marostica,
Savino, Di Carlo, arXiv 2605.18003: 93 %, their own parts and input). It runs what is missing (kept
in ``build/on-chip``), prints a table and writes ``docs/results/on-chip-image.json``. Rates were
chosen on the validation part; the last pass is judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from experiments.on_chip_runs import (
    accuracy,
    kept,
    median_and_range,
    only_kept,
    untrained,
    write_results,
)
from ltc2hw import FPTTRule, Network, PlasticWords, QuantizeOptions, learn, quantize
from ltc2hw.graph.network import Input, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.learning.learned import Learning
from ltc2hw.learning.rule import Descent
from ltc2hw.numbers.weights import Dense
from ltc2hw.tasks import Split, Task, load_task

INPUTS, HIDDEN, CLASSES, STEPS = 64, 20, 10, 10
SEEDS = tuple(range(10))
SCHEDULE: tuple[tuple[int, int], ...] = ((5, 8), (6, 8), (7, 8))
"""Passes over the training samples at the learning rate 2^-k: pairs (k, passes)."""

REACH = 4.0
BITS = 16


@dataclass(frozen=True)
class Case:
    """Neurons and a descent."""

    neurons: str
    descent: Descent

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.neurons}, {self.descent}"


CASES: tuple[Case, ...] = (
    Case("ltc", "instantaneous"),
    Case("ltc", "eligibility"),
    Case("lif", "instantaneous"),
    Case("lif", "eligibility"),
)


def still(split: Split) -> Split:
    """Every image at once, in each of the steps."""
    _, samples, _ = split.x.shape
    images = split.x.transpose(1, 0, 2).reshape(1, samples, INPUTS)
    return Split(np.repeat(images, STEPS, axis=0), split.labels)


def task() -> Task:
    """The digits of ``digits-rows``, in the same parts."""
    rows = load_task("digits-rows")
    train, validation, test = (still(s) for s in (rows.train, rows.validation, rows.test))
    return replace(
        rows, name="digits-still", steps=STEPS, inputs=INPUTS, shape=(1, 8, 8),
        augment=None, train=train, validation=validation, test=test,
    )  # fmt: skip


def feedforward(seed: int) -> Network:
    """Leaky neurons that hear the image alone, and a readout."""
    rng = np.random.default_rng(seed)

    def dense(targets: int, sources: int) -> Dense:
        limit = np.sqrt(3.0 / sources)
        return Dense(rng.uniform(-limit, limit, (targets, sources)))

    hidden = Neurons("hidden", HIDDEN, "lif", {"threshold": 0.5, "membrane_decay": 0.5})
    readout = Neurons("readout", CLASSES, "readout", {"tau_mem.bias": -1.0})
    entering = Projection("input", "value", "hidden", "current", dense(HIDDEN, INPUTS))
    read = Projection("hidden", "spikes", "readout", "current", dense(CLASSES, HIDDEN))
    populations = Input("input", INPUTS, graded=True), hidden, readout
    return Network(populations, (entering, read), "readout")


def run(case: Case, seed: int) -> dict[str, Any]:
    """Learn from scratch; accuracy after every pass, and how many values saturated."""
    images = task()
    network = untrained(HIDDEN, seed, INPUTS) if case.neurons == "ltc" else feedforward(seed)
    fixed = quantize(network, "loihi2", images.train.x, QuantizeOptions(weight_reach=REACH))
    words = PlasticWords(value=BITS, mean=BITS, gradient=BITS, eligibility=BITS, seed=seed)
    rng = np.random.default_rng(1000 + seed)
    learning: Learning | None = None
    curves: dict[str, list[float]] = {"validation": [], "test": []}
    lost = 0
    for exponent, passes in SCHEDULE:
        rule = FPTTRule(learning_rate=2.0**-exponent, descent=case.descent)
        for _ in range(passes):
            part = images.train.take(rng.permutation(images.train.samples))
            done = learn(fixed, part.x, part.labels, rule, words, "fast", learning)
            learning = done.learning
            curves["validation"].append(accuracy(done.network, images.validation))
            curves["test"].append(accuracy(done.network, images.test))
            lost += sum(sum(own.values()) for own in done.saturations.values())
    return {**curves, "saturations": lost, "held": dict(done.held)}


def all_runs(*, only_disk: bool = False) -> dict[str, Any]:
    """Results of every case and seed, run or read from disk."""
    results: dict[str, Any] = {}
    for seed in SEEDS:
        for case in CASES:
            settings = {"case": vars(case), "seed": seed, "schedule": SCHEDULE, "reach": REACH}
            found = kept("image", settings, None if only_disk else partial(run, case, seed))
            if found is not None:
                results.setdefault(case.name, []).append(found)
                print(f"seed {seed}  {case.name:<22} {summary([found])}", flush=True)
    return results


def summary(runs: list[Mapping[str, Any]]) -> str:
    """Accuracies after the last pass."""
    return "  ".join(
        f"{part} {median_and_range([found[part][-1] for found in runs])}"
        for part in ("validation", "test")
    )


def main() -> None:
    """Run, print, write."""
    results = all_runs(only_disk=only_kept(__doc__))
    print(f"\n{'case':<22}{'seeds':>5}  accuracy in %: median (range)")
    for name, runs in results.items():
        print(f"{name:<22}{len(runs):>5}  {summary(runs)}")
    shape = {"inputs": INPUTS, "hidden": HIDDEN, "outputs": CLASSES, "steps": STEPS}
    print(write_results("on-chip-image", {**shape, "schedule": SCHEDULE, "runs": results}))


if __name__ == "__main__":
    main()
