"""Learning digits-rows from scratch on integers: widths, rounding, feedback, beside the float rule.

``python -m experiments.on_chip_scratch`` runs what is missing (kept in ``build/on-chip``), prints a
table and writes ``docs/results/on-chip-scratch.json`` and ``docs/images/on-chip-scratch.svg``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from experiments.on_chip_runs import (
    kept,
    median_and_range,
    only_kept,
    save_figure,
    untrained,
    write_results,
)
from experiments.on_chip_streams import follow, words_kept
from ltc2hw import FPTTRule, PlasticWords, QuantizeOptions, quantize
from ltc2hw.comparison.drawing import STYLE
from ltc2hw.learning.rule import Descent, Feedback
from ltc2hw.tasks import Split, load_task

TASK = "digits-rows"
HIDDEN = 128
SEEDS = (0, 1, 2)
SCHEDULE: tuple[tuple[int, int], ...] = ((5, 8), (6, 8), (7, 8), (8, 6), (9, 4))
"""Passes over the training samples at the learning rate 2^-k: pairs (k, passes)."""

REACH = 4.0
"""Weights can come to ±this."""


@dataclass(frozen=True)
class Case:
    """A way to learn; ``words`` None is the float rule."""

    name: str
    words: Mapping[str, Any] | None = None
    feedback: Feedback = "symmetric"
    reach: float = REACH
    schedule: Sequence[Sequence[int]] = field(default=SCHEDULE)
    descent: Descent = "instantaneous"
    hidden: int = HIDDEN


CASES: tuple[Case, ...] = (
    Case("float, symmetric"),
    Case("float, random", feedback="random"),
    Case("24-bit, stochastic", {"value": 24, "mean": 24, "gradient": 24}),
    Case("16-bit, stochastic", {"value": 16, "mean": 16, "gradient": 16}),
    Case("16-bit, nearest", {"value": 16, "mean": 16, "gradient": 16, "rounding": "nearest"}),
    Case("16-bit, stochastic, random", {"value": 16, "mean": 16, "gradient": 16}, "random"),
    Case("8-bit Φ, stochastic", {"value": 8, "mean": 16, "gradient": 16}, reach=1.0),
    Case(
        "8-bit Φ, nearest",
        {"value": 8, "mean": 16, "gradient": 16, "rounding": "nearest"},
        reach=1.0,
    ),
    Case("8-bit Φ, Φ̄, λ, stochastic", {"value": 8, "mean": 8, "gradient": 8}, reach=1.0),
)


def passes(train: Split, case: Case, seed: int) -> list[tuple[FPTTRule, Split]]:
    """The rule and the shuffled samples of every pass."""
    rng = np.random.default_rng(1000 + seed)
    return [
        (
            FPTTRule(learning_rate=2.0**-exponent, feedback=case.feedback, descent=case.descent),
            train.take(rng.permutation(train.samples)),
        )
        for exponent, count in case.schedule
        for _ in range(count)
    ]


def run(case: Case, seed: int, part: str = "test") -> dict[str, Any]:
    """Learn from scratch; accuracy on a part of the task after every pass, and saturations."""
    task = load_task(TASK)
    network = untrained(case.hidden, seed)
    start = (
        network
        if case.words is None
        else quantize(network, "loihi2", task.train.x, QuantizeOptions(weight_reach=case.reach))
    )
    words = PlasticWords(**(case.words or {}), seed=seed)
    judged: Split = getattr(task, part)
    found = follow(start, passes(task.train, case, seed), judged, words)
    return {
        part: found.curve,
        "saturations": found.saturations,
        "saturated eligibility": found.eligibility,
    }


def all_runs(
    cases: Sequence[Case] = CASES,
    seeds: Sequence[int] = SEEDS,
    part: str = "test",
    *,
    only_disk: bool = False,
) -> dict[str, Any]:
    """Results of every case and seed, run or read from disk."""
    results: dict[str, Any] = {}
    for seed in seeds:
        for case in cases:
            settings = {"case": vars(case), "seed": seed, "part": part}
            if case.words is not None:
                settings["eligibility words"] = words_kept(case.descent)
            runs = None if only_disk else partial(run, case, seed, part)
            found = kept("scratch", settings, runs)
            if found is None:
                continue
            results.setdefault(case.name, []).append(found)
            print(f"seed {seed}  {case.name:<30} {part} {100 * found[part][-1]:.1f} %", flush=True)
    return results


def plot(results: Mapping[str, Any]) -> None:
    """Accuracy against passes, the median of the seeds."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.2, 3.4), layout="constrained")
        axes = figure.subplots()
        for name, runs in results.items():
            curves = 100 * np.array([found["test"] for found in runs])
            style = "--" if "random" in name else ":" if "nearest" in name else "-"
            axes.plot(
                np.arange(1, curves.shape[1] + 1), np.median(curves, axis=0), style, label=name
            )
        axes.set_xlabel("passes over the training samples")
        axes.set_ylabel("test accuracy, %")
        axes.set_ylim(10, 100)
        axes.legend(fontsize=7, ncols=2)
        save_figure(figure, "on-chip-scratch")


def main() -> None:
    """Run, print, write."""
    results = all_runs(only_disk=only_kept(__doc__))
    print(f"\n{'case':<32}{'seeds':>5}  test accuracy in %: median (range)")
    for name, runs in results.items():
        text = median_and_range([found["test"][-1] for found in runs])
        print(f"{name:<32}{len(runs):>5}  {text}")
    plot(results)
    settings = {"task": TASK, "hidden": HIDDEN, "seeds": SEEDS, "schedule": SCHEDULE}
    print(write_results("on-chip-scratch", {**settings, "runs": results}))


if __name__ == "__main__":
    main()
