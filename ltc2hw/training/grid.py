"""Weights rounded to a chip's integers while they are trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ltc2hw.neurons.kernels import Array
from ltc2hw.numbers.words import Width, weight_word
from ltc2hw.quantization.scaling import weight_fraction
from ltc2hw.training.model import is_synaptic

Matrices = Callable[[Array], Iterable[Array]]
"""From a vector of all parameters to views of the weight matrices in it."""


class Grid(NamedTuple):
    """Values that the weights of a projection may have: multiples of a step."""

    step: float
    lowest: int
    highest: int


class WeightGrid:
    """Multiples of a power of two for each weight matrix, as quantization chooses them.

    A network trained through its rounded weights (the gradient passes straight to the weights that
    are not rounded) loses nothing when the weights of its spikes become integers of that many bits;
    weights of graded states may have to be coarser, where a port cannot hold their products.
    Biases, thresholds and the self terms of gates stay as they are.

    ``rows`` (3, n) will hold each parameter's step, 0 for those that stay, and the least and the
    largest of its mantissas; ``matrices`` finds the weight matrices in each of them, and in vectors
    of parameters laid out alike. ``width``: bits of all matrices, or ``"ternary"``.

    >>> grid = WeightGrid(2, np.zeros((3, 5)), lambda vector: [vector[:2], vector[3:]])
    >>> values = np.array([0.6, -1.0, 0.1, 0.3, 0.1])
    >>> grid.fit(values)
    >>> grid.round(values).tolist()
    [0.5, -1.0, 0.1, 0.25, 0.0]
    """

    def __init__(self, width: Width | None, rows: Array, matrices: Matrices) -> None:
        self.word = None if width is None else weight_word(width)
        self.steps, self.lowest, self.highest = rows
        self.matrices = matrices

    def fit(self, values: Array) -> None:
        """Choose the step of each matrix anew, by the least squared error of its values."""
        word = self.word
        assert word is not None
        self.place(
            Grid(
                2.0 ** -weight_fraction(matrix.astype(np.float64), word), word.minimum, word.maximum
            )
            for matrix in self.matrices(values)
        )

    def place(self, grids: Iterable[Grid]) -> None:
        """Take the grid of each matrix."""
        rows = (self.matrices(row) for row in (self.steps, self.lowest, self.highest))
        for grid, *parts in zip(grids, *rows, strict=True):
            for part, number in zip(parts, grid, strict=True):
                part[...] = number

    def round(self, values: Array) -> Array:
        """The values as a chip would hold them."""
        rows = (self.steps, self.lowest, self.highest)
        placed = (torch.from_numpy(row) for row in rows)
        result: Array = on_grid(torch.from_numpy(values), *placed).numpy()
        return result


def on_grid(values: Tensor, steps: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
    """Multiples of ``steps`` with mantissas between two ends; where a step is 0, the values."""
    mantissas = torch.maximum(torch.minimum(torch.round(values / steps), highest), lowest)
    return torch.where(steps > 0, mantissas * steps, values)


Values = TypeVar("Values")


class Parameters(Protocol[Values]):
    """Something with a vector of parameters."""

    def values(self) -> Values:
        """A copy of all parameters."""

    def load(self, values: Values) -> None:
        """Overwrite all parameters."""


@contextmanager
def rounded(
    parameters: Parameters[Values], rounding: Callable[[Values], Values] | None
) -> Iterator[None]:
    """Within it, rounded weights stand in the parameters' place; without ``rounding`` they stay."""
    if rounding is None:
        yield
        return
    held = parameters.values()
    parameters.load(rounding(held))
    try:
        yield
    finally:
        parameters.load(held)


def weight_bounds(limit: float | None, values: Array, matrices: Matrices) -> Array:
    """``limit`` for each weight and infinity for all else, laid out as ``values``; empty if None.

    >>> from ltc2hw.neurons import LTCCell, ReadoutCell, SpikingNetwork
    >>> module = SpikingNetwork([LTCCell(1, 1, gate="static")], ReadoutCell(1, 1))
    >>> weight_bounds(2.0, np.zeros(8), matrices_of(module)).tolist()
    [2.0, 2.0, inf, inf, inf, 2.0, inf, inf]
    """
    if limit is None:
        return np.zeros(0, values.dtype)
    bounds = np.full_like(values, np.inf)
    for matrix in matrices(bounds):
        matrix[...] = limit
    return bounds


def matrices_of(module: nn.Module) -> Matrices:
    """Weight matrices in a vector of a module's parameters in their own order.

    The matrices of several ports are one tensor, but each has a scale of its own.
    """
    parts: list[slice] = []
    position = 0
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        if is_synaptic(name, parameter):
            ports = parameter.shape[0] if parameter.dim() == 3 else 1
            size = parameter.numel() // ports
            starts = (position + port * size for port in range(ports))
            parts.extend(slice(start, start + size) for start in starts)
        position += parameter.numel()
    return lambda vector: [vector[part] for part in parts]
