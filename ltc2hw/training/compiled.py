"""The fast way to learn: whole sequences in one compiled call, without autograd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ltc2hw.neurons import SpikingNetwork
from ltc2hw.neurons.kernels import Array
from ltc2hw.neurons.packed import Weights, new_record
from ltc2hw.neurons.packing import Tensors, constants, pack, shapes, unpack, views
from ltc2hw.training.grid import WeightGrid
from ltc2hw.training.loss_kernels import as_targets
from ltc2hw.training.options import TrainingOptions
from ltc2hw.training.sequence_kernels import Aim, Bench, Layer, learn_sequence
from ltc2hw.training.update_kernels import OPTIMIZER_CODES, Rule, Vectors
from ltc2hw.words import Word


class CompiledLearner:
    """Learns a :class:`~ltc2hw.neurons.SpikingNetwork` by FPTT or BPTT, batch by batch.

    The same updates as autograd gives, to the rounding of its float type. All parameters lie in
    one vector of the kernels' layout; :meth:`store` brings them back into the module. The memory
    it needs grows with the longest window, never with the sequence.

    >>> from ltc2hw.neurons import LTCCell, ReadoutCell
    >>> module = SpikingNetwork([LTCCell(2, 3)], ReadoutCell(3, 1))
    >>> learner = CompiledLearner(module, "regression", TrainingOptions(), np.ones(6), (0, 3, 6))
    >>> len(learner.learn(torch.rand(6, 4, 2), torch.rand(4, 1), rate=0.01))
    2
    """

    def __init__(
        self,
        module: SpikingNetwork,
        kind: str,
        options: TrainingOptions,
        weights: Array,
        edges: tuple[int, ...],
    ) -> None:
        self.module = module
        self.cells = (*module.cells, module.readout)
        dtype = module.readout.bias.detach().numpy().dtype
        self.dtype, self.classes = dtype, kind == "classification"
        self.weights, self.edges = weights.astype(dtype), np.array(edges)
        self.rule = Rule(
            OPTIMIZER_CODES[options.optimizer],
            int(options.method == "fptt"),
            options.alpha,
            options.beta,
            options.clip,
            *_mantissas(options.weight_bits),
        )
        self.updates = 0
        tensors = [cell.tensors() for cell in self.cells]
        self.shapes = [shapes(part) for part in tensors]
        self.sizes = [sum(int(np.prod(shape)) for shape in part) for part in self.shapes]
        total = sum(self.sizes)
        values, grad, mean, memory, first, second = np.zeros((6, total), dtype)
        bounds = np.zeros(0 if options.weight_limit is None else total, dtype)
        steps, held = np.zeros((2, 0 if options.weight_bits is None else total), dtype)
        self.vectors = Vectors(values, grad, mean, memory, first, second, bounds, steps, held)
        self.grid = (
            None
            if options.weight_bits is None
            else WeightGrid(options.weight_bits, steps, self.matrices)
        )
        self.layers = tuple(
            Layer(cell.kind, weights, constants(part))
            for cell, weights, part in zip(
                self.cells, self.split(self.vectors.values), tensors, strict=True
            )
        )
        self.fetch()
        self.vectors.mean[:] = self.vectors.values
        self._bound(options.weight_limit)
        self.benches: dict[int, tuple[Bench, ...]] = {}

    def split(self, vector: Array) -> list[Weights]:
        """A vector of all parameters as the layers' packed arrays."""
        ends = np.cumsum([0, *self.sizes])
        return [
            views(vector[start:], wanted)
            for start, wanted in zip(ends[:-1], self.shapes, strict=True)
        ]

    def matrices(self, vector: Array) -> Iterator[Array]:
        """Weight matrices in a vector of all parameters: one per source and port."""
        for part in self.split(vector):
            ports = part.weight_input.shape[1] // part.bias.shape[1]
            for weights in (part.weight_input, part.weight_recurrent):
                if len(weights):
                    yield from np.split(weights, ports, axis=1)
            if part.terms.shape[1] > 1:
                yield from part.terms

    def fetch(self) -> None:
        """Take the parameters of the module."""
        for cell, layer in zip(self.cells, self.layers, strict=True):
            pack(cell.tensors(), layer.weights)

    @torch.no_grad()
    def store(self) -> None:
        """Give the parameters to the module."""
        for cell, layer in zip(self.cells, self.layers, strict=True):
            tensors: Tensors = cell.tensors()
            for parameter, value in zip(
                tensors.parameters, unpack(layer.weights, tensors), strict=True
            ):
                if parameter is not None and value is not None:
                    parameter.copy_(value)

    def start_pass(self) -> None:
        """Before a pass over the data: scales of rounded weights are chosen anew."""
        self._fit_grid()

    def learn(self, x: Tensor, labels: Tensor, rate: float) -> list[float]:
        """All windows of a batch x: (T, B, N_in), one update each; their losses.

        The last loss may not be finite; nothing was learned from it.
        """
        batch = x.shape[1]
        losses = np.zeros(len(self.edges) - 1)
        benches = self._benches(batch)
        for bench in benches:
            bench.record.states[:, 0] = 0.0
        outputs = self.layers[-1].weights.bias.shape[1]
        targets = as_targets(self.classes, labels.numpy(), outputs, self.dtype)
        scale = 1.0 / (batch if self.classes else targets.size)
        made = learn_sequence(
            Aim(self.classes, self.module.read_from == "membrane", scale),
            self.rule,
            self.layers,
            benches,
            self.vectors,
            np.ascontiguousarray(x.numpy(), self.dtype),
            targets,
            self.weights,
            self.edges,
            rate,
            self.updates,
            losses,
        )
        self.updates += made
        return [float(loss) for loss in losses[:made]]

    def finish_pass(self) -> None:
        """At the end of a pass over the data: Φ ← Φ̄ (FPTT)."""
        if self.rule.online:
            self.vectors.values[:] = self.vectors.mean
            self._limit()
        self._fit_grid()
        self.store()

    @contextmanager
    def deployed(self) -> Iterator[None]:
        """Within it, module and :meth:`values` are what would be deployed: rounded weights."""
        if self.grid is None:
            yield
            return
        held = self.values()
        self.load(self.grid.round(held))
        try:
            yield
        finally:
            self.load(held)

    def values(self) -> Array:
        """A copy of all parameters."""
        return self.vectors.values.copy()

    def load(self, values: Array) -> None:
        """Overwrite all parameters, the module's too."""
        self.vectors.values[:] = values
        self.store()

    def state(self) -> dict[str, Array]:
        """Copies of everything that the next update depends on."""
        kept = ("values", "mean", "memory", "first", "second")
        arrays = {f"learner.{name}": getattr(self.vectors, name).copy() for name in kept}
        return {**arrays, "learner.updates": np.array(self.updates)}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Continue from :meth:`state`."""
        for name, values in state.items():
            if name == "learner.updates":
                self.updates = int(values)
            else:
                getattr(self.vectors, name.removeprefix("learner."))[:] = values
        self.store()

    def _benches(self, batch: int) -> tuple[Bench, ...]:
        """Room for a batch of this size, made once."""
        if batch not in self.benches:
            steps = int(np.diff(self.edges).max())
            grads = self.split(self.vectors.grad)
            self.benches[batch] = tuple(
                Bench(
                    grad,
                    new_record(layer.kind, layer.weights, steps, batch),
                    np.zeros((1, steps, batch, layer.weights.bias.shape[1]), self.dtype),
                )
                for layer, grad in zip(self.layers, grads, strict=True)
            )
        return self.benches[batch]

    def _fit_grid(self) -> None:
        if self.grid is not None:
            self.grid.fit(self.vectors.values)

    def _bound(self, limit: float | None) -> None:
        """Bounds of synaptic weights and of dense gate terms; all else has none."""
        if limit is None:
            return
        self.vectors.bounds[:] = np.inf
        for matrix in self.matrices(self.vectors.bounds):
            matrix[:] = limit

    def _limit(self) -> None:
        if len(self.vectors.bounds):
            np.clip(
                self.vectors.values,
                -self.vectors.bounds,
                self.vectors.bounds,
                out=self.vectors.values,
            )


def _mantissas(bits: int | None) -> tuple[float, float]:
    """Lowest and highest mantissa of rounded weights."""
    if bits is None:
        return 0.0, 0.0
    return float(Word(bits).minimum), float(Word(bits).maximum)
