"""A layer of neurons of any model as a torch module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ltc2hw.dynamics.model import Model
from ltc2hw.neurons.entering import STEP, WINDOW, entering, state_in
from ltc2hw.neurons.form import Form, Graded, Tensors
from ltc2hw.neurons.initialise import (
    check_numbers,
    check_parameters,
    check_sizes,
    check_starts,
    constant,
    uniform_weight,
)
from ltc2hw.neurons.layer_step import layer_step
from ltc2hw.neurons.nonlinearity import nonlinearity_named
from ltc2hw.neurons.surrogate import surrogate_named
from ltc2hw.neurons.window import run_window


class NeuronState(tuple[Tensor, ...]):
    """What a layer remembers: a register each, (B, N), by position and by name."""

    _fields: tuple[str, ...]

    @classmethod
    def of(cls, registers: tuple[str, ...], values: Sequence[Tensor]) -> NeuronState:
        """A state of named registers."""
        state = cls(values)
        state._fields = registers
        return state

    def __getattr__(self, name: str) -> Tensor:
        fields = self.__dict__.get("_fields", ())
        if name in fields:
            value: Tensor = self[fields.index(name)]
            return value
        raise AttributeError(f"a state of {', '.join(fields)} has no {name}")

    def detach(self) -> NeuronState:
        """The same state without its past: no gradient crosses it."""
        return NeuronState.of(self._fields, [value.detach() for value in self])


class Cell(nn.Module):
    """A layer of N neurons, called as ``(input, state) -> (output, state)``.

    Equations are those of :attr:`form`'s model. What its numbers are called in the module is up to
    the classes derived from it.
    """

    form: Form
    weight_input: nn.Parameter

    @property
    def inputs(self) -> int:
        """M."""
        return self.form.inputs

    @property
    def size(self) -> int:
        """N."""
        return self.form.size

    def tensors(self) -> Tensors:
        """The module's tensors in the form's order."""
        raise NotImplementedError

    def state(self, registers: Sequence[Tensor]) -> Any:
        """Registers in the form's order as a state."""
        return NeuronState.of(self.form.registers, registers)

    def initial_state(self, batch: int) -> Any:
        """Zeros, (B, N) each."""
        zero = self.weight_input.new_zeros(batch, self.size)
        return self.state([zero] * len(self.form.registers))

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """One step, x: (B, M) -> output (B, N); a state of None is all zeros."""
        x = entering(self, x, self.inputs, self.weight_input, STEP)
        before = self._before(state, len(x))
        after = self.state(layer_step(self.form)(self.tensors(), before, x))
        return self.register(after, self.form.model.output), after

    def window(self, x: Tensor, state: Any = None) -> tuple[Any, ...]:
        """L steps, x: (L, B, M): the sequence (L, B, N) of each register shown, the final state."""
        x = entering(self, x, self.inputs, self.weight_input, WINDOW)
        before = self._before(state, x.shape[1])
        sequences = run_window(self.form, self.tensors(), before, x)
        final = self.state([sequence[-1] for sequence in sequences])
        return (*(self.register(sequences, name) for name in self.shown), final)

    @property
    def shown(self) -> tuple[str, ...]:
        """What a layer above can see: the output, and the membrane if it is something else."""
        output = self.form.model.output
        graded = output != "membrane" and "membrane" in self.form.registers
        return (output, "membrane") if graded else (output,)

    def _before(self, state: Any, batch: int) -> tuple[Tensor, ...]:
        """The registers of a state that was given, or zeros."""
        zeros = self.initial_state(batch)
        given = zeros if state is None else state
        return state_in(self, zeros, given, (batch, self.size), self.weight_input)

    def register(self, state: Sequence[Tensor], name: str) -> Tensor:
        """A register of a state or of sequences."""
        return state[self.form.registers.index(name)]


