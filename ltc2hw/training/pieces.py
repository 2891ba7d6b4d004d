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
    # Samples lie side by side as neurons do: long rows for what goes along them.
    whole = (1, batch * size)
    empty, zeros = derivatives.new_empty, derivatives.new_zeros
    constant = zeros(count, *whole[1:])
    factors = empty(length, ports, *whole)
    credit, products = empty(states, *whole), empty(states, states, *whole)
    left = empty(0 if last else length, states, ports, *whole)
    entered = zeros(states, count, *whole)
    given = (
        derivatives.view(length, rows, columns, *whole),
        present,
        shown.reshape(length, *whole),
    )
    written = (factors, constant, left, entered, credit, products)
    kernels.go_back(*(tensor.numpy() for tensor in (*given, *written)))
    shape = (batch, size)
    return Back(
        factors.view(length, ports, *shape),
        constant.view(count, *shape).sum(dim=1),
        credit.view(states, *shape),
        products.view(states, states, *shape),
        left.view(len(left), states, ports, *shape),
        entered.view(states, count, *shape),
    )


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
        # A single step goes in one pass over the eligibility; of more, what entered in them is one
        # product of matrices for each sample.
        own = 1 if len(messages) == 1 else 0
        past = (back.products, back.credit, back.left[:own], messages[:own])
        given = (*past, eligibility, gradient.flatten(1))
        kernels.advance(*(tensor.numpy() for tensor in given))
        if not own:
            length, batch, count = messages.shape
            left = back.left.permute(3, 4, 1, 2, 0).reshape(batch, -1, length)
            eligibility.view(batch, -1, count).baddbmm_(left, messages.transpose(0, 1))
        return
    meet(back, eligibility, gradient, fast)
    kept = torch.einsum("ijbn,bnjpm->bnipm", back.products, eligibility)
    eligibility.copy_(kept).add_(torch.einsum("lipbn,lbm->bnipm", back.left, messages))
