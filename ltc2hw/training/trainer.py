"""Training loops: FPTT and BPTT over a task, with validation, progress and checkpoints."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltc2hw.errors import TrainingError
from ltc2hw.neurons import NetworkState, SpikingNetwork
from ltc2hw.tasks import Split, Task
from ltc2hw.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    require_same_plan,
    save_checkpoint,
)
from ltc2hw.training.data import batches, to_tensors
from ltc2hw.training.flat import FlatParameters
from ltc2hw.training.fptt import FPTT
from ltc2hw.training.grid import WeightGrid
from ltc2hw.training.loss import window_loss
from ltc2hw.training.model import build_network, is_synaptic
from ltc2hw.training.options import (
    OptimizerName,
    Recipe,
    TrainingOptions,
    learning_rate,
    loss_weights,
    windows,
)

OPTIMIZERS: dict[OptimizerName, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
}


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch did: mean training loss, then loss and score on the validation samples."""

    epoch: int
    loss: float
    validation_loss: float
    validation: float
    learning_rate: float


Progress = Callable[[EpochRecord], None]


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The network of the best validation epoch, what happened, and its scores.

    ``metrics``: ``epoch`` (the one chosen), and the task's score as ``train``, ``validation`` and
    ``test``. The test samples are looked at once, after the choice.
    """

    module: SpikingNetwork
    history: tuple[EpochRecord, ...]
    metrics: Mapping[str, float]


@torch.no_grad()
def evaluate(module: SpikingNetwork, task: Task, split: Split) -> tuple[float, float]:
    """Loss at the last step, and the task's score, over all samples of a split."""
    x, labels = to_tensors(split)
    outputs, _ = module(x)
    loss = window_loss(task, outputs[-1:], labels, torch.ones(1))
    return float(loss), task.score(outputs.numpy(), split.labels)


def weight_bounds(module: SpikingNetwork, limit: float | None) -> Tensor | None:
    """``limit`` for each synaptic weight and infinity for all else, in the order of the parameters.

    >>> from ltc2hw.neurons import LTCCell, ReadoutCell
    >>> module = SpikingNetwork([LTCCell(1, 1, gate="static")], ReadoutCell(1, 1))
    >>> weight_bounds(module, 2.0).tolist()
    [2.0, 2.0, inf, inf, inf, 2.0, inf, inf]
    """
    if limit is None:
        return None
    return torch.cat(
        [
            torch.full((p.numel(),), limit if is_synaptic(name, p) else float("inf"))
            for name, p in module.named_parameters()
            if p.requires_grad
        ]
    )


