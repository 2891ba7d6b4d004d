"""From an integer rule and what it has learned to flat arrays for the kernels, and back.

A projection's synapses are stored in rows: entry ``start + i N_target + j`` belongs to source i and
target j (``by_source``), or, where there are more sources than targets, ``start + j N_source + i``.
Neurons are numbered through all populations. Offsets are uint64: compiled indexing of unsigned
numbers needs no check for negative ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import UnsupportedError
from ltc2hw.fixed import (
    FixedGate,
    FixedInput,
    FixedLIF,
    FixedLTC,
    FixedPopulation,
    FixedReadout,
    message_format,
)
from ltc2hw.graph import PORTS, STAGE_OF_VARIABLE, Port, Variable, connection_name, history_length
from ltc2hw.learned import Learning
from ltc2hw.nonlinearity import GateFunction, table_index_bits
from ltc2hw.plasticity import FEEDBACK_BITS, Memory, Parameter, feedback_mantissas
from ltc2hw.plasticity_fixed import IntegerRule, network_value
from ltc2hw.simulations.driver import Plan
from ltc2hw.simulations.plasticity.synapses import Constants, constants_of
from ltc2hw.trace import State
from ltc2hw.weights import Dense
from ltc2hw.words import Overflow, Word

Array = npt.NDArray[Any]


class Operation(IntEnum):
    """What a row of the schedule does, with the table that its index refers to."""

    ARRIVE = 0
    """A projection delivers to its port."""
    CURRENT = 1
    """Stage ``current`` of a population."""
    UPDATE = 2
    """Stage ``update`` of a population."""
    SEND = 3
    """A variable becomes a message."""
    COMPARE = 4
    """The readout's error."""
    FACTORS = 5
    """Post-synaptic factors of a population."""
    FEEDBACK = 6
    """A projection sends factors back."""


class Row(IntEnum):
    """Variables of all neurons, one row of the state each."""

    PORT_CURRENT = 0
    PORT_TAU_MEM = 1
    PORT_TAU_ADP = 2
    CURRENT = 3
    MEMBRANE = 4
    ADAPTATION = 5
    SPIKES = 6
    OLD_MEMBRANE = 7
    OLD_ADAPTATION = 8
    TAU_MEM = 9
    DISTANCE = 10
    FALL = 11
    """``rsz((I - u[t-1]) σ'(g_m), G)``."""
    FADE = 12
    """``rsz((η[t-1] - (s[t-1] << A)) σ'(g_ρ), G)``."""
    CREDIT = 13
    ONES = 14


class Constant(IntEnum):
    """Constants of all neurons, one row each."""

    BIAS_CURRENT = 0
    MEM_BIAS = 1
    MEM_FROM_STATE = 2
    MEM_FROM_CURRENT = 3
    ADP_BIAS = 4
    ADP_FROM_STATE = 5
    ADP_FROM_CURRENT = 6
    THRESHOLD = 7
    STRENGTH = 8


class Counter(IntEnum):
    """Misfits of a population; the names are those of the specification."""

    CURRENT = 0
    TAU_MEM = 1
    TAU_ADP = 2
    THRESHOLD = 3
    CREDIT = 4
    FACTOR_CURRENT = 5
    FACTOR_TAU_MEM = 6
    FACTOR_TAU_ADP = 7
    MESSAGE_CURRENT = 8
    MESSAGE_MEMBRANE = 9
    MESSAGE_ADAPTATION = 10
    ERROR = 11


COUNTER_NAMES: Mapping[Counter, str] = {
    Counter.CURRENT: "current",
    Counter.TAU_MEM: "tau_mem",
    Counter.TAU_ADP: "tau_adp",
    Counter.THRESHOLD: "threshold",
    Counter.CREDIT: "credit",
    Counter.FACTOR_CURRENT: "factor current",
    Counter.FACTOR_TAU_MEM: "factor tau_mem",
    Counter.FACTOR_TAU_ADP: "factor tau_adp",
    Counter.MESSAGE_CURRENT: "message current",
    Counter.MESSAGE_MEMBRANE: "message membrane",
    Counter.MESSAGE_ADAPTATION: "message adaptation",
    Counter.ERROR: "error",
}

GATE_FUNCTION: Mapping[GateFunction, int] = {"plan": 0, "table": 1, "interpolated": 2}
LTC_KIND, READOUT_KIND, INPUT_KIND = 0, 1, 2

ROW_OF_VARIABLE: Mapping[Variable, Row] = {
    "spikes": Row.SPIKES,
    "value": Row.CURRENT,
    "current": Row.CURRENT,
    "membrane": Row.MEMBRANE,
    "adaptation": Row.ADAPTATION,
}
COUNTER_OF_MESSAGE: Mapping[Variable, Counter] = {
    "current": Counter.MESSAGE_CURRENT,
    "membrane": Counter.MESSAGE_MEMBRANE,
    "adaptation": Counter.MESSAGE_ADAPTATION,
}
CONSTANT_OF: Mapping[tuple[Port, str], Constant] = {
    ("current", "bias"): Constant.BIAS_CURRENT,
    ("tau_mem", "bias"): Constant.MEM_BIAS,
    ("tau_mem", "from_state"): Constant.MEM_FROM_STATE,
    ("tau_mem", "from_current"): Constant.MEM_FROM_CURRENT,
    ("tau_adp", "bias"): Constant.ADP_BIAS,
    ("tau_adp", "from_state"): Constant.ADP_FROM_STATE,
    ("tau_adp", "from_current"): Constant.ADP_FROM_CURRENT,
}
"""Constants that can learn."""