class ProgramCell(Cell):
    """A layer of N neurons of any model.

    ``ports`` have synapses from the inputs and, if ``recurrent``, from the layer's own output of
    the step before (all of the model's, unless named). ``graded`` adds matrices from the layer's
    analog values to ports. ``constants`` set where constants start instead of at the model's
    defaults, with ``spreads`` uniform that far to either side; those in ``fixed`` are not learned.
    A learned constant counts as the nearest end of its range while it is beyond.

    Raises:
        InvalidValueError: if a size is no integer of at least one, a number is not finite, or a
            constant starts outside its range.
        TooLargeError: for more parameters than a cell may have.
        UnknownNameError: for a port, constant, variable, non-linearity or surrogate that there is
            not.

    >>> from ltc2hw.dynamics.models.lif import lif
    >>> cell = ProgramCell(lif, 3, 5, fixed=("threshold",))
    >>> spikes, state = cell(torch.ones(2, 3))
    >>> state.membrane.shape, [name for name, _ in cell.named_parameters()][2:]
    (torch.Size([2, 5]), ['constant_current_decay', 'constant_membrane_decay', 'constant_bias'])
    """

    def __init__(
        self,
        model: Model,
        inputs: int,
        size: int,
        *,
        ports: Sequence[str] | None = None,
        recurrent: bool = True,
        graded: Sequence[tuple[str, str]] = (),
        constants: Mapping[str, float] | None = None,
        spreads: Mapping[str, float] | None = None,
        fixed: Sequence[str] = (),
        nonlinearity: str = "sigmoid",
        surrogate: str = "multi_gaussian",
        gain: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_sizes(inputs=inputs, size=size)
        check_numbers(gain=gain)
        nonlinearity_named(nonlinearity)
        surrogate_named(surrogate)
        every = tuple(described.name for described in model.constants)
        self.form = Form(
            model,
            inputs,
            size,
            model.ports if ports is None else tuple(ports),
            learned=tuple(name for name in every if name not in fixed),
            fixed=tuple(fixed),
            graded=tuple(Graded(*pair) for pair in graded),
            nonlinearity=nonlinearity,
            surrogate=surrogate,
        )
        count, matrices = len(self.form.ports), len(self.form.graded)
        check_parameters(inputs, size, count, size if recurrent else 0)
        check_parameters(size, size, matrices)
        self.recurrent = recurrent
        self.weight_input = uniform_weight((count, size, inputs), inputs, gain, generator)
        self.weight_recurrent = (
            uniform_weight((count, size, size), size, gain, generator) if recurrent else None
        )
        starts, widths = dict(constants or {}), dict(spreads or {})
        check_starts(model, starts, widths)
        for name in every:
            start = starts.get(name, model.constant(name).default)
            self._add_constant(name, start, widths.get(name, 0.0), generator)
        for pair in self.form.graded:
            weight = uniform_weight((size, size), 2 * size, 1.0, generator)
            self.register_parameter(_weight_name(pair), weight)

    def _add_constant(
        self, name: str, start: float, spread: float, generator: torch.Generator | None
    ) -> None:
        values = constant(self.size, start)
        if spread:
            noise = torch.empty(self.size).uniform_(-1.0, 1.0, generator=generator)
            values = values + spread * noise
        if name in self.form.fixed:
            self.register_buffer(_constant_name(name), values)
        else:
            self.register_parameter(_constant_name(name), nn.Parameter(values))

    def tensors(self) -> Tensors:
        """The module's tensors in the form's order."""
        form = self.form
        return Tensors(
            self.weight_input,
            self.weight_recurrent,
            tuple(getattr(self, _constant_name(name)) for name in form.learned),
            tuple(getattr(self, _weight_name(pair)) for pair in form.graded),
            tuple(getattr(self, _constant_name(name)) for name in form.fixed),
        )


def _constant_name(constant: str) -> str:
    """What a constant is called in the module; its names have no dots."""
    return f"constant_{constant.replace('.', '_')}"


def _weight_name(graded: Graded) -> str:
    """What a matrix of graded synapses is called in the module."""
    return f"{graded.port}_from_{graded.variable}"
