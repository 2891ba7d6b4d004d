"""A window of LTC steps with a hand-written gradient: the training path.

The inputs of the whole window are multiplied at once, compiled loops walk through the states, and
each weight's gradient is one product over the window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ltc2hw.neurons import ltc_kernels as kernels
from ltc2hw.neurons.gate import before, gate_terms, port_gradient, recurrent_matrices
from ltc2hw.neurons.kernels import EVENT, STATIC
from ltc2hw.neurons.ltc import LTCParameters, LTCState, ltc_drive
from ltc2hw.neurons.surrogate import Surrogate


class LTCWindow(NamedTuple):
    """A window of L steps as it was computed; axes as in :mod:`ltc2hw.neurons.ltc_kernels`."""

    initial: Tensor
    """(3, B, N), the state before the window."""
    sequences: Tensor
    """(4, L, B, N): membrane, adaptation, spikes, distance to the threshold."""
    records: Tensor
    """(6, L, B, N), what else the gradient needs."""

    def before(self, index: int) -> Tensor:
        """One of the state's values before each step, (L, B, N)."""
        return before(self.initial[index], self.sequences[index])


class LTCGradients(NamedTuple):
    """Gradients of a window; the parameters' are shaped as in LTCParameters."""

    weight_input: Tensor
    weight_recurrent: Tensor | None
    bias: Tensor
    terms: tuple[Tensor | None, ...]
    """Of the four gate terms."""
    state: LTCState
    """Of the state before the window."""
    ports: Tensor
    """(P, L, B, N), of the weighted sums; times ``weight_input`` they are the inputs' gradient."""


def ltc_window_forward(
    parameters: LTCParameters, state: LTCState, x: Tensor, *, plan: bool
) -> LTCWindow:
    """Run L steps over x: (L, B, N_in), on the CPU, and keep what the gradient needs."""
    steps, batch, _ = x.shape
    neurons = parameters.bias.shape[1]
    initial = torch.stack(tuple(state))
    sequences = x.new_empty(kernels.SEQUENCES, steps, batch, neurons)
    records = x.new_empty(kernels.RECORDS, steps, batch, neurons)
    kind, terms = gate_terms(parameters[-4:], x, transposed=True)
    kernels.forward(
        kind,
        plan,
        ltc_drive(parameters, x).numpy(),
        recurrent_matrices(parameters.weight_recurrent, x, transposed=True),
        parameters.bias.numpy(),
        torch.stack((parameters.threshold, parameters.adaptation_strength)).numpy(),
        terms,
        initial.numpy(),
        x.new_empty(4, batch, neurons).numpy(),
        sequences.numpy(),
        records.numpy(),
    )
    return LTCWindow(initial, sequences, records)


def ltc_window_backward(
    parameters: LTCParameters,
    x: Tensor,
    window: LTCWindow,
    grads: LTCState,
    surrogate: Surrogate,
) -> LTCGradients:
    """Gradients of parameters, initial state and inputs from those of a window's outputs.

    ``grads`` are those of membrane, adaptation and spikes after each step, (L, B, N). Needs no
    autograd graph. Threshold and adaptation strength are constants. The equations of
    :func:`~ltc2hw.neurons.ltc.ltc_step`, backwards::

        δd   = ψ(d) (δs - u_charged δu)          δu_charged = (1 - s) δu + δd
        δη  -= adaptation_strength·δd
        δgate_m = (I - u[t-1]) σ'(gate_m) δu_charged
        δgate_ρ = (η[t-1] - s[t-1]) σ'(gate_ρ) δη
        δI   = τ δu_charged + a_I·δgate_m + c_I·δgate_ρ
        δu[t-1] = (1 - τ) δu_charged + a_u·δgate_m;   δη[t-1] = ρ δη + c_η·δgate_ρ
        δs[t-1] = (1 - ρ) δη + Rᵀ [δI, δgate_m, δgate_ρ]
    """
    ports = x.new_empty(3, *window.sequences.shape[1:])
    back = torch.zeros_like(window.initial)
    kind, terms = gate_terms(parameters[-4:], x, transposed=False)
    kernels.backward(
        kind,
        recurrent_matrices(parameters.weight_recurrent, x, transposed=False),
        parameters.adaptation_strength.numpy(),
        terms,
        surrogate.slope(window.sequences[kernels.DISTANCE]).numpy(),
        torch.stack(tuple(grads)).numpy(),
        window.sequences.numpy(),
        window.records.numpy(),
        torch.empty_like(window.initial).numpy(),
        back.numpy(),
        ports.numpy(),
    )
    synaptic = ports[: parameters.weight_input.shape[0]]
    recurrent = (
        None
        if parameters.weight_recurrent is None
        else port_gradient(synaptic, window.before(kernels.SPIKES))
    )
    return LTCGradients(
        port_gradient(synaptic, x),
        recurrent,
        ports.sum(dim=(1, 2)),
        _term_gradients(kind, window, ports),
        LTCState(*back),
        synaptic,
    )


