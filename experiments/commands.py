"""What the commands of experiments share: options that change a recipe, and lines of progress."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

from ltc2hw.training import EpochRecord, Recipe
from ltc2hw.training.recipe_file import load_recipe


def changed_recipe(options: argparse.Namespace, recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """A task's recipe with what a file and options say; ``changes`` are fields of its training."""
    if options.recipe is not None:
        recipe = load_recipe(options.recipe, recipe)
    wanted = {name: getattr(options, name) for name in changes}
    said = {name: value for name, value in wanted.items() if value is not None}
    return recipe.with_model(gate=options.gates).with_training(seed=options.seed, **said)


def telling(epochs: int) -> Callable[[str, EpochRecord], None]:
    """What prints a line for every epoch of a run, with the seconds since now."""
    begin = time.perf_counter()

    def show(name: str, record: EpochRecord) -> None:
        print(
            f"{name} {record.epoch + 1}/{epochs} loss {record.loss:.4f} "
            f"validation {100 * record.validation:.2f} % {time.perf_counter() - begin:.0f} s",
            flush=True,
        )

    return show
