"""One cell of :mod:`experiments.rules`: a rule, a model, a task, a rate and a seed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.cells import commit, deploy
from experiments.rules_cost import cost
from experiments.rules_gradients import nearness
from experiments.rules_networks import Budget, rule_network, rule_recipe, starts_of
from ltc2hw.errors import HardwareRuleError, TrainingError, UnsupportedError
from ltc2hw.files.atomic import write_text
from ltc2hw.neurons import SpikingNetwork
from ltc2hw.tasks import Task
from ltc2hw.tasks.mackey_glass import persistence
from ltc2hw.training import EpochRecord, Recipe, TrainingResult, train
from ltc2hw.training.learner import new_learner
from ltc2hw.training.options import complete

Record = Mapping[str, Any]
Progress = Callable[[str, EpochRecord], None]

NO_EPOCH = -1


@dataclass(frozen=True)
class RuleCell:
    """What is learned, and how."""

    task: Task
    model: str
    rule: str
    budget: Budget
    rate: float
    seed: int

    @property
    def recipe(self) -> Recipe:
        """The recipe of the run."""
        made = rule_recipe(self.task, self.model, self.rule, self.budget)
        return made.with_training(learning_rate=self.rate, seed=self.seed)

    @property
    def name(self) -> str:
        """A file name that no other cell of a budget has."""
        place = f"{self.task.name}-{self.model}-{self.rule}"
        return f"{place}-lr{self.rate:g}-e{self.budget.epochs}-seed{self.seed}"

    @property
    def plan(self) -> dict[str, Any]:
        """All that the run's figures depend on, as a file holds it."""
        plan = {
            "task": self.task.name,
            "samples": {
                part: getattr(self.task, part).samples for part in ("train", "validation", "test")
            },
            "decision_steps": self.task.decision_steps,
            "model": self.model,
            "rule": self.rule,
            "starts": starts_of(self.model, self.budget),
            "recipe": self.recipe.to_dict(),
        }
        held: dict[str, Any] = json.loads(json.dumps(plan))
        return held


def run_rule(cell: RuleCell, folder: Path, progress: Progress | None = None) -> Record:
    """Train, compare gradients, measure and deploy; or read what an earlier run found.

    A killed run goes on from its last epoch. A rule that a model refuses, and a run that breaks
    down, have a record, too: it says why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{cell.name}.json"
    if path.exists():
        found: Record = json.loads(path.read_text(encoding="utf-8"))
        if _whole(found["plan"]) == _whole(cell.plan):
            return found
    measured: dict[str, Any] = {"plan": cell.plan, "name": cell.name, "metric": cell.task.metric}
    try:
        measured |= _found(cell, folder, progress)
    except UnsupportedError as error:
        measured["refused"] = str(error)
    except TrainingError as error:
        measured["diverged"] = str(error)
    measured["commit"] = commit()
    write_text(path, json.dumps(measured, indent=1) + "\n")
    for suffix in SIDES:
        (folder / f"{cell.name}{suffix}").unlink(missing_ok=True)
    return measured


def _whole(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan with the options that came after it was written."""
    return {**plan, "recipe": complete(plan["recipe"])}


SIDES = (".npz", ".cosines")
"""Of files beside the record while a run is not finished."""


def _found(cell: RuleCell, folder: Path, progress: Progress | None) -> dict[str, Any]:
    recipe, task = cell.recipe, cell.task
    module = rule_network(task, cell.model, recipe, cell.budget)
    # Refused before any work is done.
    new_learner(module, task, recipe.training)
    module = rule_network(task, cell.model, recipe, cell.budget)
    looks = Looks(cell, module, folder / f"{cell.name}.cosines")
    begin = time.process_time()

    def each_epoch(record: EpochRecord) -> None:
        looks.after(record.epoch)
        if progress is not None:
            progress(cell.name, record)

    looks.after(NO_EPOCH)
    checkpoint = folder / f"{cell.name}.npz"
    result = train(task, recipe, module=module, progress=each_epoch, checkpoint=checkpoint)
    return {
        "float": result.metrics["test"],
        "validation": result.metrics["validation"],
        "epoch": result.metrics["epoch"],
        "history": [asdict(record) for record in result.history],
        "gradients": looks.found,
        **trivial(task),
        "seconds": time.process_time() - begin,
        **cost(module, task, recipe.training),
        **_deployed(task, result),
    }


class Looks:
    """The gradients of a run's network at its start, its middle and its end, kept in a file."""

    def __init__(self, cell: RuleCell, module: SpikingNetwork, path: Path) -> None:
        self.cell, self.module, self.path = cell, module, path
        epochs = cell.budget.epochs
        self.wanted = (NO_EPOCH, (epochs - 1) // 2, epochs - 1)
        self.found: list[dict[str, float]] = []
        if path.exists():
            self.found = json.loads(path.read_text(encoding="utf-8"))

    def after(self, epoch: int) -> None:
        """Look if this is an epoch to look at, and none has."""
        if epoch not in self.wanted or any(look["epoch"] == epoch for look in self.found):
            return
        near = nearness(self.module, self.cell.task, self.cell.recipe.training)
        self.found.append({"epoch": epoch, **near})
        write_text(self.path, json.dumps(self.found))


def trivial(task: Task) -> dict[str, float]:
    """Test scores of answers that see no input, and of a series' last number.

    ``trivial``: of the commonest class, or the mean target, of the training samples;
    ``persistence``: of answering what has just arrived, for a series to be predicted.
    """
    if task.kind == "classification":
        commonest = int(np.bincount(task.train.labels.ravel()).argmax())
        return {"trivial": float(np.mean(task.test.labels == commonest))}
    axes = tuple(range(task.train.labels.ndim - 1))
    mean = np.nanmean(task.train.labels, axis=axes)
    found = {"trivial": float(np.nanmean((task.test.labels - mean) ** 2))}
    if task.name.startswith("mackey-glass"):
        found["persistence"] = persistence(task.test)
    return found


def _deployed(task: Task, result: TrainingResult) -> dict[str, Any]:
    """The int8 network's score; why there is none where the chip's rules do not allow it."""
    try:
        found = deploy(task, result)
    except (HardwareRuleError, UnsupportedError) as error:
        return {"undeployed": str(error)}
    return {name: found[name] for name in ("integer", "saturations", "allowed", "spikes_per_step")}
