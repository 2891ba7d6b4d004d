"""All parameters of a module as one vector, so that an update is a few tensor operations."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FlatParameters:
    """Makes the parameters of a module views into one vector, their gradients into another.

    The module works as before; an optimizer over :attr:`parameter` moves all its parameters at
    once. Do not replace the module's ``.grad`` tensors: clear them with :meth:`zero_grad`.

    >>> module = nn.Linear(2, 3)
    >>> flat = FlatParameters(module)
    >>> flat.parameter.shape
    torch.Size([9])
    """

    def __init__(self, module: nn.Module) -> None:
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        self.parameter = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in self._parameters]))
        grad = torch.zeros_like(self.parameter.data)
        self.parameter.grad = grad
        position = 0
        for parameter in self._parameters:
            end = position + parameter.numel()
            parameter.data = self.parameter.data[position:end].view_as(parameter)
            parameter.grad = grad[position:end].view_as(parameter)
            position = end

    def zero_grad(self) -> None:
        """Clear all gradients in place, so that they stay views."""
        grad = self.parameter.grad
        assert grad is not None
        grad.zero_()

    def limit(self, bounds: Tensor) -> None:
        """Clip every parameter to ± its bound, in place."""
        with torch.no_grad():
            self.parameter.clamp_(-bounds, bounds)

    def values(self) -> Tensor:
        """A copy of all parameters."""
        return self.parameter.detach().clone()

    def load(self, values: Tensor) -> None:
        """Overwrite all parameters."""
        with torch.no_grad():
            self.parameter.copy_(values)
