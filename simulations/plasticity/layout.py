"""From an integer rule to read-only tables for the kernels.

A projection's synapses are stored in rows: entry ``start + i N_target + j`` belongs to source i and
target j (``by_source``), or, where there are more sources than targets, ``start + j N_source + i``.
Neurons are numbered through all populations. Offsets are uint64: compiled indexing of unsigned
numbers needs no check for negative ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.populations import FixedGate, FixedLIF, FixedLTC, FixedReadout
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.fixed import FixedInput, FixedPopulation, message_format
from ltc2hw.graph.structure import (
    PORTS,
    STAGE_OF_VARIABLE,
    Variable,
    connection_name,
    history_length,
)
from ltc2hw.learning.fixed import IntegerRule
from ltc2hw.learning.rule import FEEDBACK_BITS, Parameter
from ltc2hw.numbers.nonlinearity import table_index_bits
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import Overflow, Word
from ltc2hw.simulations.driver import Plan
from ltc2hw.simulations.plasticity.synapses import Constants, constants_of
from ltc2hw.simulations.plasticity.tables import (
    CONSTANT_OF,
    COUNTER_OF_MESSAGE,
    GATE,
    GATE_FUNCTION,
    INPUT_KIND,
    LTC_KIND,
    MESSAGE,
    POPULATION,
    PROJECTION,
    READOUT_KIND,
    ROW_OF_VARIABLE,
    VECTOR,
    Operation,
    Row,
)

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Layout:
    """Read-only tables of a rule on a network, and where its arrays lie."""

    chip: IntegerRule
    dtype: type[np.int32] | type[np.int64]
    schedule: Array
    populations: Array
    gates: Array
    entries: Array
    messages: Array
    projections: Array
    vectors: Array
    formats: Array
    """Rows of constants of the plastic projections, in the type of the synapses."""
    vector_formats: Array
    rows: Mapping[str, int]
    firsts: Mapping[str, int]
    slots: Mapping[tuple[str, Variable], int]
    neurons: int
    synapses: int
    sent: int
    """Length of the buffer of messages, past ones included."""
    learned: int
    """Length of the buffers of neurons' constants that learn."""


def check_expressible(chip: IntegerRule) -> None:
    """Raise for what the compiled engine does not run.

    Raises:
        UnsupportedError: LIF populations, or sparse weights that learn.
    """
    remedy = "learn with the engine integer"
    for population in chip.network.populations:
        if isinstance(population, FixedLIF):
            name = f"population '{population.name}'"
            raise UnsupportedError("the compiled learning engine", name, "LIF neurons", remedy)
    for parameter in chip.parameters:
        if parameter.projection is None:
            continue
        connection = chip.network.projections[parameter.projection]
        if not isinstance(connection.weights, Dense):
            name = f"projection {connection_name(connection)}"
            feature = "sparse weights that learn"
            raise UnsupportedError("the compiled learning engine", name, feature, remedy)


def lay_out(chip: IntegerRule) -> Layout:
    """Number everything and write the tables; 32-bit synapses wherever they provably suffice.

    Raises:
        UnsupportedError: see :func:`check_expressible`.
    """
    check_expressible(chip)
    return _Builder(chip).layout()


