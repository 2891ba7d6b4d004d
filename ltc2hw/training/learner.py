"""What a training loop needs of a way to learn, and which way serves a module."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol, cast

import numpy.typing as npt
from torch import Tensor, nn

from ltc2hw.errors import InvalidValueError, UnsupportedError
from ltc2hw.neurons import GraphNetwork, LIFCell, LTCCell, ProgramCell, ReadoutCell, SpikingNetwork
from ltc2hw.neurons.entering import has_hooks
from ltc2hw.numbers.words import IntArray
from ltc2hw.tasks import Task
from ltc2hw.training.autograd import AutogradLearner
from ltc2hw.training.compiled import CompiledLearner
from ltc2hw.training.eligible import EligibleLearner, require_eligible
from ltc2hw.training.graphed import GraphedLearner
from ltc2hw.training.options import TrainingOptions
from ltc2hw.training.rounding import Rounder

Array = npt.NDArray[Any]

OWN_CELLS = (LTCCell, LIFCell, ReadoutCell, ProgramCell)


class Learner(Protocol):
    """A way to learn: batches in, updates made; all parameters are one vector."""

    def learn(
        self, x: Tensor, labels: Tensor, rate: float, lengths: IntArray | None = None
    ) -> list[float]:
        """Learn a batch x: (T, B, N_in), one update per window with a loss; their losses.

        ``lengths`` (B,): the samples' own steps, None where all have T. What comes after a sample's
        end counts for nothing; with lengths, x may be cut to the longest sample.

        The last loss may not be finite; then nothing was learned from it. There is none where no
        loss counts.

        Raises:
            LostUpdateError: if a gradient is not finite; nothing was learned from it, either.
        """

    def finish_pass(self) -> None:
        """After a pass: Φ ← Φ̄ with FPTT; the module has the parameters."""

    def deployed(self) -> AbstractContextManager[None]:
        """Within it, module and :meth:`values` are what would be deployed."""

    def judged(self) -> nn.Module:
        """The module that computes what would be deployed, of the parameters of now."""

    def values(self) -> Array:
        """A copy of all parameters."""

    def load(self, values: Array) -> None:
        """Overwrite all parameters, the module's too."""

    def state(self) -> dict[str, Array]:
        """Copies of everything that the next update depends on."""

    def restore(self, state: Mapping[str, Array]) -> None:
        """Continue from :meth:`state`."""


class CompiledNetworkLearner(CompiledLearner):
    """:class:`~ltc2hw.training.compiled.CompiledLearner` in a training loop."""

    def __init__(self, module: SpikingNetwork, task: Task, options: TrainingOptions) -> None:
        rounder = Rounder(module, task, options) if options.rounding == "all" else None
        super().__init__(
            module, task.kind, options, task.steps, task.every_step, task.heads, rounder
        )


def new_learner(module: nn.Module, task: Task, options: TrainingOptions) -> Learner:
    """The way to learn that the options name.

    Raises:
        UnsupportedError: if compiled learning is asked for and cannot do it, or the auxiliary loss
            for a regression, labels at every step or several labels; names why.
        InvalidValueError: if there are more updates per sequence than steps, or no such device.
    """
    if options.auxiliary:
        _require_one_class(task)
    if options.by_eligibility:
        return _eligible_learner(module, task, options)
    if isinstance(module, GraphNetwork):
        _require_possible(module, options)
    if options.device == "cuda":
        if options.rounding == "all":
            feature, remedy = "device 'cuda'", "use device 'cpu', or rounding 'weights'"
            reason = "scales are chosen anew after every epoch, on the CPU"
            raise UnsupportedError("rounding of everything", feature, reason, remedy)
        if options.backend == "compiled":
            remedy = "use backend 'auto', or device 'cpu'"
            raise UnsupportedError("compiled learning", "device 'cuda'", "CPU only", remedy)
        return GraphedLearner(module, task, options)
    if options.backend != "autograd":
        obstacle = compiled_obstacle(module, options)
        if obstacle is None:
            return CompiledNetworkLearner(cast(SpikingNetwork, module), task, options)
        if options.backend == "compiled":
            remedy = "use backend 'autograd', or 'auto'"
            raise UnsupportedError("compiled learning", *obstacle, remedy)
    return AutogradLearner(module, task, options)


def _eligible_learner(module: nn.Module, task: Task, options: TrainingOptions) -> EligibleLearner:
    """Learning from each neuron's own memory, where it can be done as asked for.

    Raises:
        UnsupportedError: naming what stands against it.
    """
    require_eligible(module, options)
    asked = (
        ("backend", options.backend, "compiled", "auto"),
        ("device", options.device, "cuda", "cpu"),
    )
    for name, chosen, refused, instead in asked:
        if chosen == refused:
            reason = "it runs by torch, on the CPU"
            remedy = f"use {name} '{instead}'"
            raise UnsupportedError("eligibility", f"{name} '{chosen}'", reason, remedy)
    obstacle = compiled_obstacle(module, replace(options, auxiliary=0.0))
    if obstacle is not None:
        raise UnsupportedError("eligibility", *obstacle, "use method 'fptt' or 'bptt'")
    return EligibleLearner(module, task, options)


def _require_one_class(task: Task) -> None:
    """Raise unless a task has what the auxiliary loss compares: one class per sequence."""
    remedy = "set auxiliary to 0"
    if task.kind == "regression":
        raise UnsupportedError("a regression", "the auxiliary loss", "it compares classes", remedy)
    if task.heads:
        reason = "it compares one answer"
        raise UnsupportedError("several labels", "the auxiliary loss", reason, remedy)
    if task.every_step:
        reason = "it holds a sequence to one answer"
        raise UnsupportedError("labels at every step", "the auxiliary loss", reason, remedy)


def _require_possible(module: GraphNetwork, options: TrainingOptions) -> None:
    """Raise for what does not go together with what messages pass in training."""
    norm = any(passage.norm for passage in module.passages)
    limit = "none beside batch norm, which changes weights when it is folded"
    remedy = "train without it first, then train the network further with it"
    if norm and options.weight_bits is not None:
        raise InvalidValueError("weight_bits", options.weight_bits, limit, remedy)
    if norm and options.rounding == "all":
        raise InvalidValueError("rounding", options.rounding, limit, remedy)
    if options.device == "cuda" and (norm or any(p.dropout for p in module.passages)):
        feature = "a captured graph would repeat the same numbers"
        raise UnsupportedError(
            "device 'cuda'", "dropout or batch norm", feature, "use device 'cpu'"
        )


def compiled_obstacle(module: nn.Module, options: TrainingOptions) -> tuple[str, str] | None:
    """What compiled learning would not do as the module says, and why; None if nothing.

    It sees parameters alone, each for itself, and makes the steps of this package's own classes.
    """
    if type(module) is not SpikingNetwork:
        return type(module).__name__, "a module that is not a SpikingNetwork"
    if options.auxiliary:
        return "the auxiliary loss", "autograd only"
    cells: tuple[nn.Module, ...] = (*module.cells, module.readout)
    for part in (module, *cells):
        if has_hooks(part):
            return type(part).__name__, "hooks"
    for cell in cells:
        if type(cell) not in OWN_CELLS:
            return type(cell).__name__, "a cell of a class of its own"
    held = [parameter for cell in cells for parameter in cell.parameters()]
    if len(held) != len(list(module.parameters())):
        return "the network", "parameters that are shared or beside its cells"
    if not all(parameter.requires_grad for parameter in held):
        return "the network", "parameters that are frozen"
    return None
