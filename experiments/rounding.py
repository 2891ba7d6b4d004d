"""What training through rounding wins back, by width of the weights.

``python -m experiments.rounding digits-rows --seed 0`` trains a float network, quantizes it as it
is, and trains it further through rounded weights alone and through all rounding; it prints the
scores of the integers on validation and test samples, each looked at by the network that validation
samples chose.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from ltc2hw.cli.widths import named_width, once, width
from ltc2hw.converters.torch import from_module, to_module
from ltc2hw.graph.network import Network
from ltc2hw.numbers.words import Width
from ltc2hw.tasks import Task, load_task
from ltc2hw.training import Recipe, train
from ltc2hw.training.integer_module import IntegerModule
from ltc2hw.training.recipes import gentle, recipe_for
from ltc2hw.training.rounding import Rounder
from ltc2hw.training.trainer import evaluate


def integer_scores(network: Network, task: Task, recipe: Recipe) -> tuple[float, float]:
    """Scores of the integers that a recipe of all rounding makes of a network."""
    module = IntegerModule(Rounder(to_module(network), task, recipe.training).fit())
    validation, test = (evaluate(module, task, s)[1] for s in (task.validation, task.test))
    return validation, test


def table(
    task: Task, base: Recipe, widths: list[Width], bits: Mapping[str, Width], epochs: int
) -> None:
    """Print a line for each width and way."""
    result = train(task, base)
    start = from_module(result.module)
    print(f"float: {result.metrics['validation']:.4f} {result.metrics['test']:.4f}")
    for each in widths:
        everything = gentle(base).with_training(
            weight_bits=each, rounding="all", bits=bits, epochs=epochs
        )
        weights = base.with_training(weight_bits=each, epochs=epochs)
        ways = {
            "as it was": start,
            "weights": from_module(train(task, weights, start=start).module),
            "all": from_module(train(task, everything, start=start).module),
        }
        for name, network in ways.items():
            validation, test = integer_scores(network, task, everything)
            print(f"{each} {name}: {validation:.4f} {test:.4f}", flush=True)


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--float-epochs", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--widths", nargs="+", type=width, default=[4, 3, 2, "ternary"])
    parser.add_argument("--bits", type=named_width, action="append", default=[])
    given = parser.parse_args()
    task = load_task(given.task)
    recipe = recipe_for(task).with_training(
        weight_bits=None, epochs=given.float_epochs, seed=given.seed
    )
    table(task, recipe, given.widths, once("--bits", given.bits), given.epochs)


if __name__ == "__main__":
    main()
