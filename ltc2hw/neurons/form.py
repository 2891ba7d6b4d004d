"""What a layer computes, as data: its neuron model, and where its numbers come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.specialise import bounded, number, places, specialise
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.neurons.rounding import GateFunction, LayerRounding, message_result


class Graded(NamedTuple):
    """Synapses from all of a layer's own analog values, a matrix (N, N), to one of its ports."""

    variable: str
    """A register, as it was before the step, or a result that :attr:`Model.early` names."""
    port: str


def _require_known(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise UnknownNameError(what, name, known)


@dataclass(frozen=True)
class Form:
    """What a layer of N neurons with M inputs computes in a step.

    Constants that are neither ``learned`` nor ``fixed`` are 0, and so are ports without synapses.
    With ``rounding``, the layer computes what integers compute; gradients pass straight through.

    Raises:
        InvalidValueError: for names that are given twice.
        UnknownNameError: for a port, constant, variable or gate that the model does not have.
    """

    model: Model = field(hash=False)
    inputs: int
    size: int
    ports: tuple[str, ...]
    """Where synapses from the inputs and from the layer's own output arrive."""
    learned: tuple[str, ...]
    """Constants that have a gradient, held within their range."""
    fixed: tuple[str, ...] = ()
    graded: tuple[Graded, ...] = ()
    nonlinearity: str = "sigmoid"
    surrogate: str = "multi_gaussian"
    rounding: LayerRounding | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        model = self.model
        constants = tuple(constant.name for constant in model.constants)
        for what, names, known in (
            ("port", self.ports, model.ports),
            ("constant", (*self.learned, *self.fixed), constants),
        ):
            label = f"{what} of model {model.name}"
            if len(set(names)) < len(names):
                raise InvalidValueError(label, ", ".join(names), "each name once")
            _require_known(label, names, known)
        if len(set(self.graded)) < len(self.graded):
            raise InvalidValueError("graded synapses", self.graded, "each pair once")
        carried = (*self.registers, *model.early, *self._messages)
        for variable, port in self.graded:
            _require_known(f"port of model {model.name}", (port,), model.ports)
            _require_known(f"graded variable of model {model.name}", (variable,), carried)

    @cached_property
    def sizeless(self) -> Form:
        """The same for layers of any size."""
        return replace(self, inputs=1, size=1)

    @cached_property
    def registers(self) -> tuple[str, ...]:
        """Results that the next step or another layer reads."""
        kept = (*self.model.states, self.model.output)
        own = tuple(name for name in self.model.results if name in kept)
        return (*own, *(name for name, variable in self._messages.items() if variable in own))

    @cached_property
    def _messages(self) -> Mapping[str, str]:
        """Variables by what they are called as they are sent; none unless they are rounded."""
        sent = () if self.rounding is None else tuple(self.rounding.messages)
        return {message_result(variable): variable for variable in sent}

    def sent(self, variable: str) -> str:
        """The result that a variable is sent as."""
        found = message_result(variable)
        return found if found in self._messages else variable

    def rounded(self, rounding: LayerRounding) -> Form:
        """The same layer, computing what integers compute."""
        made = replace(self, rounding=rounding, graded=())
        graded = tuple(Graded(made.sent(variable), port) for variable, port in self.graded)
        return replace(made, graded=graded)

    @cached_property
    def early(self) -> tuple[str, ...]:
        """Results that graded synapses carry within the step."""
        carried = dict.fromkeys(variable for variable, _ in self.graded)
        return tuple(name for name in carried if name not in self.registers)

    @cached_property
    def driven(self) -> tuple[str, ...]:
        """Ports at which something arrives: those of synapses, then those of graded ones alone."""
        return tuple(dict.fromkeys((*self.ports, *(port for _, port in self.graded))))

    @cached_property
    def program(self) -> Program:
        """The model's step with nothing in it that this layer does not have."""
        rounding = self.rounding
        whole = self.model.program if rounding is None else rounding.program(self.model)
        present = {*self.learned, *self.fixed}
        absent: dict[int, Value] = {}
        for operation, kept in (
            (Operation.PORT, set(self.driven)),
            (Operation.PARAMETER, present),
        ):
            for name in whole.names(operation):
                if name not in kept:
                    absent |= dict.fromkeys(places(whole, operation, name), number(0.0))
        wanted = (*self.early, *self.registers)
        program = Program(whole.language, whole.values, {n: whole.results[n] for n in wanted})
        ranges = {
            name: (self.model.constant(name).low, self.model.constant(name).high)
            for name in self.learned
        }
        return bounded(specialise(program, absent), ranges)

    @cached_property
    def functions(self) -> Mapping[str, GateFunction]:
        """The non-linearity of every gate."""
        own: Mapping[str, GateFunction] = {} if self.rounding is None else self.rounding.functions
        return {
            gate: own.get(gate, self.nonlinearity) for gate in self.program.names(Operation.GATE)
        }


class Tensors(NamedTuple):
    """Tensors of a layer as its torch module holds them."""

    weight_input: Tensor
    """(P, N, M), or (N, M) with one port."""
    weight_recurrent: Tensor | None
    """(P, N, N), or (N, N)."""
    rows: tuple[Tensor, ...] = ()
    """The learned constants in the order of :attr:`Form.learned`, (N,) or several as (k, N)."""
    matrices: tuple[Tensor, ...] = ()
    """Weights of graded synapses, (N, N) each."""
    constants: tuple[Tensor, ...] = ()
    """The fixed constants, (N,) each, without a gradient."""

    @property
    def parameters(self) -> tuple[Tensor | None, ...]:
        """Everything that has a gradient."""
        return (self.weight_input, self.weight_recurrent, *self.rows, *self.matrices)

    def named(self, form: Form) -> dict[str, Tensor]:
        """All constants by name, (N,) each."""
        learned: list[Tensor] = []
        for row in self.rows:
            learned.extend(row.unbind() if row.dim() == 2 else (row,))
        names: Sequence[str] = (*form.learned, *form.fixed)
        return dict(zip(names, (*learned, *self.constants), strict=True))
