"""ReadoutCell: leaky integrators without spikes as a torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ltc2hw.neurons.entering import STEP, WINDOW, entering, state_of
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
from ltc2hw.neurons.packed import GATE_CODES, READOUT, Kind
from ltc2hw.neurons.packing import Tensors
from ltc2hw.neurons.readout import ReadoutParameters, ReadoutState, readout_step
from ltc2hw.neurons.window import run_window


class ReadoutCell(nn.Module):
    """A readout of N leaky integrators, called as ``(input, state) -> (membrane, state)``.

    Equations in :func:`~ltc2hw.neurons.readout.readout_step`; gates as for LTCCell: ``event``
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
        self.inputs, self.size = inputs, size
        self.gate: GateKind = gate
        self.nonlinearity = nonlinearity
        self._nonlinearity = nonlinearity_named(nonlinearity)
        ports = 2 if gate == "event" else 1
        check_parameters(inputs, size, ports, 2 * size if gate == "dense" else 0)
        self.weight_input = uniform_weight((ports, size, inputs), inputs, gain, generator)
        self.bias = bias_rows(size, (0.0, tau_mem_bias), (0.0, 0.0), generator)
        for name in ("tau_mem_from_state", "tau_mem_from_current"):
            self.register_parameter(name, gate_term_weight(gate, size, generator))

    def parameters_of_step(self) -> ReadoutParameters:
        """The module's tensors as the step functions take them."""
        return ReadoutParameters(*(getattr(self, name) for name in ReadoutParameters._fields))

    @property
    def kind(self) -> Kind:
        """What compiled windows compute."""
        return Kind(READOUT, GATE_CODES[self.gate], int(self.nonlinearity == "plan"), 0)

    def tensors(self) -> Tensors:
        """The module's tensors as compiled windows take them."""
        values = self.parameters_of_step()
        return Tensors(values.weight_input, None, values.bias, terms=values[2:])

    def initial_state(self, batch: int) -> ReadoutState:
        """Zeros, (B, N)."""
        return ReadoutState(self.bias.new_zeros(batch, self.size))

    def forward(self, x: Tensor, state: ReadoutState | None = None) -> tuple[Tensor, ReadoutState]:
        """One step, x: (B, N_in) -> membrane (B, N); a state of None is all zeros."""
        x = entering(self, x, self.inputs, self.bias, STEP)
        state = state_of(self, ReadoutState, state, len(x))
        return readout_step(self.parameters_of_step(), state, x, self._nonlinearity)

    def window(self, x: Tensor, state: ReadoutState | None = None) -> tuple[Tensor, ReadoutState]:
        """L steps, x: (L, B, N_in) -> membranes (L, B, N) and the final state."""
        x = entering(self, x, self.inputs, self.bias, WINDOW)
        state = state_of(self, ReadoutState, state, x.shape[1])
        (membranes,) = run_window(self.kind, self.tensors(), tuple(state), x)
        return membranes, ReadoutState(membranes[-1])
