"""The fast way to learn: whole sequences in one compiled call, without autograd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.labels import plain_goals
from ltc2hw.neurons import SpikingNetwork
from ltc2hw.neurons.form import Form
from ltc2hw.neurons.kernels import Array
from ltc2hw.neurons.packed import Plan, record_length, weights_of
from ltc2hw.neurons.packing import (
    fixed_constants,
    pack,
    plan_of,
    unpack,
    weights_length,
    wiring_of,
)
from ltc2hw.neurons.window import MOST_RECORDED
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.words import IntArray
from ltc2hw.training.batch import LostUpdateError, batch_lengths, check_shape
from ltc2hw.training.grid import WeightGrid, rounded, weight_bounds
from ltc2hw.training.integer_module import IntegerModule
from ltc2hw.training.loss_kernels import as_targets, loss_edges
from ltc2hw.training.options import TrainingOptions
from ltc2hw.training.rounding import Rounded, Rounder, forms_of
from ltc2hw.training.sequence_kernels import Aim, Net, learn_sequence, learn_sequence_threads
from ltc2hw.training.update_kernels import OPTIMIZER_CODES, Rule, Vectors
from ltc2hw.training.weighing import Weigher, Weighing


@dataclass(frozen=True)
class _Room:
    """What a batch of one size needs: where everything lies, and the place for it."""

    plans: Array
    """(layers, fields)."""
    records: Array
    """(threads, n)."""
    shares: Array
    """The first sample of each thread, then the number of samples."""

    @classmethod
    def of(
        cls, plans: Sequence[Plan], steps: int, batch: int, threads: int, dtype: np.dtype[Any]
    ) -> _Room:
        threads = min(threads, batch)
        shares = np.array([round(part * batch / threads) for part in range(threads + 1)])
        most = int(np.diff(shares).max())
        placed, length = [], 0
        for plan in plans:
            placed.append(plan._replace(record_at=length))
            length += record_length(plan, steps, most)
        remedy = "use more updates per sequence, smaller batches or layers"
        require_capacity("record of a batch", threads * length, MOST_RECORDED, remedy)
        return cls(np.array(placed), np.zeros((threads, length), dtype), shares)

    @property
    def threads(self) -> int:
        return len(self.shares) - 1

    @property
    def inner(self) -> list[int]:
        """Where the samples of one thread end and the next one's begin."""
        return [int(edge) for edge in self.shares[1:-1]]


