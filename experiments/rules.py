"""``python -m experiments.rules TASK``: rules of learning by neuron models on one task.

Every pair of a rule and a model first learns with the first seed at some rates; the one with the
best validation score goes on with the other seeds. Cells that are finished are read back, a killed
one goes on from its last epoch, so the same command continues where it stopped. ``python -m
experiments.rules table`` writes what is finished into ``docs/results/rules.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from experiments import rules_table
from experiments.rules_cells import Progress, Record, RuleCell, run_rule
from experiments.rules_networks import MODELS, RULES, Budget, budget_of, rule_task
from ltc2hw.errors import Ltc2hwError
from ltc2hw.tasks import Task
from ltc2hw.training import EpochRecord

BUILD, RESULTS = Path("build/experiments/rules"), Path("docs/results")
TABLE = "table"

RATES: Mapping[str, tuple[float, ...]] = {
    "ltc": (3e-3, 1e-2),
    "alif": (3e-3, 1e-2),
    "adlif": (2e-2, 5e-2),
    "brf": (1e-1, 3e-1),
}
"""Rates that each model's rules choose from; the synapses of oscillators are larger."""


@dataclass(frozen=True)
class Grid:
    """What is to be learned of one task."""

    task: Task
    budget: Budget
    rules: Sequence[str]
    models: Sequence[str]
    rates: Sequence[float] | None
    seeds: int

    def pairs(self) -> list[tuple[str, str]]:
        """Models with rules."""
        return [(model, rule) for model in self.models for rule in self.rules]

    def cell(self, model: str, rule: str, rate: float, seed: int) -> RuleCell:
        """One of its cells."""
        return RuleCell(self.task, model, rule, self.budget, rate, seed)


def run_grid(grid: Grid, folder: Path, progress: Progress | None = None) -> list[Record]:
    """All cells, the search of rates first; those of the chosen rates and of the search."""
    searched = {
        (model, rule): [
            run_rule(grid.cell(model, rule, rate, 0), folder, progress)
            for rate in grid.rates or RATES[model]
        ]
        for model, rule in grid.pairs()
    }
    further = [
        run_rule(grid.cell(*pair, rate, seed), folder, progress)
        for seed in range(1, grid.seeds)
        for pair, tried in searched.items()
        if (rate := chosen_rate(grid.task, tried)) is not None
    ]
    return [*(record for tried in searched.values() for record in tried), *further]


def chosen_rate(task: Task, tried: Sequence[Record]) -> float | None:
    """The rate of the best validation score; None where no run has one.

    >>> from ltc2hw.tasks import load_task
    >>> tried = [{"plan": {"recipe": {"training": {"learning_rate": 0.1}}}, "diverged": "..."}]
    >>> chosen_rate(load_task("add-4"), tried) is None
    True
    """
    best: Record | None = None
    for record in tried:
        if "validation" in record and (
            best is None or task.better(record["validation"], best["validation"])
        ):
            best = record
    return None if best is None else float(best["plan"]["recipe"]["training"]["learning_rate"])


def changed_budget(options: argparse.Namespace) -> Budget:
    """The task's budget with what options say.

    Raises:
        KeyError: for a task without one.
    """
    fields = ("epochs", "hidden", "batch", "updates", "samples", "test", "piece")
    said = {name: getattr(options, name) for name in fields if getattr(options, name) is not None}
    return replace(budget_of(options.task), **said)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m experiments.rules", description=__doc__)
    made.add_argument(
        "task",
        metavar="TASK",
        help="digits-rows, digits-pixels, add-T, cue-T, mackey-glass-15, mnist-rows, mnist-pixels, "
        "or table",
    )
    made.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    made.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    made.add_argument("--rates", type=float, nargs="+", help="rates to choose from")
    made.add_argument("--seeds", type=int, default=3, help="seeds at the chosen rate")
    made.add_argument("--epochs", type=int)
    made.add_argument("--hidden", type=int, metavar="N", help="neurons")
    made.add_argument("--batch", type=int)
    made.add_argument("--updates", type=int, metavar="K", help="of the rule fptt")
    made.add_argument("--samples", type=int, help="training samples")
    made.add_argument("--test", type=int, help="test samples")
    made.add_argument("--piece", type=int, help="steps that hypr and eprop take at a time")
    made.add_argument("--data-root", help="folder of data sets; else LTC2HW_DATA's")
    made.add_argument("--build", type=Path, default=BUILD, help="folder of finished cells")
    made.add_argument("--out", type=Path, default=RESULTS, help="folder of the table")
    return made


def show(name: str, record: EpochRecord) -> None:
    """One line per epoch."""
    sys.stdout.write(f"{name} {record.epoch} {record.loss:.4g} {record.validation:.4g}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the cells of a task, or write the table of all finished ones."""
    own = parser()
    options = own.parse_args(arguments)
    torch.set_num_threads(1)
    if options.task == TABLE:
        rules_table.save(rules_table.finished(options.build), options.out)
        return
    try:
        budget = changed_budget(options)
        task = rule_task(options.task, budget, options.data_root)
        grid = Grid(task, budget, options.rules, options.models, options.rates, options.seeds)
        found = run_grid(grid, options.build, show)
    except KeyError:
        own.exit(2, f"{own.prog}: error: no budget for task {options.task}\n")
    except Ltc2hwError as error:
        own.exit(2, f"{own.prog}: error: {error}\n")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
    print(rules_table.markdown(found))


if __name__ == "__main__":
    main()
