"""The way back through a piece of a sequence as an associative scan."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Sweep(NamedTuple):
    """What L steps hand back to the state before each of them."""

    credit: Tensor
    """(L + 1, d, ...): that of the state before each step, and 0 after the last."""
    products: Tensor
    """(L + 1, d, d, ...): how the state after the last step moves with that before each one."""


def sweep(carry: Tensor, added: Tensor) -> Sweep:
    """An affine recursion and the products of its matrices, log2(L) deep.

    With A the derivatives of the state after a step (rows) by that before it (columns)::

        p[t] = added[t] + A[t]ᵀ p[t+1]      p[L] = 0
        P[t] = P[t+1] A[t]                  P[L] = 1

    Maps ``p -> M p + v`` follow each other as ``(M, v) ∘ (M', v') = (M M', v + M v')``; each round
    joins every map with the one that begins where it ends, so that they span twice as many steps.
    ``carry``: A, (L, d, d, ...); ``added``: (L, d, ...); what comes after is computed apart.

    >>> a, b = torch.full((2, 1, 1), 0.5), torch.ones(2, 1)
    >>> sweep(a, b).credit.flatten().tolist(), sweep(a, b).products.flatten().tolist()
    ([1.5, 1.0, 0.0], [0.25, 0.5, 1.0])
    """
    maps, shifts = carry.transpose(1, 2), added
    span, steps = 1, len(carry)
    while span < steps:
        inner, outer = steps - span, maps[: steps - span]
        shifted = shifts[:inner] + torch.mul(outer, shifts[span:].unsqueeze(1)).sum(dim=2)
        joined = torch.mul(outer.unsqueeze(3), maps[span:].unsqueeze(1)).sum(dim=2)
        shifts = torch.cat([shifted, shifts[inner:]])
        maps = torch.cat([joined, maps[inner:]])
        span *= 2
    one = torch.eye(carry.shape[1], dtype=carry.dtype, device=carry.device)
    one = one.reshape(1, *one.shape, *(1 for _ in carry.shape[3:])).expand(1, *carry.shape[1:])
    credit = torch.cat([shifts, torch.zeros_like(shifts[:1])])
    return Sweep(credit, torch.cat([maps.transpose(1, 2), one]))
