"""What a piece of a sequence does to a layer's gradient and eligibility: compiled, or by torch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ltc2hw.training import eligibility_kernels as kernels
from ltc2hw.training.sweep import sweep


class Back(NamedTuple):
    """What is known when a piece has been gone through backwards.

    ``left`` and ``entered`` are what is left at the end of the piece of what entered in it, empty
    if nothing comes after it.
    """

    factors: Tensor
    """How the loss moves with what arrives at the ports in each step, (L, P, B, N)."""
    constant: Tensor
    """Gradient of the learned constants, (F, N), without the past."""
    credit: Tensor
    """Of the states before the piece, (d, B, N)."""
    products: Tensor
    """How the states after the piece move with those before it, (d, d, B, N)."""
    left: Tensor
    """Of what arrives at the ports, (L, d, P, B, N)."""
    entered: Tensor
    """Of what constants add, (d, F, B, N)."""


def compiled(derivatives: Tensor, present: Tensor, shown: Tensor, ports: int, last: bool) -> Back:
    """:func:`by_torch` on the CPU, in one pass; derivatives that are not ``present`` are not read.

    ``present``: truths (rows, columns).
    """
    length, rows, columns, batch, size = derivatives.shape
    states, count = rows - 1, columns - rows + 1 - ports
    empty, zeros = derivatives.new_empty, derivatives.new_zeros
    back = Back(
        factors=empty(length, ports, batch, size),
        constant=zeros(count, size),
        credit=empty(states, batch, size),
        products=empty(states, states, batch, size),
        left=empty(0 if last else length, states, ports, batch, size),
        entered=zeros(states, count, batch, size),
    )
    given = (derivatives, present, shown.contiguous())
    kernels.go_back(
        *(tensor.numpy() for tensor in given),
        *(back[i].numpy() for i in (0, 1, 4, 5, 2, 3)),
    )
    return back


def by_torch(derivatives: Tensor, present: Tensor, shown: Tensor, ports: int, last: bool) -> Back:
    """From derivatives (L, rows, columns, B, N) and the credit (L, B, N) of what is seen.

    All steps at once (:func:`~ltc2hw.training.sweep.sweep`); so it needs more memory, and few
    operations of much work.
    """
    states = derivatives.shape[1] - 1
    derivatives = torch.where(present[:, :, None, None], derivatives, 0.0)
    seen = derivatives[:, states] * shown.unsqueeze(1)
    credit, products = sweep(derivatives[:, :states, :states], seen[:, :states])
    entering = derivatives[:, :states, states:]
    factors = (entering * credit[1:].unsqueeze(2)).sum(dim=1) + seen[:, states:]
    constant = factors[:, ports:].sum(dim=(0, 2))
    left = (products[1:].unsqueeze(3) * entering.unsqueeze(1)).sum(dim=2)
    left = left[: 0 if last else None]
    entered = left[:, :, ports:].sum(dim=0)
    return Back(factors[:, :ports], constant, credit[0], products[0], left[:, :, :ports], entered)


def meet(back: Back, eligibility: Tensor, gradient: Tensor, fast: bool) -> None:
    """Add to the gradient (N, P, M') what credit finds in the eligibility (B, N, d, P, M')."""
    if fast:
        given = (back.credit, eligibility, gradient.flatten(1))
        kernels.meet(*(tensor.numpy() for tensor in given))
    else:
        gradient += torch.einsum("ibn,bnipm->npm", back.credit, eligibility)


def advance(
    back: Back, messages: Tensor, eligibility: Tensor, gradient: Tensor, fast: bool
) -> None:
    """:func:`meet`, then bring the eligibility to the end of the piece, in place."""
    if fast:
        given = (back.products, back.credit, back.left, messages, eligibility, gradient.flatten(1))
        kernels.advance(*(tensor.numpy() for tensor in given))
        return
    meet(back, eligibility, gradient, fast)
    kept = torch.einsum("ijbn,bnjpm->bnipm", back.products, eligibility)
    eligibility.copy_(kept).add_(torch.einsum("lipbn,lbm->bnipm", back.left, messages))
