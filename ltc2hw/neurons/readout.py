"""Leaky readouts without spikes: parameters, state, one pure step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ltc2hw.neurons.gate import drive, gate_term
from ltc2hw.neurons.nonlinearity import Nonlinearity


class ReadoutState(NamedTuple):
    """What a readout remembers."""

    membrane: Tensor
    """``u``, (B, N)."""

    def detach(self) -> ReadoutState:
        """The same state without its past: no gradient crosses it."""
        return ReadoutState(self.membrane.detach())


class ReadoutParameters(NamedTuple):
    """Tensors of a readout of N neurons; the forms are those of LTCParameters, without ``η``."""

    weight_input: Tensor
    """(P, N, N_in); ports ``current`` and ``tau_mem`` with event gates, else ``current`` alone."""
    bias: Tensor
    """(2, N): rows ``current``, ``tau_mem``."""
    tau_mem_from_state: Tensor | None
    tau_mem_from_current: Tensor | None


def readout_step(
    parameters: ReadoutParameters, state: ReadoutState, x: Tensor, nonlinearity: Nonlinearity
) -> tuple[Tensor, ReadoutState]:
    """One step of a readout, x: (B, N_in) -> membrane (B, N).

    With ``P`` the weighted inputs plus biases, per port: ``I = P_current``;
    ``τ = σ(P_mem + a_u·u[t-1] + a_I·I)``; ``u = u[t-1] + τ (I - u[t-1])``.
    Source: output neurons of Yin, Corradi, Bohte, arXiv 2112.11231.
    """
    ports = drive(parameters.weight_input, parameters.bias, x)
    current = ports[0]
    gate_mem = ports[1] if len(ports) > 1 else parameters.bias[1].expand_as(current)
    gate_mem = gate_term(parameters.tau_mem_from_state, state.membrane, gate_mem)
    gate_mem = gate_term(parameters.tau_mem_from_current, current, gate_mem)
    membrane = torch.lerp(state.membrane, current, nonlinearity.value(gate_mem))
    return membrane, ReadoutState(membrane)
