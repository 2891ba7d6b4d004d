"""Populations of neurons: a model, and the numbers that make it theirs, real or integer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.derived import derive
from ltc2hw.dynamics.formats import SURROGATE_TABLE, Formats, Held
from ltc2hw.dynamics.lowering import lower, result_fractions
from ltc2hw.dynamics.model import SPIKES, Model
from ltc2hw.dynamics.models import find_model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.roles import binary_states
from ltc2hw.dynamics.verify import verify
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.structure import check_population, population_shape
from ltc2hw.numbers.convolution import Shape
from ltc2hw.numbers.fields import (
    ArrayFields,
    integer_array,
    integer_vector,
    parts,
    real_vector,
    set_field,
)
from ltc2hw.numbers.integer_limits import LARGEST_SHIFT, require_fraction
from ltc2hw.numbers.nonlinearity import NONLINEARITIES, GateCurve, Nonlinearity, table_index_bits
from ltc2hw.numbers.scalars import require_range, require_type, shown
from ltc2hw.numbers.words import FloatArray, IntArray, Word


class ModelNames:
    """What a population's model says of it."""

    model: Model

    @property
    def ports(self) -> tuple[str, ...]:
        """Where projections may land."""
        return self.model.ports

    @property
    def early(self) -> tuple[str, ...]:
        """Results that are known before anything arrives at the ports after the first."""
        return self.model.early

    @property
    def registers(self) -> tuple[str, ...]:
        """States that a step takes over from the one before."""
        return self.model.states

    @property
    def recordable(self) -> tuple[str, ...]:
        """Variables that an engine can record."""
        return self.model.results

    @property
    def output_variable(self) -> str:
        """What is read where the population is the network's output."""
        return self.model.output


@dataclass(frozen=True, eq=False)
class Neurons(ArrayFields, ModelNames):
    """N neurons of one model, with real constants.

    ``constants``: float64 (N,) by name; scalars are repeated, those left out take the model's
    default. ``shape``: (channels, height, width) or (channels, length) of an image or a row, (N,)
    if left out; constants may be given in that shape, or one per channel as (channels, 1, 1).
    ``functions``: the non-linearity of every gate, ``sigmoid`` where left out.

    Raises:
        UnknownNameError: a model, constant, gate or non-linearity that does not exist.
        InvalidValueError, ShapeError: a constant outside its range, not finite or not (N,).

    >>> Neurons("hidden", 2, "lif", {"threshold": 0.5}).constants["threshold"]
    array([0.5, 0.5])
    """

    name: str
    size: int
    model: Model
    constants: Mapping[str, FloatArray] = field(default_factory=dict)
    functions: Mapping[str, Nonlinearity | GateCurve] = field(default_factory=dict)
    shape: Shape = ()

    def __init__(
        self,
        name: str,
        size: int,
        model: Model | str,
        constants: Mapping[str, npt.ArrayLike] | None = None,
        functions: Mapping[str, Nonlinearity | GateCurve] | None = None,
        shape: Sequence[int] = (),
    ) -> None:
        found = find_model(model) if isinstance(model, str) else model
        if not isinstance(found, Model):
            limit, remedy = "a name, or a neuron model", "decorate its function with @model()"
            raise InvalidValueError(f"model of {shown(name)}", shown(found), limit, remedy)
        check_population(found.name, name, size)
        set_field(self, "name", name)
        set_field(self, "size", size)
        set_field(self, "model", found)
        set_field(self, "shape", population_shape(name, size, shape))
        set_field(self, "constants", _reals(self, constants or {}))
        set_field(self, "functions", _functions(name, found, functions or {}))

    @property
    def variables(self) -> tuple[str, ...]:
        """Variables that projections may send."""
        return self.model.sends

    def worked_out(self) -> Neurons:
        """The same neurons of a model whose constants are what a chip holds.

        Products, quotients and roots of constants are constants of their own there.

        Raises:
            InvalidValueError: where one of them is no finite number.
        """
        model = self.model.worked_out
        if model is self.model:
            return self
        values = derive(self.model.program, self.constants)
        held = {constant.name: values[constant.name] for constant in model.constants}
        return Neurons(self.name, self.size, model, held, self.functions, self.shape)

    def with_constants(self, constants: Mapping[str, npt.ArrayLike]) -> Neurons:
        """The same neurons with some constants replaced."""
        held = {**self.constants, **constants}
        return Neurons(self.name, self.size, self.model, held, self.functions, self.shape)


