"""Weights rounded to a chip's integers while they are trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ltc2hw.scaling import weight_fraction
from ltc2hw.training.model import is_synaptic
from ltc2hw.words import Word


class WeightGrid:
    """Multiples of a power of two for each weight matrix of a module, as quantization chooses them.

    A network trained through its rounded weights (the gradient passes straight to the weights that
    are not rounded) loses nothing when the weights of its spikes become integers of that many bits;
    weights of graded states may have to be coarser, where a port cannot hold their products. The
    vectors are those of :class:`~ltc2hw.training.flat.FlatParameters`; biases, thresholds and the
    self terms of gates stay as they are.

    >>> from ltc2hw.neurons import LTCCell, ReadoutCell, SpikingNetwork
    >>> module = SpikingNetwork([LTCCell(1, 1, gate="static")], ReadoutCell(1, 1))
    >>> grid = WeightGrid(module, bits=2)
    >>> values = torch.tensor([0.6, -1.0, 0.1, 0.1, 0.1, 0.3, 0.1, 0.1])
    >>> grid.fit(values)
    >>> [round(value, 2) for value in grid.round(values).tolist()]
    [0.5, -1.0, 0.1, 0.1, 0.1, 0.25, 0.1, 0.1]
    """

    def __init__(self, module: nn.Module, bits: int) -> None:
        self.word = Word(bits)
        self.matrices: list[slice] = []
        position = 0
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            if is_synaptic(name, parameter):
                # The matrices of several ports are one tensor, but each has a scale of its own.
                ports = parameter.shape[0] if parameter.dim() == 3 else 1
                size = parameter.numel() // ports
                self.matrices.extend(
                    slice(position + port * size, position + (port + 1) * size)
                    for port in range(ports)
                )
            position += parameter.numel()
        self.steps = torch.zeros(position)

    def fit(self, values: Tensor) -> None:
        """Choose the step of each matrix anew, by the least squared error of its values."""
        for matrix in self.matrices:
            fraction = weight_fraction(values[matrix].double().numpy(), self.word)
            self.steps[matrix] = 2.0**-fraction

    def round(self, values: Tensor) -> Tensor:
        """The values as a chip would hold them."""
        steps = self.steps
        mantissas = (values / steps).round_().clamp_(self.word.minimum, self.word.maximum)
        return torch.where(steps > 0, mantissas * steps, values)
