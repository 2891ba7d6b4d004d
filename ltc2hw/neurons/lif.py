"""Current-based leaky integrate-and-fire neurons, as in Lava and slayer (CUBA)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ltc2hw.errors import InvalidValueError
from ltc2hw.neurons.entering import STEP, WINDOW, entering, state_of
from ltc2hw.neurons.initialise import (
    check_numbers,
    check_parameters,
    check_sizes,
    constant,
    uniform_weight,
)
from ltc2hw.neurons.packed import LIF, STATIC, Kind
from ltc2hw.neurons.packing import Tensors
from ltc2hw.neurons.surrogate import Surrogate, surrogate_named
from ltc2hw.neurons.window import run_window


class LIFState(NamedTuple):
    """What a layer of LIF neurons remembers, each (B, N)."""

    current: Tensor
    membrane: Tensor
    """After the reset."""
    spikes: Tensor

    def detach(self) -> LIFState:
        """The same state without its past: no gradient crosses it."""
        return LIFState(*(value.detach() for value in self))


class LIFParameters(NamedTuple):
    """Tensors of a layer of N LIF neurons; decays in [0, 1], constants unless learned elsewhere."""

    weight_input: Tensor
    """(N, N_in)."""
    weight_recurrent: Tensor | None
    """(N, N), from the own spikes of the step before."""
    bias: Tensor
    """(N,), into the membrane."""
    current_decay: Tensor
    membrane_decay: Tensor
    threshold: Tensor


def lif_step(
    parameters: LIFParameters, state: LIFState, x: Tensor, surrogate: Surrogate
) -> tuple[Tensor, LIFState]:
    """One step of a layer of LIF neurons, x: (B, N_in) -> spikes (B, N).

    ``i = (1 - current_decay) i + W x + R s[t-1]``; ``v = (1 - membrane_decay) v + i + bias``;
    ``s = v > threshold``; ``v = v (1 - s)``.
    Source: Lava 0.10.0, process LIF, floating-point model.
    """
    arriving = torch.nn.functional.linear(x, parameters.weight_input)
    if parameters.weight_recurrent is not None:
        arriving = torch.addmm(arriving, state.spikes, parameters.weight_recurrent.t())
    current = torch.addcmul(arriving, 1.0 - parameters.current_decay, state.current)
    charged = torch.addcmul(
        current + parameters.bias, 1.0 - parameters.membrane_decay, state.membrane
    )
    spikes = surrogate.spike(charged - parameters.threshold)
    return spikes, LIFState(current, charged * (1.0 - spikes), spikes)


class LIFCell(nn.Module):
    """A layer of N current-based LIF neurons, called as ``(input, state) -> (spikes, state)``.

    Equations in :func:`lif_step`. Decays and threshold are constants (buffers).

    Raises:
        InvalidValueError: if a size is no integer of at least one, a decay lies outside 0 to 1, or
            a number is not finite.
        TooLargeError: for more parameters than a cell may have.
        UnknownNameError: for an unknown surrogate.

    >>> cell = LIFCell(3, 5, generator=torch.Generator().manual_seed(0))
    >>> cell(torch.ones(2, 3))[0].shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        inputs: int,
        size: int,
        *,
        recurrent: bool = False,
        surrogate: str = "multi_gaussian",
        current_decay: float = 0.5,
        membrane_decay: float = 0.1,
        threshold: float = 0.5,
        gain: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_sizes(inputs=inputs, size=size)
        check_numbers(threshold=threshold, gain=gain)
        check_parameters(inputs, size, 1, size if recurrent else 0)
        for name, decay in (("current_decay", current_decay), ("membrane_decay", membrane_decay)):
            check_numbers(**{name: decay})
            if not 0.0 <= decay <= 1.0:
                raise InvalidValueError(name, decay, "0 to 1")
        self.inputs, self.size, self.recurrent = inputs, size, recurrent
        self.surrogate = surrogate
        self._surrogate = surrogate_named(surrogate)
        self.weight_input = uniform_weight((size, inputs), inputs, gain, generator)
        self.weight_recurrent = (
            uniform_weight((size, size), size, gain, generator) if recurrent else None
        )
        self.bias = nn.Parameter(torch.zeros(size))
        self.register_buffer("current_decay", constant(size, current_decay))
        self.register_buffer("membrane_decay", constant(size, membrane_decay))
        self.register_buffer("threshold", constant(size, threshold))

    def parameters_of_step(self) -> LIFParameters:
        """The module's tensors as the step function takes them."""
        return LIFParameters(*(getattr(self, name) for name in LIFParameters._fields))

    @property
    def kind(self) -> Kind:
        """What compiled windows compute."""
        return Kind(LIF, STATIC, 0, int(self.surrogate == "triangle"))

    def tensors(self) -> Tensors:
        """The module's tensors as compiled windows take them."""
        values = self.parameters_of_step()
        return Tensors(*values[:3], constants=values[3:])

    def initial_state(self, batch: int) -> LIFState:
        """Zeros, (B, N) each."""
        zero = self.bias.new_zeros(batch, self.size)
        return LIFState(zero, zero, zero)

    def forward(self, x: Tensor, state: LIFState | None = None) -> tuple[Tensor, LIFState]:
        """One step, x: (B, N_in) -> spikes (B, N); a state of None is all zeros."""
        x = entering(self, x, self.inputs, self.bias, STEP)
        state = state_of(self, LIFState, state, len(x))
        return lif_step(self.parameters_of_step(), state, x, self._surrogate)

    def window(self, x: Tensor, state: LIFState | None = None) -> tuple[Tensor, Tensor, LIFState]:
        """L steps, x: (L, B, N_in) -> spikes and membrane (L, B, N), and the final state."""
        x = entering(self, x, self.inputs, self.bias, WINDOW)
        state = state_of(self, LIFState, state, x.shape[1])
        current, membrane, spikes = state
        membrane, current, spikes = run_window(
            self.kind, self.tensors(), (membrane, current, spikes), x
        )
        return spikes, membrane, LIFState(current[-1], membrane[-1], spikes[-1])
