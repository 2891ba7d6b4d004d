"""Arithmetic that gated populations share: gate terms and their gradients."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ltc2hw.errors import UnknownNameError

GateKind = Literal["event", "dense", "static"]
"""What steers a gate: spikes and own state; the whole layer's analog state (the paper); nothing."""

GATES: tuple[GateKind, ...] = ("event", "dense", "static")


def check_gate(name: str, gate: str) -> None:
    """Raise UnknownNameError unless ``gate`` is one of :data:`GATES`."""
    if gate not in GATES:
        raise UnknownNameError(name, gate, GATES)


def gate_term(weight: Tensor | None, value: Tensor, onto: Tensor) -> Tensor:
    """``onto`` plus a gate's term of ``value`` (B, N).

    A vector (N,) multiplies each neuron's own value, a matrix (N, N) the whole layer's, None adds
    nothing.
    """
    if weight is None:
        return onto
    if weight.dim() == 1:
        return torch.addcmul(onto, value, weight)
    return torch.addmm(onto, value, weight.t())


def drive(weight_input: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    """What inputs contribute to each port, biases included: (..., N_in) -> (P, ..., N)."""
    ports = weight_input.shape[0]
    flat = x.reshape(-1, x.shape[-1])
    expanded = flat.unsqueeze(0).expand(ports, -1, -1)
    summed = torch.baddbmm(bias[:ports].unsqueeze(1), expanded, weight_input.transpose(1, 2))
    return summed.view(ports, *x.shape[:-1], -1)
