"""``python -m experiments.training NAME``: tables of trained networks and their deployment.

Cells that are finished are read back, a killed one goes on from its last epoch, so the same command
continues where it stopped. ``--seeds`` and ``--epochs`` set the budget.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from experiments.cells import LSTM, Cell, finished_cells, run_cells
from experiments.tables import save
from ltc2hw.learning.rule import Descent
from ltc2hw.tasks import load_task
from ltc2hw.training import EpochRecord, Recipe
from ltc2hw.training.options import DESCENTS, Method
from ltc2hw.training.recipes import recipe_for

BUILD = Path("build/experiments")
RESULTS = Path("docs/results")

GATES = ("event", "dense", "static")
METHODS: tuple[Method, ...] = ("fptt", "bptt")
BPTT_RATES = {"digits-pixels": 3e-3, "digits-permuted": 3e-3}
"""Of 1e-3, 3e-3 and 1e-2 the best; at 1e-2 BPTT through 64 steps does not learn."""
SWEEP_EPOCHS = 20
LSTM_EPOCHS = 150
"""What an LSTM needs to learn the Add task by FPTT; after 30 epochs it has learned nothing yet."""
ONLINE = {100: (5e-3, 3), 200: (2e-3, 2), 500: (1e-3, 2), 1000: (5e-4, 2)}
"""Rate and epochs of learning Add with an update at every step: longer sequences make more updates.

At T = 200 a rate of 5e-3 ended its first epoch at a validation error of 1.1 (seed 0); those of the
lengths above are not tried.
"""
PIXEL_NEURONS, PIXEL_EPOCHS, PIXEL_RATE = 64, 6, 5e-3


@dataclass(frozen=True)
class Budget:
    """How much to run; None is the experiment's own."""

    seeds: Sequence[int]
    epochs: int | None
    rate: float | None
    updates: int | None
    steps: Sequence[int]


@dataclass(frozen=True)
class Experiment:
    """Cells in order of importance, and what to say about them."""

    note: str
    cells: Callable[[Budget], list[Cell]]
    seeds: int


def cell(task: str, network: str, budget: Budget, seed: int, recipe: Recipe) -> Cell:
    """A cell of one network on a task, within a budget."""
    if network != LSTM:
        recipe = recipe.with_model(gate=network)
    if budget.epochs is not None:
        recipe = recipe.with_training(epochs=budget.epochs)
    if budget.rate is not None:
        recipe = recipe.with_training(learning_rate=budget.rate)
    if budget.updates is not None:
        recipe = recipe.with_training(updates=budget.updates)
    return Cell(task, network, recipe.with_training(seed=seed))


def digits_recipe(task: str, method: Method) -> Recipe:
    """The task's recipe; on single pixels BPTT needs a lower rate than FPTT."""
    recipe = recipe_for(load_task(task)).with_training(method=method)
    if method == "bptt" and task in BPTT_RATES:
        recipe = recipe.with_training(learning_rate=BPTT_RATES[task])
    return recipe


def add_cells(budget: Budget) -> list[Cell]:
    """{event, dense, ASRNN, LSTM} x {FPTT, BPTT} x T."""
    recipes = {steps: recipe_for_add(steps) for steps in budget.steps}
    cells = []
    for method in METHODS:
        for network in (*GATES, LSTM):
            for steps in budget.steps:
                recipe = recipes[steps].with_training(method=method)
                if network == LSTM and method == "fptt":
                    recipe = recipe.with_training(epochs=LSTM_EPOCHS)
                name = f"add-{steps}"
                cells += [cell(name, network, budget, seed, recipe) for seed in budget.seeds]
    return cells


def recipe_for_add(steps: int) -> Recipe:
    """The recipe of the Add task at its length."""
    return recipe_for(load_task(f"add-{steps}"))


def k_sweep_cells(budget: Budget) -> list[Cell]:
    """K in 1, 2, 5, 10, 20, T for event and dense gates at three rates, T = 100."""
    recipe = recipe_for_add(100).with_training(epochs=SWEEP_EPOCHS)
    return [
        cell("add-100", gate, budget, seed, recipe.with_training(updates=k, learning_rate=rate))
        for seed in budget.seeds
        for rate in (5e-3, 2e-2, 1e-3)
        for gate in ("event", "dense")
        for k in (1, 2, 5, 10, 20, 100)
    ]


def digits_cells(budget: Budget) -> list[Cell]:
    """Rows, pixels and permuted pixels: all gates by both methods."""
    return [
        cell(task, gate, budget, seed, digits_recipe(task, method))
        for task in ("digits-pixels", "digits-rows", "digits-permuted")
        for gate in GATES
        for method in METHODS
        for seed in budget.seeds
    ]


def online(recipe: Recipe, task: str, descent: Descent) -> Recipe:
    """A recipe with an update at every step of a task's sequences, and a descent."""
    return recipe.with_training(updates=load_task(task).steps, descent=descent)


