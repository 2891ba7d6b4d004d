"""Recipes chosen for data of one's own, beside recipes chosen by hand, on four real data sets.

``python -m experiments.own_data`` runs what is missing (kept in ``build/on-chip``), prints a table
and writes ``docs/results/own-data.json``. JapaneseVowels and BasicMotions come with the package
sktime, the subset of N-MNIST with nobody: its folder is ``$LTC2HW_SHARED/data/nmnist`` or
``../shared/data/nmnist``. A data set that is absent is left out.

By hand: of the candidates of each data set the one that is best on the validation samples. The
test samples are looked at once, with the network of the best validation epoch.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch

from experiments.on_chip_runs import kept, median_and_range, write_results
from ltc2hw import quantize, simulate
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.converters.torch import from_module
from ltc2hw.data import DataOptions, read_data
from ltc2hw.data.events import Binning
from ltc2hw.tasks import Task, load_task
from ltc2hw.training import Recipe, TrainingResult, train
from ltc2hw.training.choosing import chosen_recipe

SEEDS, SEARCH_SEEDS = 5, 2
CALIBRATION = 256

FRAMES = Binning(window_us=20_000, downsample=2, last_us=320_000)
"""N-MNIST: 16 steps of 2 x 17 x 17 counts."""

Change = Mapping[str, Any]


def speech() -> Task:
    """JapaneseVowels: 12 coefficients, 7 to 29 steps, 9 speakers; 270 + 370 samples."""
    return sktime("JapaneseVowels")


def motions() -> Task:
    """BasicMotions: 6 channels, 100 steps, 4 classes; 40 + 40 samples."""
    return sktime("BasicMotions")


def sktime(name: str) -> Task:
    """A data set that the package sktime ships; a fourth of the training samples validate.

    Raises:
        FileNotFoundError: without the package.
    """
    spec = find_spec("sktime")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package sktime is not installed")
    path = Path(next(iter(spec.submodule_search_locations)), "datasets", "data", name)
    options = DataOptions(validation_fraction=0.25)
    return Task.from_data(read_data(path / f"{name}_TRAIN.ts", options), name)


def digits() -> Task:
    """The digits as anybody's arrays: without their own recipe and augmentation."""
    return replace(load_task("digits-rows"), name="digits as arrays", augment=None)


def nmnist() -> Task:
    """1,000 + 100 recordings of N-MNIST as frames; a fifth of the training samples validate."""
    shared = os.environ.get("LTC2HW_SHARED") or Path(__file__).parents[2] / "shared"
    options = DataOptions(binning=FRAMES, validation_fraction=0.2)
    return Task.from_data(read_data(Path(shared, "data", "nmnist"), options), "N-MNIST")


DATA: Mapping[str, Callable[[], Task]] = {
    "JapaneseVowels": speech,
    "BasicMotions": motions,
    "digits-rows": digits,
    "N-MNIST": nmnist,
}

CANDIDATES: Mapping[str, Sequence[Change]] = {
    "JapaneseVowels": (
        {"batch_size": 32, "gain": 1.0, "tau_mem_bias": 0.0, "readout_bias": -1.0, "epochs": 60},
        {"batch_size": 16, "gain": 2.0, "tau_mem_bias": -1.0, "readout_bias": -2.0, "epochs": 80},
        {"batch_size": 16, "gain": 1.0, "tau_mem_bias": 0.0, "learning_rate": 2e-3, "epochs": 60},
    ),
    "BasicMotions": (
        {"hidden": (128,), "updates": 4, "gain": 1.0, "tau_mem_bias": -1.5, "readout_bias": -1.0},
        {"hidden": (128,), "updates": 4, "gain": 0.3, "tau_mem_bias": -2.5, "readout_bias": -2.0},
        {"hidden": (128,), "updates": 20, "gain": 0.3, "learning_rate": 2e-3},
    ),
    "digits-rows": (
        {"readout_bias": -1.0, "gain": 1.0, "epochs": 100},
        {"gain": 2.0, "epochs": 60},
        {"hidden": (256,), "epochs": 60},
    ),
    "N-MNIST": (
        {"gain": 1.0, "tau_mem_bias": 0.0, "readout_bias": -1.0, "epochs": 25},
        {"gain": 1.0, "batch_size": 16, "learning_rate": 2e-3, "epochs": 25},
        {"gain": 0.3, "tau_mem_bias": -1.5, "updates": 4, "epochs": 25},
    ),
}
"""Tried by hand on validation samples: changes of the chosen recipe."""


