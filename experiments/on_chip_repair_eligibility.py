"""Repair in the field with eligibility beside today's rule: the same networks, faults and streams.

``python -m experiments.on_chip_repair_eligibility`` deploys networks, changes their sensor, and
lets each rule learn on integers; with floats on the same stream. What the rule with eligibility
learns, and at which rate, is chosen on validation samples. It writes
``docs/results/on-chip-repair-eligibility.json`` and ``docs/images/on-chip-repair-eligibility.svg``;
runs are kept in ``build/on-chip``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from experiments.on_chip_repair import PIECES, RATES, REPEATS, TASK, learned_back, won_back
from experiments.on_chip_runs import kept, median_and_range, only_kept, save_figure, write_results
from experiments.on_chip_sensor import CHANGES
from experiments.on_chip_streams import words_kept
from ltc2hw import FPTTRule
from ltc2hw.comparison.drawing import STYLE
from ltc2hw.learning.rule import Descent

SEEDS = (1, 2, 3)
DESCENTS: tuple[Descent, ...] = ("instantaneous", "eligibility")

LEARNS: Mapping[str, Mapping[str, Any]] = {
    "everything": {},
    "weights": {"self_terms": False, "biases": False},
    "currents": {"ports": {"hidden": ("current",), "output": ("current",)}},
}
"""What may learn, as options of the rule: all; no constants of neurons; no gates."""


class Setting(NamedTuple):
    """A rule's descent, by how much its rates are lower than today's, and what it changes."""

    descent: Descent
    shift: int = 0
    learns: str = "everything"

    @property
    def name(self) -> str:
        """All of it in words."""
        return f"{self.descent}, rates 2^-{self.shift} of today's, {self.learns}"


TODAY = Setting("instantaneous")
TRIED: tuple[Setting, ...] = (
    TODAY,
    Setting("instantaneous", 1),
    *(Setting("eligibility", shift) for shift in (0, 1, 2)),
    Setting("eligibility", 0, "weights"),
    Setting("eligibility", 0, "currents"),
    Setting("eligibility", 1, "currents"),
)
"""What is tried on validation samples of the first network, in floats."""

CHOSEN: Mapping[str, Setting] = {
    "today's rule": TODAY,
    "eligibility": Setting("eligibility", 0, "currents"),
}
"""What is judged: beside today's rule the best with eligibility."""

COLORS = ("#d55e00", "#0072b2")

Runs = dict[str, list[Any]]


def rates(shift: int) -> tuple[int, ...]:
    """Rates 2^-k of the parts of a stream.

    >>> rates(1)
    (5, 5, 5, 6, 6, 7, 8, 9)
    """
    return tuple(rate + shift for rate in RATES)


def runs_of(
    setting: Setting,
    seeds: Sequence[int],
    part: str,
    *,
    floats: bool = False,
    only_disk: bool = False,
) -> Runs:
    """What every fault comes to, by seed, run or read from disk."""
    results: Runs = {}
    rule = FPTTRule(descent=setting.descent, **LEARNS[setting.learns])
    for seed in seeds:
        for name in CHANGES:
            settings = {
                "change": name,
                "seed": seed,
                "rates": rates(setting.shift),
                "descent": setting.descent,
                "part": part,
                "repeats": REPEATS,
                "words": "float" if floats else words_kept(setting.descent),
                **LEARNS[setting.learns],
            }
            run = partial(learned_back, name, seed, rule, rates(setting.shift), part, floats=floats)
            found = kept("repair", settings, None if only_disk else run)
            if found is None:
                continue
            results.setdefault(name, []).append({"seed": seed, **found})
            print(
                f"seed {seed}  {name:<16} {setting.name}{', float' if floats else ''}: {part}"
                f" {found['before']:.3f} before, {found['nothing']:.3f} changed,"
                f" {found['curve'][-1]:.3f} at the end",
                flush=True,
            )
    return results


def on_validation(*, only_disk: bool = False) -> dict[str, dict[str, list[float]]]:
    """Accuracy on validation samples in the last eighth of the stream, by setting and fault."""
    found = {}
    for setting in TRIED:
        runs = runs_of(setting, SEEDS[:1], "validation", floats=True, only_disk=only_disk)
        found[setting.name] = {
            name: [round(float(np.mean(one["curve"][-PIECES // 8 :])), 6) for one in own]
            for name, own in runs.items()
        }
    return found


def plot(results: Mapping[str, Runs]) -> None:
    """Accuracy on the changed sensor against the samples seen, median and range of the seeds."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.2, 4.4), layout="constrained")
        panels = figure.subplots(2, 2, sharex=True, sharey=True).ravel()
        for axes, name in zip(panels, CHANGES, strict=True):
            for case, color in zip(CHOSEN, COLORS, strict=True):
                runs = results[case].get(name)
                if not runs:
                    continue
                curves = 100 * np.array([one["curve"] for one in runs])
                at = np.arange(PIECES + 1) / PIECES * REPEATS
                axes.plot(at, np.median(curves, axis=0), color=color, label=case)
                low, high = curves.min(axis=0), curves.max(axis=0)
                axes.fill_between(at, low, high, color=color, alpha=0.15, linewidth=0)
            axes.set_title(name)
        panels[0].legend(fontsize=7, loc="lower right")
        figure.supxlabel("times that each training sample was seen")
        figure.supylabel("test accuracy on the changed sensor, %")
        save_figure(figure, "on-chip-repair-eligibility")


def main() -> None:
    """Run, print, write."""
    only_disk = only_kept(__doc__)
    validation = on_validation(only_disk=only_disk)
    results = {
        f"{case}{', float' if floats else ''}": runs_of(
            setting, SEEDS, "test", floats=floats, only_disk=only_disk
        )
        for floats in (False, True)
        for case, setting in CHOSEN.items()
    }
    print("\nvalidation accuracy of the float rule in %, in the last eighth of the stream")
    for name, ends_by_fault in validation.items():
        texts = (f"{fault} {100 * np.mean(own):.1f}" for fault, own in ends_by_fault.items())
        print(f"{name}: " + "; ".join(texts))
    print("\ntest accuracy and share won back in %: median (range) of the seeds")
    for case, by_fault in results.items():
        for name, runs in by_fault.items():
            ends = median_and_range([one["curve"][-1] for one in runs])
            shares = median_and_range([won_back(one, "curve") for one in runs])
            old = median_and_range([one["old task"] for one in runs])
            print(f"{case:<37} {name:<16} {len(runs):>2}  {ends}; won back {shares}; old {old}")
    plot(results)
    content = {
        "task": TASK,
        "settings": {case: setting._asdict() for case, setting in CHOSEN.items()},
        "rates": RATES,
        "repeats": REPEATS,
        "words kept": {descent: words_kept(descent) for descent in DESCENTS},
        "validation": validation,
        "runs": results,
    }
    print(write_results("on-chip-repair-eligibility", content))


if __name__ == "__main__":
    main()
