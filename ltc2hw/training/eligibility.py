"""What a layer carries from piece to piece of a sequence, and the gradient that it makes of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ltc2hw.errors import UnsupportedError
from ltc2hw.neurons.cell import Cell
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.training import eligibility_kernels as kernels
from ltc2hw.training.local import LocalSteps, Registers, Steps, synapses, with_trace
from ltc2hw.training.sweep import Sweep, sweep

MOST_CARRIED = 1 << 31
"""Most numbers in the eligibility of a layer, 8 GiB in float32."""

SAME = 1e-5
"""How far leaks of outputs may be apart that count as one."""


class EligibleLayer:
    """A layer that learns from its own memory, piece after piece of a sequence.

    With A, b, c the derivatives of the states by states, sums and constants, and e the eligibility
    of every synapse and constant, per sample (d numbers each)::

        e[t] = A[t] e[t-1] + b[t] x[t]      ∇ = Σ_t (∂L_t/∂s_t) e[t]

    for messages x; L_t is the loss of step t alone. A piece of L steps needs e at its start only:
    what the steps hand back to each other is a :mod:`~ltc2hw.training.sweep`.

    ``traced``: it shows the layer above a trace of what it sends, see
    :func:`~ltc2hw.training.local.with_trace`.

    Source: Bellec et al. 2020 (e-prop); Bohnstingl et al., arXiv 2007.12723 (OSTL); Baronig et al.,
    arXiv 2506.14464 (HYPR).
    """

    def __init__(self, cell: Cell, seen: str, *, traced: bool = False) -> None:
        self.cell, self.traced = cell, traced
        self.local = LocalSteps(cell.form, seen)
        self.registers: Registers = ()
        self.synaptic: Tensor | None = None
        self.constant: Tensor | None = None

    def start(self, batch: int) -> None:
        """Forget the past."""
        zero = self.cell.weight_input.detach().new_zeros(batch, self.cell.size)
        self.registers = (zero,) * len(self.cell.form.registers)
        self.synaptic = self.constant = None

    def run(self, x: Tensor) -> tuple[Tensor, Steps]:
        """Go through a piece x: (L, B, M); what is seen of it (L, B, N), and its steps."""
        form = self.cell.form
        steps = self.local.run(self.cell.tensors(), self.registers, x)
        self.registers = tuple(after[-1] for after in steps.after)
        return steps.after[form.registers.index(self.local.seen)], steps

    def derivatives(self, steps: Steps, kept: Tensor | None = None) -> Tensor:
        """Those of a piece; ``kept``: what the trace keeps per step."""
        found = self.local.derivatives(self.cell.tensors(), steps)
        return found if kept is None else with_trace(found, kept)

    def leak(self, derivatives: Tensor) -> Tensor:
        """What all neurons keep of themselves per step.

        Raises:
            UnsupportedError: if it is not the same for all of them.
        """
        kept = derivatives[0, 0, 0, 0]
        least, most = float(kept.min()), float(kept.max())
        if most - least > SAME:
            reason = f"they keep {least:.6g} to {most:.6g} per step, so a trace each"
            remedy = "use method 'ostl' or 'hypr'"
            raise UnsupportedError("e-prop", "leaks of the readout", reason, remedy)
        return kept[0]

    def instantaneous(self, derivatives: Tensor, credit: Tensor) -> Tensor:
        """Credit of what arrived from below, by way of the same step alone, (L, B, M)."""
        form = self.cell.form
        factors = derivatives[:, -1, self._ports(derivatives)] * credit.unsqueeze(1)
        length, ports, batch, size = factors.shape
        flat = factors.permute(0, 2, 1, 3).reshape(length, batch, ports * size)
        return flat @ self.cell.weight_input.reshape(-1, form.inputs)

    def learn(self, derivatives: Tensor, steps: Steps, credit: Tensor, *, last: bool) -> None:
        """Add a piece's gradient to the parameters', and carry the eligibility on unless ``last``.

        ``credit``: the derivative of each step's own loss by what is seen, (L, B, N).

        Raises:
            TooLargeError: for an eligibility that would not fit in memory.
        """
        states = derivatives.shape[1] - 1
        shown = derivatives[:, states] * credit.unsqueeze(1)
        back = sweep(derivatives[:, :states, :states], shown[:, :states])
        # Factors of all columns but the states: how the loss moves with what arrives there.
        later = derivatives[:, :states, states:] * back.credit[1:].unsqueeze(2)
        factors = later.sum(dim=1).add_(shown[:, states:])
        ports = len(self.cell.form.ports)
        synaptic = _present(factors[:, :ports], steps)
        constant = factors[:, ports:].sum(dim=(0, 2))
        if self.constant is not None:
            constant += (back.credit[0].unsqueeze(1) * self.constant).sum(dim=(0, 2))
        entering = derivatives[:, :states, states:]
        if not last:
            left = (back.products[1:].unsqueeze(3) * entering.unsqueeze(1)).sum(dim=2)
            self._advance(back, left, steps, synaptic)
        elif self.synaptic is not None:
            meet(back.credit[0], self.synaptic, synaptic)
        self._add(synaptic, constant)

    def _advance(self, back: Sweep, left: Tensor, steps: Steps, gradient: Tensor) -> None:
        """Add the past's gradient of synapses; the eligibility after a piece.

        ``left``: what is left at its end of what enters in each step, (L, d, P + F, B, N).
        """
        _, states, _, batch, size = left.shape
        ports, messages = len(self.cell.form.ports), steps.messages.shape[2]
        entered = left[:, :, ports:].sum(dim=0)
        if self.synaptic is None or self.constant is None:
            shape = (batch, size, states, ports, messages)
            remedy = "use smaller batches or layers"
            require_capacity("eligibility of a layer", math.prod(shape), MOST_CARRIED, remedy)
            self.synaptic, self.constant = left.new_zeros(shape), entered
        else:
            past = (back.products[0].unsqueeze(2) * self.constant.unsqueeze(0)).sum(dim=1)
            self.constant = past + entered
        advance(back, left[:, :, :ports], steps.messages, self.synaptic, gradient)

    def _ports(self, derivatives: Tensor) -> slice:
        first = derivatives.shape[1] - 1
        return slice(first, first + len(self.cell.form.ports))

    def _add(self, synaptic: Tensor, constant: Tensor) -> None:
        """Add to the parameters' gradients: (P, N, M') of synapses, (F, N) of learned constants."""
        form, tensors = self.cell.form, self.cell.tensors()
        pairs = [(tensors.weight_input, synaptic[:, :, : form.inputs])]
        if tensors.weight_recurrent is not None:
            pairs.append((tensors.weight_recurrent, synaptic[:, :, form.inputs :]))
        first = 0
        for row in tensors.rows:
            count = row.numel() // form.size
            pairs.append((row, constant[first : first + count]))
            first += count
        for parameter, gradient in pairs:
            assert parameter.grad is not None
            parameter.grad.add_(gradient.reshape(parameter.shape))


def _present(factors: Tensor, steps: Steps) -> Tensor:
    """Gradient of synapses by way of the piece's own messages, (P, N, M')."""
    length, ports, batch, size = factors.shape
    flat = factors.permute(1, 3, 0, 2).reshape(ports * size, length * batch)
    messages = steps.messages.reshape(length * batch, -1)
    return (flat @ messages).view(ports, size, -1)


def meet(credit: Tensor, eligibility: Tensor, gradient: Tensor) -> None:
    """Add to the gradient (P, N, M') of synapses what credit (d, B, N) finds in the eligibility."""
    if eligibility.device.type == "cpu":
        kernels.meet_all(credit.numpy(), eligibility.numpy(), gradient.numpy())
    else:
        gradient += torch.einsum("ibn,bnipm->pnm", credit, eligibility)


def advance(
    back: Sweep, left: Tensor, messages: Tensor, eligibility: Tensor, gradient: Tensor
) -> None:
    """:func:`meet`, then bring the eligibility (B, N, d, P, M') to the end of a piece, in place."""
    products, credit = back.products[0], back.credit[0]
    if eligibility.device.type == "cpu":
        given = (products, credit, left, messages, eligibility, gradient)
        kernels.advance(*(tensor.numpy() for tensor in given))
        return
    meet(credit, eligibility, gradient)
    kept = torch.einsum("ijbn,bnjpm->bnipm", products, eligibility)
    eligibility.copy_(kept).add_(torch.einsum("lipbn,lbm->bnipm", left, messages))
