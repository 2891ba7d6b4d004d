"""ReadoutCell: leaky integrators without spikes as a torch module."""

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
    gate_term_weight,
    uniform_weight,
)
from ltc2hw.neurons.nonlinearity import nonlinearity_named
from ltc2hw.neurons.readout import ReadoutParameters, ReadoutState, readout_form


class ReadoutCell(Cell):
    """A readout of N leaky integrators, called as ``(input, state) -> (membrane, state)``.

    Equations in :mod:`~ltc2hw.dynamics.models.readout`; gates as for LTCCell: ``event``
    (steered by the input spikes and its own state), ``dense`` (by all readout neurons, the paper)
    or ``static``. The gate starts as ``σ(tau_mem_bias)``.

    Raises:
        InvalidValueError: if a size is no integer of at least one, or a number is not finite.
        TooLargeError: for more parameters than a cell may have.
        UnknownNameError: for an unknown gate or non-linearity.

    >>> readout = ReadoutCell(5, 2, generator=torch.Generator().manual_seed(0))
    >>> readout(torch.ones(4, 5))[0].shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        inputs: int,
        size: int,
        *,
        gate: GateKind = "static",
        nonlinearity: str = "sigmoid",
        tau_mem_bias: float = -2.0,
        gain: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_sizes(inputs=inputs, size=size)
        check_gate("readout gate", gate)
        check_numbers(tau_mem_bias=tau_mem_bias, gain=gain)
        nonlinearity_named(nonlinearity)
        self.form = readout_form(inputs, size, gate, nonlinearity)
        self.gate: GateKind = gate
        self.nonlinearity = nonlinearity
        ports = len(self.form.ports)
        check_parameters(inputs, size, ports, 2 * size if gate == "dense" else 0)
        self.weight_input = uniform_weight((ports, size, inputs), inputs, gain, generator)
        self.bias = bias_rows(size, (0.0, tau_mem_bias), (0.0, 0.0), generator)
        for name in ("tau_mem_from_state", "tau_mem_from_current"):
            self.register_parameter(name, gate_term_weight(gate, size, generator))

    def parameters_of_step(self) -> ReadoutParameters:
        """The module's tensors by name."""
        return ReadoutParameters(*(getattr(self, name) for name in ReadoutParameters._fields))

    def tensors(self) -> Tensors:
        """The module's tensors in the form's order."""
        return self.parameters_of_step().tensors()

    def state(self, registers: Sequence[Tensor]) -> ReadoutState:
        """Registers as a state."""
        return ReadoutState(*registers)
