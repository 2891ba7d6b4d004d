"""LTCCell: liquid-time-constant spiking neurons as a torch module."""

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
    constant,
    gate_term_weight,
    uniform_weight,
)
from ltc2hw.neurons.ltc import LTCParameters, LTCState, ltc_step
from ltc2hw.neurons.nonlinearity import nonlinearity_named
from ltc2hw.neurons.packed import GATE_CODES, LTC, Kind
from ltc2hw.neurons.packing import Tensors
from ltc2hw.neurons.surrogate import surrogate_named
from ltc2hw.neurons.window import run_window


class LTCCell(nn.Module):
    """A layer of N LTC spiking neurons, called as ``(input, state) -> (spikes, state)``.

    Equations in :func:`~ltc2hw.neurons.ltc.ltc_step`, tensors in
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
        self.inputs, self.size = inputs, size
        self.gate: GateKind = gate
        self.recurrent = recurrent
        self.nonlinearity, self.surrogate = nonlinearity, surrogate
        self._functions = (nonlinearity_named(nonlinearity), surrogate_named(surrogate))
        ports = 3 if gate == "event" else 1
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
        """The module's tensors as the step functions take them."""
        return LTCParameters(*(getattr(self, name) for name in LTCParameters._fields))

    @property
    def kind(self) -> Kind:
        """What compiled windows compute."""
        plan, triangle = self.nonlinearity == "plan", self.surrogate == "triangle"
        return Kind(LTC, GATE_CODES[self.gate], int(plan), int(triangle))

    def tensors(self) -> Tensors:
        """The module's tensors as compiled windows take them."""
        values = self.parameters_of_step()
        return Tensors(*values[:3], terms=values[5:], constants=values[3:5])

    def initial_state(self, batch: int) -> LTCState:
        """Zeros, (B, N) each."""
        zero = self.bias.new_zeros(batch, self.size)
        return LTCState(zero, zero, zero)

    def forward(self, x: Tensor, state: LTCState | None = None) -> tuple[Tensor, LTCState]:
        """One step, x: (B, N_in) -> spikes (B, N); a state of None is all zeros."""
        x = entering(self, x, self.inputs, self.bias, STEP)
        state = state_of(self, LTCState, state, len(x))
        return ltc_step(self.parameters_of_step(), state, x, *self._functions)

    def window(self, x: Tensor, state: LTCState | None = None) -> tuple[Tensor, Tensor, LTCState]:
        """L steps, x: (L, B, N_in) -> spikes and membrane (L, B, N), and the final state."""
        x = entering(self, x, self.inputs, self.bias, WINDOW)
        state = state_of(self, LTCState, state, x.shape[1])
        membrane, adaptation, spikes = run_window(self.kind, self.tensors(), tuple(state), x)
        return spikes, membrane, LTCState(membrane[-1], adaptation[-1], spikes[-1])
