"""What a layer carries from piece to piece of a sequence, and the gradient that it makes of it."""

from __future__ import annotations

import math

from torch import Tensor

from ltc2hw.neurons.cell import Cell
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.training import pieces
from ltc2hw.training.local import Leak, LocalSteps, Registers, Steps

MOST_CARRIED = 1 << 31
"""Most numbers in the eligibility of a layer, 8 GiB in float32."""


class EligibleLayer:
    """A layer that learns from its own memory, piece after piece of a sequence.

    With A, b, c the derivatives of the states by states, sums and constants, and e the eligibility
    of every synapse and constant, per sample (d numbers each)::

        e[t] = A[t] e[t-1] + b[t] x[t]      ∇ = Σ_t (∂L_t/∂s_t) e[t]

    for messages x; L_t is the loss of step t alone. A piece of L steps needs e at its start only:
    what the steps hand back to each other is in :mod:`~ltc2hw.training.pieces`. ``seen`` and
    ``traced`` as in :class:`~ltc2hw.training.local.LocalSteps`.

    Source: Bellec et al. 2020 (e-prop); Bohnstingl et al., arXiv 2007.12723 (OSTL); Baronig et al.,
    arXiv 2506.14464 (HYPR).
    """

    def __init__(self, cell: Cell, seen: str, *, traced: bool = False) -> None:
        self.cell, self.traced = cell, traced
        self.local = LocalSteps(cell.form, seen, traced=traced)
        self.fast = cell.weight_input.device.type == "cpu"
        """Whether pieces are compiled; by torch otherwise."""
        first = len(self.local.present) - 1
        self.ports = slice(first, first + len(cell.form.ports))
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

    def derivatives(self, steps: Steps, leak: Leak | None = None) -> Tensor:
        """Those of a piece; ``leak``: what the trace keeps and takes up per step."""
        return self.local.derivatives(self.cell.tensors(), steps, leak, self.fast)

    @property
    def answers(self) -> bool:
        """Whether what it shows depends on what arrives in the same step."""
        return bool(self.local.present[-1, self.ports].any())

    def instantaneous(self, derivatives: Tensor, credit: Tensor) -> Tensor:
        """Credit of what arrived from below, by way of the same step alone, (L, B, M)."""
        factors = derivatives[:, -1, self.ports] * credit.unsqueeze(1)
        factors[:, ~self.local.present[-1, self.ports]] = 0.0
        return self.handed(factors)

    def handed(self, factors: Tensor) -> Tensor:
        """Credit of what arrived from below, (L, B, M), of that of sums at ports, (L, P, B, N)."""
        length, ports, batch, size = factors.shape
        flat = factors.permute(0, 2, 1, 3).reshape(length, batch, ports * size)
        return flat @ self.cell.weight_input.reshape(-1, self.cell.form.inputs)

    def learn(self, derivatives: Tensor, steps: Steps, credit: Tensor, *, last: bool) -> None:
        """Add a piece's gradient to the parameters', and carry the eligibility on unless ``last``.

        ``credit``: the derivative of each step's own loss by what is seen, (L, B, N).

        Raises:
            TooLargeError: for an eligibility that would not fit in memory.
        """
        ports = len(self.cell.form.ports)
        go_back = pieces.compiled if self.fast else pieces.by_torch
        back = go_back(derivatives, self.local.present, credit, ports, last)
        synaptic, constant = _present(back.factors, steps), back.constant
        past = self.constant
        if past is not None:
            constant += (back.credit.unsqueeze(1) * past).sum(dim=(0, 2))
        if not last:
            kept = 0.0 if past is None else (back.products.unsqueeze(2) * past).sum(dim=1)
            self.constant = back.entered + kept
            if self.synaptic is None:
                self.synaptic = self._room(back, steps)
            pieces.advance(back, steps.messages, self.synaptic, synaptic, self.fast)
        elif self.synaptic is not None:
            pieces.meet(back, self.synaptic, synaptic, self.fast)
        self._add(synaptic, constant)

    def _room(self, back: pieces.Back, steps: Steps) -> Tensor:
        """No eligibility of synapses yet, (B, N, d, P, M')."""
        states, batch, size = back.credit.shape
        shape = (batch, size, states, len(self.cell.form.ports), steps.messages.shape[2])
        remedy = "use smaller batches or layers"
        require_capacity("eligibility of a layer", math.prod(shape), MOST_CARRIED, remedy)
        return back.credit.new_zeros(shape)

    def _add(self, synaptic: Tensor, constant: Tensor) -> None:
        """Add to the parameters' gradients: (N, P, M') of synapses, (F, N) of learned constants."""
        form, tensors = self.cell.form, self.cell.tensors()
        synaptic = synaptic.transpose(0, 1)
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
    """Gradient of synapses by way of the piece's own messages, (N, P, M')."""
    length, ports, batch, size = factors.shape
    flat = factors.permute(3, 1, 0, 2).reshape(size * ports, length * batch)
    messages = steps.messages.reshape(length * batch, -1)
    return (flat @ messages).view(size, ports, -1)
