"""From an integer rule to read-only tables for the kernels.

Neurons are cells: every value of every population's program has a run of them, one per neuron
(:mod:`~ltc2hw.simulations.plasticity.cells`). A dense projection's synapses are stored in rows:
entry ``start + i N_target + j`` belongs to source i and target j (``by_source``), or, where there
are more sources than targets, ``start + j N_source + i``; those of sparse weights source by source.
Kernels are stored once, and are held.
Offsets are uint64: compiled indexing of unsigned numbers needs no check for negative ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.past import PAST
from ltc2hw.dynamics.tangent import carry, enter
from ltc2hw.graph.fixed import FixedPopulation, message_format
from ltc2hw.graph.structure import history_length, port_stage, variable_stage
from ltc2hw.learning.fixed import IntegerRule
from ltc2hw.learning.neurons import learnable_at
from ltc2hw.learning.rule import FEEDBACK_BITS, Parameter
from ltc2hw.learning.values import read_parameter
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import Overflow, Word
from ltc2hw.simulations.driver import Plan
from ltc2hw.simulations.plasticity.cells import Placed, Span, stages_of
from ltc2hw.simulations.plasticity.placing import IntegerCells
from ltc2hw.simulations.plasticity.rows import SparseRows
from ltc2hw.simulations.plasticity.synapses import Constants, constants_of
from ltc2hw.simulations.plasticity.tables import (
    COPY,
    ELIGIBLE,
    KERNEL,
    MESSAGE,
    OPERATION,
    OUTPUT,
    PROJECTION,
    VECTOR,
    Act,
)

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Layout:
    """Read-only tables of a rule on a network, and where its arrays lie."""

    chip: IntegerRule
    dtype: type[np.int32] | type[np.int64]
    placed: Mapping[str, Placed]
    schedule: Array
    operations: Array
    following: Array
    delivered: Array
    inboxes: Array
    entries: Array
    output: Array
    entered: Array
    messages: Array
    projections: Array
    kernels: Array
    vectors: Array
    formats: Array
    """Rows of constants of the plastic projections, in the type of the synapses."""
    vector_formats: Array
    pointers: Array
    targets: Array
    orders: Mapping[int, Array]
    """Of every projection that is not dense: the place of each of its synapses in its values."""
    counters: tuple[tuple[str, str], ...]
    slots: Mapping[tuple[str, str], int]
    ones: int
    """First of the cells that hold 1."""
    cells: int
    factors: int
    synapses: int
    sent: int
    """Length of the buffer of messages, past ones included."""
    learned: int
    """Length of the buffers of neurons' constants that learn."""
    back: int
    """Length of the buffer of random feedback weights."""
    moved: Array
    eligible: Array
    terms: Array
    moves: int
    kept: int
    """Length of the buffer of what values keep of the past."""

    @property
    def longest(self) -> int:
        """Synapses of the longest row of any projection or population."""
        network = self.chip.network
        sizes = [size for projection in network.projections for size in projection.weights.shape]
        return max(*sizes, *(population.size for population in network.populations))


def lay_out(chip: IntegerRule) -> Layout:
    """Number everything and write the tables; 32-bit synapses wherever they provably suffice."""
    return _Builder(chip).layout()


def ordered(chip: IntegerRule) -> list[Parameter]:
    """Parameters in the order of the tables: weights, then constants of neurons."""
    return sorted(chip.parameters, key=lambda parameter: parameter.projection is None)


