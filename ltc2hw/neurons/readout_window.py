"""A window of readout steps with a hand-written gradient; the LTC window without spikes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ltc2hw.neurons import readout_kernels as kernels
from ltc2hw.neurons.gate import before, drive, gate_terms, port_gradient
from ltc2hw.neurons.kernels import EVENT, STATIC
from ltc2hw.neurons.readout import ReadoutParameters, ReadoutState


def _term_gradients(
    kind: int, gates: Tensor, earlier: Tensor, current: Tensor
) -> tuple[Tensor | None, ...]:
    """Gradients of the two gate terms: vectors (N,), matrices (N, N) or nothing."""
    if kind == STATIC:
        return (None, None)
    if kind == EVENT:
        totals = gates.new_zeros(2, gates.shape[-1])
        kernels.own_totals(gates.numpy(), earlier.numpy(), current.numpy(), totals.numpy())
        return tuple(totals)
    port = gates.unsqueeze(0)
    return port_gradient(port, earlier)[0], port_gradient(port, current)[0]


class _Window(torch.autograd.Function):
    """A window of readout steps, (L, B, N_in) -> membranes (L, B, N)."""

    @staticmethod
    def forward(ctx: Any, plan: bool, x: Tensor, initial: Tensor, *parameters: Any) -> Tensor:
        tensors = ReadoutParameters(*parameters)
        records = x.new_empty(kernels.RECORDS, len(x), *initial.shape)
        kind, terms = gate_terms(tensors[-2:], x, transposed=True)
        kernels.forward(
            kind,
            plan,
            drive(tensors.weight_input, tensors.bias, x).numpy(),
            tensors.bias.numpy(),
            terms,
            initial.numpy(),
            x.new_empty(2, *initial.shape).numpy(),
            records.numpy(),
        )
        ctx.save_for_backward(x, initial, *parameters, records)
        return records[kernels.MEMBRANE]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, initial, *rest, records = ctx.saved_tensors
        parameters = ReadoutParameters(*rest)
        kind, terms = gate_terms(parameters[-2:], x, transposed=False)
        ports = torch.empty_like(records[:2])
        back = torch.zeros_like(initial)
        kernels.backward(
            kind,
            terms,
            grad.contiguous().numpy(),
            records.numpy(),
            torch.empty_like(ports[:, 0]).numpy(),
            back.numpy(),
            ports.numpy(),
        )
        synaptic = ports[: parameters.weight_input.shape[0]]
        to_x = None
        if ctx.needs_input_grad[1]:
            to_x = (synaptic @ parameters.weight_input.unsqueeze(1)).sum(dim=0)
        earlier = before(initial, records[kernels.MEMBRANE])
        return (
            None,
            to_x,
            back,
            port_gradient(synaptic, x),
            ports.sum(dim=(1, 2)),
            *_term_gradients(kind, ports[1], earlier, records[kernels.CURRENT]),
        )


_run_window: Callable[..., Tensor] = _Window.apply


def readout_window(
    parameters: ReadoutParameters, state: ReadoutState, x: Tensor, *, plan: bool
) -> tuple[Tensor, ReadoutState]:
    """Run L steps over x: (L, B, N_in) -> membranes (L, B, N) and the final state.

    Equal to L calls of :func:`~ltc2hw.neurons.readout.readout_step`, gradients included.
    """
    membranes = _run_window(plan, x, state.membrane, *parameters)
    return membranes, ReadoutState(membranes[-1])
