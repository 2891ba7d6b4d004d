"""Learning digits-rows from scratch with eligibility beside the instantaneous rule, on integers.

``python -m experiments.on_chip_scratch_eligibility`` chooses the learning rate of each rule on
validation samples, learns in words of 16, 12 and 8 bits and in floats, with the same rates and
streams, and writes ``docs/results/on-chip-scratch-eligibility.json`` and
``docs/images/on-chip-scratch-eligibility.svg``. Runs are kept in ``build/on-chip``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from experiments.on_chip_runs import (
    median_and_range,
    only_kept,
    save_figure,
    untrained,
    write_results,
)
from experiments.on_chip_scratch import HIDDEN as SCRATCH_HIDDEN
from experiments.on_chip_scratch import TASK, Case, all_runs
from experiments.on_chip_streams import words_kept
from ltc2hw import FPTTRule, learn, quantize
from ltc2hw.comparison.drawing import STYLE
from ltc2hw.learning.rule import Descent
from ltc2hw.tasks import load_task

HIDDEN = 48
SEEDS = tuple(range(10))
DESCENTS: tuple[Descent, ...] = ("instantaneous", "eligibility")

STARTS, STARTS_SEEDS = (3, 4, 5, 6), (100, 101, 102)
"""Rates at the start that validation chooses among, 2^-k, and the seeds that it sees."""

START: Mapping[Descent, int] = {"instantaneous": 5, "eligibility": 4}
"""What it chose, on integers of 16 bits."""

WORDS: Mapping[str, tuple[Mapping[str, Any] | None, float]] = {
    "float": (None, 4.0),
    "16 bits": ({"value": 16, "mean": 16, "gradient": 16, "eligibility": 16}, 4.0),
    "12 bits": ({"value": 12, "mean": 12, "gradient": 12, "eligibility": 12}, 4.0),
    "8 bits": ({"value": 8, "mean": 8, "gradient": 8, "eligibility": 8}, 1.0),
    "16 bits, ε of 8": ({"value": 16, "mean": 16, "gradient": 16, "eligibility": 8}, 4.0),
}
"""Words of every synapse, and how far its weight reaches."""

TURNS = 7
"""Turns of which the cost is the median."""


def case(name: str, descent: Descent, start: int) -> Case:
    """Four passes each at 2^-start, half of it, and half of that."""
    words, reach = WORDS[name]
    schedule = tuple((start + k, 4) for k in range(3))
    full = f"{descent}, {name}, 2^-{start}"
    return Case(full, words, reach=reach, schedule=schedule, descent=descent, hidden=HIDDEN)


def cases() -> dict[tuple[Descent, str], Case]:
    """What is judged; words of ε are nothing to a rule without them."""
    return {
        (descent, name): case(name, descent, START[descent])
        for descent in DESCENTS
        for name in WORDS
        if descent == "eligibility" or "ε" not in name
    }


def on_validation(*, only_disk: bool = False) -> dict[str, dict[str, list[float]]]:
    """Accuracy on validation samples after the last pass, by descent and start."""
    found: dict[str, dict[str, list[float]]] = {}
    for descent in DESCENTS:
        tried = {start: case("16 bits", descent, start) for start in STARTS}
        runs = all_runs(tuple(tried.values()), STARTS_SEEDS, "validation", only_disk=only_disk)
        found[descent] = {
            str(start): [own["validation"][-1] for own in runs.get(one.name, ())]
            for start, one in tried.items()
        }
    return found


def cost() -> dict[str, dict[str, float]]:
    """Processor time of an update in µs, by hidden neurons: of ``fast``, median of turns."""
    task = load_task(TASK)
    few = task.train.take(np.arange(40))
    updates = few.samples * few.x.shape[0]
    found: dict[str, dict[str, float]] = {}
    for hidden in (HIDDEN, SCRATCH_HIDDEN):
        fixed = quantize(untrained(hidden, 0), "loihi2", few.x)
        rules = {descent: FPTTRule(descent=descent) for descent in DESCENTS}
        turns: dict[str, list[float]] = {descent: [] for descent in DESCENTS}
        for turn in range(TURNS + 1):
            for descent, rule in rules.items():
                begin = process_time()
                learn(fixed, few.x, few.labels, rule, engine="fast")
                if turn:  # the first one compiles
                    turns[descent].append(1e6 * (process_time() - begin) / updates)
        found[str(hidden)] = {descent: round(median(own), 1) for descent, own in turns.items()}
    return found


def plot(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Accuracy against passes: the median of the seeds, and their range for floats and 16 bits."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.2, 3.0), layout="constrained")
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, descent in zip(panels, DESCENTS, strict=True):
            for name in WORDS:
                runs = results.get(f"{descent}, {name}")
                if runs is None or "ε" in name:
                    continue
                curves = 100 * np.array([found["test"] for found in runs])
                at = np.arange(1, curves.shape[1] + 1)
                style = "k--" if name == "float" else "-"
                axes.plot(at, np.median(curves, axis=0), style, label=name)
                if name in ("float", "16 bits"):
                    color = axes.lines[-1].get_color()
                    low, high = curves.min(axis=0), curves.max(axis=0)
                    axes.fill_between(at, low, high, color=color, alpha=0.15, linewidth=0)
            axes.set_title(descent)
        panels[0].legend(fontsize=7, loc="lower right")
        figure.supxlabel("passes over the training samples")
        figure.supylabel("test accuracy, %")
        save_figure(figure, "on-chip-scratch-eligibility")


def main() -> None:
    """Run, print, write."""
    only_disk = only_kept(__doc__)
    validation = on_validation(only_disk=only_disk)
    wanted = cases()
    runs = all_runs(tuple(wanted.values()), SEEDS, only_disk=only_disk)
    results = {
        f"{descent}, {name}": runs[one.name]
        for (descent, name), one in wanted.items()
        if one.name in runs
    }
    print("\nvalidation accuracy in %, by the rate at the start: mean of three seeds")
    for descent, tried in validation.items():
        texts = (f"2^-{start} {100 * np.mean(own):.1f}" for start, own in tried.items() if own)
        print(f"{descent:<16} " + "; ".join(texts))
    print(f"\n{'case':<32}{'seeds':>5}  test accuracy in %: median (range)")
    for name, found in results.items():
        print(f"{name:<32}{len(found):>5}  {median_and_range([one['test'][-1] for one in found])}")
    spent = cost()
    for hidden, times in spent.items():
        told = ", ".join(f"{descent} {own:.0f} µs" for descent, own in times.items())
        print(f"an update of {hidden} hidden neurons: {told}")
    plot(results)
    settings = {"task": TASK, "hidden": HIDDEN, "seeds": SEEDS, "start": START}
    kept = {descent: words_kept(descent) for descent in DESCENTS}
    content = {
        **settings,
        "words kept": kept,
        "microseconds": spent,
        "validation": validation,
        "runs": results,
    }
    print(write_results("on-chip-scratch-eligibility", content))


if __name__ == "__main__":
    main()