def _reals(neurons: Neurons, given: Mapping[str, npt.ArrayLike]) -> dict[str, FloatArray]:
    name, model = neurons.name, neurons.model
    require_type(f"constants of {name}", given, Mapping)
    known = tuple(constant.name for constant in model.constants)
    for key in given:
        if key not in known:
            raise UnknownNameError(f"constant of {name}", str(key), known)
    checked = {}
    for constant in model.constants:
        label = f"{name} {constant.name}"
        value = given.get(constant.name, constant.default)
        spreading = spread(value, neurons.shape)
        values = real_vector(label, spreading, neurons.size, per_channel(neurons.shape))
        if values.min() < constant.low or values.max() > constant.high:
            worst = values.min() if values.min() < constant.low else values.max()
            raise InvalidValueError(label, worst, f"{constant.low:g} to {constant.high:g}")
        checked[constant.name] = values
    return checked


def per_channel(shape: Shape) -> str:
    """How one number per channel is given to neurons of a shape, as a remedy.

    >>> per_channel((4, 7, 7))
    'an array with one per channel has the shape (4, 1, 1)'
    """
    if len(shape) > 1:
        wanted = (shape[0], *(1 for _ in shape[1:]))
        return f"an array with one per channel has the shape {wanted}"
    return "one per channel needs neurons with a shape of channels, height and width"


def spread(value: npt.ArrayLike, shape: Shape) -> npt.ArrayLike:
    """Numbers of an image's shape, or one per channel as (channels, 1, 1), as one per neuron.

    Anything else is returned as it is.

    >>> spread(np.array([[[1.0]], [[2.0]]]), (2, 1, 2))
    array([1., 1., 2., 2.])
    """
    found = np.shape(value) if isinstance(value, np.ndarray) else ()
    if len(shape) > 1 and found in (shape, (shape[0], *(1 for _ in shape[1:]))):
        return np.broadcast_to(np.asarray(value), shape).ravel()
    return value


def _functions(
    name: str, model: Model, given: Mapping[str, Nonlinearity | GateCurve]
) -> dict[str, Nonlinearity | GateCurve]:
    require_type(f"functions of {name}", given, Mapping)
    for gate, function in given.items():
        if gate not in model.gates:
            raise UnknownNameError(f"gate of {name}", str(gate), model.gates)
        if not isinstance(function, GateCurve):
            require_type("nonlinearity", function, str)
            if function not in NONLINEARITIES:
                raise UnknownNameError("nonlinearity", function, NONLINEARITIES)
    return {gate: given.get(gate, "sigmoid") for gate in model.gates}


@dataclass(frozen=True)
class Message:
    """How a graded variable is sent: ``word.fit(rsz(value, shift))``."""

    variable: str
    word: Word
    shift: int

    def __post_init__(self) -> None:
        require_type("graded variable", self.variable, str)
        require_type(f"word of message {self.variable}", self.word, Word)
        require_range(f"shift of message {self.variable}", self.shift, 0, LARGEST_SHIFT)


@dataclass(frozen=True, eq=False)
class FixedNeurons(ArrayFields, ModelNames):
    """N neurons of one model, with integer constants and an integer program.

    ``formats`` says how each value is held; ``program`` is the model's, lowered with them (made so
    if left out), and is what engines run. ``constants``: int64 (N,) by name; ``tables``: int64
    entries by gate (empty for ``plan``).

    Raises:
        UnknownNameError, ShapeError, InvalidValueError: for a name, array, table or format that
            does not fit the model.
    """

    name: str
    size: int
    model: Model
    formats: Formats
    constants: Mapping[str, IntArray]
    tables: Mapping[str, IntArray] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    program: Program = field(default=None)  # type: ignore[assignment]
    shape: Shape = ()

    def __post_init__(self) -> None:
        require_type(f"model of {self.name}", self.model, Model)
        check_population(self.model.name, self.name, self.size)
        set_field(self, "shape", population_shape(self.name, self.size, self.shape))
        if self.model.worked_out is not self.model:
            raise InvalidValueError(
                f"model of {self.name}", "with constants to be worked out", "one that a chip holds",
                "take model.worked_out",
            )  # fmt: skip
        require_type(f"formats of {self.name}", self.formats, Formats)
        _check_formats(self.name, self.model, self.formats)
        set_field(self, "constants", self._integers())
        set_field(self, "tables", self._tables())
        set_field(self, "messages", self._messages())
        if self.program is None:
            set_field(self, "program", lower(self.model.program, self.formats))
        else:
            _check_program(self)

    def _integers(self) -> dict[str, IntArray]:
        known = tuple(constant.name for constant in self.model.constants)
        _require_same(f"constants of {self.name}", self.constants, known)
        return {
            name: integer_vector(
                f"{self.name} {name}", spread(self.constants[name], self.shape), self.size
            )
            for name in known
        }

    def _tables(self) -> dict[str, IntArray]:
        require_type(f"tables of {self.name}", self.tables, Mapping)
        tables = {}
        for gate, form in self.formats.gates.items():
            label = f"{self.name} {gate} table"
            table = integer_array(label, self.tables.get(gate, np.zeros(0, dtype=np.int64)))
            if form.function == "plan":
                if table.size:
                    raise ShapeError(label, table.shape, "(0,) for plan")
            else:
                _check_table(label, table, form.index_bits, form.function, form.output_fraction)
            tables[gate] = table
        for gate in self.tables:
            if gate not in tables:
                raise UnknownNameError(f"table of {self.name}", str(gate), tuple(tables))
        return tables

    def _messages(self) -> tuple[Message, ...]:
        messages = parts(f"messages of {self.name}", self.messages, Message)
        graded = tuple(name for name in self.model.sends if name != SPIKES)
        sent = [message.variable for message in messages]
        for variable in sent:
            if variable not in graded:
                raise UnknownNameError(f"message of {self.name}", variable, graded)
        if len(set(sent)) != len(sent):
            raise InvalidValueError(
                f"messages of {self.name}", sent, "one format for each variable"
            )
        return messages

    @property
    def variables(self) -> tuple[str, ...]:
        """Spikes, and the graded variables that have a message format."""
        graded = tuple(message.variable for message in self.messages)
        return (SPIKES, *graded) if SPIKES in self.model.sends else graded

    @cached_property
    def fractions(self) -> Mapping[str, int]:
        """Fractional bits of every result."""
        return result_fractions(self.model.program, self.formats)

    def with_constants(self, constants: Mapping[str, IntArray]) -> FixedNeurons:
        """The same neurons with some constants replaced."""
        return FixedNeurons(
            self.name, self.size, self.model, self.formats, {**self.constants, **constants},
            self.tables, self.messages, self.program, self.shape,
        )  # fmt: skip


