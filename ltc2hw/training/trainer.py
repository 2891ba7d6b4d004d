"""Training loops: FPTT and BPTT over a task, with validation, progress and checkpoints."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ltc2hw.errors import InvalidValueError, ShapeError, TrainingError
from ltc2hw.graph.images import require_same_image
from ltc2hw.graph.labels import labelled_steps
from ltc2hw.graph.network import Network
from ltc2hw.graph.samples import all_finite
from ltc2hw.neurons import GraphNetwork, SpikingNetwork, to_module
from ltc2hw.numbers.scalars import require_type
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.showing import Shown
from ltc2hw.tasks import Split, Task
from ltc2hw.tasks.moving import moved, require_movable
from ltc2hw.training.batch import LostUpdateError
from ltc2hw.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    require_same_plan,
    require_whole,
    save_checkpoint,
)
from ltc2hw.training.data import Batch, batches, to_tensors
from ltc2hw.training.learner import new_learner
from ltc2hw.training.loss import sample_losses, window_loss
from ltc2hw.training.model import build_network
from ltc2hw.training.options import Recipe, TrainingOptions, learning_rate


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch did: mean training loss, then loss and score on the validation samples."""

    epoch: int
    loss: float
    validation_loss: float
    validation: float
    learning_rate: float
    refused: int = 0
    """Rules of the chip and limits that integers break, where all rounding is trained through."""


Progress = Callable[[EpochRecord], None]


@dataclass(frozen=True, eq=False)
class TrainingResult(Shown):
    """The network of the best validation epoch, what happened, and its scores.

    ``module`` is a SpikingNetwork, or what :func:`train` was given to train.
    Trained through all rounding, scores are those of the integers that quantization makes of it.
    ``metrics``: ``epoch`` (the one chosen, :data:`BEFORE` for the start itself), and the task's
    score as ``train``, ``validation`` and ``test``. The test samples are looked at once, after the
    choice.
    """

    module: Any
    history: tuple[EpochRecord, ...]
    metrics: Mapping[str, float]

    def __repr__(self) -> str:
        scores = ", ".join(f"{n} {value:.4g}" for n, value in self.metrics.items() if n != "epoch")
        return (
            f"<TrainingResult: epoch {self.metrics.get('epoch')} of {len(self.history)}; {scores}>"
        )


BEFORE = -1
"""Epoch of what was there before the first."""

BLOCK_STEPS, BLOCK_SAMPLES = 25, 256
"""Steps and samples that are evaluated at a time; what is kept does not grow with either."""


@torch.no_grad()
def run_in_blocks(module: nn.Module, x: Tensor, lengths: IntArray | None = None) -> Tensor:
    """Outputs (T, B, N_out) of a module ``(x, state) -> (outputs, state)``.

    With ``lengths`` (B,) samples run together up to the longest one's end; later outputs are zero.
    """
    parts = []
    for first in range(0, x.shape[1], BLOCK_SAMPLES):
        samples = slice(first, first + BLOCK_SAMPLES)
        steps = len(x) if lengths is None else int(lengths[samples].max())
        state, outputs = None, []
        for block in torch.split(x[:steps, samples], BLOCK_STEPS):
            output, state = module(block, state)
            outputs.append(output)
        run = torch.cat(outputs)
        parts.append(run if steps == len(x) else pad(run, (0, 0, 0, 0, 0, len(x) - steps)))
    return torch.cat(parts, dim=1)


@contextmanager
def as_deployed(module: nn.Module) -> Iterator[None]:
    """Within it, a module computes what it will later: nothing is dropped, norms do not learn."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def evaluate(module: nn.Module, task: Task, split: Split) -> tuple[float, float]:
    """Mean loss, and the task's score, over all samples of a split.

    A sample's loss is that of its own last step; with labels at every step, the mean over its
    labelled steps.

    Raises:
        ShapeError, InvalidValueError: for samples, labels or outputs that are not the task's.
        TrainingError: for outputs that are not finite.
    """
    split = task.fitted(split, "evaluated")
    loss, judged = 0.0, []
    for piece in split.pieces():
        own, right = _judged(module, task, piece)
        loss += own * (piece.samples / split.samples)
        judged.append(right)
    return loss, float(np.mean(np.concatenate(judged)))


def _judged(module: nn.Module, task: Task, split: Split) -> tuple[float, FloatArray]:
    """Mean loss over some samples, and what the task's score is the mean of, (B,)."""
    x, labels = to_tensors(split)
    with as_deployed(module):
        outputs = run_in_blocks(module, x, split.lengths)
    if task.every_step:
        losses = sample_losses(task, outputs, labels).double()
        known = torch.from_numpy(labelled_steps(split.labels))
        loss = ((losses * known).sum(dim=0) / known.sum(dim=0)).mean()
    else:
        loss = window_loss(task, _last(outputs, split.lengths), labels, torch.ones(1))
    if not all_finite(outputs.numpy()):
        raise TrainingError("outputs of the network are not finite; lower the learning rate")
    return float(loss), task.judge(outputs.numpy(), split.labels, split.lengths)


