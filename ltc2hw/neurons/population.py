"""A population of a network as a torch module: its program, and its constants."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.specialise import bounded, number, places, specialise
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.neurons import Neurons
from ltc2hw.neurons.form import Form
from ltc2hw.neurons.fused_step import FusedStep
from ltc2hw.neurons.nonlinearity import Nonlinearity
from ltc2hw.neurons.rounding import LayerRounding
from ltc2hw.neurons.surrogate import surrogate_named
from ltc2hw.neurons.torch_rounding import gate_function
from ltc2hw.neurons.torch_step import TorchStep, tensor
from ltc2hw.numbers.convolution import Shape
from ltc2hw.numbers.words import FloatArray

Values = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class PreparedStep:
    """A population's step, made ready to run."""

    early: TorchStep
    rest: TorchStep
    fused: FusedStep | None
    """All of it at once, where machine code can."""


class PopulationStep(nn.Module):
    """What a population computes in a step, made ready for torch.

    ``driven`` are the ports at which something arrives, the others are 0; ``learned`` the constants
    with a gradient, held within their ranges; ``wanted`` the results that anybody reads. Results
    that :attr:`early` names come first, from the first port alone.

    A constant that is the same all over each channel of an image is held, and learned, as one
    number per channel. On the CPU a step is one pass of machine code
    (:class:`~ltc2hw.neurons.fused_step.FusedStep`), unless something beside registers is wanted.

    Raises:
        UnsupportedError: for gates that are rounded tables.
        UnknownNameError: for an unknown surrogate.
    """

    def __init__(
        self,
        neurons: Neurons,
        driven: Collection[str],
        learned: Sequence[str],
        early: tuple[str, ...],
        wanted: Sequence[str],
        surrogate: str,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.size, self.learned, self.early = neurons.size, tuple(learned), early
        self.entries = {
            described.name: f"constant{index}_{described.name.replace('.', '_')}"
            for index, described in enumerate(neurons.model.constants)
        }
        for name, values in neurons.constants.items():
            held = torch.tensor(by_channel(values, neurons.shape), dtype=dtype)
            if name in self.learned:
                self.register_parameter(self.entries[name], nn.Parameter(held))
            else:
                self.register_buffer(self.entries[name], held, persistent=False)
        self._neurons, self._driven, self._wanted = neurons, frozenset(driven), tuple(wanted)
        self._surrogate = surrogate
        self._own = self.prepared()

    def prepared(self, rounding: LayerRounding | None = None) -> PreparedStep:
        """The step made ready, as it is or with what a chip rounds."""
        neurons, driven = self._neurons, self._driven
        program = _own_program(neurons, driven, self.learned, rounding)
        functions, spikes = functions_of(neurons, rounding), surrogate_named(self._surrogate)
        rest = [name for name in self._wanted if name not in self.early]
        fused = None
        if not self.early:
            own = (neurons, driven, self.learned, self._wanted, self._surrogate)
            fused = _fused_step(*own, rounding)
        return PreparedStep(
            TorchStep(program, self.early, functions, spikes),
            TorchStep(program, rest, functions, spikes, self.early),
            fused,
        )

    def held(self) -> dict[str, Tensor]:
        """All constants by name, one per neuron or one per channel."""
        return {name: getattr(self, entry) for name, entry in self.entries.items()}

    def constants(self) -> dict[str, Tensor]:
        """All constants by name, (N,) each."""
        return {
            name: value.repeat_interleave(self.size // value.numel())
            if value.numel() < self.size
            else value
            for name, value in self.held().items()
        }

    def first(
        self, ports: Values, states: Values, batch: int, step: PreparedStep | None = None
    ) -> dict[str, Tensor]:
        """The early results, (B, N) each; of another step than its own, if one is given."""
        step = step or self._own
        return self._spread(step.early(self.constants(), ports, states, {}), batch)

    def then(
        self,
        ports: Values,
        states: Values,
        known: Values,
        batch: int,
        step: PreparedStep | None = None,
    ) -> dict[str, Tensor]:
        """All other results, from the early ones and all ports."""
        step, like = step or self._own, next(iter(states.values()), None)
        if step.fused is not None and like is not None and step.fused.takes(like):
            return step.fused(self.held(), ports, states)
        return self._spread(step.rest(self.constants(), ports, states, known), batch)

    def _spread(self, values: Values, batch: int) -> dict[str, Tensor]:
        """Results as (B, N), those too that are the same for all samples or neurons."""
        like = next(iter(self.constants().values()), torch.zeros(()))
        return {
            name: tensor(value).to(like).expand(batch, self.size) for name, value in values.items()
        }


def by_channel(values: FloatArray, shape: Shape) -> FloatArray:
    """One number per channel where those of an image's channels, (N,), are all the same.

    >>> import numpy as np
    >>> by_channel(np.array([1.0, 1.0, 2.0, 2.0]), (2, 1, 2))
    array([1., 2.])
    """
    if len(shape) < 2:
        return values
    rows = values.reshape(shape[0], -1)
    return rows[:, 0] if (rows == rows[:, :1]).all() else values


def _fused_step(
    neurons: Neurons,
    driven: Collection[str],
    learned: tuple[str, ...],
    wanted: Sequence[str],
    surrogate: str,
    rounding: LayerRounding | None,
) -> FusedStep | None:
    """The whole step as machine code, where it is known to be the same."""
    functions = set(neurons.functions.values())
    if len(functions) > 1:
        return None
    present = [name for name, values in neurons.constants.items() if values.any()]
    form = Form(
        neurons.model,
        1,
        1,
        ports=tuple(name for name in neurons.ports if name in driven),
        learned=learned,
        fixed=tuple(name for name in present if name not in learned),
        nonlinearity=str(next(iter(functions), "sigmoid")),
        surrogate=surrogate,
    )
    if not set(wanted) <= set(form.registers):
        return None
    # Messages are rounded on their way, by whoever sees them.
    return FusedStep(form if rounding is None else form.rounded(replace(rounding, messages={})))


def functions_of(
    neurons: Neurons, rounding: LayerRounding | None = None
) -> dict[str, Nonlinearity]:
    """The non-linearity of every gate, or its integer form.

    Raises:
        UnsupportedError: for a gate that is a rounded table, without a slope.
    """
    functions = {}
    for gate, function in neurons.functions.items():
        if not isinstance(function, str):
            raise UnsupportedError(
                "a torch module", f"population {neurons.name!r}", f"the rounded gate {gate}",
                "take the network as it was before it was quantized",
            )  # fmt: skip
        functions[gate] = gate_function(function if rounding is None else rounding.functions[gate])
    return functions


def _own_program(
    neurons: Neurons,
    driven: Collection[str],
    learned: Sequence[str],
    rounding: LayerRounding | None,
) -> Program:
    """The model's step with nothing in it that these neurons do not have."""
    model = neurons.model
    whole = model.program if rounding is None else rounding.program(model)
    absent: dict[int, Value] = {}
    for name in neurons.ports:
        if name not in driven:
            absent |= dict.fromkeys(places(whole, Operation.PORT, name), number(0.0))
    for name, values in neurons.constants.items():
        if name not in learned and not values.any():
            absent |= dict.fromkeys(places(whole, Operation.PARAMETER, name), number(0.0))
    ranges = {
        name: (neurons.model.constant(name).low, neurons.model.constant(name).high)
        for name in learned
    }
    return bounded(specialise(whole, absent), ranges)