class Trainer:
    """One training run that can be advanced epoch by epoch, saved and restored.

    Raises:
        InvalidValueError: if there are more updates per sequence than steps.
    """

    def __init__(self, task: Task, recipe: Recipe) -> None:
        self.task, self.recipe = task, recipe
        options = recipe.training
        updates = options.updates if options.method == "fptt" else 1
        self.windows = windows(task.steps, updates)
        self.weights = torch.from_numpy(loss_weights(options.loss_weighting, task.steps)).float()
        generator = torch.Generator().manual_seed(options.seed)
        self.module = build_network(task, recipe.model, generator)
        self.flat = FlatParameters(self.module)
        self.bounds = weight_bounds(self.module, options.weight_limit)
        bits = options.weight_bits
        self.grid = None if bits is None else WeightGrid(self.module, bits)
        self.optimizer = OPTIMIZERS[options.optimizer](
            [self.flat.parameter], lr=options.learning_rate
        )
        self.fptt = (
            FPTT([self.flat.parameter], alpha=options.alpha, beta=options.beta)
            if options.method == "fptt"
            else None
        )
        self.history: list[EpochRecord] = []
        self.best: EpochRecord | None = None
        self.best_values = self.flat.values()

    @property
    def options(self) -> TrainingOptions:
        """How this run trains."""
        return self.recipe.training

    def run_epoch(self) -> EpochRecord:
        """One pass over the training samples, then a look at the validation samples.

        Raises:
            TrainingError: if the loss is not finite; names epoch and update.
        """
        epoch = len(self.history)
        rate = learning_rate(self.options, epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng((self.options.seed, epoch))
        samples = self.task.epoch(rng) if self.options.augment else self.task.train
        losses: list[float] = []
        self._fit_grid()
        for x, labels in batches(samples, self.options.batch_size, rng):
            losses.extend(self._learn_batch(x, labels, len(losses)))
        if self.fptt is not None:
            self.fptt.finish_pass()
            self._limit_weights()
        self._fit_grid()
        with self._rounded_weights():
            validation_loss, validation = evaluate(self.module, self.task, self.task.validation)
            deployed = self.flat.values()
        record = EpochRecord(epoch, float(np.mean(losses)), validation_loss, validation, rate)
        self.history.append(record)
        if self._beats(record, self.best):
            self.best, self.best_values = record, deployed
        return record

    def _beats(self, record: EpochRecord, best: EpochRecord | None) -> bool:
        """Whether an epoch is better on validation; equal scores are decided by the loss."""
        if best is None or record.validation == best.validation:
            return best is None or record.validation_loss < best.validation_loss
        return self.task.better(record.validation, best.validation)

    def _learn_batch(self, x: Tensor, labels: Tensor, done: int) -> list[float]:
        """All windows of one batch, one update each; the state crosses windows detached."""
        losses: list[float] = []
        state: NetworkState | None = None
        for window in self.windows:
            weights = self.weights[window]
            if not bool(weights.any()):
                with torch.no_grad(), self._rounded_weights():
                    _, state = self.module(x[window], state)
                continue
            self.flat.zero_grad()
            with self._rounded_weights():
                outputs, state = self.module(x[window], state)
                loss = window_loss(self.task, outputs, labels, weights)
                value = float(loss.detach())
                if not np.isfinite(value):
                    raise TrainingError(
                        f"the loss is {value} in epoch {len(self.history)}, update "
                        f"{done + len(losses)}; lower the learning rate "
                        f"({self.options.learning_rate})"
                    )
                torch.autograd.backward(loss)
            self._update()
            state = state.detach()
            losses.append(value)
        return losses

    def _update(self) -> None:
        if self.fptt is not None:
            self.fptt.step(self.optimizer, self.options.clip)
        else:
            torch.nn.utils.clip_grad_norm_([self.flat.parameter], self.options.clip)
            self.optimizer.step()
        self._limit_weights()

    def _fit_grid(self) -> None:
        if self.grid is not None:
            self.grid.fit(self.flat.values())

    @contextmanager
    def _rounded_weights(self) -> Iterator[None]:
        """Weights as the chip will hold them; gradients land on those that are not rounded."""
        if self.grid is None:
            yield
            return
        values = self.flat.values()
        self.flat.load(self.grid.round(values))
        try:
            yield
        finally:
            self.flat.load(values)

    def _limit_weights(self) -> None:
        if self.bounds is not None:
            self.flat.limit(self.bounds)

    def plan(self) -> dict[str, dict[str, Any]]:
        """What this run trains and how, in plain values."""
        return {"task": {"name": self.task.name}, **self.recipe.to_dict()}

    def checkpoint(self) -> Checkpoint:
        """The run as it stands after the last whole epoch."""
        arrays = {
            "parameters": self.flat.values().numpy(),
            "best": self.best_values.numpy(),
        }
        state = self.optimizer.state_dict()["state"].get(0, {})
        # Some versions of torch keep an empty place for a momentum that is not used.
        arrays.update(
            {f"optimizer.{name}": np.asarray(v) for name, v in state.items() if v is not None}
        )
        if self.fptt is not None:
            memories = self.fptt.state_dict()
            arrays.update({f"fptt.{name}": value[0].numpy() for name, value in memories.items()})
        history = tuple(dataclasses.asdict(record) for record in self.history)
        return Checkpoint(self.plan(), history, arrays)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue a checkpoint of the same plan."""
        tensors = {name: torch.from_numpy(value) for name, value in checkpoint.arrays.items()}
        self.flat.load(tensors["parameters"])
        self.best_values = tensors["best"]
        groups = self.optimizer.state_dict()["param_groups"]
        state = {
            name.removeprefix("optimizer."): value
            for name, value in tensors.items()
            if name.startswith("optimizer.")
        }
        self.optimizer.load_state_dict(
            {"state": {0: state} if state else {}, "param_groups": groups}
        )
        if self.fptt is not None:
            names = self.fptt.state_dict()
            self.fptt.load_state_dict({name: [tensors[f"fptt.{name}"]] for name in names})
        self.history = [EpochRecord(**record) for record in checkpoint.history]
        for record in self.history:
            if self._beats(record, self.best):
                self.best = record

    def result(self) -> TrainingResult:
        """Take the best epoch's parameters and score them once on each split."""
        self.flat.load(self.best_values)
        scores = {
            name: evaluate(self.module, self.task, getattr(self.task, name))[1]
            for name in ("train", "validation", "test")
        }
        chosen = -1 if self.best is None else self.best.epoch
        return TrainingResult(self.module, tuple(self.history), {"epoch": chosen, **scores})


def train(
    task: Task,
    recipe: Recipe,
    *,
    progress: Progress | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> TrainingResult:
    """Train a network on a task; the best epoch is chosen on the validation samples alone.

    ``progress`` is called after every epoch. With ``checkpoint`` the run is saved there after
    every epoch, and continues from there if the file exists: an interrupted run then ends with
    the same bits as an uninterrupted one.

    Raises:
        InvalidValueError, UnknownNameError: for options without meaning, or a checkpoint of
            another run.
        DamagedFileError: if the checkpoint cannot be read.
        TrainingError: if the loss stops being finite.

    >>> from ltc2hw.tasks import load_task
    >>> from ltc2hw.training import ModelOptions, TrainingOptions
    >>> recipe = Recipe(ModelOptions(hidden=(8,)), TrainingOptions(updates=2, epochs=1))
    >>> len(train(load_task("add-4"), recipe).history)
    1
    """
    trainer = Trainer(task, recipe)
    if checkpoint is not None and Path(checkpoint).exists():
        saved = load_checkpoint(checkpoint)
        require_same_plan(saved.plan, trainer.plan(), checkpoint)
        trainer.restore(saved)
    while len(trainer.history) < recipe.training.epochs:
        record = trainer.run_epoch()
        if checkpoint is not None:
            save_checkpoint(trainer.checkpoint(), checkpoint)
        if progress is not None:
            progress(record)
    return trainer.result()
