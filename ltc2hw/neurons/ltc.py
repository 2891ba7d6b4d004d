"""Liquid-time-constant spiking neurons: parameters, state, one pure step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ltc2hw.neurons.gate import drive, gate_term
from ltc2hw.neurons.nonlinearity import Nonlinearity
from ltc2hw.neurons.surrogate import Surrogate


class LTCState(NamedTuple):
    """What a layer of LTC neurons remembers, each of shape (B, N)."""

    membrane: Tensor
    """``u`` after the reset."""
    adaptation: Tensor
    """``η``."""
    spikes: Tensor
    """``s``, 0 or 1."""

    def detach(self) -> LTCState:
        """The same state without its past: no gradient crosses it."""
        return LTCState(*(value.detach() for value in self))


class LTCParameters(NamedTuple):
    """Tensors of a layer of N LTC neurons with ``N_in`` inputs.

    The weights have P ports: ``current``, ``tau_mem``, ``tau_adp`` with event gates; ``current``
    alone with dense and static gates. The four gate terms are vectors (N,) that multiply
    elementwise (event), matrices (N, N) (dense) or None (static).
    """

    weight_input: Tensor
    """(P, N, N_in), from the inputs."""
    weight_recurrent: Tensor | None
    """(P, N, N), from the layer's own spikes of the step before; None without recurrence."""
    bias: Tensor
    """(3, N): rows ``current``, ``tau_mem``, ``tau_adp``."""
    threshold: Tensor
    """(N,), ``b0``."""
    adaptation_strength: Tensor
    """(N,), how far η lifts the threshold."""
    tau_mem_from_state: Tensor | None
    """From ``u[t-1]`` into the membrane gate."""
    tau_mem_from_current: Tensor | None
    """From ``I`` into the membrane gate."""
    tau_adp_from_state: Tensor | None
    """From ``η[t-1]`` into the adaptation gate."""
    tau_adp_from_current: Tensor | None
    """From ``I`` into the adaptation gate."""


def ltc_drive(parameters: LTCParameters, x: Tensor) -> Tensor:
    """What the inputs alone contribute, biases included: (..., N_in) -> (P, ..., N)."""
    return drive(parameters.weight_input, parameters.bias, x)


def ltc_step(
    parameters: LTCParameters,
    state: LTCState,
    x: Tensor,
    nonlinearity: Nonlinearity,
    surrogate: Surrogate,
) -> tuple[Tensor, LTCState]:
    """One step of a layer of LTC neurons, x: (B, N_in) -> spikes (B, N).

    With ``P`` the weighted inputs plus weighted ``s[t-1]`` plus biases, per port::

        I = P_current
        τ = σ(P_mem + a_u·u[t-1] + a_I·I);      u = u[t-1] + τ (I - u[t-1])
        ρ = σ(P_adp + c_η·η[t-1] + c_I·I);      η = ρ η[t-1] + (1 - ρ) s[t-1]
        θ = threshold + adaptation_strength·η;      s = u > θ;      u = u (1 - s)

    Source: Yin, Corradi, Bohte, arXiv 2112.11231; the event gates are ltc2hw's.
    """
    ports = ltc_drive(parameters, x)
    if parameters.weight_recurrent is not None:
        ports = ports + state.spikes @ parameters.weight_recurrent.transpose(1, 2)
    current = ports[0]
    if len(ports) == 1:
        gate_mem, gate_adp = (bias.expand_as(current) for bias in parameters.bias[1:])
    else:
        gate_mem, gate_adp = ports[1], ports[2]
    gate_mem = gate_term(parameters.tau_mem_from_state, state.membrane, gate_mem)
    gate_mem = gate_term(parameters.tau_mem_from_current, current, gate_mem)
    gate_adp = gate_term(parameters.tau_adp_from_state, state.adaptation, gate_adp)
    gate_adp = gate_term(parameters.tau_adp_from_current, current, gate_adp)
    charged = torch.lerp(state.membrane, current, nonlinearity.value(gate_mem))
    adaptation = torch.lerp(state.spikes, state.adaptation, nonlinearity.value(gate_adp))
    threshold = parameters.threshold + parameters.adaptation_strength * adaptation
    spikes = surrogate.spike(charged - threshold)
    return spikes, LTCState(charged * (1.0 - spikes), adaptation, spikes)
