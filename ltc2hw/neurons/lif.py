"""Current-based leaky integrate-and-fire neurons, as in Lava and slayer (CUBA)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ltc2hw.dynamics.models.lif import lif
from ltc2hw.errors import InvalidValueError
from ltc2hw.neurons.cell import Cell
from ltc2hw.neurons.form import Form, Tensors
from ltc2hw.neurons.initialise import (
    check_numbers,
    check_parameters,
    check_sizes,
    constant,
    uniform_weight,
)
from ltc2hw.neurons.surrogate import surrogate_named


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

    def tensors(self) -> Tensors:
        """The same in the order of :func:`lif_form`."""
        return Tensors(self.weight_input, self.weight_recurrent, (self.bias,), (), self[3:])


def lif_form(inputs: int, size: int, surrogate: str = "multi_gaussian") -> Form:
    """The model :func:`~ltc2hw.dynamics.models.lif.lif`, whose bias alone is learned."""
    fixed = ("current_decay", "membrane_decay", "threshold")
    return Form(lif, inputs, size, ("current",), ("bias",), fixed, surrogate=surrogate)


class LIFCell(Cell):
    """A layer of N current-based LIF neurons, called as ``(input, state) -> (spikes, state)``.

    Equations in :mod:`~ltc2hw.dynamics.models.lif`. Decays and threshold are constants (buffers).

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
        surrogate_named(surrogate)
        self.form = lif_form(inputs, size, surrogate)
        self.recurrent, self.surrogate = recurrent, surrogate
        self.weight_input = uniform_weight((size, inputs), inputs, gain, generator)
        self.weight_recurrent = (
            uniform_weight((size, size), size, gain, generator) if recurrent else None
        )
        self.bias = nn.Parameter(torch.zeros(size))
        self.register_buffer("current_decay", constant(size, current_decay))
        self.register_buffer("membrane_decay", constant(size, membrane_decay))
        self.register_buffer("threshold", constant(size, threshold))

    def parameters_of_step(self) -> LIFParameters:
        """The module's tensors by name."""
        return LIFParameters(*(getattr(self, name) for name in LIFParameters._fields))

    def tensors(self) -> Tensors:
        """The module's tensors in the form's order."""
        return self.parameters_of_step().tensors()

    def state(self, registers: Sequence[Tensor]) -> LIFState:
        """Registers as a state."""
        return LIFState(*registers)
