"""Learning by autograd: any torch module, one window after the other."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.labels import plain_goals
from ltc2hw.neurons import GraphNetwork, SpikingNetwork
from ltc2hw.neurons.form import Form
from ltc2hw.neurons.graph_network import GraphRounding
from ltc2hw.numbers.words import IntArray
from ltc2hw.tasks import Task
from ltc2hw.training.batch import LostUpdateError, batch_lengths
from ltc2hw.training.chain import run_chain
from ltc2hw.training.flat import FlatParameters
from ltc2hw.training.fptt import FPTT
from ltc2hw.training.grid import Grid, WeightGrid, matrices_of, on_grid, rounded, weight_bounds
from ltc2hw.training.integer_module import IntegerModule
from ltc2hw.training.loss import auxiliary_loss, window_loss
from ltc2hw.training.optimizers import TorchOptimizer, VectorOptimizer
from ltc2hw.training.options import TrainingOptions, loss_weights
from ltc2hw.training.rounding import Rounded, Rounder, forms_of
from ltc2hw.training.weighing import Weigher, Weighing

Array = npt.NDArray[Any]


class Aim(NamedTuple):
    """What a batch is learned towards, beside its labels."""

    windows: tuple[slice, ...]
    with_loss: tuple[bool, ...]
    """Whether some loss counts in each window."""
    weights: Tensor
    """Of the losses, (T,) or (T, B), as :func:`~ltc2hw.training.loss.window_loss` takes them."""
    progress: Tensor
    """(t+1)/T, (T,) or (T, B), 1 after a sample's end; empty without an auxiliary loss."""


def statistics_of(module: nn.Module) -> list[Tensor]:
    """What batch norms of a module have seen, in their order: means and variances."""
    return [
        kept
        for part in module.modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm)
        for kept in (part.running_mean, part.running_var)
        if kept is not None
    ]


