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

FIELDS = (
    "hidden",
    "updates",
    "gain",
    "tau_mem_bias",
    "readout_bias",
    "batch_size",
    "epochs",
    "learning_rate",
)
"""What was varied by hand."""

CANDIDATES: Mapping[str, Sequence[tuple[float, ...]]] = {
    "JapaneseVowels": (
        (128, 8, 1.0, 0.0, -1.0, 32, 60, 0.005),
        (128, 8, 2.0, -1.0, -2.0, 16, 80, 0.005),
        (128, 8, 1.0, 0.0, -1.54, 16, 60, 0.002),
    ),
    "BasicMotions": (
        (128, 4, 1.0, -1.5, -1.0, 8, 100, 0.005),
        (128, 4, 0.3, -2.5, -2.0, 8, 100, 0.005),
        (128, 20, 0.3, -1.8, -2.58, 8, 100, 0.002),
    ),
    "digits-rows": (
        (128, 8, 1.0, 0.0, -1.0, 64, 100, 0.005),
        (128, 8, 2.0, 0.0, -1.1, 64, 60, 0.005),
        (256, 8, 1.0, 0.0, -1.1, 64, 60, 0.005),
    ),
    "N-MNIST": (
        (128, 8, 1.0, 0.0, -1.0, 32, 25, 0.005),
        (128, 8, 1.0, -0.6, -1.54, 16, 25, 0.002),
        (128, 4, 0.3, -1.5, -1.54, 32, 25, 0.005),
    ),
}
"""Tried by hand on validation samples: values of FIELDS."""


def by_hand(task: Task, values: Sequence[float]) -> Recipe:
    """A recipe with these values of FIELDS."""
    change = dict(zip(FIELDS, values, strict=True))
    recipe = chosen_recipe(task).recipe.with_model(
        hidden=(change.pop("hidden"),),
        **{name: change.pop(name) for name in ("gain", "tau_mem_bias", "readout_bias")},
    )
    return recipe.with_training(**change)


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


def best_by_hand(name: str, task: Task, *, only_disk: bool) -> Recipe | None:
    """The candidate that is best on validation samples; the test samples are not asked."""
    best: tuple[list[float], Recipe] | None = None
    for values in CANDIDATES[name]:
        candidate = by_hand(task, values)
        results = runs(name, task, candidate, SEARCH_SEEDS, only_disk=only_disk)
        if not results:
            continue
        keys = ("validation", "validation of the last third")
        score = [mean(result[key] for result in results) for key in keys]
        print(f"{name}: {values} validation {score[0]:.3f}, late {score[1]:.3f}", flush=True)
        if best is None or score > best[0]:
            best = score, candidate
    return None if best is None else best[1]


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
        row: dict[str, Any] = {
            "choices": {choice.field: [choice.value, choice.reason] for choice in chosen.choices}
        }
        hand = best_by_hand(name, task, only_disk=only_disk)
        for how, recipe in (("hand", hand), ("chosen", chosen.recipe)):
            if recipe is None:
                continue
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