def _last(outputs: Tensor, lengths: IntArray | None) -> Tensor:
    """Outputs of each sample's last step, (1, B, N_out)."""
    if lengths is None:
        return outputs[-1:]
    return outputs[torch.from_numpy(lengths - 1), torch.arange(len(lengths))][None]


def require_fit(module: nn.Module, task: Task) -> None:
    """Raise unless a network of this package has a task's inputs and outputs.

    Other modules are judged by what they give.

    Raises:
        ShapeError: naming the side that differs.
    """
    if isinstance(module, SpikingNetwork):
        sizes = module.cells[0].inputs, module.readout.size
    elif isinstance(module, GraphNetwork):
        network = module.template
        sizes = network.input.size, network.population(network.output).size
    else:
        return
    for what, found, wanted in (
        ("inputs", sizes[0], task.inputs),
        ("outputs", sizes[1], task.outputs),
    ):
        if found != wanted:
            raise ShapeError(f"{what} of the network", found, f"{wanted} for task {task.name}")
    if isinstance(module, GraphNetwork):
        shape = module.template.input.shape
        require_same_image(f"samples of {task.name}", task.shape, shape, "as the network has")


class Trainer:
    """One training run that can be advanced epoch by epoch, saved and restored.

    Raises:
        InvalidValueError: if there are more updates per sequence than steps.
        ShapeError: for a network that does not fit the task.
    """

    def __init__(
        self,
        task: Task,
        recipe: Recipe,
        module: nn.Module | None = None,
        start: Network | None = None,
    ) -> None:
        require_type("task", task, Task)
        require_type("recipe", recipe, Recipe)
        if recipe.training.shift:
            require_movable(task.shape, recipe.training.shift)
        self.task, self.recipe = task, recipe
        if start is not None:
            if module is not None:
                raise InvalidValueError("start", "given beside module", "one of them")
            require_type("start", start, Network)
            module = to_module(start)
        generator = torch.Generator().manual_seed(recipe.training.seed)
        self.module = build_network(task, recipe.model, generator) if module is None else module
        require_fit(self.module, task)
        self.learner = new_learner(self.module, task, recipe.training)
        self.start = "" if start is None else sha256(self.learner.values().tobytes()).hexdigest()
        self.history: list[EpochRecord] = []
        self.best: EpochRecord | None = None
        self.best_values = self.learner.values()

    @property
    def options(self) -> TrainingOptions:
        """How this run trains."""
        return self.recipe.training

    def run_epoch(self) -> EpochRecord:
        """One pass over the training samples, then a look at the validation samples.

        Raises:
            TrainingError: if a loss, a gradient or a parameter is not finite; names epoch and
                update.
            InvalidValueError: if the loss counts at no step that has a label.
        """
        if self.best is None:
            self._judge_start()
        epoch = len(self.history)
        rate = learning_rate(self.options, epoch)
        rng = np.random.default_rng((self.options.seed, epoch))
        if isinstance(self.module, GraphNetwork):
            self.module.reseed(self.options.seed, epoch)
        samples = self.task.epoch(rng) if self.options.augment else self.task.train
        if self.options.shift:
            samples = moved(samples, self.task.shape, self.options.shift, rng)
        losses: list[float] = []
        # One captured graph serves batches of one shape.
        cut = self.options.device == "cpu"
        for batch in batches(samples, self.options.batch_size, rng, cut):
            self._learn(batch, rate, losses)
        if not losses:
            weighting = self.options.loss_weighting
            limit, remedy = "one that counts a step with a label", "use 'uniform'"
            raise InvalidValueError("loss_weighting", weighting, limit, remedy)
        self.learner.finish_pass()
        with self.learner.deployed():
            deployed = self.learner.values()
            if not all_finite(deployed):
                raise self._diverged("the parameters are not finite", losses)
            judged = self.learner.judged()
            validation_loss, validation = evaluate(judged, self.task, self.task.validation)
        if not np.isfinite((validation_loss, validation)).all():
            raise self._diverged(f"the validation loss is {validation_loss}", losses)
        mean, refused = float(np.mean(losses)), getattr(judged, "refused", 0)
        record = EpochRecord(epoch, mean, validation_loss, validation, rate, refused)
        self.history.append(record)
        if self._beats(record, self.best):
            self.best, self.best_values = record, deployed
        return record

    def _judge_start(self) -> None:
        """A network that is trained further is the best until an epoch beats it.

        Not where weights are limited: its own may be beyond.
        """
        if not self.start or self.options.weight_limit is not None:
            return
        with self.learner.deployed():
            judged = self.learner.judged()
            loss, score = evaluate(judged, self.task, self.task.validation)
            self.best = EpochRecord(BEFORE, loss, loss, score, 0.0, getattr(judged, "refused", 0))
            self.best_values = self.learner.values()

    def _learn(self, batch: Batch, rate: float, losses: list[float]) -> None:
        """Learn a batch and append its losses.

        Raises:
            TrainingError: if a loss, a gradient or a parameter is not finite.
        """
        try:
            losses.extend(self.learner.learn(batch.x, batch.labels, rate, batch.lengths))
        except LostUpdateError as error:
            losses.extend(error.losses)
            raise self._diverged(error.what, losses) from error
        if losses and not np.isfinite(losses[-1]):
            raise self._diverged(f"the loss is {losses[-1]}", losses)
        if not all_finite(self.learner.values()):
            raise self._diverged("the parameters are not finite", losses)

    def _diverged(self, what: str, losses: Sequence[float]) -> TrainingError:
        """Training that broke down in this epoch, with its last update."""
        remedy = f"lower the learning rate ({self.options.learning_rate})"
        if not self.history and len(losses) == 1 and all_finite(self.learner.values()):
            remedy = (
                "nothing was learned yet, so it is not the rate: constants, weights, samples or"
                " targets are beyond what neurons or loss can follow (brf: dt times omega above 1)"
            )
        return TrainingError(
            f"{what} in epoch {len(self.history)}, update {len(losses) - 1}; {remedy}"
        )

    def _beats(self, record: EpochRecord, best: EpochRecord | None) -> bool:
        """Whether an epoch is better on validation; equal scores are decided by the loss.

        One whose integers a chip can hold is better than any that it cannot.
        """
        if best is not None and bool(record.refused) != bool(best.refused):
            return not record.refused
        if best is None or record.validation == best.validation:
            return best is None or record.validation_loss < best.validation_loss
        return self.task.better(record.validation, best.validation)

    def plan(self) -> dict[str, dict[str, Any]]:
        """What this run trains and how, in plain values."""
        task = {"name": self.task.name}
        if self.task.checksum is not None:
            task["data"] = self.task.checksum
        start = {"start": {"start network": self.start}} if self.start else {}
        return {"task": task, **start, **self.recipe.to_dict()}

    def checkpoint(self) -> Checkpoint:
        """The run as it stands after the last whole epoch."""
        arrays = {"best": self.best_values, **self.learner.state()}
        history = tuple(dataclasses.asdict(record) for record in self.history)
        return Checkpoint(self.plan(), history, arrays)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue a checkpoint of the same plan."""
        self._judge_start()
        state = dict(checkpoint.arrays)
        self.best_values = state.pop("best")
        self.learner.restore(state)
        self.history = [EpochRecord(**record) for record in checkpoint.history]
        for record in self.history:
            if self._beats(record, self.best):
                self.best = record

    def result(self) -> TrainingResult:
        """Take the best epoch's parameters and score them once on each split."""
        self.learner.load(self.best_values)
        judged = self.learner.judged()
        scores = {
            name: evaluate(judged, self.task, getattr(self.task, name))[1]
            for name in ("train", "validation", "test")
        }
        chosen = BEFORE if self.best is None else self.best.epoch
        self.module.eval()
        return TrainingResult(self.module, tuple(self.history), {"epoch": chosen, **scores})


