"""From a FixedNetwork to a plan: flat arrays and the schedule of one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError
from ltc2hw.fixed import (
    Factor,
    FixedGate,
    FixedInput,
    FixedLIF,
    FixedLTC,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    FixedReadout,
    message_format,
    message_word,
)
from ltc2hw.graph import (
    STAGE_OF_PORT,
    STAGE_OF_VARIABLE,
    Node,
    Port,
    Stage,
    Variable,
    evaluation_order,
    history_length,
)
from ltc2hw.nonlinearity import GateFunction, table_index_bits
from ltc2hw.simulations.fast.sparse import packed
from ltc2hw.simulations.fast.steps import Parameters, Tables
from ltc2hw.simulations.fast.tables import (
    EVENT_SLACK,
    FAN,
    FAN_LANES,
    MESSAGE,
    PORT,
    RECORD,
    Constant,
    Counter,
    Function,
    Operation,
    Region,
    Shape,
    Table,
    contribution_table,
    gate_table,
    padded,
    population_table,
    zeros,
)
from ltc2hw.simulations.fast.vectors import BLOCK_BITS
from ltc2hw.simulations.fast.widths import (
    INT16,
    Range,
    fits_narrow,
    fits_short,
    largest_sum,
    magnitude,
    register_limits,
)
from ltc2hw.weights import Sparse
from ltc2hw.words import IntArray, Overflow, Word

REPEATED_NEURONS = 128
"""Constants of small populations are repeated to about this length, to update samples at once."""

REGION_OF_VARIABLE: Mapping[str, Region] = {
    "value": Region.CURRENT,
    "current": Region.CURRENT,
    "membrane": Region.MEMBRANE,
    "adaptation": Region.ADAPTATION,
    "tau_mem": Region.TAU_MEM,
    "tau_adp": Region.TAU_ADP,
    "threshold": Region.THRESHOLD,
}
REGION_OF_PORT: Mapping[Port, Region] = {
    "current": Region.PORT_CURRENT,
    "tau_mem": Region.PORT_TAU_MEM,
    "tau_adp": Region.PORT_TAU_ADP,
}
COUNTER_OF_MESSAGE: Mapping[str, Counter] = {
    "current": Counter.MESSAGE_CURRENT,
    "membrane": Counter.MESSAGE_MEMBRANE,
    "adaptation": Counter.MESSAGE_ADAPTATION,
}
MEMBRANE_GATE = (Region.TAU_MEM, Region.PORT_TAU_MEM, Region.MEMBRANE, Constant.MEM_BIAS)
ADAPTATION_GATE = (Region.TAU_ADP, Region.PORT_TAU_ADP, Region.ADAPTATION, Constant.ADP_BIAS)
"""Where a gate's values go, what arrives, the state that it steers, and its constants."""

FUNCTION: Mapping[GateFunction, Function] = {
    "plan": Function.PLAN,
    "table": Function.TABLE,
    "interpolated": Function.INTERPOLATED,
}
# Nothing can read the current of a LIF neuron, so its update computes it.
OPERATION: Mapping[tuple[type, Stage], Operation] = {
    (FixedLTC, "current"): Operation.CURRENT,
    (FixedReadout, "current"): Operation.CURRENT,
    (FixedLTC, "update"): Operation.UPDATE_LTC,
    (FixedReadout, "update"): Operation.UPDATE_READOUT,
    (FixedLIF, "update"): Operation.UPDATE_LIF,
}

Integer = type[np.int8] | type[np.int16] | type[np.int32] | type[np.int64]


@dataclass(frozen=True)
class Types:
    """Types of a plan; see :mod:`~ltc2hw.simulations.fast.arithmetic` for its numbers."""

    number: type[np.float64] | type[np.int32] | type[np.int64]
    """Registers and constants."""
    message: Integer
    """Encoded samples and graded messages."""
    weights: Integer
    synapses: type[np.uint32] | type[np.int64]
    narrow_sums: Integer
    broad_sums: Integer
    entries: Integer
    """Entries of gate tables."""

    def factor(self, factor: Factor) -> Table:
        """A factor as kernels multiply with it."""
        return self.shifted(factor.values, factor.shift)

    def shifted(self, values: Table, bits: int) -> Table:
        """Integers whose products will be shifted right by ``bits``."""
        if self.number is np.float64:
            return np.ldexp(values.astype(np.float64), -bits)
        return values