def changed(recipe: Recipe, change: Change) -> Recipe:
    """A recipe with other fields of either kind."""
    of_model = {name: value for name, value in change.items() if hasattr(recipe.model, name)}
    rest = {name: value for name, value in change.items() if name not in of_model}
    return recipe.with_model(**of_model).with_training(**rest)


def measure(task: Task, recipe: Recipe) -> dict[str, Any]:
    """Train and deploy: scores in float and in int8."""
    begin = time.perf_counter()
    result = train(task, recipe)
    late = result.history[-max(1, len(result.history) // 3) :]
    return {
        "validation": result.metrics["validation"],
        "validation of the last third": mean(record.validation for record in late),
        "epoch": result.metrics["epoch"],
        "test": result.metrics["test"],
        "test int8": integer_score(task, result),
        "seconds": round(time.perf_counter() - begin, 1),
    }


def integer_score(task: Task, result: TrainingResult) -> float:
    """The score of the int8 network on test samples."""
    some, test = task.train.take(np.arange(min(CALIBRATION, task.train.samples))), task.test
    fixed = quantize(from_module(result.module), "loihi2", calibration=some.x, lengths=some.lengths)
    trace = simulate(fixed, test.x, "fast", (), lengths=test.lengths)
    return task.score(real_outputs(fixed, trace), test.labels, test.lengths)


def runs(
    name: str, task: Task, recipe: Recipe, seeds: int, *, only_disk: bool
) -> list[dict[str, Any]]:
    """Results of all seeds, run or read from disk."""
    found = []
    for seed in range(seeds):
        own = recipe.with_training(seed=seed)
        run = None if only_disk else partial(measure, task, own)
        result = kept("own-data", {"data": name, **own.to_dict()}, run)
        if result is not None:
            found.append(result)
    return found


def by_hand(name: str, task: Task, recipe: Recipe, *, only_disk: bool) -> tuple[Change, Recipe]:
    """The candidate that is best on validation samples, with what it changes."""
    best: tuple[list[float], Change, Recipe] | None = None
    for change in CANDIDATES.get(name, ()):
        candidate = changed(recipe, change)
        results = runs(name, task, candidate, SEARCH_SEEDS, only_disk=only_disk)
        if not results:
            continue
        keys = ("validation", "validation of the last third")
        score = [mean(result[key] for result in results) for key in keys]
        print(f"{name}: {dict(change)} validation {score[0]:.3f}, late {score[1]:.3f}", flush=True)
        if best is None or score > best[0]:
            best = score, change, candidate
    return ({}, recipe) if best is None else best[1:]


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DATA)}; all")
    parser.add_argument("--kept", action="store_true", help="show what has been run, run nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    only_disk: bool = options.kept
    content: dict[str, Any] = {}
    for name in options.names or DATA:
        try:
            task = DATA[name]()
        except FileNotFoundError as error:
            print(f"{name}: left out, {error}")
            continue
        chosen = chosen_recipe(task)
        change, hand = by_hand(name, task, chosen.recipe, only_disk=only_disk)
        row: dict[str, Any] = {
            "choices": {choice.field: [choice.value, choice.reason] for choice in chosen.choices},
            "by hand": dict(change),
        }
        for how, recipe in (("chosen", chosen.recipe), ("hand", hand)):
            found = runs(name, task, recipe, SEEDS, only_disk=only_disk)
            if not found:
                continue
            row[how] = {"recipe": recipe.to_dict(), "runs": found}
            floats, integers = ([run[key] for run in found] for key in ("test", "test int8"))
            print(
                f"{name:<16}{how:<8}{len(found)} seeds  float {median_and_range(floats)}  "
                f"int8 {median_and_range(integers)}  "
                f"{median(run['seconds'] for run in found):.0f} s",
                flush=True,
            )
        content[name] = row
    if not options.names:
        print(write_results("own-data", {"seeds": SEEDS, "data": content}))


if __name__ == "__main__":
    main()
