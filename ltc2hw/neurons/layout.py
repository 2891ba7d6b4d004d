"""A layer's form as kernels: its program and the reverse of it, divided for a window of steps.

What is made of constants alone is made once in a window, in rows of neurons; results that graded
synapses carry within a step are made before the rest. On the way back, gates and registers are
read from the record, all else is made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from ltc2hw.dynamics.adjoint import given, gradient_of, reverse
from ltc2hw.dynamics.operations import LEAVES, Operation
from ltc2hw.dynamics.program import Builder, Program, Value
from ltc2hw.dynamics.specialise import constants_apart, specialise
from ltc2hw.neurons.form import Form
from ltc2hw.neurons.rounding import GateFunction, smooth_name
from ltc2hw.neurons.vector_code import Leaf, Machine, Source


class Buffer(IntEnum):
    """Where an operand of a kernel lies: an array of a window, see :mod:`~.packed`."""

    BEFORE = 0
    """A register before the step."""
    AFTER = 1
    """A register after the step."""
    SUMS = 2
    """What synapses bring to a port."""
    BACK_SUMS = 3
    """The gradient of that."""
    GRADED = 4
    """What graded synapses bring to a port."""
    BACK_GRADED = 5
    """The gradient of that."""
    KEPT = 6
    """Results that graded synapses carry, then gates."""
    BACK = 7
    """The gradient of a register."""
    BACK_EARLY = 8
    """The gradient of a result that graded synapses carry."""
    ROWS = 9
    """What is made of constants alone."""
    ROW_TOTALS = 10
    """The gradient of that."""
    LEARNED = 11
    FIXED = 12
    LEARNED_TOTALS = 13
    """The gradient of a learned constant."""


class Place(NamedTuple):
    """One plane or row of a buffer."""

    buffer: Buffer
    row: int


class Step(IntEnum):
    """The kernels of a layer, in the order of :attr:`Layout.kernels`."""

    PREPARE = 0
    """Once before the steps: rows from constants."""
    EARLY = 1
    FORWARD = 2
    BACKWARD = 3
    BACK_EARLY = 4
    FINISH = 5
    """Once after the way back: gradients of constants from those of rows."""


@dataclass
class Kernel:
    """A program, and the places of its leaves and results."""

    program: Program
    reads: dict[Leaf, Place] = field(default_factory=dict)
    writes: dict[str, Place] = field(default_factory=dict)
    added: frozenset[str] = frozenset()

    @property
    def places(self) -> list[Place]:
        """Places of all operands."""
        return [*self.reads.values(), *self.writes.values()]

    def source(self, form: Form) -> Source:
        """What the machine code is made from."""
        leaves, results = tuple(self.reads), tuple(self.writes)
        program = self.program.needed(results)
        return Source(program, leaves, results, self.added, form.functions, form.surrogate)


class Layout:
    """Kernels of a form, as programs with the places of their operands."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.graded = tuple(dict.fromkeys(port for _, port in form.graded))
        """Ports of graded synapses, which have planes of their own."""
        divided = constants_apart(_split_ports(form, self.graded))
        self.before, self.step = divided.before, divided.step
        self.rows = tuple(self.before.results) if self.step.parameters else ()
        learned = set(form.learned)
        self.learned_rows = tuple(
            row for row in self.rows if learned & set(self.before.needed((row,)).parameters)
        )
        cut = {self.step.results[name]: _port(f"early.{name}") for name in form.early}
        # Numbers that are cut out are leaves of the rest.
        self.rest = specialise(
            Program(self.step.language, self.step.values, _only(self.step.results, form.registers)),
            cut,
        )
        self.gates = [
            index
            for index, value in enumerate(self.rest.values)
            if value.operation is Operation.GATE
        ]
        self.kept = len(form.early) + len(self.gates)
        self.kernels = (
            self._prepare(),
            self._early(),
            self._forward(),
            self._backward(),
            self._back_early(),
            self._finish(),
        )

    def machine(self, bytes_of_real: int) -> tuple[Machine, list[int]]:
        """Machine code of the kernels, and their addresses; 0 for those without a result."""
        present = [kernel for kernel in self.kernels if kernel.writes]
        machine = Machine([kernel.source(self.form) for kernel in present], bytes_of_real)
        found = iter(machine.addresses)
        return machine, [next(found) if kernel.writes else 0 for kernel in self.kernels]

    def _prepare(self) -> Kernel:
        kernel = Kernel(self.before)
        if self.rows:
            kernel.reads = self._constants(self.before)
            kernel.writes = {row: Place(Buffer.ROWS, i) for i, row in enumerate(self.rows)}
        return kernel

    def _constants(self, program: Program) -> dict[Leaf, Place]:
        places = {
            **{name: Place(Buffer.LEARNED, i) for i, name in enumerate(self.form.learned)},
            **{name: Place(Buffer.FIXED, i) for i, name in enumerate(self.form.fixed)},
        }
        return {(Operation.PARAMETER, name): places[name] for name in program.parameters}

    def _early(self) -> Kernel:
        early = self.form.early
        if not early:
            return Kernel(self.step)
        program = self.step.needed(early)
        writes = {name: Place(Buffer.KEPT, i) for i, name in enumerate(early)}
        return Kernel(program, self._leaves(program), writes)

    def _forward(self) -> Kernel:
        kept = {f"gate{index}": index for index in self.gates}
        program = Program(self.rest.language, self.rest.values, {**self.rest.results, **kept})
        writes = {
            **{name: Place(Buffer.AFTER, i) for i, name in enumerate(self.form.registers)},
            **{f"gate{i}": self._gate(place) for place, i in enumerate(self.gates)},
        }
        return Kernel(program, self._leaves(program), writes)

    def _gate(self, place: int) -> Place:
        return Place(Buffer.KEPT, len(self.form.early) + place)

    def _leaves(self, program: Program) -> dict[Leaf, Place]:
        """Where the leaves of a step lie; gradients of registers among them."""
        form = self.form
        ports = {
            **{name: Place(Buffer.SUMS, i) for i, name in enumerate(form.ports)},
            **{f"graded.{name}": Place(Buffer.GRADED, i) for i, name in enumerate(self.graded)},
            **{f"early.{name}": Place(Buffer.KEPT, i) for i, name in enumerate(form.early)},
            **{f"gate.{i}": self._gate(place) for place, i in enumerate(self.gates)},
            **{f"after.{name}": Place(Buffer.AFTER, i) for i, name in enumerate(form.registers)},
            **{given(name): Place(Buffer.BACK, i) for i, name in enumerate(form.registers)},
            **{given(name): Place(Buffer.BACK_EARLY, i) for i, name in enumerate(form.early)},
        }
        states = {name: Place(Buffer.BEFORE, i) for i, name in enumerate(form.registers)}
        rows = {name: Place(Buffer.ROWS, i) for i, name in enumerate(self.rows)}
        tables = (
            (Operation.PORT, ports), (Operation.STATE, states), (Operation.PARAMETER, rows)
        )  # fmt: skip
        return {
            (operation, name): places[name]
            for operation, places in tables
            for name in program.names(operation)
        }

    def _gradients(self, early: bool) -> dict[str, Place]:
        """Where the gradients of a step's leaves go."""
        places = {
            gradient_of(Operation.PARAMETER, row): Place(Buffer.ROW_TOTALS, self.rows.index(row))
            for row in self.learned_rows
        }
        for i, name in enumerate(self.form.ports):
            places[gradient_of(Operation.PORT, name)] = Place(Buffer.BACK_SUMS, i)
        for i, name in enumerate(self.graded):
            places[gradient_of(Operation.PORT, f"graded.{name}")] = Place(Buffer.BACK_GRADED, i)
        for i, name in enumerate(self.form.registers):
            places[gradient_of(Operation.STATE, name)] = Place(Buffer.BACK, i)
        if not early:
            for i, name in enumerate(self.form.early):
                places[gradient_of(Operation.PORT, f"early.{name}")] = Place(Buffer.BACK_EARLY, i)
        return places

    def _backward(self) -> Kernel:
        back = _slopes_of_sigmoids(reverse(self.rest, self.form.registers), self.form.functions)
        known = {index: _port(f"gate.{index}") for index in self.gates}
        for name in self.form.registers:
            index = self.rest.results[name]
            if self.rest.values[index].operation not in (*LEAVES, Operation.NUMBER):
                known.setdefault(index, _port(f"after.{name}"))
        places = self._gradients(early=False)
        # What no gradient reaches has the gradient 0 in its place.
        zero = len(back.values)
        results = {
            name: back.results.get(name, zero)
            for name in places
            if name in back.results or places[name].buffer != Buffer.ROW_TOTALS
        }
        values = (*back.values, Value(Operation.NUMBER, (), "", (0.0,)))
        program = specialise(Program(back.language, values, results), known)
        added = frozenset(n for n in results if places[n].buffer == Buffer.ROW_TOTALS)
        writes = {name: places[name] for name in results}
        return Kernel(program, self._leaves(program), writes, added)

    def _back_early(self) -> Kernel:
        early = self.form.early
        if not early:
            return Kernel(self.step)
        back = reverse(self.step.needed(early), early)
        places = self._gradients(early=True)
        results = {name: index for name, index in back.results.items() if name in places}
        program = Program(back.language, back.values, results).needed(tuple(results))
        writes = {name: places[name] for name in results}
        return Kernel(program, self._leaves(program), writes, frozenset(results))

    def _finish(self) -> Kernel:
        if not self.learned_rows:
            return Kernel(self.before)
        back = _slopes_of_sigmoids(reverse(self.before, self.learned_rows), self.form.functions)
        places = {
            gradient_of(Operation.PARAMETER, name): Place(Buffer.LEARNED_TOTALS, i)
            for i, name in enumerate(self.form.learned)
        }
        results = {name: index for name, index in back.results.items() if name in places}
        program = Program(back.language, back.values, results).needed(tuple(results))
        reads = self._constants(program)
        for row in self.learned_rows:
            reads[Operation.PORT, given(row)] = Place(Buffer.ROW_TOTALS, self.rows.index(row))
        writes = {name: places[name] for name in results}
        return Kernel(program, reads, writes, frozenset(results))