SHORT = Types(np.int32, np.int32, np.int8, np.uint32, np.int16, np.int32, np.int32)
NARROW = Types(np.float64, np.int32, np.int8, np.uint32, np.int16, np.int32, np.int64)
WIDE = Types(np.int64, np.int64, np.int64, np.int64, np.int64, np.int64, np.int64)


@dataclass(frozen=True)
class Sizes:
    """Lengths of a tile's memory for one sample."""

    neurons: int
    values: int
    pairs: int
    events: int
    lengths: int
    narrow_sums: int
    broad_sums: int


@dataclass(frozen=True)
class Plan:
    """A network as the compiled kernels read it."""

    types: Types
    tables: Tables
    parameters: Parameters
    sizes: Sizes
    constants: int
    """Length of a region of constants."""
    rows: Mapping[str, int]
    """Row of each population in the table of populations."""
    messages: Mapping[tuple[str, Variable], int]
    """Row of each message in the table of messages."""
    limits: Mapping[tuple[str, str], Range]
    """Smallest and largest value of every register."""
    work: int
    """Estimated operations of a sample's step."""


@dataclass
class _Arena:
    """Pieces of an array that grows while a plan is built."""

    dtype: npt.DTypeLike
    pieces: list[Table] = field(default_factory=list)
    length: int = 0

    def add(self, values: Table) -> int:
        """Append values and return where they start."""
        start = self.length
        self.pieces.append(np.asarray(values, dtype=self.dtype).ravel())
        self.length += values.size
        return start

    def array(self) -> Table:
        """All pieces, end to end."""
        (whole,) = zeros((self.length, self.dtype))
        if self.pieces:
            np.concatenate(self.pieces, out=whole)
        return whole


@dataclass(frozen=True)
class _Fan:
    """Projections that read the same message and multiply with the same types."""

    source: str
    variable: Variable
    delay: int
    narrow: bool
    projections: tuple[FixedProjection, ...]


def build_plan(network: FixedNetwork) -> Plan:
    """Lay a network out for the kernels, in the narrowest types that are provably wide enough."""
    sums = [largest_sum(network, projection) for projection in network.projections]
    types = WIDE
    if fits_narrow(network, sums):
        types = SHORT if fits_short(network, sums) else NARROW
    return _Builder(network, types, sums).plan()


