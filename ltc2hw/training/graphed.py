"""Learning on a GPU: a batch's whole sequence of updates as one captured CUDA graph."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ltc2hw.errors import InvalidValueError
from ltc2hw.neurons import SpikingNetwork
from ltc2hw.numbers.words import IntArray
from ltc2hw.tasks import Task
from ltc2hw.training.autograd import Aim, AutogradLearner, statistics_of
from ltc2hw.training.flat import FlatParameters
from ltc2hw.training.optimizers import TensorOptimizer
from ltc2hw.training.options import TrainingOptions

Array = npt.NDArray[Any]

WARM_UPS = 3
"""Eager runs before a capture, as torch's documentation asks."""

# Without types in some versions of torch.
_new_stream: Callable[[], Any] = torch.cuda.Stream
_current_stream: Callable[[], Any] = torch.cuda.current_stream
_new_graph: Callable[[], Any] = torch.cuda.CUDAGraph


class _Batch(NamedTuple):
    """Batches of one shape: where their tensors stand, and how to learn from them."""

    x: Tensor
    labels: Tensor
    aim: Aim
    learn: Callable[[], Tensor]
    """Makes all updates; their losses, on the device."""


class GraphedLearner(AutogradLearner):
    """Makes :class:`~ltc2hw.training.autograd.AutogradLearner`'s updates, and reads nothing back.

    All windows and updates of a batch, optimizer and FPTT's memories included, are one function of
    tensors that stay in place. On ``cuda`` that function is captured once per shape of a batch, and
    per choice of windows that have a loss where samples end early or steps lack labels, and
    replayed as one graph, without Python in between; on ``cpu`` it runs as it is. Networks of this
    package run by their single steps; other modules must not read numbers on the host, either.
    Give batches their full number of steps, so that one graph serves them all.

    It learns in a copy of the module on ``options.device``; the module itself stays where it is
    and has the parameters after :meth:`finish_pass`, :meth:`load` and :meth:`restore`. Losses are
    read after a batch: one that is not finite does not keep the rest of its batch from being
    learned, so go on from a state of before.

    Raises:
        InvalidValueError: if torch sees no CUDA device and it is asked for.
    """

    def __init__(self, module: nn.Module, task: Task, options: TrainingOptions) -> None:
        if options.device == "cuda" and not torch.cuda.is_available():
            remedy = "install a driver and a torch for it, or use device 'cpu'"
            raise InvalidValueError("device", "'cuda'", "one that torch sees here", remedy)
        placed = copy.deepcopy(module).to(options.device)
        super().__init__(placed, task, options, TensorOptimizer)
        self.given = module
        self.host, self.host_statistics = FlatParameters(module), statistics_of(module)
        self.batches: dict[tuple[object, ...], _Batch] = {}

    def learn(
        self, x: Tensor, labels: Tensor, rate: float, lengths: IntArray | None = None
    ) -> list[float]:
        """All windows of a batch, one update each; losses up to the first that is not finite.

        Raises:
            ShapeError, InvalidValueError: for samples, labels or lengths that are not the task's.
        """
        labels, aim = self.prepared(x, labels, lengths)
        if not any(aim.with_loss):
            return []
        self.optimizer.set_rate(rate)
        same = (x.shape, labels.shape, aim.weights.shape, aim.with_loss)
        if same not in self.batches:
            self.batches[same] = self._placed_batch(x, labels, aim)
        batch = self.batches[same]
        batch.x.copy_(x)
        batch.labels.copy_(labels)
        batch.aim.weights.copy_(aim.weights)
        batch.aim.progress.copy_(aim.progress)
        losses = batch.learn().cpu().numpy()
        wrong = np.flatnonzero(~np.isfinite(losses))
        return [float(loss) for loss in losses[: wrong[0] + 1 if len(wrong) else None]]

    def can_learn(self) -> bool:
        """Not asked for: no number is read before the batch is learned."""
        return True

    def run(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The module over a window; networks of this package by their single steps."""
        if type(self.module) is not SpikingNetwork:
            return super().run(x, state)
        outputs = []
        for values in x:
            output, state = self.module.step(values, state)
            outputs.append(output)
        return torch.stack(outputs), state

    def finish_pass(self) -> None:
        """Φ ← Φ̄ with FPTT; the module has the parameters."""
        super().finish_pass()
        self._store()

    @contextmanager
    def deployed(self) -> Iterator[None]:
        """Within it, module and :meth:`values` are what would be deployed: rounded weights."""
        try:
            with self._rounded():
                self._store()
                yield
        finally:
            self._store()

    def judged(self) -> nn.Module:
        """The module that was given, on the CPU."""
        return self.given

    def load(self, values: Array) -> None:
        """Overwrite all parameters, the module's too."""
        super().load(values)
        self._store()

    def restore(self, state: Mapping[str, Array]) -> None:
        """Continue from :meth:`state`."""
        super().restore(state)
        self._store()

    def learn_all(self, x: Tensor, labels: Tensor, aim: Aim) -> Tensor:
        """Make all updates of a batch on the device; their losses."""
        return torch.stack(list(self.updates(x, labels, aim)))

    def _placed_batch(self, x: Tensor, labels: Tensor, aim: Aim) -> _Batch:
        """Places for batches of this shape, and the function of them, captured on a GPU."""
        x, labels = (tensor.to(self.device, copy=True) for tensor in (x, labels))
        aim = aim._replace(weights=aim.weights.clone(), progress=aim.progress.clone())
        learn = partial(self.learn_all, x, labels, aim)
        captured = self._captured(learn) if self.device.type == "cuda" else learn
        return _Batch(x, labels, aim, captured)

    def _captured(self, learn: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """``learn`` as one CUDA graph; parameters and memories stay as they are."""
        held = self.state()
        current, side = _current_stream(), _new_stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                learn()
        current.wait_stream(side)
        self._take(held)
        graph = _new_graph()
        # The stream of the warm-up, because autograd adds up gradients on the one it first saw.
        with torch.cuda.graph(graph, stream=side):
            losses = learn()

        def replay() -> Tensor:
            graph.replay()
            return losses

        return replay

    def _store(self) -> None:
        """Give the parameters, and what norms have seen, to the module."""
        for kept, own in zip(self.host_statistics, self.statistics, strict=True):
            kept.copy_(own)
        self.host.load(self.flat.values())
