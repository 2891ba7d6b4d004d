"""The way back through a piece of a sequence: an affine recursion and products of its matrices."""

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


def in_steps(carry: Tensor, added: Tensor) -> Sweep:
    """Step after step from the last one back.

    With A the derivatives of the state after a step (rows) by that before it (columns)::

        p[t] = added[t] + A[t]ᵀ p[t+1]      p[L] = 0
        P[t] = P[t+1] A[t]                  P[L] = 1

    ``carry``: A, (L, d, d, ...); ``added``: (L, d, ...); all else is computed apart.

    >>> a, b = torch.full((2, 1, 1), 0.5), torch.ones(2, 1)
    >>> in_steps(a, b).credit.flatten().tolist(), in_steps(a, b).products.flatten().tolist()
    ([1.5, 1.0, 0.0], [0.25, 0.5, 1.0])
    """
    credit, products = _ends(carry, added)
    for step in range(len(carry) - 1, -1, -1):
        own = carry[step]
        later = torch.mul(own, credit[step + 1].unsqueeze(1)).sum(dim=0)
        torch.add(added[step], later, out=credit[step])
        torch.sum(products[step + 1].unsqueeze(2) * own.unsqueeze(0), dim=1, out=products[step])
    return Sweep(credit, products)


def in_parallel(carry: Tensor, added: Tensor) -> Sweep:
    """The same as :func:`in_steps` by an associative scan, log2(L) deep.

    Maps ``p -> M p + v`` follow each other as ``(M, v) ∘ (M', v') = (M M', v + M v')``; each round
    joins every map with the one that begins where it ends, so that they span twice as many steps.

    >>> a, b = torch.full((2, 1, 1), 0.5), torch.ones(2, 1)
    >>> in_parallel(a, b).credit.flatten().tolist()
    [1.5, 1.0, 0.0]
    """
    credit, products = _ends(carry, added)
    maps, shifts = carry.transpose(1, 2), added
    span, steps = 1, len(carry)
    while span < steps:
        inner, outer = steps - span, maps[: steps - span]
        shifted = shifts[:inner] + torch.mul(outer, shifts[span:].unsqueeze(1)).sum(dim=2)
        joined = torch.mul(outer.unsqueeze(3), maps[span:].unsqueeze(1)).sum(dim=2)
        shifts = torch.cat([shifted, shifts[inner:]])
        maps = torch.cat([joined, maps[inner:]])
        span *= 2
    credit[:steps] = shifts
    products[:steps] = maps.transpose(1, 2)
    return Sweep(credit, products)


def sweep(carry: Tensor, added: Tensor) -> Sweep:
    """:func:`in_parallel` where many steps at once cost as little as one, else :func:`in_steps`."""
    return (in_steps if carry.device.type == "cpu" else in_parallel)(carry, added)


def _ends(carry: Tensor, added: Tensor) -> tuple[Tensor, Tensor]:
    """Places for both results, with what they are after the last step."""
    steps, states, *rest = added.shape
    credit = added.new_zeros(steps + 1, states, *rest)
    products = carry.new_zeros(steps + 1, states, states, *rest)
    for state in range(states):
        products[steps, state, state] = 1.0
    return credit, products
