"""Arithmetic that gated populations share: gate terms and their gradients."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ltc2hw.errors import UnknownNameError
from ltc2hw.neurons.kernels import DENSE, EVENT, STATIC, Array

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


def port_gradient(grad: Tensor, value: Tensor) -> Tensor:
    """Gradient (P, N, M) of weights from gradients (P, L, B, N) and values (L, B, M)."""
    flat = value.flatten(0, 1)
    return torch.matmul(grad.flatten(1, 2).transpose(1, 2), flat)


def before(initial: Tensor, sequence: Tensor) -> Tensor:
    """A sequence one step earlier: ``initial``, then all but the last of (L, B, N)."""
    return torch.cat((initial.unsqueeze(0), sequence[:-1]))


def drive(weight_input: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    """What inputs contribute to each port, biases included: (..., N_in) -> (P, ..., N)."""
    ports = weight_input.shape[0]
    flat = x.reshape(-1, x.shape[-1])
    expanded = flat.unsqueeze(0).expand(ports, -1, -1)
    summed = torch.baddbmm(bias[:ports].unsqueeze(1), expanded, weight_input.transpose(1, 2))
    return summed.view(ports, *x.shape[:-1], -1)


def gate_terms(
    terms: tuple[Tensor | None, ...], like: Tensor, *, transposed: bool
) -> tuple[int, Array]:
    """The kind of gates and their terms as the kernels take them, (terms, 1 or N, N)."""
    values = [term for term in terms if term is not None]
    if not values:
        return STATIC, like.new_zeros(len(terms), 1, 1).numpy()
    if values[0].dim() == 1:
        return EVENT, torch.stack(values).unsqueeze(1).numpy()
    stacked = torch.stack([value.t() if transposed else value for value in values])
    return DENSE, stacked.numpy()


def recurrent_matrices(weight: Tensor | None, like: Tensor, *, transposed: bool) -> Array:
    """Recurrent weights (P, N, N) as the kernels take them; (0, 1, 1) without recurrence."""
    if weight is None:
        nothing: Array = like.new_zeros(0, 1, 1).numpy()
        return nothing
    matrices: Array = (weight.transpose(1, 2) if transposed else weight).contiguous().numpy()
    return matrices