def _port(name: str) -> Value:
    return Value(Operation.PORT, (), name)


def _only(results: Mapping[str, int], names: tuple[str, ...]) -> dict[str, int]:
    return {name: results[name] for name in names}


def _split_ports(form: Form, graded: tuple[str, ...]) -> Program:
    """The program in which what graded synapses bring is a port of its own, added to the port's."""
    builder, place = Builder(form.program.language), list[int]()
    for value in form.program.values:
        made = builder.add(
            value.operation,
            *(place[argument] for argument in value.arguments),
            name=value.name,
            numbers=value.numbers,
        )
        if value.operation is Operation.PORT and value.name in graded:
            own = builder.add(Operation.PORT, name=f"graded.{value.name}")
            both = value.name in form.ports
            made = builder.add(Operation.ADD, made, own) if both else own
        place.append(made)
    return builder.program({name: place[i] for name, i in form.program.results.items()})


def _slopes_of_sigmoids(program: Program, functions: Mapping[str, GateFunction]) -> Program:
    """The program that takes the slope of a sigmoid from its value y, as y (1 - y)."""
    builder, place = Builder(program.language), list[int]()
    for value in program.values:
        arguments = [place[argument] for argument in value.arguments]
        slope = value.operation is Operation.SLOPE
        if slope and smooth_name(functions[value.name]) == "sigmoid":
            gate = builder.add(Operation.GATE, *arguments, name=value.name)
            shut = builder.add(Operation.SUBTRACT, builder.number(1.0), gate)
            place.append(builder.add(Operation.MULTIPLY, gate, shut))
        else:
            made = builder.add(value.operation, *arguments, name=value.name, numbers=value.numbers)
            place.append(made)
    results = {name: place[index] for name, index in program.results.items()}
    return Program(program.language, tuple(builder.values), results)


@lru_cache(maxsize=128)
def layout_of(form: Form) -> Layout:
    """The layout of a form, made once."""
    return Layout(form)