class AutogradLearner:
    """Learns any module ``(x, state) -> (outputs, state)`` whose state can ``detach()`` itself.

    It learns on the device that the module is on. A gradient that is not finite ends a batch before
    its update, as :class:`~ltc2hw.training.batch.LostUpdateError`.
    """

    def __init__(
        self,
        module: nn.Module,
        task: Task,
        options: TrainingOptions,
        optimizer: Callable[[nn.Parameter, TrainingOptions], VectorOptimizer] = TorchOptimizer,
    ) -> None:
        self.module, self.task, self.options = module, task, options
        self.flat = FlatParameters(module)
        self.statistics = statistics_of(module)
        self.device = self.flat.parameter.device
        self.weigher = Weigher(options, task.steps)
        self.whole = self._aim(self.weigher.whole, None)
        matrices, start = matrices_of(module), self._parameters()
        self.bounds = self._placed(weight_bounds(options.weight_limit, start, matrices))
        width = options.weight_bits
        self.rounder = Rounder(module, task, options) if options.rounding == "all" else None
        self.rounded: Rounded | None = None
        self.forms: list[Form] = []
        self.graph_rounding: GraphRounding | None = None
        is_rounded = width is not None or self.rounder is not None
        rows = np.zeros((3, len(start)), start.dtype)
        self.grid = WeightGrid(width, rows, matrices) if is_rounded else None
        self.rows = torch.zeros(rows.shape, dtype=self.flat.parameter.dtype, device=self.device)
        self.lost_gradient = False
        self._fit_grid()
        self.optimizer = optimizer(self.flat.parameter, options)
        self.fptt = (
            FPTT([self.flat.parameter], alpha=options.alpha, beta=options.beta)
            if options.method == "fptt"
            else None
        )

    def learn(
        self, x: Tensor, labels: Tensor, rate: float, lengths: IntArray | None = None
    ) -> list[float]:
        """All windows of a batch, one update each; the state crosses windows detached.

        ``lengths`` (B,): the samples' own steps; x may be cut to the longest of them.

        Raises:
            ShapeError: for samples, labels or outputs of the module of another shape.
            InvalidValueError: for a class without an output, a length beyond the steps.
            LostUpdateError: if a gradient, or a state on the way to it, is not finite.
        """
        labels, aim = self.prepared(x, labels, lengths)
        self.optimizer.set_rate(rate)
        losses: list[float] = []
        try:
            with closing(self.updates(x, labels, aim)) as updates:
                for loss in updates:
                    losses.append(float(loss))
                    if not np.isfinite(losses[-1]):
                        return losses
        except ShapeError:
            raise
        except InvalidValueError as error:
            # Windows take finite numbers alone; the samples were finite.
            raise LostUpdateError([*losses, np.nan], str(error)) from error
        if self.lost_gradient:
            raise LostUpdateError(losses)
        return losses

    def prepared(self, x: Tensor, labels: Tensor, lengths: IntArray | None) -> tuple[Tensor, Aim]:
        """The labels of a batch in their one form, and its windows with the weights of its losses.

        Raises:
            ShapeError, InvalidValueError: for samples, labels or lengths that are not the task's.
        """
        task, at_steps = self.task, None
        classes = task.kind == "classification"
        own = batch_lengths(x, task.steps, task.inputs, lengths)
        # The loss refuses other shapes of one target each; what is not finite shows in it.
        if classes or task.every_step:
            steps = len(x) if task.every_step else None
            known = plain_goals(labels, classes, x.shape[1], task.outputs, steps, own, task.heads)
            at_steps = known if task.every_step else None
            kept = torch.int64 if classes else self.flat.parameter.dtype
            labels = torch.from_numpy(known).to(labels.device, kept)
        weighing = self.weigher.batch(len(x), own, at_steps)
        return labels, self.whole if weighing is self.weigher.whole else self._aim(weighing, own)

    def updates(self, x: Tensor, labels: Tensor, aim: Aim) -> Generator[Tensor, None, None]:
        """The loss of each window that has one; asking for more learns from it first.

        Labels and aim are those of :meth:`prepared`. No number is read on the host but by
        :meth:`can_learn`.
        """
        self.lost_gradient = False
        state: Any = None
        guess = x.new_full((x.shape[1], self.task.outputs), 1.0 / self.task.outputs)
        for window, with_loss in zip(aim.windows, aim.with_loss, strict=True):
            if not with_loss:
                with torch.no_grad(), self._rounded(), self._rounding():
                    _, state = self.run(x[window], state)
                continue
            self.flat.zero_grad()
            with self._rounded(), self._rounding():
                outputs, state = self.run(x[window], state)
                wanted = labels[window] if self.task.every_step else labels
                loss = window_loss(self.task, outputs, wanted, aim.weights[window])
                if self.options.auxiliary:
                    second = auxiliary_loss(outputs, guess, aim.progress[window])
                    loss = loss + self.options.auxiliary * second
                    guess = outputs[-1].detach().softmax(dim=-1)
                yield loss.detach()
                torch.autograd.backward(loss)
            if not self.can_learn():
                self.lost_gradient = True
                return
            self._update()
            state = state.detach()

    def can_learn(self) -> bool:
        """Whether the loss's gradient is finite."""
        grad = self.flat.parameter.grad
        assert grad is not None
        return bool(torch.isfinite(grad.sum())) or bool(torch.isfinite(grad).all())

    def run(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The module over a window."""
        if self.rounded is not None and isinstance(self.module, SpikingNetwork):
            return run_chain(self.module, self.forms, self.rounded.entering(x), state)
        outputs, after = self.module(x, state)
        return outputs, after

    def finish_pass(self) -> None:
        """Φ ← Φ̄ with FPTT."""
        if self.fptt is not None:
            self.fptt.finish_pass()
            self._limit_weights()
        if self.rounder is not None:
            self.rounder.passes += 1
        self._fit_grid()

    def deployed(self) -> AbstractContextManager[None]:
        """Weights as the chip will hold them; gradients land on those that are not rounded."""
        return self._rounded()

    def judged(self) -> nn.Module:
        """What computes what would be deployed, of the parameters that the module has now."""
        return self.module if self.rounder is None else IntegerModule(self.rounder.fit())

    def values(self) -> Array:
        """A copy of all parameters, and of the statistics of norms."""
        parts = [self._parameters(), *(kept.cpu().numpy().ravel() for kept in self.statistics)]
        return np.concatenate(parts)

    def load(self, values: Array) -> None:
        """Overwrite all of these."""
        held = torch.from_numpy(values)
        count = self.flat.parameter.numel()
        self.flat.load(held[:count])
        for kept in self.statistics:
            kept.copy_(held[count : count + kept.numel()].view_as(kept))
            count += kept.numel()

    def _parameters(self) -> Array:
        values: Array = self.flat.values().cpu().numpy()
        return values

    def state(self) -> dict[str, Array]:
        """Parameters, the optimizer's entries and FPTT's memories."""
        tensors = {"parameters": self.flat.values()}
        for name, value in self.optimizer.entries().items():
            tensors[f"optimizer.{name}"] = value
        for index, kept in enumerate(self.statistics):
            tensors[f"statistics.{index}"] = kept
        if self.fptt is not None:
            for name, memories in self.fptt.state_dict().items():
                tensors[f"fptt.{name}"] = memories[0]
        if self.rounder is not None:
            tensors["rounding.passes"] = torch.tensor(self.rounder.passes)
            tensors["rounding.grids"] = self.rows
        # Copies, also of what is on the CPU already.
        return {name: tensor.cpu().numpy().copy() for name, tensor in tensors.items()}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Continue from :meth:`state`."""
        self._take(state)
        self._fit_grid()

    def _take(self, state: Mapping[str, Array]) -> None:
        """Parameters and memories as they were; the grid of rounded weights stays."""
        tensors = {name: torch.from_numpy(value) for name, value in state.items()}
        self.flat.load(tensors["parameters"])
        for index, kept in enumerate(self.statistics):
            kept.copy_(tensors[f"statistics.{index}"])
        if self.rounder is not None:
            self.rounder.passes = int(tensors["rounding.passes"])
            self.rows.copy_(tensors["rounding.grids"])
        start = "optimizer."
        self.optimizer.restore(
            {
                name.removeprefix(start): value
                for name, value in tensors.items()
                if name.startswith(start)
            }
        )
        if self.fptt is not None:
            names = self.fptt.state_dict()
            self.fptt.load_state_dict({name: [tensors[f"fptt.{name}"]] for name in names})

    def _rounding(self) -> AbstractContextManager[None]:
        """Within it, a network of the graph rounds; of a chain the forms do."""
        if self.graph_rounding is None:
            return nullcontext()
        return cast(GraphNetwork, self.module).rounded(self.graph_rounding)

    def _rounded(self) -> AbstractContextManager[None]:
        grid = self.grid
        if grid is None:
            return rounded(self.flat, None)
        return rounded(self.flat, lambda values: on_grid(values, *self.rows))

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
        if self.grid is None:
            return
        if self.rounder is None:
            self.grid.fit(self._parameters())
            self._take_grid(self.grid)
            return
        self.rounded = self.rounder.follow(self._place, self.deployed)
        if isinstance(self.module, SpikingNetwork):
            self.forms = forms_of(self.module, self.rounded)
        else:
            self.graph_rounding = self.rounded.prepared(cast(GraphNetwork, self.module))

    def _place(self, grids: Iterable[Grid]) -> None:
        """Take the grid of each matrix."""
        assert self.grid is not None
        self.grid.place(grids)
        self._take_grid(self.grid)

    def _take_grid(self, grid: WeightGrid) -> None:
        """Lay the grid beside the parameters."""
        for row, values in zip(self.rows, (grid.steps, grid.lowest, grid.highest), strict=True):
            row.copy_(torch.from_numpy(values))

    def _aim(self, weighing: Weighing, lengths: IntArray | None) -> Aim:
        """A batch's weighing beside the parameters."""
        progress: Array = np.zeros(0)
        if self.options.auxiliary:
            progress = loss_weights("ramp", len(weighing.weights), lengths)
            progress[progress == 0.0] = 1.0
        weights = weighing.weights
        weights = weights[:, 0] if weights.shape[1] == 1 else weights
        like = self.flat.parameter.dtype
        placed = (self._placed(values).to(like) for values in (weights, progress))
        return Aim(weighing.windows, weighing.with_loss, *placed)

    def _placed(self, values: Array) -> Tensor:
        """An array as a tensor beside the parameters."""
        return torch.from_numpy(values).to(self.device)
