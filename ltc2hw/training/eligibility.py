"""What a layer carries from piece to piece of a sequence, and the gradient that it makes of it."""

from __future__ import annotations

import torch
from torch import Tensor

from ltc2hw.errors import UnsupportedError
from ltc2hw.neurons.cell import Cell
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.training.local import LocalSteps, Registers, Steps, synapses, with_trace
from ltc2hw.training.sweep import sweep

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
        gradients = [_present(factors[:, :ports], steps), factors[:, ports:].sum(dim=(0, 2))]
        if self.synaptic is not None and self.constant is not None:
            gradients[0] += _past(self.synaptic, back.credit[0])
            gradients[1] += _past(self.constant, back.credit[0])[0].t()
        self._add(*gradients)
        if not last:
            self._carry(back.products, derivatives[:, :states, states:], steps)

    def _ports(self, derivatives: Tensor) -> slice:
        first = derivatives.shape[1] - 1
        return slice(first, first + len(self.cell.form.ports))

    def _carry(self, products: Tensor, entering: Tensor, steps: Steps) -> None:
        """The eligibility after a piece: what is left of the past, and what entered since."""
        ports = len(self.cell.form.ports)
        left = (products[1:].unsqueeze(3) * entering.unsqueeze(1)).sum(dim=2)
        length, states, columns, batch, size = left.shape
        messages = steps.messages.shape[2]
        count = batch * size * states * ports * messages
        remedy = "use smaller batches or layers"
        require_capacity("eligibility of a layer", count, MOST_CARRIED, remedy)
        each = left[:, :, :ports].permute(3, 4, 1, 2, 0).reshape(batch, -1, length)
        x = steps.messages.transpose(0, 1)
        constant = left[:, :, ports:].sum(dim=0).permute(2, 3, 0, 1).unsqueeze(3)
        if self.synaptic is None or self.constant is None:
            entered = torch.bmm(each, x)
        else:
            kept = products[0].permute(2, 3, 0, 1).reshape(-1, states, states)
            past = torch.bmm(kept, self.synaptic.view(batch * size, states, -1))
            entered = past.view(batch, -1, messages).baddbmm_(each, x)
            own = torch.bmm(kept, self.constant.reshape(batch * size, states, -1))
            constant = constant + own.view(constant.shape)
        self.synaptic = entered.view(batch, size, states, ports, messages)
        self.constant = constant

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


def _past(eligibility: Tensor, credit: Tensor) -> Tensor:
    """Gradient by way of the eligibility (B, N, d, P, M') at the start of a piece, (P, N, M')."""
    batch, size, states, ports, messages = eligibility.shape
    weights = credit.permute(1, 2, 0).reshape(batch * size, 1, states)
    each = torch.bmm(weights, eligibility.reshape(batch * size, states, -1))
    return each.view(batch, size, ports, messages).sum(dim=0).transpose(0, 1)