class _Builder:
    """Collects tables; every method adds one kind of thing."""

    def __init__(self, chip: IntegerRule) -> None:
        self.chip = chip
        self.network = chip.network
        self.plan = Plan.of(self.network)
        self.cells = IntegerCells(chip)
        self.ones = self.cells.run(max(p.size for p in self.network.populations))
        self.entered = self.cells.run(self.network.input.size)
        self.placed = {
            p.name: self.cells.place(p.name) for p in self.network.populations if p.ports
        }
        self.slots: dict[tuple[str, str], int] = {}
        self.messages: list[tuple[int, ...]] = []
        self.sent = self.factor_count = self.synapses = self.learned = self.back = 0
        self.factors: dict[tuple[str, str], int] = {}
        self.rows = SparseRows()
        self.orders: dict[int, Array] = {}
        self.kernels: list[tuple[int, ...]] = []
        self.delivered: list[tuple[int, ...]] = []
        self.moved: list[tuple[int, ...]] = []
        self.moves: dict[tuple[str, str], int] = {}
        self.move_count = self.kept = 0
        for name, placed in self.placed.items():
            for entry in (*placed.entries, *placed.past):
                self.moves[name, entry] = self.move_count
                self.move_count += self.network.population(name).size

    def layout(self) -> Layout:
        chip = self.chip
        for population in self.network.populations:
            for port in population.ports:
                self.factors[population.name, port] = self.factor_count
                self.factor_count += population.size
            for variable in population.variables:
                if (population.name, variable) in self.plan.sent:
                    self.message(population, variable)
        weights = [p for p in chip.parameters if p.projection is not None]
        vectors = [p for p in chip.parameters if p.projection is None]
        widest = max((chip.formats[p].largest for p in weights), default=0)
        dtype = np.int32 if widest < 1 << 31 else np.int64
        projections = [self.projection(index, weights) for index in range(self.projection_count)]
        records = [self.vector(row, parameter) for row, parameter in enumerate(vectors)]
        output = self.output()
        eligible, terms = self.eligible()
        inboxes = [
            (start, start, self.network.population(name).size)
            for name, placed in self.placed.items()
            for start in (*placed.ports.values(), *placed.credits.values())
        ]
        return Layout(
            chip=chip,
            dtype=dtype,
            placed=self.placed,
            schedule=np.array(self.schedule(), np.int64),
            operations=np.array(self.cells.operations, OPERATION),
            following=np.array(self.following(), COPY),
            delivered=np.array(self.delivered, COPY),
            inboxes=np.array(inboxes, COPY),
            entries=np.concatenate([*self.cells.tables, np.zeros(0, np.int64)]),
            output=np.array([output], OUTPUT),
            entered=np.array([(0, self.entered, self.network.input.size)], COPY),
            messages=np.array(self.messages, MESSAGE),
            projections=np.array(projections, PROJECTION),
            kernels=np.array(self.kernels, KERNEL),
            vectors=np.array(records, VECTOR),
            formats=self.formats(weights, dtype),
            vector_formats=self.formats(vectors, np.int64),
            pointers=self.rows.pointers,
            targets=self.rows.targets,
            orders=self.orders,
            counters=tuple(self.cells.counters),
            slots=self.slots,
            ones=self.ones,
            cells=self.cells.size,
            factors=self.factor_count,
            synapses=self.synapses,
            sent=self.sent,
            learned=self.learned,
            back=self.back,
            moved=np.array(self.moved, COPY),
            eligible=eligible,
            terms=terms,
            moves=self.move_count,
            kept=self.kept,
        )

    @property
    def projection_count(self) -> int:
        return len(self.network.projections)

    def formats(self, parameters: list[Parameter], dtype: type[np.int32] | type[np.int64]) -> Array:
        width = np.iinfo(dtype).bits
        rows = [constants_of(self.chip.formats[parameter], width) for parameter in parameters]
        return np.array(rows, dtype).reshape(len(rows), len(Constants._fields))

    def output(self) -> tuple[int, ...]:
        neurons = self.chip.output
        placed, read = self.placed[neurons.name], neurons.output_variable
        counter = self.cells.counter(neurons.name, "error")
        fraction = neurons.fractions[read]
        return placed.results[read], placed.credits[read], neurons.size, fraction, counter

    def following(self) -> list[tuple[int, ...]]:
        return [
            (placed.results[state], start, self.network.population(name).size)
            for name, placed in self.placed.items()
            for state, start in placed.states.items()
        ]

    def deliver(self, name: str) -> Span:
        """Rows of the table of deliveries for a population's factors."""
        first, size = len(self.delivered), self.network.population(name).size
        for port, start in self.placed[name].factors.items():
            self.delivered.append((start, self.factors[name, port], size))
        return first, len(self.delivered)

    def move(self, name: str, cells: Mapping[str, int]) -> Span:
        """Rows of the table of moves for some cells of a population."""
        first, size = len(self.moved), self.network.population(name).size
        self.moved += [(start, self.moves[name, entry], size) for entry, start in cells.items()]
        return first, len(self.moved)

    def eligible(self) -> tuple[Array, Array]:
        """What the values of every parameter keep, and what follows what."""
        forms = {p: self.chip.formats[p].eligibility for p in ordered(self.chip)}
        most = max((len(form.states) for form in forms.values() if form is not None), default=0)
        records: list[tuple[int, ...]] = []
        rows: list[list[int]] = []
        for parameter, form in forms.items():
            if form is None:
                records.append((0,) * len(ELIGIBLE.names or ()))
                continue
            size = read_parameter(self.network, parameter).size
            records.append(
                (
                    len(form.states), self.kept, size, len(rows),
                    form.kept_up, form.entering_up, form.down,
                    form.word.minimum, form.word.maximum,
                )
            )  # fmt: skip
            self.kept += len(form.states) * size
            for state in form.states:
                olds = [carry(state, old) for old in form.states]
                named = [*olds, *[""] * (most - len(olds)), enter(state, parameter.port)]
                named.append(f"{PAST}.{state}")
                rows.append([self.moves.get((parameter.population, n), -1) for n in named])
        terms = np.array(rows, np.int64).reshape(len(rows), most + 2)
        return np.array(records, ELIGIBLE), terms

    def message(self, population: FixedPopulation, variable: Any) -> None:
        form = message_format(population, variable)
        word = Word(62) if form is None else form.word
        depth = history_length(self.network.projections, population.name, variable) + 1
        self.slots[population.name, variable] = len(self.messages)
        counter = -1
        if form is not None:
            counter = self.cells.counter(population.name, f"message {variable}")
        placed = self.placed.get(population.name)
        self.messages.append(
            (
                self.entered if placed is None else placed.results[variable],
                population.size,
                self.sent,
                depth,
                0 if form is None else form.shift,
                word.minimum,
                word.maximum,
                wrap_mask(word),
                counter,
            )
        )
        self.sent += depth * population.size

    def projection(self, index: int, plastic: list[Parameter]) -> tuple[int, ...]:
        connection = self.network.projections[index]
        targets, sources = connection.weights.shape
        row = next((r for r, p in enumerate(plastic) if p.projection == index), -1)
        form = self.chip.formats[plastic[row]] if row >= 0 else None
        symmetric = self.chip.rule.feedback == "symmetric"
        start, back, pointers, kernel = self.synapses, self.back, -1, -1
        if isinstance(connection.weights, Dense):
            self.synapses += targets * sources
        elif isinstance(connection.weights, Conv):
            kernel = self.kernel(index, connection.weights)
        else:
            pointers, self.orders[index] = self.rows.add(connection.weights)
            self.synapses += connection.weights.values.size
        if index in self.chip.crossed and not symmetric:
            self.back += targets * sources
        placed = self.placed[connection.target]
        source = self.placed.get(connection.source)
        return (
            self.slots[connection.source, connection.variable],
            connection.delay,
            sources,
            targets,
            start,
            pointers,
            kernel,
            placed.ports[connection.port],
            self.factors[connection.target, connection.port],
            source.credits[connection.variable] if source and index in self.chip.crossed else 0,
            back,
            connection.exponent,
            0 if form is None else form.word.network_shift,
            connection.weight_fraction if symmetric else FEEDBACK_BITS,
            row,
            0 if form is None else form.first,
            targets >= sources,
        )

    def kernel(self, index: int, weights: Conv) -> int:
        """Order a kernel's weights output by output last; its row of the table of kernels."""
        split = weights.kernel.shape[0] // weights.groups, *weights.kernel.shape[1:]
        places = np.arange(weights.values.size).reshape(weights.groups, *split)
        self.orders[index] = np.moveaxis(places, 1, -1).ravel()
        self.synapses += weights.values.size
        outputs, inputs, *extent = split
        one = (1,) * (2 - len(extent))
        geometry = (
            (*one, *weights.sources[1:]), (*one, *extent), (*one, *weights.stride),
            (*(0,) * len(one), *(before for before, _ in weights.padding)),
            (*one, *weights.dilation), (*one, *weights.targets[1:]),
        )  # fmt: skip
        self.kernels.append((inputs, outputs, *(number for pair in geometry for number in pair)))
        return len(self.kernels) - 1

    def vector(self, row: int, parameter: Parameter) -> tuple[int, ...]:
        form = self.chip.formats[parameter]
        name, placed = parameter.population, self.placed[parameter.population]
        population = self.network.population(name)
        own = learnable_at(population, parameter.port, parameter.term)
        message = placed.message(own.message, self.ones)
        start = self.learned
        self.learned += population.size
        return (
            placed.constants[own.constant],
            self.factors[name, parameter.port],
            message,
            population.size,
            start,
            row,
            form.word.message_shift,
            form.word.network_shift,
            form.first,
        )

    def schedule(self) -> list[tuple[int, int, int]]:
        """Forward in the graph's order, the comparison, then backward against it."""
        forward = [row for name, stage in self.plan.order for row in self.stage(name, stage)]
        nodes = reversed(self.plan.order)
        reached = [name for name, stage in nodes if stage == "late" and name in self.chip.reached]
        backward = [row for name in reached for row in self.back_through(name)]
        moving = [row for name in self.chip.tangents for row in self.move_on(name)]
        return [*forward, *moving, (Act.COMPARE, 0, 0), *backward]

    def move_on(self, name: str) -> Iterator[tuple[int, int, int]]:
        """How a step of a population moves."""
        yield Act.EVALUATE, *stages_of(self.placed, name, "moving")
        yield Act.MOVE, *self.move(name, self.placed[name].entries)

    def stage(self, name: str, stage: str) -> Iterator[tuple[int, int, int]]:
        """What arrives, what is computed of it, and what is sent."""
        population = self.network.population(name)
        for port in population.ports:
            if port_stage(population, port) == stage:
                for index in self.plan.incoming.get((name, port), ()):
                    yield Act.ARRIVE, index, 0
        yield Act.EVALUATE, *stages_of(self.placed, name, stage)
        for variable in population.variables:
            sent = (name, variable) in self.slots
            if sent and variable_stage(population, variable) == stage:
                yield Act.SEND, self.slots[name, variable], 0

    def back_through(self, name: str) -> Iterator[tuple[int, int, int]]:
        """Factors of a population, and what they send back."""
        yield Act.EVALUATE, *stages_of(self.placed, name, "backward")
        yield Act.DELIVER, *self.deliver(name)
        yield Act.EVALUATE, *stages_of(self.placed, name, "past")
        yield Act.MOVE, *self.move(name, self.placed[name].past)
        for index in self.chip.crossed:
            if self.network.projections[index].target == name:
                yield Act.FEEDBACK, index, 0


def wrap_mask(word: Word) -> int:
    """``2^bits - 1`` where a word wraps, 0 where it saturates."""
    return (1 << word.bits) - 1 if word.overflow is Overflow.WRAP else 0
