"""From a FixedNetwork to a plan: flat arrays and the schedule of one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.populations import FixedGate, FixedLIF, FixedLTC, FixedReadout
from ltc2hw.graph.fixed import (
    FixedInput,
    FixedNetwork,
    FixedPopulation,
    message_format,
    message_word,
)
from ltc2hw.graph.fixed_state import Range
from ltc2hw.graph.structure import (
    STAGE_OF_PORT,
    STAGE_OF_VARIABLE,
    Node,
    Port,
    Stage,
    Variable,
    evaluation_order,
    history_length,
)
from ltc2hw.numbers.nonlinearity import GateFunction, table_index_bits
from ltc2hw.numbers.weights import Sparse
from ltc2hw.simulations.fast.constants import constants_of, entries_of, limits, state_limits
from ltc2hw.simulations.fast.fans import Fan, group_fans, paired
from ltc2hw.simulations.fast.kinds import WIDE, Types, types_of
from ltc2hw.simulations.fast.matrices import BLOCK_BYTES, in_blocks
from ltc2hw.simulations.fast.sparse import packed
from ltc2hw.simulations.fast.steps import Parameters, Tables
from ltc2hw.simulations.fast.tables import (
    EVENT_SLACK,
    FAN,
    FAN_LANES,
    MESSAGE,
    PORT,
    RECORD,
    Arrival,
    Constant,
    Counter,
    Function,
    Operation,
    Passing,
    Region,
    Shape,
    Table,
    contribution_table,
    gate_table,
    padded,
    population_table,
    zeros,
)
from ltc2hw.simulations.fast.widths import largest_sum, register_limits

REPEATED_NEURONS = 128
"""Constants of small populations are repeated to about this length, to update samples at once."""

PIECE = 1024
"""Neurons of larger populations that are updated at once, while the first cache holds them.

Where all neurons are alike, all pieces but the last, with its padding, read the same constants.
"""

REGION_OF_VARIABLE: Mapping[str, Region] = {
    "value": Region.CURRENT,
    "current": Region.CURRENT,
    "membrane": Region.MEMBRANE,
    "adaptation": Region.ADAPTATION,
    "tau_mem": Region.TAU_MEM,
    "tau_adp": Region.TAU_ADP,
    "threshold": Region.THRESHOLD,
}
ARRIVAL: Mapping[Port, Arrival] = {
    "current": Arrival.CURRENT,
    "tau_mem": Arrival.TAU_MEM,
    "tau_adp": Arrival.TAU_ADP,
}
COUNTER_OF_MESSAGE: Mapping[str, Counter] = {
    "current": Counter.MESSAGE_CURRENT,
    "membrane": Counter.MESSAGE_MEMBRANE,
    "adaptation": Counter.MESSAGE_ADAPTATION,
}
MEMBRANE_GATE = (Passing.TAU_MEM, Arrival.TAU_MEM, Region.MEMBRANE, Constant.MEM_BIAS)
ADAPTATION_GATE = (Passing.TAU_ADP, Arrival.TAU_ADP, Region.ADAPTATION, Constant.ADP_BIAS)
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

STAGES: tuple[Stage, ...] = ("current", "update")


@dataclass(frozen=True)
class Sizes:
    """Lengths of a tile's memory for one sample."""

    neurons: int
    values: int
    pairs: int
    bytes: int
    crowds: int
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


def build_plan(network: FixedNetwork, *, matrices: bool = False) -> Plan:
    """Lay a network out for the kernels, in the narrowest types that are provably wide enough.

    With ``matrices`` the matrix unit multiplies dense weights: for many samples at once.
    """
    sums = [largest_sum(network, projection) for projection in network.projections]
    types = types_of(network, sums)
    return _Builder(network, types, sums, matrices and types is not WIDE).plan()