class CompiledLearner:
    """Learns a :class:`~ltc2hw.neurons.SpikingNetwork` by FPTT or BPTT, batch by batch.

    The same updates as autograd gives, to the rounding of its float type. All parameters lie in
    one vector of the kernels' layout; :meth:`store` brings them back into the module. The memory
    it needs grows with the longest window, never with the sequence.

    >>> from ltc2hw.neurons import LTCCell, ReadoutCell
    >>> module = SpikingNetwork([LTCCell(2, 3)], ReadoutCell(3, 1))
    >>> learner = CompiledLearner(module, "regression", TrainingOptions(updates=2), steps=6)
    >>> len(learner.learn(torch.rand(6, 4, 2), torch.rand(4, 1), rate=0.01))
    2
    """

    def __init__(
        self,
        module: SpikingNetwork,
        kind: str,
        options: TrainingOptions,
        steps: int,
        every_step: bool = False,
        heads: tuple[int, ...] = (),
        rounder: Rounder | None = None,
    ) -> None:
        self.module, self.steps, self.every_step = module, steps, every_step
        self.heads = heads
        self.cells = (*module.cells, module.readout)
        like = module.readout.weight_input.dtype
        dtype = module.readout.weight_input.detach().numpy().dtype
        self.dtype, self.classes = dtype, kind == "classification"
        self.weigher = Weigher(options, steps)
        self.rule = Rule(
            OPTIMIZER_CODES[options.optimizer],
            int(options.method == "fptt"),
            options.alpha,
            options.beta,
            options.clip,
        )
        self.updates, self.threads = 0, options.threads
        for found in (cell.weight_input.dtype for cell in self.cells):
            if found != like:
                raise InvalidValueError("types of a network's cells", f"{found} and {like}",
                                        "one type")  # fmt: skip
        self.batch = 0
        self.forms: list[Form] = []
        self._lay([cell.form for cell in self.cells])
        self.edges = loss_edges(self.classes, self.plans[-1].size, heads)
        weights_at = sum(weights_length(plan) for plan in self.plans)
        remedy = "use fewer threads or smaller layers"
        require_capacity("gradients", self.threads * weights_at, MOST_RECORDED, remedy)
        values, mean, memory, first, second = np.zeros((5, weights_at), dtype)
        grad = np.zeros((self.threads, weights_at), dtype)
        bounds = weight_bounds(options.weight_limit, values, self.matrices)
        width = options.weight_bits
        is_rounded = width is not None or rounder is not None
        rows = np.zeros((4, weights_at if is_rounded else 0), dtype)
        self.vectors = Vectors(values, grad, mean, memory, first, second, bounds, *rows)
        self.grid = WeightGrid(width, rows[:3], self.matrices) if is_rounded else None
        self.rounder = rounder
        self.rounded: Rounded | None = None
        self.fetch()
        self.vectors.mean[:] = self.vectors.values
        self._fit_grid()

    def _lay(self, forms: Sequence[Form]) -> None:
        """Make ready to compute what forms of the cells say."""
        if forms == self.forms:
            return
        self.forms, self.plans = list(forms), list[Plan]()
        weights_at = fixed_at = wiring_at = operands_at = 0
        wirings, fixed = list[Array](), list[Array]()
        for form, cell in zip(forms, self.cells, strict=True):
            tensors = cell.tensors()
            places = {"wiring_at": wiring_at, "operands_at": operands_at}
            plan = plan_of(form, tensors, weights_at, fixed_at, **places)
            self.plans.append(plan)
            wirings.append(wiring_of(form, self.dtype))
            fixed.append(fixed_constants(tensors, plan.size).reshape(-1))
            weights_at += weights_length(plan)
            fixed_at += len(fixed[-1])
            wiring_at += len(wirings[-1])
            operands_at += plan.operands
        last = forms[-2].registers.index(forms[-2].sent(self.module.seen))
        self.net = Net(
            np.zeros((0, len(Plan._fields)), np.int64),
            np.concatenate(wirings),
            np.concatenate(fixed),
            operands_at,
            np.array([*(plan.output for plan in self.plans[:-2]), last, self.plans[-1].output]),
        )
        self.rooms: dict[int, _Room] = {}

    def matrices(self, vector: Array) -> Iterator[Array]:
        """Weight matrices in a vector of all parameters: one per source and port."""
        for plan in self.plans:
            part = weights_of(plan, vector)
            for weights in (part.weight_input, part.weight_recurrent):
                if len(weights):
                    yield from np.split(weights, plan.ports, axis=1)
            yield from part.matrices

    def fetch(self) -> None:
        """Take the parameters of the module."""
        for cell, plan in zip(self.cells, self.plans, strict=True):
            pack(cell.tensors(), weights_of(plan, self.vectors.values))

    @torch.no_grad()
    def store(self) -> None:
        """Give the parameters to the module."""
        for cell, plan in zip(self.cells, self.plans, strict=True):
            tensors = cell.tensors()
            values = unpack(weights_of(plan, self.vectors.values), tensors)
            for parameter, value in zip(tensors.parameters, values, strict=True):
                if parameter is not None and value is not None:
                    parameter.copy_(value)

    def learn(
        self, x: Tensor, labels: Tensor, rate: float, lengths: IntArray | None = None
    ) -> list[float]:
        """All windows of a batch x: (T, B, N_in), one update each; their losses.

        ``lengths`` (B,): the samples' own steps; x may be cut to the longest of them. The last loss
        may not be finite; nothing was learned from it.

        Raises:
            ShapeError, InvalidValueError, LostUpdateError: as :meth:`learn_part`, and for lengths
                that are not 1 to T.
        """
        own = batch_lengths(x, self.steps, self.plans[0].inputs, lengths)
        self._room(x.shape[1]).records[:] = 0.0
        return self._learn(x, self._goal(labels, x.shape[1], len(x), own), rate, 0)

    def learn_part(self, x: Tensor, labels: Tensor, rate: float, first: int) -> list[float]:
        """Learn steps ``first`` to ``first + len(x)``, on from the states that a batch ended in.

        So a sequence of any length can be fed piece by piece, each made of whole windows. Labels
        at every step are those of the whole sequence.

        Raises:
            InvalidValueError: if a window is cut, or a label has no output.
            ShapeError: for samples or labels of another shape.
            LostUpdateError: if a gradient is not finite.
        """
        check_shape(x, len(x), self.plans[0].inputs)
        batch = x.shape[1]
        if first and batch != self.batch:
            raise ShapeError("samples of a part", batch, f"{self.batch} as in the part before")
        return self._learn(x, self._goal(labels, batch, self.steps, None), rate, first)

    def _goal(
        self, labels: Tensor, batch: int, steps: int, lengths: IntArray | None
    ) -> tuple[Array, Weighing]:
        """Targets of a batch of some steps, its windows, and the weights of its losses."""
        size, at = self.plans[-1].size, steps if self.every_step else None
        known = plain_goals(labels, self.classes, batch, size, at, lengths, self.heads)
        targets = as_targets(self.classes, known, size, self.dtype, self.heads)
        return targets, self.weigher.batch(steps, lengths, known if self.every_step else None)

    def _learn(
        self, x: Tensor, goal: tuple[Array, Weighing], rate: float, first: int
    ) -> list[float]:
        """Learn from the steps of x, which are those from ``first`` on of what the goal is for."""
        (targets, weighing), end = goal, first + len(x)
        edges = weighing.edges
        edges = edges[(edges >= first) & (edges <= end)] - first
        if len(edges) < 2 or edges[0] != 0 or edges[-1] != len(x):
            raise InvalidValueError("steps of a part", f"{first} to {end}", "whole windows")
        self.batch = batch = x.shape[1]
        losses = np.zeros(len(edges) - 1)
        room = self._room(batch)
        if self.rounded is not None:
            x = self.rounded.entering(x)
        values = np.ascontiguousarray(x.detach().numpy(), self.dtype)
        scale = 1.0 / (batch if self.classes else batch * targets.shape[2])
        learn = learn_sequence if room.threads == 1 else learn_sequence_threads
        made = learn(
            Aim(self.edges, scale, self.weigher.longest),
            self.rule,
            self.net._replace(plans=room.plans),
            self.vectors._replace(grad=self.vectors.grad[: room.threads]),
            room.records,
            np.concatenate([part.reshape(-1) for part in np.split(values, room.inner, axis=1)]),
            targets[first:end] if self.every_step else targets,
            room.shares,
            weighing.weights[first:end].astype(self.dtype),
            edges,
            rate,
            self.updates,
            losses,
        )
        found = [float(loss) for loss in losses[: abs(made)]]
        if made < 0:
            raise LostUpdateError(found)
        self.updates += made
        return found

    def finish_pass(self) -> None:
        """At the end of a pass over the data: Φ ← Φ̄ (FPTT)."""
        if self.rule.online:
            self.vectors.values[:] = self.vectors.mean
            self._limit()
        self.store()
        if self.rounder is not None:
            self.rounder.passes += 1
        self._fit_grid()

    def deployed(self) -> AbstractContextManager[None]:
        """Within it, module and :meth:`values` are what would be deployed: rounded weights."""
        return rounded(self, None if self.grid is None else self.grid.round)

    def judged(self) -> nn.Module:
        """What computes what would be deployed, of the parameters that the module has now."""
        return self.module if self.rounder is None else IntegerModule(self.rounder.fit())

    def values(self) -> Array:
        """A copy of all parameters."""
        return self.vectors.values.copy()

    def load(self, values: Array) -> None:
        """Overwrite all parameters, the module's too."""
        self.vectors.values[:] = values
        self.store()

    def state(self) -> dict[str, Array]:
        """Copies of everything that the next update depends on."""
        kept: tuple[str, ...] = ("values", "mean", "memory", "first", "second")
        counts = {"learner.updates": np.array(self.updates)}
        if self.rounder is not None:
            kept = (*kept, "steps", "lowest", "highest")
            counts["learner.passes"] = np.array(self.rounder.passes)
        arrays = {f"learner.{name}": getattr(self.vectors, name).copy() for name in kept}
        return {**arrays, **counts}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Continue from :meth:`state`."""
        for name, values in state.items():
            if name == "learner.updates":
                self.updates = int(values)
            elif name == "learner.passes" and self.rounder is not None:
                self.rounder.passes = int(values)
            else:
                getattr(self.vectors, name.removeprefix("learner."))[:] = values
        self.store()
        self._fit_grid()

    def _room(self, batch: int) -> _Room:
        """Room for a batch of this size, made once."""
        if batch not in self.rooms:
            self.rooms[batch] = _Room.of(
                self.plans, self.weigher.longest, batch, self.threads, self.dtype
            )
        return self.rooms[batch]

    def _fit_grid(self) -> None:
        """Scales for the parameters that the module has now."""
        if self.rounder is not None and self.grid is not None:
            self.rounded = self.rounder.follow(self.grid.place, self.deployed)
            self._lay(forms_of(self.module, self.rounded))
        elif self.grid is not None:
            self.grid.fit(self.vectors.values)

    def _limit(self) -> None:
        if len(self.vectors.bounds):
            np.clip(
                self.vectors.values,
                -self.vectors.bounds,
                self.vectors.bounds,
                out=self.vectors.values,
            )