def _term_gradients(kind: int, window: LTCWindow, ports: Tensor) -> tuple[Tensor | None, ...]:
    """Gradients of the four gate terms: vectors (N,), matrices (N, N) or nothing."""
    if kind == STATIC:
        return (None,) * 4
    current = window.records[kernels.CURRENT]
    if kind == EVENT:
        totals = ports.new_zeros(4, ports.shape[-1])
        kernels.own_totals(
            ports.numpy(),
            window.initial.numpy(),
            window.sequences.numpy(),
            current.numpy(),
            totals.numpy(),
        )
        return tuple(totals)
    mem, adp = ports[1:2], ports[2:3]
    membrane, adaptation = window.before(kernels.MEMBRANE), window.before(kernels.ADAPTATION)
    products = ((mem, membrane), (mem, current), (adp, adaptation), (adp, current))
    return tuple(port_gradient(port, value)[0] for port, value in products)


class _Window(torch.autograd.Function):
    """Autograd's view of a window: tensors in, (membrane, adaptation, spikes) out."""

    @staticmethod
    def forward(
        ctx: Any,
        plan: bool,
        surrogate: Surrogate,
        x: Tensor,
        membrane: Tensor,
        adaptation: Tensor,
        spikes: Tensor,
        *parameters: Any,
    ) -> tuple[Tensor, ...]:
        state = LTCState(membrane, adaptation, spikes)
        window = ltc_window_forward(LTCParameters(*parameters), state, x, plan=plan)
        ctx.save_for_backward(x, *parameters, *window)
        ctx.surrogate = surrogate
        return tuple(window.sequences[: kernels.DISTANCE].unbind())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, *rest = ctx.saved_tensors
        parameters, window = LTCParameters(*rest[:-3]), LTCWindow(*rest[-3:])
        back = ltc_window_backward(parameters, x, window, LTCState(*grads), ctx.surrogate)
        to_x = None
        if ctx.needs_input_grad[2]:
            to_x = (back.ports @ parameters.weight_input.unsqueeze(1)).sum(dim=0)
        constants = (None, None)
        return (
            None,
            None,
            to_x,
            *back.state,
            back.weight_input,
            back.weight_recurrent,
            back.bias,
            *constants,
            *back.terms,
        )


_run_window: Callable[..., tuple[Tensor, Tensor, Tensor]] = _Window.apply


def ltc_window(
    parameters: LTCParameters, state: LTCState, x: Tensor, surrogate: Surrogate, *, plan: bool
) -> tuple[Tensor, Tensor, LTCState]:
    """Run L steps over x: (L, B, N_in); give (spikes, membrane, final state), first two (L, B, N).

    Equal to L calls of :func:`~ltc2hw.neurons.ltc.ltc_step`, gradients included, only faster.
    ``plan`` chooses the gates' non-linearity: PLAN, else the logistic function.
    """
    membrane, adaptation, spikes = _run_window(plan, surrogate, x, *state, *parameters)
    return spikes, membrane, LTCState(membrane[-1], adaptation[-1], spikes[-1])
