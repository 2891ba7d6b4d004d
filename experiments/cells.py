"""One cell of an experiment: a training run, its figures, and its deployment on integers."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltc2hw import FixedNetwork, Network, QuantizeOptions, quantize, simulate
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.converters.torch import from_module
from ltc2hw.errors import HardwareRuleError, InvalidValueError
from ltc2hw.files.atomic import write_text
from ltc2hw.neurons import GATES
from ltc2hw.neurons.lstm import LSTMNetwork
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.tasks import Task, load_task
from ltc2hw.training import EpochRecord, Recipe, TrainingResult, train
from ltc2hw.training.checkpoint import load_checkpoint, require_same_plan, require_whole
from ltc2hw.training.options import DESCENTS, complete
from ltc2hw.training.trainer import Trainer

LSTM = "lstm"
CALIBRATION = 256
"""Training samples that choose the integers' scales."""

PIECE = 250
"""Test samples that run at a time."""


@dataclass(frozen=True)
class Cell:
    """What is trained: a task, a network with its method, and a seed.

    ``network`` is how the table calls it; ``lstm`` trains an LSTM as wide as the recipe's layer.
    """

    task: str
    network: str
    recipe: Recipe

    @property
    def name(self) -> str:
        """A file name that no other cell of a table has."""
        training = self.recipe.training
        updates = f"k{training.updates}" if training.method == "fptt" else "bptt"
        if training.descent != "instantaneous":
            updates += f"-{training.descent}"
        rate = f"lr{training.learning_rate:g}"
        epochs = f"e{training.epochs}"
        return f"{self.task}-{self.network}-{updates}-{rate}-{epochs}-seed{training.seed}"

    @property
    def row(self) -> str:
        """What seeds are averaged over."""
        return self.name.rpartition("-")[0]


Progress = Callable[[str, EpochRecord], None]


def run_cell(
    cell: Cell, folder: Path, progress: Progress | None = None, task: Task | None = None
) -> Mapping[str, Any]:
    """Train and deploy, or read what an earlier run found; killed runs continue.

    ``task`` is what the cell's task is here, in place of the one of that name.

    Raises:
        TrainingError: if the loss stops being finite.
    """
    path = folder / f"{cell.name}.json"
    plan = {"task": cell.task, "network": cell.network, **cell.recipe.to_dict()}
    if path.exists():
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if complete(found["plan"]) == complete(plan):
            return found
    task = load_task(cell.task) if task is None else task
    if cell.task.startswith("add"):
        # Generated samples are plenty; a fourth of them chooses the epoch.
        task = dataclasses.replace(task, validation=task.validation.take(np.arange(256)))
    begin = time.perf_counter()
    timed = folder / f"{cell.name}.seconds"
    before = float(timed.read_text(encoding="utf-8")) if timed.exists() else 0.0

    def each_epoch(record: EpochRecord) -> None:
        write_text(timed, str(before + time.perf_counter() - begin))
        if progress is not None:
            progress(cell.name, record)

    checkpoint = folder / f"{cell.name}.npz"
    module = None
    if cell.network == LSTM:
        width = cell.recipe.model.hidden[0]
        seed = cell.recipe.training.seed
        module = LSTMNetwork(task.inputs, width, task.outputs, seed=seed)
    result = train(task, cell.recipe, module=module, progress=each_epoch, checkpoint=checkpoint)
    measured = figures(cell, task, result, float(timed.read_text(encoding="utf-8")))
    write_text(path, json.dumps(measured, indent=1))
    checkpoint.unlink()
    timed.unlink()
    return measured


def so_far(cell: Cell, folder: Path, task: Task) -> Mapping[str, Any]:
    """What a stopped run has found until now; it can still go on, by :func:`run_cell`.

    Written as ``NAME-afterN.json`` for N epochs; its row is one of its own.

    Raises:
        InvalidValueError: without a checkpoint, or for one of another run.
        DamagedFileError: if the checkpoint cannot be read.
    """
    path = folder / f"{cell.name}.npz"
    if not path.exists():
        remedy = "the same command without it starts the run"
        raise InvalidValueError("run that was stopped", f"no {path}", "its checkpoint", remedy)
    trainer, saved = Trainer(task, cell.recipe), load_checkpoint(path)
    require_same_plan(saved.plan, trainer.plan(), path)
    require_whole(saved, trainer.checkpoint(), EpochRecord.__annotations__, path)
    trainer.restore(saved)
    seconds = float((folder / f"{cell.name}.seconds").read_text(encoding="utf-8"))
    measured = figures(cell, task, trainer.result(), seconds)
    after = f"-after{len(saved.history)}"
    measured = {**measured, "name": cell.name + after, "row": cell.row + after}
    write_text(folder / f"{cell.name}{after}.json", json.dumps(measured, indent=1))
    return measured