class _Builder:
    """Collects tables and arrays; every method adds one kind of thing."""

    def __init__(self, network: FixedNetwork, types: Types, sums: Sequence[int]) -> None:
        self.network = network
        self.types = types
        self.rows = {p.name: row for row, p in enumerate(network.populations)}
        self.starts: dict[str, int] = {}
        self.neurons = 0
        for population in network.populations:
            self.starts[population.name] = self.neurons
            self.neurons += padded(population.size)
        self.entries = _Arena(types.entries)
        self.weights = _Arena(types.weights)
        self.synapses = _Arena(types.synapses)
        self.synapse_count = 0
        self.pointers = _Arena(np.uint64)
        self.gates: list[tuple[Any, ...]] = []
        self.messages: dict[tuple[str, Variable], int] = {}
        self.message_records: list[tuple[Any, ...]] = []
        self.fans: list[tuple[Any, ...]] = []
        self.contributions: list[tuple[Any, ...]] = []
        self.schedule: list[tuple[int, int]] = []
        self.ports: list[tuple[Any, ...]] = []
        self.arriving: dict[tuple[str, Port], list[tuple[Any, ...]]] = {}
        self.lengths = {"values": 0, "pairs": 0, "events": 0, "lengths": 0, "narrow": 0, "broad": 0}
        self.sums = sums
        self.fan_groups = self.group()

    def plan(self) -> Plan:
        constants, starts = self.constants()
        populations = [self.population(p, starts[p.name]) for p in self.network.populations]
        for source, variable in dict.fromkeys(
            (c.source, c.variable) for c in self.network.projections
        ):
            self.message(source, variable)
        self.schedule_step()
        tables = Tables(
            schedule=np.array(self.schedule, dtype=np.int64).reshape(-1, 2),
            populations=np.array(populations, dtype=population_table(self.types.number)),
            gates=np.array(self.gates, dtype=gate_table(self.types.number)),
            messages=np.array(self.message_records, dtype=MESSAGE),
            fans=np.array(self.fans, dtype=FAN),
            ports=np.array(self.ports, dtype=PORT),
            contributions=np.array(self.contributions, dtype=contribution_table(self.types.number)),
            records=np.zeros(0, dtype=RECORD),
        )
        parameters = Parameters(
            constants=constants,
            entries=self.entries.array(),
            weights=self.weights.array(),
            synapses=self.synapses.array(),
            pointers=self.pointers.array(),
        )
        sizes = Sizes(
            self.neurons,
            self.lengths["values"],
            self.lengths["pairs"],
            self.lengths["events"],
            self.lengths["lengths"],
            self.lengths["narrow"],
            self.lengths["broad"],
        )
        work = 30 * self.neurons + sum(p.weights.values.size for p in self.network.projections) // 8
        length = constants.size // len(Constant)
        limits = register_limits(self.network, self.sums)
        return Plan(
            self.types, tables, parameters, sizes, length, self.rows, self.messages, limits, work
        )

    def constants(self) -> tuple[Table, dict[str, int]]:
        """All constants, region after region, and each population's start within a region."""
        starts, length = {}, 0
        for population in self.network.populations:
            starts[population.name] = length
            length += copies(population.size) * padded(population.size)
        (flat,) = zeros((len(Constant) * length, self.types.number))
        regions = flat.reshape(len(Constant), length)
        for population in self.network.populations:
            stride, repeats = padded(population.size), copies(population.size)
            start = starts[population.name]
            for constant, values in constants_of(population, self.types).items():
                row = np.zeros(stride, dtype=self.types.number)
                row[: population.size] = values
                regions[constant, start : start + repeats * stride] = np.tile(row, repeats)
        return flat, starts

    def population(self, population: FixedPopulation, constants: int) -> tuple[Any, ...]:
        word = population.word if isinstance(population, FixedInput) else population.state
        first_gate = len(self.gates)
        strength_shift = adaptation_unit = decay_fraction = alignment = 0
        if isinstance(population, (FixedLTC, FixedReadout)):
            self.gate(f"{population.name}.tau_mem", population.tau_mem, MEMBRANE_GATE)
        if isinstance(population, FixedLTC):
            gate = population.tau_adp
            self.gate(f"{population.name}.tau_adp", gate, ADAPTATION_GATE)
            strength_shift = population.adaptation_strength.shift
            adaptation_unit = 1 << (population.adaptation_fraction - gate.output_fraction)
        if isinstance(population, FixedLIF):
            decay_fraction, alignment = population.decay_fraction, 1 << population.alignment
        return (
            self.rows[population.name],
            self.starts[population.name],
            padded(population.size),
            population.size,
            constants,
            copies(population.size),
            *limits(word),
            first_gate,
            len(self.gates) - first_gate,
            strength_shift,
            adaptation_unit,
            decay_fraction,
            alignment,
        )

    def gate(self, name: str, gate: FixedGate, regions: tuple[int, int, int, int]) -> None:
        self.gates.append(
            (
                FUNCTION[gate.function],
                gate.fraction,
                gate.output_fraction,
                self.types.shifted(np.array(1), gate.output_fraction),
                bool(gate.from_state.values.any() or gate.from_current.values.any()),
                gate.from_state.shift,
                gate.from_current.shift,
                self.entries.add(entries_of(name, gate, self.types)),
                0 if gate.function == "plan" else table_index_bits(gate.table.size, gate.function),
                *regions,
            )
        )

    def message(self, source: str, variable: Variable) -> None:
        population = self.network.population(source)
        stride = padded(population.size)
        slots = history_length(self.network.projections, source, variable) + 1
        form = message_format(population, variable)
        if variable == "spikes":
            ring = self.lengths["events"]
            self.lengths["events"] += slots * (stride + EVENT_SLACK)
        else:
            ring = self.lengths["values"]
            self.lengths["values"] += slots * stride
        self.messages[source, variable] = len(self.message_records)
        self.message_records.append(
            (
                self.rows[source],
                self.starts[source],
                population.size,
                stride,
                REGION_OF_VARIABLE.get(variable, 0),
                COUNTER_OF_MESSAGE.get(variable, 0),
                0 if form is None else form.shift,
                *limits(message_word(population, variable)),
                slots,
                ring,
                self.lengths["lengths"],
            )
        )
        self.lengths["lengths"] += slots

    def group(self) -> list[_Fan]:
        """Dense projections of one message share a fan-out; sparse ones have their own."""
        grouped: dict[tuple[Any, ...], list[FixedProjection]] = {}
        for index, (projection, largest) in enumerate(
            zip(self.network.projections, self.sums, strict=True)
        ):
            sparse = isinstance(projection.weights, Sparse)
            events = projection.variable == "spikes"
            narrow = self.types is not WIDE and events and largest <= INT16
            own = index if sparse else -1
            key = (projection.source, projection.variable, projection.delay, narrow, own)
            grouped.setdefault(key, []).append(projection)
        return [
            _Fan(source, variable, delay, narrow, tuple(projections))
            for (source, variable, delay, narrow, _), projections in grouped.items()
        ]

    def schedule_step(self) -> None:
        """Past messages first, then stage by stage what the network's order says."""
        for fan in self.fan_groups:
            if fan.delay:
                self.fan_out(fan)
        for node in evaluation_order(self.network.populations, self.network.projections):
            self.stage(node)

    def stage(self, node: Node) -> None:
        name, stage = node
        population = self.network.population(name)
        self.arrive(name, stage)
        if isinstance(population, FixedInput):
            if stage == "current":
                return
            enter = Operation.ENTER_VALUES if population.graded else Operation.ENTER_SPIKES
            self.schedule.append((enter, self.rows[name]))
        elif (type(population), stage) in OPERATION:
            self.schedule.append((OPERATION[type(population), stage], self.rows[name]))
        for variable in population.variables:
            row = self.messages.get((name, variable))
            if row is None or STAGE_OF_VARIABLE[variable] != stage:
                continue
            send = Operation.SEND_SPIKES if variable == "spikes" else Operation.SEND_VALUES
            self.schedule.append((send, row))
            for fan in self.fan_groups:
                if (fan.source, fan.variable, fan.delay) == (name, variable, 0):
                    self.fan_out(fan)

    def fan_out(self, fan: _Fan) -> None:
        """Schedule a fan-out, and note its sums for the ports that they will arrive at."""
        strides = [padded(self.network.population(p.target).size) for p in fan.projections]
        width = padded(sum(strides), FAN_LANES)
        place = "narrow" if fan.narrow else "broad"
        sums, column = self.lengths[place], 0
        for projection, stride in zip(fan.projections, strides, strict=True):
            port = (projection.target, projection.port)
            contribution = (fan.narrow, sums, width, column, 1 << projection.exponent)
            self.arriving.setdefault(port, []).append(contribution)
            column += stride
        self.schedule.append((Operation.FAN_OUT, len(self.fans)))
        self.fans.append(
            (
                self.shape(fan),
                fan.narrow,
                self.messages[fan.source, fan.variable],
                fan.delay,
                self.network.population(fan.source).size,
                width,
                *self.store(fan, width),
                sums,
            )
        )
        self.lengths[place] += width

    def arrive(self, name: str, stage: Stage) -> None:
        """Schedule the sums of the ports that a stage reads."""
        population = self.network.population(name)
        for port in population.ports:
            contributions = self.arriving.get((name, port), [])
            if STAGE_OF_PORT[port] != stage or not contributions:
                continue
            first = len(self.contributions)
            self.contributions += sorted(contributions, key=lambda c: not c[0])
            self.schedule.append((Operation.ARRIVE, len(self.ports)))
            self.ports.append(
                (
                    REGION_OF_PORT[port],
                    self.starts[name],
                    padded(population.size),
                    first,
                    len(self.contributions),
                )
            )

    def shape(self, fan: _Fan) -> Shape:
        sparse = isinstance(fan.projections[0].weights, Sparse)
        if fan.variable == "spikes":
            return Shape.SPARSE_EVENTS if sparse else Shape.DENSE_EVENTS
        if sparse:
            return Shape.SPARSE_VALUES
        word = message_word(self.network.population(fan.source), fan.variable)
        in_pairs = self.types is not WIDE and magnitude(word) - int(word.signed) <= INT16
        return Shape.DENSE_PAIRS if in_pairs else Shape.DENSE_VALUES

    def store(self, fan: _Fan, width: int) -> tuple[int, int, int]:
        """Store weights by source: where dense ones, sparse columns and synapses start."""
        weights = fan.projections[0].weights
        if isinstance(weights, Sparse):
            by_source = weights.to_scipy().tocsc()
            targets = by_source.indices.astype(np.int64)
            self.synapses.add(packed(targets, by_source.data, self.types.synapses))
            first = self.synapse_count
            self.synapse_count += targets.size
            return 0, self.pointers.add(by_source.indptr), first
        matrices: Table = np.zeros((weights.shape[1], width), dtype=self.types.weights)
        column = 0
        for projection in fan.projections:
            matrix = projection.weights.to_array()
            matrices[:, column : column + matrix.shape[0]] = matrix.T
            column += padded(matrix.shape[0])
        if self.shape(fan) is Shape.DENSE_PAIRS:
            matrices = paired(matrices)
            self.lengths["pairs"] = max(self.lengths["pairs"], -(-weights.shape[1] // 2))
        return self.weights.add(matrices), 0, 0


def paired(rows: Table) -> Table:
    """Weights (sources, width) as blocks of FAN_LANES columns: (blocks, pairs, FAN_LANES, 2)."""
    sources, width = rows.shape
    even: Table = np.concatenate([rows, np.zeros((sources % 2, width), dtype=rows.dtype)])
    return even.reshape(-1, 2, width // FAN_LANES, FAN_LANES).transpose(2, 0, 3, 1)


def copies(size: int) -> int:
    """How often the constants of a population are repeated."""
    return max(1, REPEATED_NEURONS // padded(size))


def limits(word: Word) -> tuple[int, int, int]:
    """Smallest and largest value, and the mask of a word that wraps (0 for one that saturates)."""
    wraps = (1 << word.bits) - 1 if word.overflow is Overflow.WRAP else 0
    return word.minimum, word.maximum, wraps


def entries_of(name: str, gate: FixedGate, types: Types) -> IntArray:
    """Entries of a gate's table as kernels read them.

    An interpolated table has one per cell: the rise to the next knot in the upper half of its bits,
    the knot in the lower half. Short ones have room behind them to be read whole.

    Raises:
        InvalidValueError: if an entry is not a gate value.
    """
    table, one = gate.table, 1 << gate.output_fraction
    if table.size and (table.min() < 0 or table.max() > one):
        worst = table[np.argmax(np.abs(table))]
        raise InvalidValueError(f"entry of the table of {name}", worst, f"0 to {one}")
    if gate.function != "interpolated":
        return table
    entries: IntArray = (np.diff(table) << 4 * np.dtype(types.entries).itemsize) | table[:-1]
    return np.pad(entries, (0, max(0, (1 << BLOCK_BITS) - entries.size)))


def constants_of(population: FixedPopulation, types: Types) -> dict[Constant, Table]:
    """A population's constants by region."""
    if isinstance(population, FixedInput):
        return {}
    if isinstance(population, FixedLIF):
        bits = population.decay_fraction
        full = 1 << bits
        return {
            Constant.BIAS_CURRENT: population.bias_mantissa << population.bias_exponent,
            Constant.THRESHOLD: population.threshold << population.alignment,
            Constant.CURRENT_KEPT: types.shifted(full - population.current_decay, bits),
            Constant.MEMBRANE_KEPT: types.shifted(full - population.membrane_decay, bits),
        }
    gate = population.tau_mem
    constants = {
        Constant.BIAS_CURRENT: population.bias_current,
        Constant.MEM_BIAS: gate.bias,
        Constant.MEM_FROM_STATE: types.factor(gate.from_state),
        Constant.MEM_FROM_CURRENT: types.factor(gate.from_current),
    }
    if isinstance(population, FixedLTC):
        gate, strength = population.tau_adp, population.adaptation_strength
        constants |= {
            Constant.ADP_BIAS: gate.bias,
            Constant.ADP_FROM_STATE: types.factor(gate.from_state),
            Constant.ADP_FROM_CURRENT: types.factor(gate.from_current),
            Constant.THRESHOLD: population.threshold,
            Constant.STRENGTH: types.factor(strength),
        }
    return constants