GATE = np.dtype(
    [
        ("function", np.int64),
        ("fraction", np.int64),
        ("output_fraction", np.int64),
        ("state_shift", np.int64),
        ("current_shift", np.int64),
        ("entries", np.uint64),
        ("index_bits", np.int64),
    ]
)
POPULATION = np.dtype(
    [
        ("kind", np.int64),
        ("first", np.uint64),
        ("size", np.uint64),
        ("low", np.int64),
        ("high", np.int64),
        ("wraps", np.int64),
        ("fraction", np.int64),
        ("adaptation_fraction", np.int64),
        ("strength_shift", np.int64),
        ("tau_mem", np.uint64),
        ("tau_adp", np.uint64),
    ]
)
MESSAGE = np.dtype(
    [
        ("population", np.uint64),
        ("row", np.uint64),
        ("size", np.uint64),
        ("start", np.uint64),
        ("depth", np.uint64),
        ("shift", np.int64),
        ("low", np.int64),
        ("high", np.int64),
        ("wraps", np.int64),
        ("counter", np.int64),
    ]
)
PROJECTION = np.dtype(
    [
        ("message", np.uint64),
        ("delay", np.uint64),
        ("sources", np.uint64),
        ("targets", np.uint64),
        ("start", np.uint64),
        ("port", np.uint64),
        ("target", np.uint64),
        ("source", np.uint64),
        ("exponent", np.int64),
        ("shift", np.int64),
        ("fraction", np.int64),
        ("format", np.int64),
        ("index", np.int64),
        ("by_source", np.int64),
    ]
)
VECTOR = np.dtype(
    [
        ("constant", np.uint64),
        ("port", np.uint64),
        ("row", np.uint64),
        ("first", np.uint64),
        ("size", np.uint64),
        ("start", np.uint64),
        ("format", np.uint64),
        ("message_shift", np.int64),
        ("network_shift", np.int64),
        ("index", np.int64),
    ]
)


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
    remedy = "use engine='integer'"
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


@dataclass(frozen=True, eq=False)
class Buffers:
    """Everything that the kernels change."""

    values: Array
    means: Array
    gradients: Array
    """Synapses in rows; weights that do not learn are values alone."""
    vector_values: Array
    vector_means: Array
    vector_gradients: Array
    constants: Array
    state: Array
    sent: Array
    feedback: Array
    """Weights of random feedback, laid out as ``values``; empty for symmetric feedback."""


def pack(layout: Layout, learning: Learning) -> Buffers:
    """Copy what a network has learned, and its registers, into arrays for the kernels."""
    chip = layout.chip
    values, means, gradients = (np.zeros(layout.synapses, layout.dtype) for _ in range(3))
    for index, (record, connection) in enumerate(
        zip(layout.projections, chip.network.projections, strict=True)
    ):
        at = piece(record)
        memory = learning.memories.get(weights_parameter(chip, index))
        if memory is None:
            values[at] = in_rows(record, connection.weights.to_array())
        else:
            shape = connection.weights.shape
            for array, numbers in zip((values, means, gradients), memory, strict=True):
                array[at] = in_rows(record, numbers.reshape(shape))
    vector_values, vector_means, vector_gradients = (
        np.zeros(layout.learned, np.int64) for _ in range(3)
    )
    vectors = [parameter for parameter in chip.parameters if parameter.projection is None]
    for record, parameter in zip(layout.vectors, vectors, strict=True):
        at = slice(int(record["start"]), int(record["start"] + record["size"]))
        vector_values[at], vector_means[at], vector_gradients[at] = learning.memories[parameter]
    state = np.zeros((len(Row), layout.neurons), np.int64)
    state[Row.ONES] = 1
    sent = np.zeros(layout.sent, layout.dtype)
    pack_registers(layout, learning.registers, state, sent)
    return Buffers(
        values,
        means,
        gradients,
        vector_values,
        vector_means,
        vector_gradients,
        pack_constants(layout, learning),
        state,
        sent,
        pack_feedback(layout),
    )


def unpack(layout: Layout, buffers: Buffers, updates: int) -> Learning:
    """Copy the arrays of the kernels back."""
    chip = layout.chip
    memories: dict[Parameter, Memory] = {}
    vectors = iter(layout.vectors)
    for parameter in chip.parameters:
        if parameter.projection is None:
            record = next(vectors)
            at = slice(int(record["start"]), int(record["start"] + record["size"]))
            arrays = (buffers.vector_values, buffers.vector_means, buffers.vector_gradients)
            memories[parameter] = Memory(*(array[at].copy() for array in arrays))
        else:
            record = layout.projections[parameter.projection]
            arrays = (buffers.values, buffers.means, buffers.gradients)
            memories[parameter] = Memory(*(from_rows(record, array) for array in arrays))
    return Learning(memories, unpack_registers(layout, buffers), updates)


