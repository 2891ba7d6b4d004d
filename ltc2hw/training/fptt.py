"""FPTT: forward propagation through time, for any parameters and any optimizer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from ltc2hw.errors import InvalidValueError


class Steps(Protocol):
    """What FPTT needs of an optimizer; all of torch's have it."""

    def step(self) -> object:
        """Move the parameters by their gradients."""


class FPTT:
    """The regularizer and the two memories with which FPTT learns from one window at a time.

    With Φ the parameters, Φ̄ their running mean and λ the gradient memory (Φ̄ = Φ and λ = 0 at the
    start)::

        R(Φ) = -⟨λ, Φ⟩ + α/2 ‖Φ - Φ̄‖²          loss + R is what the optimizer steps on
        Φ    ← optimizer step
        λ    ← λ - α (Φ - Φ̄)
        Φ̄    ← (1 - β) Φ̄ + β Φ - (β/α) λ        with the new λ

    and at the end of a pass over the data Φ ← Φ̄. One update per window: run the network over the
    window from its detached state, ``loss.backward()``, then :meth:`step`.

    Source: Kag, Saligrama, ICML 2021; Yin, Corradi, Bohte, arXiv 2112.11231.

    Raises:
        InvalidValueError: if α is not positive or β is outside (0, 1].

    >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.SGD([weight], lr=0.1)
    >>> fptt = FPTT([weight], alpha=0.5, beta=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (weight**2).sum().backward()
    ...     fptt.step(optimizer)
    >>> round(float(weight.detach()), 4)
    0.65
    """

    def __init__(self, parameters: Iterable[Tensor], *, alpha: float, beta: float) -> None:
        if not 0.0 < alpha < float("inf"):
            raise InvalidValueError("alpha", alpha, "a finite number above 0")
        if not 0.0 < beta <= 1.0:
            raise InvalidValueError("beta", beta, "above 0, at most 1")
        self.parameters = list(parameters)
        self.alpha, self.beta = alpha, beta
        self.running_mean = [p.detach().clone() for p in self.parameters]
        self.memory = [torch.zeros_like(p, requires_grad=False) for p in self.parameters]

    def regularizer(self) -> Tensor:
        """``R(Φ)``, a scalar with a graph, for whoever wants to see it in the loss."""
        total = torch.zeros(())
        for value, mean, memory in self._triples():
            drift = value - mean
            total = total + 0.5 * self.alpha * (drift * drift).sum() - (memory * value).sum()
        return total

    @torch.no_grad()
    def add_gradient(self) -> None:
        """Add ``∂R/∂Φ = -λ + α (Φ - Φ̄)`` to the parameters' gradients."""
        for value, mean, memory in self._triples():
            slope = torch.sub(value, mean).mul_(self.alpha).sub_(memory)
            if value.grad is None:
                value.grad = slope
            else:
                value.grad.add_(slope)

    @torch.no_grad()
    def update_memories(self) -> None:
        """After the optimizer's step: first λ, then Φ̄."""
        for value, mean, memory in self._triples():
            memory.sub_(value - mean, alpha=self.alpha)
            mean.lerp_(value, self.beta).sub_(memory, alpha=self.beta / self.alpha)

    def step(self, optimizer: Steps, clip: float | None = None) -> None:
        """One update from the loss's gradients: regularize, clip the norm, optimize, remember."""
        self.add_gradient()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, clip)
        optimizer.step()
        self.update_memories()

    @torch.no_grad()
    def finish_pass(self) -> None:
        """At the end of a pass over the data: Φ ← Φ̄."""
        for value, mean, _ in self._triples():
            value.copy_(mean)

    def state_dict(self) -> dict[str, list[Tensor]]:
        """Copies of both memories."""
        return {
            "running_mean": [mean.clone() for mean in self.running_mean],
            "memory": [memory.clone() for memory in self.memory],
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, list[Tensor]]) -> None:
        """Continue from :meth:`state_dict`."""
        for own, saved in (
            (self.running_mean, state["running_mean"]),
            (self.memory, state["memory"]),
        ):
            for tensor, value in zip(own, saved, strict=True):
                tensor.copy_(value)

    def _triples(self) -> Iterable[tuple[Tensor, Tensor, Tensor]]:
        return zip(self.parameters, self.running_mean, self.memory, strict=True)
