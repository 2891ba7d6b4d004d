"""Repair in the field: the sensor of a deployed int8 network changes; it learns its way back.

``python -m experiments.on_chip_repair`` trains by the recipe of digits-rows and quantizes for Loihi
2. For every change of the sensor it compares doing nothing, on-chip FPTT on integers, the same rule
in floats on the same stream, ordinary float training on as many samples, and ordinary training to
its end, which shows what the changed sensor allows. Runs are kept in ``build/on-chip``; it writes
``docs/results/on-chip-repair.json`` and ``docs/images/on-chip-repair.svg``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from experiments.on_chip_runs import (
    BUILD,
    accuracy,
    kept,
    median_and_range,
    only_kept,
    save_figure,
    write_results,
)
from experiments.on_chip_sensor import CHANGES, changed_task
from experiments.on_chip_streams import follow
from ltc2hw import (
    FixedNetwork,
    FPTTRule,
    Network,
    PlasticWords,
    QuantizeOptions,
    load,
    quantize,
    save,
)
from ltc2hw.comparison.drawing import STYLE
from ltc2hw.tasks import Split, Task, load_task

TASK = "digits-rows"
SEEDS = (1, 2, 3)
REPEATS = 6
"""The stream shows each training sample of the changed sensor this often, shuffled."""

RATES = (4, 4, 4, 5, 5, 6, 7, 8)
"""Learning rates 2^-k of equal parts of the stream, the same for every change."""

PIECES = 32
"""Points of the learning curve."""

ENDLESS = 60
"""Epochs of ordinary training to its end, with images that move by a pixel as in the recipe."""


TRAINING = {"epochs": 60, "learning_rate": 7e-3}
"""How the deployed networks are trained; all else is the task's recipe."""


@cache
def trained(seed: int) -> Any:
    """The module that the task's recipe trains."""
    from ltc2hw.training import train
    from ltc2hw.training.recipes import recipe_for

    task = load_task(TASK)
    return train(task, recipe_for(task).with_training(seed=seed, **TRAINING)).module


@cache
def deployed(seed: int) -> tuple[Network, FixedNetwork]:
    """The trained network, kept on disk, and the network on a chip."""
    from ltc2hw.converters.torch import from_module

    task = load_task(TASK)
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / f"deployed-{seed}-{TRAINING['epochs']}-{TRAINING['learning_rate']}.h5"
    if not path.exists():
        save(from_module(trained(seed), {"task": task.name}), path)
    network = load(path)
    assert isinstance(network, Network)
    return network, quantize(network, "loihi2", task.train.x, QuantizeOptions())


def fine_tuned(task: Task, seed: int, **training: Any) -> float:
    """Test accuracy after ordinary float training from the deployed network."""
    from ltc2hw.training import train
    from ltc2hw.training.recipes import recipe_for

    options = {**TRAINING, "seed": seed, "weight_bits": None, **training}
    recipe = recipe_for(task).with_training(**options)
    return train(task, recipe, module=copy.deepcopy(trained(seed))).metrics["test"]