def piece(record: Any) -> slice:
    """Where a projection's synapses lie."""
    start = int(record["start"])
    return slice(start, start + int(record["sources"] * record["targets"]))


def in_rows(record: Any, matrix: Array) -> Array:
    """A matrix (N_target, N_source) in the order of a projection's rows."""
    return (matrix.T if record["by_source"] else matrix).ravel()


def from_rows(record: Any, array: Array) -> Array:
    """A projection's piece of an array as values of a matrix (N_target, N_source)."""
    shape = int(record["targets"]), int(record["sources"])
    rows = array[piece(record)].astype(np.int64)
    if record["by_source"]:
        rows = np.ascontiguousarray(rows.reshape(shape[::-1]).T).ravel()
    return rows


def weights_parameter(chip: IntegerRule, index: int) -> Parameter:
    """The parameter that a projection's weights would be."""
    connection = chip.network.projections[index]
    return Parameter(connection.target, connection.port, "weights", index)


def pack_constants(layout: Layout, learning: Learning) -> Array:
    """Constants of all neurons; those that learn as their memories have them."""
    constants = np.zeros((len(Constant), layout.neurons), np.int64)
    for population in layout.chip.network.populations:
        if isinstance(population, FixedInput):
            continue
        assert isinstance(population, (FixedLTC, FixedReadout))
        first = layout.firsts[population.name]
        at = slice(first, first + population.size)
        constants[Constant.BIAS_CURRENT, at] = population.bias_current
        constants[Constant.MEM_BIAS, at] = population.tau_mem.bias
        constants[Constant.MEM_FROM_STATE, at] = population.tau_mem.from_state.values
        constants[Constant.MEM_FROM_CURRENT, at] = population.tau_mem.from_current.values
        if isinstance(population, FixedLTC):
            constants[Constant.ADP_BIAS, at] = population.tau_adp.bias
            constants[Constant.ADP_FROM_STATE, at] = population.tau_adp.from_state.values
            constants[Constant.ADP_FROM_CURRENT, at] = population.tau_adp.from_current.values
            constants[Constant.THRESHOLD, at] = population.threshold
            constants[Constant.STRENGTH, at] = population.adaptation_strength.values
    for parameter, memory in learning.memories.items():
        if parameter.projection is None:
            row = CONSTANT_OF[parameter.port, parameter.term]
            first = layout.firsts[parameter.population]
            form = layout.chip.formats[parameter]
            constants[row, first : first + memory.value.size] = network_value(form, memory.value)
    return constants


def pack_feedback(layout: Layout) -> Array:
    """Random feedback weights of the projections that carry errors, by source."""
    chip = layout.chip
    if chip.rule.feedback == "symmetric":
        return np.zeros(0, np.int64)
    feedback = np.zeros(layout.synapses, np.int64)
    for index in chip.crossed:
        shape = chip.network.projections[index].weights.shape
        matrix = feedback_mantissas(chip.rule.feedback_seed, index, shape)
        record = layout.projections[index]
        feedback[piece(record)] = in_rows(record, matrix)
    return feedback


REGISTERS: Mapping[str, Row] = {
    "membrane": Row.MEMBRANE,
    "adaptation": Row.ADAPTATION,
    "spikes": Row.SPIKES,
}


def pack_registers(layout: Layout, registers: State, state: Array, sent: Array) -> None:
    """Write registers and past messages where the kernels expect them before a step."""
    for name, values in registers.items():
        first = layout.firsts[name]
        for register, array in values.items():
            size = array.shape[-1]
            if register in REGISTERS:
                state[REGISTERS[register], first : first + size] = array[0]
                continue
            start, depth = past(layout, name, register)
            sent[start + size : start + depth * size] = array[:, 0].ravel()


def unpack_registers(layout: Layout, buffers: Buffers) -> State:
    """Read registers and past messages after a step."""
    result: dict[str, dict[str, Array]] = {}
    for population in layout.chip.network.populations:
        first, size = layout.firsts[population.name], population.size
        result[population.name] = {
            register: buffers.state[REGISTERS[register], None, first : first + size].copy()
            for register in population.registers
        }
    for name, variable in layout.slots:
        register = f"sent:{variable}"
        start, depth = past(layout, name, register)
        if depth > 1:
            size = layout.chip.network.population(name).size
            messages = buffers.sent[start + size : start + depth * size]
            result[name][register] = messages.reshape(depth - 1, 1, size).astype(np.int64)
    return result


def past(layout: Layout, name: str, register: str) -> tuple[int, int]:
    """Start and depth of a message's buffer: the step's message, then the past, latest first."""
    variable: Any = register.removeprefix("sent:")
    record = layout.messages[layout.slots[name, variable]]
    return int(record["start"]), int(record["depth"])
