"""``python -m experiments.mnist``: recurrent LTC networks on MNIST, as float and as int8.

``rows``, ``rate``, ``pixels`` and ``permuted`` train one network by FPTT and deploy it; ``table
DIR`` puts what was measured into ``docs/results.md``; ``memory`` measures training against T::

    python -m experiments.mnist rows --gates event --seed 0 --out DIR
    python -m experiments.mnist table DIR

A run that was stopped goes on by the same command, a finished one is read back. The last 5,000
training images choose the epoch; the test images are looked at once, by the network of that epoch.
MNIST's files lie in ``mnist`` below ``--data-root`` or the environment's LTC2HW_DATA.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from experiments import mnist_memory, mnist_table
from experiments.cells import Cell, run_cell, so_far
from experiments.commands import changed_recipe, telling
from experiments.shifted import SHIFT, shifted_task
from ltc2hw.data import DataOptions
from ltc2hw.errors import Ltc2hwError
from ltc2hw.neurons import GATES
from ltc2hw.tasks import load_task
from ltc2hw.training import Recipe
from ltc2hw.training.options import METHODS
from ltc2hw.training.recipes import recipe_for

BUILD = Path("build/experiments/mnist")

TASKS: Mapping[str, tuple[str, str]] = {
    "rows": ("mnist-rows", "row-MNIST, 28 steps of 28 grey values"),
    "rate": ("mnist-rate-20", "R-MNIST, 20 steps of 784 spikes"),
    "pixels": ("mnist-pixels", "S-MNIST, 784 steps of a grey value"),
    "permuted": ("mnist-permuted", "PS-MNIST, the same in one random order"),
}
"""The library's tasks, and what they are."""

CHANGES = ("epochs", "updates", "learning_rate", "batch_size", "method")
"""Fields of a recipe's training that options change."""


class ImageCell(Cell):
    """A cell whose name also tells networks and batches of other sizes apart."""

    @property
    def name(self) -> str:
        """A file name that no other cell of a table has."""
        model, training = self.recipe.model, self.recipe.training
        sizes = "+".join(map(str, model.hidden))
        method = f"k{training.updates}" if training.method == "fptt" else "bptt"
        return (
            f"{self.task}-{self.network}-h{sizes}-{method}-b{training.batch_size}"
            f"-lr{training.learning_rate:g}-e{training.epochs}-seed{training.seed}"
        )


def recipe_of(options: argparse.Namespace, recipe: Recipe) -> Recipe:
    """A task's recipe with what a file and options say."""
    recipe = changed_recipe(options, recipe, CHANGES)
    return recipe.with_model(hidden=tuple(options.hidden)) if options.hidden else recipe


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Train and deploy one network."""
    name, _ = TASKS[options.what]
    task = shifted_task(load_task(name, DataOptions(root=options.data_root)), options.shift)
    recipe = recipe_of(options, recipe_for(task))
    options.out.mkdir(parents=True, exist_ok=True)
    show = telling(recipe.training.epochs)
    cell = ImageCell(task.name, options.gates, recipe)
    if options.so_far:
        return so_far(cell, options.out, task)
    return run_cell(cell, options.out, show, task)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m experiments.mnist", description=__doc__)
    commands = made.add_subparsers(dest="what", required=True)
    for what, (name, about) in TASKS.items():
        one = commands.add_parser(what, help=f"{about} ({name})")
        one.add_argument("--gates", choices=GATES, default="event")
        one.add_argument("--seed", type=int, default=0)
        one.add_argument("--out", type=Path, default=BUILD, help="folder of what was measured")
        one.add_argument("--data-root", help="folder of data sets; else LTC2HW_DATA's")
        one.add_argument("--shift", type=int, default=SHIFT, help="augmentation, in pixels")
        one.add_argument("--recipe", type=Path, help="TOML that changes the task's recipe")
        one.add_argument("--hidden", type=int, nargs="+", metavar="N", help="neurons by layer")
        one.add_argument("--epochs", type=int)
        one.add_argument("--updates", type=int, metavar="K")
        one.add_argument("--rate", type=float, dest="learning_rate")
        one.add_argument("--batch-size", type=int)
        one.add_argument("--method", choices=METHODS)
        one.add_argument(
            "--so-far", action="store_true", help="deploy the best epoch of a stopped run as it is"
        )
    table = commands.add_parser("table", help="put finished runs into docs/results.md")
    table.add_argument("folder", type=Path, nargs="?", default=BUILD)
    table.add_argument("--page", type=Path, default=mnist_table.PAGE)
    memory = commands.add_parser("memory", help="memory of training against T, FPTT and BPTT")
    memory.add_argument("--out", type=Path, default=mnist_memory.RESULTS)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    own = parser()
    options = own.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        if options.what == "table":
            print(mnist_table.write(options.folder, options.page))
        elif options.what == "memory":
            print(mnist_memory.write(options.out))
        else:
            print(mnist_table.line(run(options)))
    except Ltc2hwError as error:
        own.exit(2, f"{own.prog}: error: {error}\n")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")


if __name__ == "__main__":
    main()