def _require_same(what: str, given: Any, known: tuple[str, ...]) -> None:
    require_type(what, given, Mapping)
    for name in given:
        if name not in known:
            raise UnknownNameError(what, str(name), known)
    missing = [name for name in known if name not in given]
    if missing:
        raise InvalidValueError(what, f"without {missing[0]}", ", ".join(known))


def _check_formats(name: str, model: Model, formats: Formats) -> None:
    """Every name of the model has a format, every fraction is one."""
    words = dict.fromkeys((*model.program.names(Operation.REGISTER), *model.states))
    spikes = binary_states(model)
    for what, given, known in (
        ("words", formats.held, tuple(word for word in words if word not in spikes)),
        ("ports", formats.ports, model.ports),
        ("formats of constants", formats.constants, tuple(c.name for c in model.constants)),
        ("formats of gates", formats.gates, model.gates),
    ):
        _require_same(
            f"{what} of {name}", {k: v for k, v in given.items() if k not in spikes}, known
        )
    for key, held in formats.held.items():
        require_type(f"word {key} of {name}", held, Held)
        require_fraction(f"{name} {key} fraction", held.fraction)
    for key, fraction in (*formats.ports.items(), *formats.constants.items()):
        require_fraction(f"{name} {key} fraction", fraction)


def _check_table(label: str, table: IntArray, bits: int, function: Any, fraction: int) -> None:
    if table.ndim != 1:
        raise ShapeError(label, table.shape, "one dimension")
    found = table_index_bits(table.size, function)
    if found != bits:
        raise InvalidValueError(f"index bits of {label}", found, str(bits))
    one = 1 << fraction
    if table.min() < 0 or table.max() > one:
        worst = table.min() if table.min() < 0 else table.max()
        raise InvalidValueError(f"entry of the {label}", worst, f"0 to {one}")


def _check_program(neurons: FixedNeurons) -> None:
    """A program that was given, as from a file: legal, and about the same names as the model."""
    program, model = neurons.program, neurons.model
    require_type(f"program of {neurons.name}", program, Program)
    if program.language != "integer":
        raise InvalidValueError(f"program of {neurons.name}", program.language, "integer")
    verify(program)
    tables = program.names(Operation.LOOK_UP) + program.names(Operation.INTERPOLATE)
    for what, given, known in (
        ("result", tuple(program.results), model.results),
        ("constant", program.parameters, tuple(c.name for c in model.constants)),
        ("port", program.ports, model.ports),
        ("state", program.states, model.states),
        ("table", tables, tuple(k for k, v in neurons.tables.items() if v.size)),
        ("table", program.names(Operation.ENTRY), (SURROGATE_TABLE,)),
    ):
        for name in given:
            if name not in known:
                raise UnknownNameError(f"{what} of the program of {neurons.name}", name, known)
    missing = [name for name in model.results if name not in program.results]
    if missing:
        raise InvalidValueError(
            f"program of {neurons.name}", f"without {missing[0]}", "every result of the model"
        )
