"""LTCCell: liquid-time-constant spiking neurons as a torch module."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ltc2hw.neurons.cell import Cell
from ltc2hw.neurons.form import Tensors
from ltc2hw.neurons.gate import GateKind, check_gate
from ltc2hw.neurons.initialise import (
    bias_rows,
    check_numbers,
    check_parameters,
    check_sizes,
    constant,
    gate_term_weight,
    uniform_weight,
)
from ltc2hw.neurons.ltc import LTCParameters, LTCState, ltc_form
from ltc2hw.neurons.nonlinearity import nonlinearity_named
from ltc2hw.neurons.surrogate import surrogate_named


class LTCCell(Cell):
    """A layer of N LTC spiking neurons, called as ``(input, state) -> (spikes, state)``.

    Equations in :mod:`~ltc2hw.dynamics.models.ltc`, tensors in
    :class:`~ltc2hw.neurons.ltc.LTCParameters`. The gates start as ``σ(tau_mem_bias)`` and
    ``σ(tau_adp_bias)``: slow membranes and slow adaptation when these are below and above zero;
    with a spread, the biases of single neurons are uniform that far to either side.
    Threshold and adaptation strength are constants (buffers); the paper has 0.1 and 1.8.

    Raises:
        InvalidValueError: if a size is no integer of at least one, or a number is not finite.
        TooLargeError: for more parameters than a cell may have.
        UnknownNameError: for an unknown gate, non-linearity or surrogate.

    >>> cell = LTCCell(3, 5, generator=torch.Generator().manual_seed(0))
    >>> spikes, state = cell(torch.ones(2, 3))
    >>> spikes.shape, state.membrane.shape
    (torch.Size([2, 5]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        inputs: int,
        size: int,
        *,
        gate: GateKind = "event",
        recurrent: bool = True,
        nonlinearity: str = "sigmoid",
        surrogate: str = "multi_gaussian",
        threshold: float = 0.1,
        adaptation_strength: float = 1.8,
        tau_mem_bias: float = -1.5,
        tau_adp_bias: float = 2.0,
        tau_mem_spread: float = 0.0,
        tau_adp_spread: float = 0.0,
        gain: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_sizes(inputs=inputs, size=size)
        check_gate("gate", gate)
        check_numbers(
            threshold=threshold,
            adaptation_strength=adaptation_strength,
            tau_mem_bias=tau_mem_bias,
            tau_adp_bias=tau_adp_bias,
            tau_mem_spread=tau_mem_spread,
            tau_adp_spread=tau_adp_spread,
            gain=gain,
        )
        nonlinearity_named(nonlinearity)
        surrogate_named(surrogate)
        self.form = ltc_form(inputs, size, gate, nonlinearity, surrogate)
        self.gate: GateKind = gate
        self.recurrent = recurrent
        self.nonlinearity, self.surrogate = nonlinearity, surrogate
        ports = len(self.form.ports)
        # Dense gates have four matrices of the layer's own size.
        check_parameters(inputs, size, ports, 4 * size if gate == "dense" else size)
        self.weight_input = uniform_weight((ports, size, inputs), inputs, gain, generator)
        self.weight_recurrent = (
            uniform_weight((ports, size, size), size, gain, generator) if recurrent else None
        )
        centres, spreads = (0.0, tau_mem_bias, tau_adp_bias), (0.0, tau_mem_spread, tau_adp_spread)
        self.bias = bias_rows(size, centres, spreads, generator)
        self.register_buffer("threshold", constant(size, threshold))
        self.register_buffer("adaptation_strength", constant(size, adaptation_strength))
        for name in (
            "tau_mem_from_state",
            "tau_mem_from_current",
            "tau_adp_from_state",
            "tau_adp_from_current",
        ):
            self.register_parameter(name, gate_term_weight(gate, size, generator))

    def parameters_of_step(self) -> LTCParameters:
        """The module's tensors by name."""
        return LTCParameters(*(getattr(self, name) for name in LTCParameters._fields))

    def tensors(self) -> Tensors:
        """The module's tensors in the form's order."""
        return self.parameters_of_step().tensors()

    def state(self, registers: Sequence[Tensor]) -> LTCState:
        """Registers as a state."""
        return LTCState(*registers)
