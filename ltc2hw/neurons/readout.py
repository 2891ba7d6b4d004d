"""Leaky readouts without spikes: form, parameters, state."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from ltc2hw.dynamics.models.readout import readout
from ltc2hw.neurons.form import Form, Tensors
from ltc2hw.neurons.gate import GateKind, gated_form, rows_and_matrices


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

    def tensors(self) -> Tensors:
        """The same in the order of :func:`readout_form`."""
        return Tensors(self.weight_input, None, *rows_and_matrices(self.bias, self[2:]))


def readout_form(inputs: int, size: int, gate: GateKind, nonlinearity: str = "sigmoid") -> Form:
    """The model :func:`~ltc2hw.dynamics.models.readout.readout` with one of the kinds of gates."""
    return gated_form(readout, inputs, size, gate, {"tau_mem": "membrane"}, (), nonlinearity)