def add_eligibility_cells(budget: Budget) -> list[Cell]:
    """The Add task with an update at every step, by every descent."""
    cells = []
    for descent in DESCENTS:
        for steps in budget.steps:
            rate, epochs = ONLINE.get(steps, (1e-3, 2))
            recipe = recipe_for_add(steps)
            recipe = recipe.with_training(batch_size=32, learning_rate=rate, epochs=epochs)
            recipe = online(recipe, f"add-{steps}", descent)
            cells += [cell(f"add-{steps}", "event", budget, seed, recipe) for seed in budget.seeds]
    return cells


def pixels_eligibility_cells(budget: Budget) -> list[Cell]:
    """digits-pixels with an update at every step, by every descent."""
    # A filter needs a leak that all outputs share.
    model = {"hidden": (PIXEL_NEURONS,), "readout_gate": "static"}
    recipe = recipe_for(load_task("digits-pixels")).with_model(**model)
    recipe = recipe.with_training(batch_size=64, learning_rate=PIXEL_RATE, epochs=PIXEL_EPOCHS)
    return [
        cell("digits-pixels", "event", budget, seed, online(recipe, "digits-pixels", descent))
        for descent in DESCENTS
        for seed in budget.seeds
    ]


def feedforward_cells(budget: Budget) -> list[Cell]:
    """Networks without recurrent synapses: what remains of each task."""
    return [
        cell(task, "event", budget, seed, recipe_for(load_task(task)).with_model(recurrent=False))
        for task in ("digits-rows", "digits-pixels", "add-100")
        for seed in budget.seeds
    ]


EXPERIMENTS = {
    "add": Experiment(
        "Mean squared error on 1000 test sequences; always answering the mean gives 0.167. "
        "ASRNN is the network with static gates.",
        add_cells,
        3,
    ),
    "k-sweep": Experiment(
        "How stable is training? The Add task at T = 100 by the number of updates per sequence.",
        k_sweep_cells,
        3,
    ),
    "digits": Experiment("Accuracy on 359 test samples.", digits_cells, 3),
    "add-eligibility": Experiment(
        "FPTT with an update at every step: its gradient is that of one step (no eligibility), "
        "knows what each neuron carries of its own past (eligibility), and what the readout "
        "remembers of it, too (filtered). Mean squared error on 1000 test sequences; always "
        "answering the mean gives 0.15 to 0.18. Batches of 32.",
        add_eligibility_cells,
        5,
    ),
    "pixels-eligibility": Experiment(
        "FPTT with an update at every step, by descent, on 359 test samples of digits, a pixel a "
        "step. Batches of 64.",
        pixels_eligibility_cells,
        3,
    ),
    "feedforward": Experiment(
        "Layers without recurrent synapses, trained by FPTT: gates and adaptation are the only "
        "memory.",
        feedforward_cells,
        3,
    ),
}
"""Every experiment by its name."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one experiment and write its table."""
    parser = argparse.ArgumentParser(prog="python -m experiments.training", description=__doc__)
    parser.add_argument("name", choices=EXPERIMENTS)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the table")
    parser.add_argument("--build", type=Path, default=BUILD, help="folder of finished cells")
    parser.add_argument("--seeds", type=int, help="seeds per row")
    parser.add_argument("--epochs", type=int, help="epochs in place of each recipe's")
    parser.add_argument("--rate", type=float, help="learning rate in place of each recipe's")
    parser.add_argument("--updates", type=int, metavar="K", help="K in place of each recipe's")
    lengths = [100, 200, 500, 1000]
    parser.add_argument(
        "--steps", type=int, nargs="+", default=lengths, metavar="T", help="lengths of the Add task"
    )
    parser.add_argument("--only", help="cells whose names hold this text")
    parser.add_argument(
        "--finished", action="store_true", help="tabulate all finished cells, train nothing"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    experiment = EXPERIMENTS[options.name]
    seeds = range(experiment.seeds if options.seeds is None else options.seeds)
    cells = experiment.cells(
        Budget(seeds, options.epochs, options.rate, options.updates, options.steps)
    )
    if options.only:
        cells = [wanted for wanted in cells if options.only in wanted.name]
    folder = options.build / options.name
    if options.finished:
        measured = finished_cells(folder, options.only or "")
    else:
        try:
            measured = run_cells(cells, folder, show)
        except KeyboardInterrupt:
            sys.exit("stopped; the same command goes on from here")
    command = f"python -m experiments.training {options.name}"
    for flag in ("seeds", "epochs", "rate", "updates", "only"):
        if getattr(options, flag) is not None:
            command += f" --{flag} {getattr(options, flag)}"
    save(options.name, command, experiment.note, measured, options.out)


def show(name: str, record: EpochRecord) -> None:
    """One line per epoch."""
    line = f"{name} {record.epoch} {record.loss:.4g} {record.validation:.4g}\n"
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