def stream_of(train: Split, seed: int) -> Split:
    """The training samples in random order, ``REPEATS`` times."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(train.samples) for _ in range(REPEATS)]
    return train.take(np.concatenate(orders))


def pieces_of(
    stream: Split, rule: FPTTRule, rates: Sequence[int] = RATES
) -> list[tuple[FPTTRule, Split]]:
    """The stream in pieces, each with the rule at the rate of its part."""
    pieces = np.array_split(np.arange(stream.samples), PIECES)
    return [
        (
            replace(rule, learning_rate=2.0 ** -rates[len(rates) * k // PIECES]),
            stream.take(piece),
        )
        for k, piece in enumerate(pieces)
    ]


def learned_back(
    name: str,
    seed: int,
    rule: FPTTRule,
    rates: Sequence[int] = RATES,
    part: str = "test",
    *,
    floats: bool = False,
) -> dict[str, Any]:
    """One change of the sensor: accuracies before it, and from it on along the stream."""
    task = load_task(TASK)
    behind = changed_task(task, CHANGES[name])
    judged, old = getattr(behind, part), getattr(task, part)
    start = deployed(seed)[0 if floats else 1]
    pieces = pieces_of(stream_of(behind.train, seed), rule, rates)
    nothing = accuracy(start, judged)
    found = follow(start, pieces, judged, PlasticWords(seed=seed))
    return {
        "before": accuracy(start, old),
        "nothing": nothing,
        "curve": [nothing, *found.curve],
        "old task": accuracy(found.network, old),
        "saturations": found.saturations,
        "saturated eligibility": found.eligibility,
    }


def repair(name: str, seed: int) -> dict[str, Any]:
    """One change of the sensor: accuracies before, after doing nothing, and after learning."""
    behind = changed_task(load_task(TASK), CHANGES[name])
    chip, real = (learned_back(name, seed, FPTTRule(), floats=floats) for floats in (False, True))
    return {
        "samples": REPEATS * behind.train.samples,
        "before": chip["before"],
        "nothing": chip["nothing"],
        "on-chip": chip["curve"],
        "float rule": real["curve"],
        "float training": fine_tuned(behind, seed, epochs=REPEATS, augment=False),
        "float training to its end": fine_tuned(behind, seed, epochs=ENDLESS),
        "old task, on-chip": chip["old task"],
        "old task, float rule": real["old task"],
        "saturations": chip["saturations"],
    }


def won_back(found: Mapping[str, Any], how: str) -> float:
    """Share of the lost accuracy that came back; no number where none was lost.

    >>> won_back({"before": 0.75, "nothing": 0.25, "rule": [0.25, 0.625]}, "rule")
    0.75
    """
    after = found[how][-1] if isinstance(found[how], list) else found[how]
    lost: float = found["before"] - found["nothing"]
    share: float = (after - found["nothing"]) / lost if lost else math.nan
    return share


def all_runs(*, only_disk: bool = False) -> dict[str, Any]:
    """Results of every change and seed, run or read from disk."""
    results: dict[str, Any] = {}
    for seed in SEEDS:
        for name in CHANGES:
            settings = {"change": name, "seed": seed, "rates": RATES, "repeats": REPEATS}
            found = kept("repair", settings, None if only_disk else partial(repair, name, seed))
            if found is None:
                continue
            results.setdefault(name, []).append(found)
            share = 100 * won_back(found, "on-chip")
            print(
                f"seed {seed}  {name:<16} {found['before']:.3f} before, {found['nothing']:.3f}"
                f" changed, {found['on-chip'][-1]:.3f} on-chip ({share:.0f} % won back);"
                f" old task {found['old task, on-chip']:.3f}",
                flush=True,
            )
    return results


def plot(results: Mapping[str, Any]) -> None:
    """Accuracy on the changed sensor against the samples seen, the median of the seeds."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.2, 4.4), layout="constrained")
        panels = figure.subplots(2, 2, sharex=True, sharey=True).ravel()
        for axes, (name, runs) in zip(panels, results.items(), strict=False):
            samples = np.linspace(0, runs[0]["samples"], PIECES + 1)
            for how, style, label in (
                ("before", ":", "before the change"),
                ("float training to its end", "--", "float training to its end"),
                ("nothing", "-", "doing nothing"),
            ):
                level = 100 * float(np.median([found[how] for found in runs]))
                axes.axhline(level, color="#8a94a3", linestyle=style, label=label)
            for how, color in (("float rule", "#0072b2"), ("on-chip", "#d55e00")):
                curves = 100 * np.array([found[how] for found in runs])
                axes.plot(samples, np.median(curves, axis=0), color=color, label=how)
            axes.set_title(name)
        panels[0].legend(fontsize=7, loc="lower right")
        figure.supxlabel("samples seen")
        figure.supylabel("test accuracy on the changed sensor, %")
        save_figure(figure, "on-chip-repair")


def main() -> None:
    """Run, print, write."""
    results = all_runs(only_disk=only_kept(__doc__))
    print("\nmedian of the seeds (range), in %")
    for name, runs in results.items():
        columns: dict[str, Sequence[float]] = {
            "before": [found["before"] for found in runs],
            "nothing": [found["nothing"] for found in runs],
            "on-chip": [found["on-chip"][-1] for found in runs],
            "won back": [won_back(found, "on-chip") for found in runs],
            "float rule": [found["float rule"][-1] for found in runs],
            "float training": [found["float training"] for found in runs],
            "to its end": [found["float training to its end"] for found in runs],
            "won back by it": [won_back(found, "float training to its end") for found in runs],
            "old task": [found["old task, on-chip"] for found in runs],
        }
        texts = (f"{key} {median_and_range(values)}" for key, values in columns.items())
        print(f"{name:<16} " + "; ".join(texts))
    plot(results)
    print(write_results("on-chip-repair", {"rates": RATES, "repeats": REPEATS, "runs": results}))


if __name__ == "__main__":
    main()