class _Builder:
    """Collects tables and arrays; every method adds one kind of thing."""

    def __init__(
        self, network: FixedNetwork, types: Types, sums: Sequence[int], matrices: bool
    ) -> None:
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
        self.blocks = _Arena(np.int8)
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
        self.lengths = dict.fromkeys(
            ("values", "pairs", "bytes", "crowds", "events", "lengths", "narrow", "broad"), 0
        )
        self.sums = sums
        self.fan_groups = group_fans(network, types, sums, matrices=matrices)

    def plan(self) -> Plan:
        constants, starts = self.constants()
        for source, variable in dict.fromkeys(
            (c.source, c.variable) for c in self.network.projections
        ):
            self.message(source, variable)
        self.schedule_step()
        populations = [self.population(p, starts[p.name]) for p in self.network.populations]
        tables = Tables(
            schedule=np.array(self.schedule, dtype=np.int64).reshape(-1, 2),
            populations=np.array(populations, dtype=population_table(self.types.number)),
            gates=np.array(self.gates, dtype=gate_table(self.types.number)),
            messages=np.array(self.message_records, dtype=MESSAGE),
            fans=np.array(self.fans, dtype=FAN),
            ports=np.array(self.ports, dtype=PORT),
            contributions=np.array(
                self.contributions, dtype=contribution_table(self.types.arrival)
            ),
            records=np.zeros(0, dtype=RECORD),
        )
        parameters = Parameters(
            constants=constants,
            entries=self.entries.array(),
            weights=self.weights.array(),
            synapses=self.synapses.array(),
            pointers=self.pointers.array(),
            blocks=self.blocks.array(),
        )
        sizes = Sizes(
            self.neurons,
            self.lengths["values"],
            self.lengths["pairs"],
            self.lengths["bytes"],
            self.lengths["crowds"],
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
        rows = {p.name: constant_rows(p, self.types) for p in self.network.populations}
        for name, own in rows.items():
            starts[name] = length
            length += own.shape[1]
        (flat,) = zeros((len(Constant) * length, self.types.number))
        regions = flat.reshape(len(Constant), length)
        for name, own in rows.items():
            regions[:, starts[name] : starts[name] + own.shape[1]] = own
        return flat, starts

    def population(self, population: FixedPopulation, constants: int) -> tuple[Any, ...]:
        first_gate = len(self.gates)
        strength_shift = adaptation_unit = decay_fraction = alignment = 0
        if isinstance(population, (FixedLTC, FixedReadout)):
            self.gate(population.tau_mem, MEMBRANE_GATE)
        if isinstance(population, FixedLTC):
            gate = population.tau_adp
            self.gate(gate, ADAPTATION_GATE)
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
            PIECE,
            shares_constants(population, self.types),
            *state_limits(population),
            first_gate,
            len(self.gates) - first_gate,
            *self.ports_of(population),
            0,
            strength_shift,
            adaptation_unit,
            decay_fraction,
            alignment,
        )

    def gate(self, gate: FixedGate, regions: tuple[int, int, int, int]) -> None:
        self.gates.append(
            (
                FUNCTION[gate.function],
                gate.fraction,
                gate.output_fraction,
                self.types.shifted(np.array(1), gate.output_fraction),
                bool(gate.from_state.values.any() or gate.from_current.values.any()),
                gate.from_state.shift,
                gate.from_current.shift,
                self.entries.add(entries_of(gate, self.types)),
                0 if gate.function == "plan" else table_index_bits(gate.table.size, gate.function),
                *regions,
            )
        )

    def message(self, source: str, variable: Variable) -> None:
        population = self.network.population(source)
        stride = padded(population.size)
        slots = history_length(self.network.projections, source, variable) + 1
        form = message_format(population, variable)
        fans = [f for f in self.fan_groups if (f.source, f.variable) == (source, variable)]
        reach = padded(population.size, BLOCK_BYTES) * any(fan.matrix for fan in fans)
        start_of_bytes, crowds = self.lengths["bytes"], self.lengths["crowds"]
        if variable == "spikes":
            ring = self.lengths["events"]
            self.lengths["events"] += slots * (stride + EVENT_SLACK)
            self.lengths["bytes"] += slots * reach
            self.lengths["crowds"] += slots
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
                not all(fan.matrix for fan in fans),
                reach,
                start_of_bytes,
                crowds,
            )
        )
        self.lengths["lengths"] += slots

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

    def fan_out(self, fan: Fan) -> None:
        """Schedule a fan-out, and note its sums for the ports that they will arrive at."""
        strides = [padded(self.network.population(p.target).size) for p in fan.projections]
        width = padded(sum(strides), FAN_LANES)
        place = "narrow" if fan.narrow else "broad"
        sums, column = self.lengths[place], 0
        for projection, stride in zip(fan.projections, strides, strict=True):
            port = (projection.target, projection.port)
            for plane in range(fan.planes):
                start, scale = sums + plane * width, 1 << projection.exponent + 8 * plane
                self.arriving.setdefault(port, []).append((fan.narrow, start, width, column, scale))
            column += stride
        self.schedule.append((Operation.FAN_OUT, len(self.fans)))
        self.fans.append(
            (
                fan.shape,
                fan.narrow,
                self.messages[fan.source, fan.variable],
                fan.delay,
                fan.sources,
                width,
                *self.store(fan, width),
                sums,
                *self.store_blocks(fan, width),
                fan.planes,
            )
        )
        self.lengths[place] += fan.planes * width

    def store_blocks(self, fan: Fan, width: int) -> tuple[int, int, int]:
        """Where weights in blocks start, their sources in whole blocks, where bytes start."""
        if not fan.matrix:
            return 0, 0, 0
        reach, start = padded(fan.sources, BLOCK_BYTES), self.lengths["bytes"]
        if fan.variable != "spikes":
            self.lengths["bytes"] += fan.planes * reach
        return self.blocks.add(in_blocks(fan.rows(width, self.types))), reach, start

    def ports_of(self, population: FixedPopulation) -> tuple[int, int, int]:
        """Rows of the ports at which something arrives: where those of both stages start, and end.

        The only stage of LIF neurons that computes is their update.
        """
        starts = [len(self.ports)]
        for stage in STAGES:
            for port in population.ports:
                contributions = self.arriving.get((population.name, port), [])
                own = "update" if isinstance(population, FixedLIF) else STAGE_OF_PORT[port]
                if own == stage and contributions:
                    first = len(self.contributions)
                    self.contributions += sorted(contributions, key=lambda c: not c[0])
                    self.ports.append((ARRIVAL[port], first, len(self.contributions)))
            starts.append(len(self.ports))
        first_row, update, last = starts
        return first_row, update, last

    def store(self, fan: Fan, width: int) -> tuple[int, int, int]:
        """Store weights by source: where dense ones, sparse columns and synapses start."""
        weights = fan.projections[0].weights
        if isinstance(weights, Sparse):
            by_source = weights.to_scipy().tocsc()
            targets = by_source.indices.astype(np.int64)
            self.synapses.add(packed(targets, by_source.data, self.types.synapses))
            first = self.synapse_count
            self.synapse_count += targets.size
            return 0, self.pointers.add(by_source.indptr), first
        if fan.shape is Shape.DENSE_BYTES:
            return 0, 0, 0
        rows = fan.rows(width, self.types)
        if fan.shape is Shape.DENSE_PAIRS:
            rows = paired(rows)
            self.lengths["pairs"] = max(self.lengths["pairs"], -(-fan.sources // 2))
        return self.weights.add(rows), 0, 0


def copies(size: int) -> int:
    """How often the constants of a population are repeated."""
    return max(1, REPEATED_NEURONS // padded(size))


def constant_rows(population: FixedPopulation, types: Types) -> Table:
    """A population's constants (regions, neurons), repeated or shared by its pieces."""
    stride = padded(population.size)
    rows: Table = np.zeros((len(Constant), stride), dtype=types.number)
    for constant, values in constants_of(population, types).items():
        rows[constant, : population.size] = values
    if shares_constants(population, types):
        last = (stride - 1) // PIECE * PIECE
        return np.concatenate([rows[:, :PIECE], rows[:, last:]], axis=1)
    return np.tile(rows, copies(population.size))


def shares_constants(population: FixedPopulation, types: Types) -> bool:
    """Whether a population has several pieces, and every neuron the same constants."""
    return padded(population.size) > PIECE and all(
        np.ptp(values) == 0 for values in constants_of(population, types).values()
    )
