"""Liquid-time-constant spiking neurons: form, parameters, state, one pure step."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.neurons.form import Form, Tensors
from ltc2hw.neurons.gate import GateKind, gated_form, rows_and_matrices


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

    def tensors(self) -> Tensors:
        """The same in the order of :func:`ltc_form`."""
        rows, matrices = rows_and_matrices(self.bias, self[5:])
        return Tensors(*self[:2], rows, matrices, (self.threshold, self.adaptation_strength))


def ltc_form(
    inputs: int, size: int, gate: GateKind, nonlinearity: str = "sigmoid",
    surrogate: str = "multi_gaussian",
) -> Form:  # fmt: skip
    """The model :func:`~ltc2hw.dynamics.models.ltc.ltc` with one of the kinds of gates."""
    gates = {"tau_mem": "membrane", "tau_adp": "adaptation"}
    fixed = ("threshold", "adaptation_strength")
    return gated_form(ltc, inputs, size, gate, gates, fixed, nonlinearity, surrogate)