class _Builder:
    """Collects tables; every method adds one kind of thing."""

    def __init__(self, chip: IntegerRule) -> None:
        self.chip = chip
        self.network = chip.network
        self.rows = {p.name: row for row, p in enumerate(self.network.populations)}
        self.firsts: dict[str, int] = {}
        self.neurons = 0
        for population in self.network.populations:
            self.firsts[population.name] = self.neurons
            self.neurons += population.size
        self.gates: list[tuple[int, ...]] = []
        self.entries: list[Array] = [np.zeros(0, np.int64)]
        self.schedule: list[tuple[int, int]] = []
        self.slots: dict[tuple[str, Variable], int] = {}
        self.messages: list[tuple[int, ...]] = []
        self.sent = 0
        self.plan = Plan.of(self.network)

    def layout(self) -> Layout:
        chip = self.chip
        populations = [self.population(p) for p in self.network.populations]
        for population in self.network.populations:
            for variable in population.variables:
                if (population.name, variable) in self.plan.sent:
                    self.message(population, variable)
        weights = [p for p in chip.parameters if p.projection is not None]
        vectors = [p for p in chip.parameters if p.projection is None]
        projections, synapses = self.projections(weights)
        records, learned = self.vectors(vectors)
        self.make_schedule()
        widest = max((chip.formats[p].largest for p in weights), default=0)
        dtype = np.int32 if widest < 1 << 31 else np.int64
        return Layout(
            chip=chip,
            dtype=dtype,
            schedule=np.array(self.schedule, np.int64),
            populations=np.array(populations, POPULATION),
            gates=np.array(self.gates, GATE),
            entries=np.concatenate(self.entries),
            messages=np.array(self.messages, MESSAGE),
            projections=np.array(projections, PROJECTION),
            vectors=np.array(records, VECTOR),
            formats=self.formats(weights, dtype),
            vector_formats=self.formats(vectors, np.int64),
            rows=self.rows,
            firsts=self.firsts,
            slots=self.slots,
            neurons=self.neurons,
            synapses=synapses,
            sent=self.sent,
            learned=learned,
        )

    def formats(self, parameters: list[Parameter], dtype: type[np.int32] | type[np.int64]) -> Array:
        width = np.iinfo(dtype).bits
        rows = [constants_of(self.chip.formats[parameter], width) for parameter in parameters]
        return np.array(rows, dtype).reshape(len(rows), len(Constants._fields))

    def population(self, population: FixedPopulation) -> tuple[int, ...]:
        first, size = self.firsts[population.name], population.size
        if isinstance(population, FixedInput):
            return (INPUT_KIND, first, size, 0, 0, 0, population.fraction, 0, 0, 0, 0)
        assert isinstance(population, (FixedLTC, FixedReadout))
        word = population.state
        common = (first, size, word.minimum, word.maximum, wrap_mask(word), population.fraction)
        tau_mem = self.gate(population.tau_mem)
        if isinstance(population, FixedReadout):
            return (READOUT_KIND, *common, 0, 0, tau_mem, 0)
        return (
            LTC_KIND,
            *common,
            population.adaptation_fraction,
            population.adaptation_strength.shift,
            tau_mem,
            self.gate(population.tau_adp),
        )

    def gate(self, gate: FixedGate) -> int:
        bits = 0 if gate.function == "plan" else table_index_bits(gate.table.size, gate.function)
        self.gates.append(
            (
                GATE_FUNCTION[gate.function],
                gate.fraction,
                gate.output_fraction,
                gate.from_state.shift,
                gate.from_current.shift,
                sum(entries.size for entries in self.entries),
                bits,
            )
        )
        self.entries.append(gate.table)
        return len(self.gates) - 1

    def message(self, population: FixedPopulation, variable: Variable) -> None:
        form = message_format(population, variable)
        word = Word(62) if form is None else form.word
        depth = history_length(self.network.projections, population.name, variable) + 1
        self.slots[population.name, variable] = len(self.messages)
        self.messages.append(
            (
                self.rows[population.name],
                ROW_OF_VARIABLE[variable],
                population.size,
                self.sent,
                depth,
                0 if form is None else form.shift,
                word.minimum,
                word.maximum,
                wrap_mask(word),
                COUNTER_OF_MESSAGE.get(variable, -1),
            )
        )
        self.sent += depth * population.size

    def projections(self, plastic: list[Parameter]) -> tuple[list[tuple[int, ...]], int]:
        symmetric = self.chip.rule.feedback == "symmetric"
        format_rows = {parameter.projection: row for row, parameter in enumerate(plastic)}
        parameters = {parameter.projection: parameter for parameter in plastic}
        records: list[tuple[int, ...]] = []
        synapses = 0
        for index, connection in enumerate(self.network.projections):
            targets, sources = connection.weights.shape
            row = format_rows.get(index, -1)
            parameter = parameters.get(index)
            shift = self.chip.formats[parameter].word.network_shift if parameter else 0
            first = self.chip.formats[parameter].first if parameter else 0
            records.append(
                (
                    self.slots[connection.source, connection.variable],
                    connection.delay,
                    sources,
                    targets,
                    synapses,
                    PORTS.index(connection.port),
                    self.firsts[connection.target],
                    self.firsts[connection.source],
                    connection.exponent,
                    shift,
                    connection.weight_fraction if symmetric else FEEDBACK_BITS,
                    row,
                    first,
                    targets >= sources,
                )
            )
            synapses += targets * sources
        return records, synapses

    def vectors(self, parameters: list[Parameter]) -> tuple[list[tuple[int, ...]], int]:
        records: list[tuple[int, ...]] = []
        learned = 0
        for row, parameter in enumerate(parameters):
            form = self.chip.formats[parameter]
            size = self.network.population(parameter.population).size
            records.append(
                (
                    CONSTANT_OF[parameter.port, parameter.term],
                    PORTS.index(parameter.port),
                    message_row(parameter),
                    self.firsts[parameter.population],
                    size,
                    learned,
                    row,
                    form.word.message_shift,
                    form.word.network_shift,
                    form.first,
                )
            )
            learned += size
        return records, learned

    def make_schedule(self) -> None:
        """Forward in the graph's order, then backward against it."""
        for name, stage in self.plan.order:
            population = self.network.population(name)
            if not isinstance(population, FixedInput):
                for (target, port), indices in self.plan.incoming.items():
                    if target == name and (port == "current") == (stage == "current"):
                        self.schedule += [(Operation.ARRIVE, index) for index in indices]
                operation = Operation.CURRENT if stage == "current" else Operation.UPDATE
                self.schedule.append((operation, self.rows[name]))
            for variable in population.variables:
                if STAGE_OF_VARIABLE[variable] == stage and (name, variable) in self.slots:
                    self.schedule.append((Operation.SEND, self.slots[name, variable]))
        self.schedule.append((Operation.COMPARE, self.rows[self.network.output]))
        for name, stage in reversed(self.plan.order):
            if stage == "update" and name in self.chip.reached:
                self.schedule.append((Operation.FACTORS, self.rows[name]))
                self.schedule += [
                    (Operation.FEEDBACK, index)
                    for index in self.chip.crossed
                    if self.network.projections[index].target == name
                ]


def wrap_mask(word: Word) -> int:
    """``2^bits - 1`` where a word wraps, 0 where it saturates."""
    return (1 << word.bits) - 1 if word.overflow is Overflow.WRAP else 0


def message_row(parameter: Parameter) -> Row:
    """The state that a neuron's constant multiplies."""
    if parameter.term == "bias":
        return Row.ONES
    if parameter.term == "from_current":
        return Row.CURRENT
    return Row.OLD_MEMBRANE if parameter.port == "tau_mem" else Row.OLD_ADAPTATION