def train(
    task: Task,
    recipe: Recipe,
    *,
    module: nn.Module | None = None,
    start: Network | None = None,
    progress: Progress | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> TrainingResult:
    """Train a network on a task; the best epoch is chosen on the validation samples alone.

    ``module``: any ``(x, state) -> (outputs, state)``, time first, whose state can ``detach()``
    itself, in place of the recipe's network. ``start``: a network to go on from, as
    :func:`~ltc2hw.neurons.to_module` makes a module of it; ``converters.torch.from_module`` makes
    a network of the result's.

    ``progress`` is called after every epoch. With ``checkpoint`` the run is saved there after
    every epoch, and continues from there if the file exists: an interrupted run then ends with
    the same bits as an uninterrupted one.

    Raises:
        InvalidValueError, UnknownNameError: for options without meaning, or a checkpoint of
            another run.
        DamagedFileError: if the checkpoint cannot be read.
        TrainingError: if a loss, a gradient or a parameter stops being finite.

    >>> from ltc2hw.tasks import load_task
    >>> from ltc2hw.training import ModelOptions, TrainingOptions
    >>> recipe = Recipe(ModelOptions(hidden=(8,)), TrainingOptions(updates=2, epochs=1))
    >>> len(train(load_task("add-4"), recipe).history)
    1
    """
    trainer = Trainer(task, recipe, module, start)
    if checkpoint is not None and Path(checkpoint).exists():
        saved = load_checkpoint(checkpoint)
        require_same_plan(saved.plan, trainer.plan(), checkpoint)
        require_whole(saved, trainer.checkpoint(), EpochRecord.__annotations__, checkpoint)
        trainer.restore(saved)
    while len(trainer.history) < recipe.training.epochs:
        record = trainer.run_epoch()
        if checkpoint is not None:
            save_checkpoint(trainer.checkpoint(), checkpoint)
        if progress is not None:
            progress(record)
    return trainer.result()