def figures(cell: Cell, task: Task, result: TrainingResult, seconds: float) -> dict[str, Any]:
    """What a run found, in plain values; with its deployment, but for an LSTM."""
    epochs = len(result.history)
    measured: dict[str, Any] = {
        "plan": {"task": cell.task, "network": cell.network, **cell.recipe.to_dict()},
        "name": cell.name,
        "row": cell.row,
        "metric": task.metric,
        "float": result.metrics["test"],
        "validation": result.metrics["validation"],
        "epoch": result.metrics["epoch"],
        "updates": updates(task, cell.recipe.with_training(epochs=epochs)),
        "seconds": seconds,
        "commit": commit(),
        "history": [dataclasses.asdict(record) for record in result.history],
    }
    if cell.network != LSTM:
        measured.update(deploy(task, result))
    return measured


def updates(task: Task, recipe: Recipe) -> int:
    """Parameter updates of a whole run."""
    options = recipe.training
    batches = -(-task.train.samples // options.batch_size)
    return options.epochs * batches * (options.updates if options.method == "fptt" else 1)


def deploy(task: Task, result: TrainingResult) -> dict[str, Any]:
    """The int8 network on test samples: its score, spikes per step, saturated values.

    ``allowed`` is the limit that it breaks, if any; ``fast_seconds`` what a sample takes.
    """
    calibration = task.train.take(np.arange(min(CALIBRATION, task.train.samples)))
    fixed, allowed = to_integers(from_module(result.module), calibration.x)
    spikes, score, saturated, seconds = 0.0, 0.0, 0, 0.0
    samples = np.arange(task.test.samples)
    pieces = np.array_split(samples, -(-len(samples) // PIECE))
    # What is compiled for the first time is not what samples take.
    simulate(fixed, task.test.take(pieces[0]).x, "fast", ("spikes",))
    for part in pieces:
        test = task.test.take(part)
        begin = time.perf_counter()
        trace = simulate(fixed, test.x, "fast", ("spikes",))
        seconds += time.perf_counter() - begin
        spikes += sum(float(array.sum()) for array in trace.spikes.values())
        saturated += sum(sum(counts.values()) for counts in trace.saturations.values())
        score += task.score(real_outputs(fixed, trace), test.labels) * len(part)
    return {
        "integer": score / len(samples),
        "spikes_per_step": spikes / (task.steps * len(samples)),
        "saturations": saturated,
        "allowed": allowed,
        "fast_seconds": seconds / len(samples),
    }


def to_integers(network: Network, calibration: FloatArray) -> tuple[FixedNetwork, list[str]]:
    """The int8 network, and the limits that had to be allowed: its score says what they cost.

    A gate's leak at rest may be more than a tenth off where spikes move it all the time.

    Raises:
        HardwareRuleError: for what nothing allows.
    """
    try:
        return quantize(network, "loihi2", calibration), []
    except HardwareRuleError as error:
        broken = {violation.rule for violation in error.violations}
        allowed = sorted(broken & set(LIMITS))
        options = QuantizeOptions(allow=tuple(allowed))
        return quantize(network, "loihi2", calibration, options), allowed


def commit() -> str:
    """What of the repository ran, with a + where files differ from it; empty outside of one."""
    command = ("git", "describe", "--always", "--dirty=+", "--exclude=*")
    try:
        found = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip()


def run_cells(
    cells: Sequence[Cell], folder: Path, progress: Progress | None = None
) -> list[Mapping[str, Any]]:
    """All cells, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    return [run_cell(cell, folder, progress) for cell in cells]


def finished_cells(folder: Path, text: str) -> list[Mapping[str, Any]]:
    """What earlier runs found, of all budgets, by task, method, network and seed.

    Only cells whose names hold ``text``.
    """
    paths = [path for path in folder.glob("*.json") if text in path.stem]
    cells = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return sorted(cells, key=_place)


def _place(cell: Mapping[str, Any]) -> tuple[str | int | float, ...]:
    plan = cell["plan"]
    training = plan["training"]
    name, _, steps = plan["task"].rpartition("-")
    length = int(steps) if steps.isdigit() else 0
    order = (*GATES, LSTM).index(plan["network"])
    updates = training["updates"] if training["method"] == "fptt" else 0
    descent = DESCENTS.index(training.get("descent", DESCENTS[0]))
    fast, how_long = -training["learning_rate"], training["epochs"]
    return name, length, steps, order, -updates, descent, fast, how_long, training["seed"]
