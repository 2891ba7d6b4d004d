"""What a training loop needs of a way to learn, and which way serves a module."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy.typing as npt
from torch import Tensor, nn

from ltc2hw.errors import UnsupportedError
from ltc2hw.neurons import SpikingNetwork
from ltc2hw.tasks import Task
from ltc2hw.training.autograd import AutogradLearner
from ltc2hw.training.compiled import CompiledLearner
from ltc2hw.training.graphed import GraphedLearner
from ltc2hw.training.options import TrainingOptions, loss_weights, updates_of, windows

Array = npt.NDArray[Any]


class Learner(Protocol):
    """A way to learn: batches in, updates made; all parameters are one vector."""

    def learn(self, x: Tensor, labels: Tensor, rate: float) -> list[float]:
        """Learn a batch x: (T, B, N_in), one update per window with a loss; their losses.

        The last loss may not be finite; then nothing was learned from it.
        """

    def finish_pass(self) -> None:
        """After a pass: Φ ← Φ̄ with FPTT; the module has the parameters."""

    def deployed(self) -> AbstractContextManager[None]:
        """Within it, module and :meth:`values` are what would be deployed."""

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
        edges = (0, *(part.stop for part in windows(task.steps, updates_of(options))))
        weights = loss_weights(options.loss_weighting, task.steps)
        super().__init__(module, task.kind, options, weights, edges)


def new_learner(module: nn.Module, task: Task, options: TrainingOptions) -> Learner:
    """The way to learn that the options name.

    Raises:
        UnsupportedError: if compiled learning is asked for and cannot do it, or the auxiliary loss
            for a regression; names why.
        InvalidValueError: if there are more updates per sequence than steps, or no such device.
    """
    if options.auxiliary and task.kind == "regression":
        remedy = "set auxiliary to 0"
        raise UnsupportedError("a regression", "the auxiliary loss", "it compares classes", remedy)
    if options.device == "cuda":
        if options.backend == "compiled":
            remedy = "use backend 'auto', or device 'cpu'"
            raise UnsupportedError("compiled learning", "device 'cuda'", "CPU only", remedy)
        return GraphedLearner(module, task, options)
    if options.backend != "autograd":
        if isinstance(module, SpikingNetwork) and not options.auxiliary:
            return CompiledNetworkLearner(module, task, options)
        if options.backend == "compiled":
            raise _not_compiled(module)
    return AutogradLearner(module, task, options)


def _not_compiled(module: nn.Module) -> UnsupportedError:
    """Why compiled learning cannot serve a module."""
    remedy = "use backend 'autograd', or 'auto'"
    if isinstance(module, SpikingNetwork):
        return UnsupportedError("compiled learning", "the auxiliary loss", "autograd only", remedy)
    obstacle = "a module that is not a SpikingNetwork"
    return UnsupportedError("compiled learning", type(module).__name__, obstacle, remedy)
