"""Optimizers of one vector of parameters: torch's own, and the same rules as tensors alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from ltc2hw.training.options import OptimizerName, TrainingOptions
from ltc2hw.training.update_kernels import FIRST_DECAY, SECOND_DECAY, TINY

OPTIMIZERS: dict[OptimizerName, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "sgd": torch.optim.SGD,
}


ENTRIES: dict[OptimizerName, tuple[str, ...]] = {
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamax": ("exp_avg", "exp_inf"),
    "sgd": (),
}
"""What torch's optimizers keep for each parameter, besides the number of steps."""


class VectorOptimizer(Protocol):
    """Moves one vector of parameters by its gradient."""

    def set_rate(self, rate: float) -> None:
        """The learning rate of the updates to come."""

    def step(self) -> None:
        """One update."""

    def entries(self) -> dict[str, Tensor]:
        """What the next update depends on, beside parameters and gradient."""

    def restore(self, entries: Mapping[str, Tensor]) -> None:
        """Continue from :meth:`entries`."""


class TorchOptimizer:
    """One of torch's optimizers."""

    def __init__(self, parameter: nn.Parameter, options: TrainingOptions) -> None:
        self.wrapped = OPTIMIZERS[options.optimizer]([parameter], lr=options.learning_rate)
        self.kept = ENTRIES[options.optimizer]
        self.parameter = parameter

    def set_rate(self, rate: float) -> None:
        """The learning rate of the updates to come."""
        for group in self.wrapped.param_groups:
            group["lr"] = rate

    def step(self) -> None:
        """One update."""
        self.wrapped.step()

    def entries(self) -> dict[str, Tensor]:
        """The optimizer's own state; zeros before the first update, as torch then makes them."""
        state = self.wrapped.state_dict()["state"].get(0, {})
        if not state and self.kept:
            blank = {name: torch.zeros_like(self.parameter.detach()) for name in self.kept}
            return {"step": torch.zeros(()), **blank}
        # Some versions of torch keep an empty place for a momentum that is not used.
        return {name: torch.as_tensor(value) for name, value in state.items() if value is not None}

    def restore(self, entries: Mapping[str, Tensor]) -> None:
        """Continue from :meth:`entries`."""
        groups = self.wrapped.state_dict()["param_groups"]
        state = {0: dict(entries)} if entries else {}
        self.wrapped.load_state_dict({"state": state, "param_groups": groups})


class TensorOptimizer:
    """Torch's Adam, Adamax or SGD, no number of which ever leaves the parameters' device.

    Rate and number of updates are tensors, and all state stays in place, as a captured CUDA graph
    needs it. With gradient g, rate γ, update n, and ``m ← m + 0.1 (g - m)``::

        adam:     v ← 0.999 v + 0.001 g²;       Φ ← Φ - γ/(1 - 0.9ⁿ) m / (√(v/(1 - 0.999ⁿ)) + 1e-8)
        adamax:   v ← max(0.999 v, |g| + 1e-8); Φ ← Φ - γ/(1 - 0.9ⁿ) m / v
        sgd:      Φ ← Φ - γ g

    Source: Kingma, Ba, arXiv 1412.6980.

    >>> weight = nn.Parameter(torch.tensor([1.0]))
    >>> weight.grad = torch.tensor([0.5])
    >>> TensorOptimizer(weight, TrainingOptions(optimizer="sgd", learning_rate=0.5)).step()
    >>> weight.detach()
    tensor([0.7500])
    """

    def __init__(self, parameter: nn.Parameter, options: TrainingOptions) -> None:
        self.parameter = parameter
        self.shift = SHIFTS[options.optimizer]
        # Doubles: powers of the decays must not be coarser than those of torch's host numbers.
        self.updates = parameter.new_zeros((), dtype=torch.float64)
        self.rate = torch.full_like(self.updates, options.learning_rate)
        self.first, self.second = parameter.new_zeros((2, len(parameter)))

    def set_rate(self, rate: float) -> None:
        """The learning rate of the updates to come."""
        self.rate.fill_(rate)

    @torch.no_grad()
    def step(self) -> None:
        """One update."""
        assert self.parameter.grad is not None
        self.updates.add_(1.0)
        self.parameter.sub_(self.shift(self, self.parameter.grad))

    def entries(self) -> dict[str, Tensor]:
        """Number of updates and both moments."""
        return {"updates": self.updates, "first": self.first, "second": self.second}

    def restore(self, entries: Mapping[str, Tensor]) -> None:
        """Continue from :meth:`entries`."""
        for name, value in self.entries().items():
            value.copy_(entries[name])

    def corrected_rate(self) -> Tensor:
        """The rate over what the first moment still lacks."""
        return torch.div(self.rate, 1.0 - torch.pow(FIRST_DECAY, self.updates))


def _adam(at: TensorOptimizer, gradient: Tensor) -> Tensor:
    at.first.lerp_(gradient, 1.0 - FIRST_DECAY)
    at.second.mul_(SECOND_DECAY).addcmul_(gradient, gradient, value=1.0 - SECOND_DECAY)
    whole = (1.0 - torch.pow(SECOND_DECAY, at.updates)).sqrt()
    size = at.second.sqrt().div_(whole).add_(TINY)
    return torch.div(at.first, size).mul_(at.corrected_rate())


def _adamax(at: TensorOptimizer, gradient: Tensor) -> Tensor:
    at.first.lerp_(gradient, 1.0 - FIRST_DECAY)
    torch.maximum(at.second.mul_(SECOND_DECAY), gradient.abs().add_(TINY), out=at.second)
    return torch.div(at.first, at.second).mul_(at.corrected_rate())


def _sgd(at: TensorOptimizer, gradient: Tensor) -> Tensor:
    return torch.mul(gradient, at.rate)


SHIFTS: dict[OptimizerName, Callable[[TensorOptimizer, Tensor], Tensor]] = {
    "adam": _adam,
    "adamax": _adamax,
    "sgd": _sgd,
}
"""What each rule subtracts from the parameters."""
