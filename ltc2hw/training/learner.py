"""What a training loop needs of a way to learn, and the way that serves any torch module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ltc2hw.errors import UnsupportedError
from ltc2hw.neurons import SpikingNetwork
from ltc2hw.tasks import Task
from ltc2hw.training.compiled import CompiledLearner
from ltc2hw.training.flat import FlatParameters
from ltc2hw.training.fptt import FPTT
from ltc2hw.training.grid import WeightGrid, matrices_of, rounded, weight_bounds
from ltc2hw.training.loss import auxiliary_loss, window_loss
from ltc2hw.training.options import OptimizerName, TrainingOptions, loss_weights, windows

Array = npt.NDArray[Any]

OPTIMIZERS: dict[OptimizerName, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
}


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


class AutogradLearner:
    """Learns any module ``(x, state) -> (outputs, state)`` whose state can ``detach()`` itself."""

    def __init__(self, module: nn.Module, task: Task, options: TrainingOptions) -> None:
        self.module, self.task, self.options = module, task, options
        self.windows = windows(task.steps, updates_of(options))
        self.weights = torch.from_numpy(loss_weights(options.loss_weighting, task.steps)).float()
        self.progress = torch.from_numpy(loss_weights("ramp", task.steps)).float()
        self.flat = FlatParameters(module)
        matrices, start = matrices_of(module), self.values()
        self.bounds = torch.from_numpy(weight_bounds(options.weight_limit, start, matrices))
        self.grid = (
            None
            if options.weight_bits is None
            else WeightGrid(options.weight_bits, np.zeros_like(start), matrices)
        )
        self._fit_grid()
        self.optimizer = OPTIMIZERS[options.optimizer](
            [self.flat.parameter], lr=options.learning_rate
        )
        self.fptt = (
            FPTT([self.flat.parameter], alpha=options.alpha, beta=options.beta)
            if options.method == "fptt"
            else None
        )

    def learn(self, x: Tensor, labels: Tensor, rate: float) -> list[float]:
        """All windows of a batch, one update each; the state crosses windows detached."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses: list[float] = []
        state: Any = None
        guess = torch.full((x.shape[1], self.task.outputs), 1.0 / self.task.outputs)
        for window in self.windows:
            weights = self.weights[window]
            if not bool(weights.any()):
                with torch.no_grad(), self.deployed():
                    _, state = self.module(x[window], state)
                continue
            self.flat.zero_grad()
            with self.deployed():
                outputs, state = self.module(x[window], state)
                loss = window_loss(self.task, outputs, labels, weights)
                if self.options.auxiliary:
                    second = auxiliary_loss(outputs, guess, self.progress[window])
                    loss = loss + self.options.auxiliary * second
                    guess = outputs[-1].detach().softmax(dim=-1)
                losses.append(float(loss.detach()))
                if not np.isfinite(losses[-1]):
                    break
                torch.autograd.backward(loss)
            self._update()
            state = state.detach()
        return losses

    def finish_pass(self) -> None:
        """Φ ← Φ̄ with FPTT."""
        if self.fptt is not None:
            self.fptt.finish_pass()
            self._limit_weights()
        self._fit_grid()

    def deployed(self) -> AbstractContextManager[None]:
        """Weights as the chip will hold them; gradients land on those that are not rounded."""
        return rounded(self, self.grid)

    def values(self) -> Array:
        """A copy of all parameters."""
        values: Array = self.flat.values().numpy()
        return values

    def load(self, values: Array) -> None:
        """Overwrite all parameters."""
        self.flat.load(torch.from_numpy(values))

    def state(self) -> dict[str, Array]:
        """Parameters, the optimizer's entries and FPTT's memories."""
        arrays = {"parameters": self.values()}
        state = self.optimizer.state_dict()["state"].get(0, {})
        # Some versions of torch keep an empty place for a momentum that is not used.
        arrays.update(
            {f"optimizer.{name}": np.asarray(v) for name, v in state.items() if v is not None}
        )
        if self.fptt is not None:
            memories = self.fptt.state_dict()
            arrays.update({f"fptt.{name}": value[0].numpy() for name, value in memories.items()})
        return arrays

    def restore(self, state: Mapping[str, Array]) -> None:
        """Continue from :meth:`state`."""
        tensors = {name: torch.from_numpy(value) for name, value in state.items()}
        self.flat.load(tensors["parameters"])
        self._fit_grid()
        groups = self.optimizer.state_dict()["param_groups"]
        entries = {
            name.removeprefix("optimizer."): value
            for name, value in tensors.items()
            if name.startswith("optimizer.")
        }
        self.optimizer.load_state_dict(
            {"state": {0: entries} if entries else {}, "param_groups": groups}
        )
        if self.fptt is not None:
            names = self.fptt.state_dict()
            self.fptt.load_state_dict({name: [tensors[f"fptt.{name}"]] for name in names})

    def _update(self) -> None:
        if self.fptt is not None:
            self.fptt.step(self.optimizer, self.options.clip)
        else:
            torch.nn.utils.clip_grad_norm_([self.flat.parameter], self.options.clip)
            self.optimizer.step()
        self._limit_weights()

    def _limit_weights(self) -> None:
        if len(self.bounds):
            self.flat.limit(self.bounds)

    def _fit_grid(self) -> None:
        if self.grid is not None:
            self.grid.fit(self.values())


class CompiledNetworkLearner(CompiledLearner):
    """:class:`~ltc2hw.training.compiled.CompiledLearner` in a training loop."""

    def __init__(self, module: SpikingNetwork, task: Task, options: TrainingOptions) -> None:
        edges = (0, *(part.stop for part in windows(task.steps, updates_of(options))))
        weights = loss_weights(options.loss_weighting, task.steps)
        super().__init__(module, task.kind, options, weights, edges)


def updates_of(options: TrainingOptions) -> int:
    """K: one update per sequence without FPTT."""
    return options.updates if options.method == "fptt" else 1


def new_learner(module: nn.Module, task: Task, options: TrainingOptions) -> Learner:
    """The way to learn that the options name.

    Raises:
        UnsupportedError: if compiled learning is asked for and cannot do it, or the auxiliary loss
            for a regression; names why.
        InvalidValueError: if there are more updates per sequence than steps.
    """
    if options.auxiliary and task.kind == "regression":
        remedy = "set auxiliary to 0"
        raise UnsupportedError("a regression", "the auxiliary loss", "it compares classes", remedy)
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
