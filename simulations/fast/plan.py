"""From a FixedNetwork to a plan: flat arrays and the schedule of one step."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.model import SPIKES
from ltc2hw.graph.fixed import FixedInput, FixedNetwork
from ltc2hw.graph.fixed_state import Range
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import Node, Variable, evaluation_order, history_length
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Sparse
from ltc2hw.simulations.fast.constants import limits
from ltc2hw.simulations.fast.convolutions import lanes_of
from ltc2hw.simulations.fast.fans import Fan, group_fans, paired
from ltc2hw.simulations.fast.geometry import Geometry, geometry_of, reciprocal
from ltc2hw.simulations.fast.kinds import WIDE, Types, types_of
from ltc2hw.simulations.fast.machine import address_of
from ltc2hw.simulations.fast.matrices import BLOCK_BYTES, in_blocks
from ltc2hw.simulations.fast.orders import Order, orders_of
from ltc2hw.simulations.fast.simplify import simplified
from ltc2hw.simulations.fast.sparse import packed
from ltc2hw.simulations.fast.stages import Stages, Work, constant_rows, copies, stages_of
from ltc2hw.simulations.fast.steps import Parameters, Tables
from ltc2hw.simulations.fast.tables import (
    EVENT_SLACK,
    FAN,
    FAN_LANES,
    MESSAGE,
    POPULATION,
    PORT,
    RECORD,
    STAGE,
    Operation,
    Shape,
    Table,
    contribution_table,
    padded,
    zeros,
)
from ltc2hw.simulations.fast.widths import (
    Facts,
    largest_arrivals,
    largest_sum,
    message_of,
    register_limits,
    sent_word,
)

PIECE = 1024
"""Neurons of larger populations that are updated at once, while the first cache holds them.

Where all neurons are alike, all pieces but the last, with its padding, read the same constants.
"""


@dataclass(frozen=True)
class Sizes:
    """Lengths of a tile's memory for one sample."""

    states: int
    neurons: int
    ports: int
    """Of what arrives, for all samples that are computed at once."""
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
    orders: Mapping[str, Order]
    """Order of each population's neurons in memory."""
    rows: Mapping[str, int]
    """Row of each population in the table of populations."""
    messages: Mapping[tuple[str, str], int]
    """Row of each message in the table of messages."""
    limits: Mapping[tuple[str, str], Range]
    """Smallest and largest value of every register."""
    stages: Mapping[str, Stages]
    full_stages: Table
    """The table of stages where everything is stored, without addresses."""
    counters: tuple[tuple[str, str], ...]
    """Population and word of every counter of values that did not fit."""
    work: int
    """Estimated operations of a sample's step."""

    def start_of(self, name: str, variable: str) -> int:
        """Where a variable of a population starts among the spikes or in the state, in samples."""
        p = self.tables.populations[self.rows[name]]
        if variable == SPIKES:
            return int(p["spikes"])
        row = self.stages[name].layout.rows[variable] if name in self.stages else 0
        return int(p["start"]) + row * int(p["stride"])

    def stages_for(self, recorded: Set[tuple[str, str]]) -> Table:
        """The table of stages whose loops store what is recorded, compiled."""
        stages = self.tables.stages.copy()
        works = ((name, work) for name, own in self.stages.items() for work in own.works)
        for row, (name, work) in enumerate(works):
            plain = all(v in work.stored or n != name for n, v in recorded)
            if not plain:
                stages[row] = self.full_stages[row]
            loop = work.plain.loop if plain else work.full.loop
            stages["address"][row] = address_of(loop, self.types)
        return stages


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


def facts_of(network: FixedNetwork) -> Facts:
    """What widths and kinds of numbers are worked out from."""
    populations = {p.name: p for p in network.populations}
    sums = [largest_sum(populations[p.source], p) for p in network.projections]
    arrivals = largest_arrivals(network, sums)
    steps = {
        name: simplified(neurons, {p: arrivals.get((name, p), 0) for p in neurons.ports})
        for name, neurons in populations.items()
        if isinstance(neurons, FixedNeurons)
    }
    return Facts(network, populations, steps, sums, arrivals)


def build_plan(network: FixedNetwork, *, matrices: bool = False) -> Plan:
    """Lay a network out for the kernels, in the narrowest types that are provably wide enough.

    With ``matrices`` the matrix unit multiplies dense weights: for many samples at once.
    """
    facts = facts_of(network)
    types = types_of(facts)
    return _Builder(facts, types, matrices and types is not WIDE).plan()


class _Builder:
    """Collects tables and arrays; every method adds one kind of thing."""

    def __init__(self, facts: Facts, types: Types, matrices: bool) -> None:
        self.facts = facts
        self.network = facts.network
        self.types = types
        self.orders = orders_of(self.network)
        self.rows = {name: row for row, name in enumerate(facts.populations)}
        self.starts: dict[str, int] = {}
        self.state_starts: dict[str, int] = {}
        self.neurons = self.states = self.ports_length = 0
        sent = [(p.source, p.variable) for p in self.network.projections]
        self.stages = {
            name: stages_of(step, types, [v for n, v in sent if n == name])
            for name, step in facts.steps.items()
        }
        for name, population in facts.populations.items():
            stride = padded(population.size)
            self.starts[name], self.state_starts[name] = self.neurons, self.states
            self.neurons += stride
            rows = self.stages[name].layout.states if name in self.stages else 1
            self.states += rows * stride
        self.constants = _Arena(types.number)
        self.numbers = _Arena(types.number)
        self.bits = _Arena(types.integer)
        self.counters: list[tuple[str, str]] = []
        self.stage_rows: dict[tuple[str, str], int] = {}
        self.stage_records: list[tuple[int, ...]] = []
        self.full_records: list[tuple[int, ...]] = []
        self.entries = _Arena(types.entries)
        self.weights = _Arena(types.weights)
        self.blocks = _Arena(np.int8)
        self.synapses = _Arena(types.synapses)
        self.synapse_count = 0
        self.pointers = _Arena(np.uint64)
        self.messages: dict[tuple[str, str], int] = {}
        self.message_records: list[tuple[Any, ...]] = []
        self.fans: list[tuple[Any, ...]] = []
        self.contributions: list[tuple[Any, ...]] = []
        self.schedule: list[tuple[int, int]] = []
        self.ports: list[tuple[Any, ...]] = []
        self.arriving: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
        self.lengths = dict.fromkeys(
            ("values", "pairs", "bytes", "crowds", "events", "lengths", "narrow", "broad"), 0
        )
        self.fan_groups = group_fans(facts, types, matrices=matrices)

    def plan(self) -> Plan:
        for name, variable in dict.fromkeys(
            (c.source, c.variable) for c in self.network.projections
        ):
            self.message(name, variable)
        for name, own in self.stages.items():
            for work in own.works:
                self.stage_rows[name, work.stage] = len(self.stage_rows)
        self.schedule_step()
        populations = [self.population(name) for name in self.facts.populations]
        stages = np.array(self.stage_records, dtype=STAGE)
        tables = Tables(
            schedule=np.array(self.schedule, dtype=np.int64).reshape(-1, 2),
            populations=np.array(populations, dtype=POPULATION),
            stages=stages,
            messages=np.array(self.message_records, dtype=MESSAGE),
            fans=np.array(self.fans, dtype=FAN),
            ports=np.array(self.ports, dtype=PORT),
            contributions=np.array(
                self.contributions, dtype=contribution_table(self.types.arrival)
            ),
            records=np.zeros(0, dtype=RECORD),
        )
        parameters = Parameters(
            constants=self.constants.array(),
            numbers=self.numbers.array(),
            bits=self.bits.array(),
            entries=self.entries.array(),
            weights=self.weights.array(),
            synapses=self.synapses.array(),
            pointers=self.pointers.array(),
            blocks=self.blocks.array(),
        )
        sizes = Sizes(
            self.states,
            self.neurons,
            self.ports_length,
            self.lengths["values"],
            self.lengths["pairs"],
            self.lengths["bytes"],
            self.lengths["crowds"],
            self.lengths["events"],
            self.lengths["lengths"],
            self.lengths["narrow"],
            self.lengths["broad"],
        )
        synapses = sum(p.weights.synapses for p in self.network.projections)
        return Plan(
            self.types, tables, parameters, sizes, self.orders, self.rows, self.messages,
            register_limits(self.facts), self.stages, np.array(self.full_records, dtype=STAGE),
            tuple(self.counters), 30 * self.neurons + synapses // 8,
        )  # fmt: skip

    def population(self, name: str) -> tuple[int, ...]:
        """Record of a population; its stages, constants, tables and counters."""
        population = self.facts.populations[name]
        stride = padded(population.size)
        own = (self.state_starts[name], self.starts[name], stride, population.size)
        if isinstance(population, FixedInput):
            return (*own, 0, 0, 0, 1, PIECE, 0, 0, 0)
        stages = self.stages[name]
        for work in stages.works:
            self.stage(name, work)
        layout = stages.layout
        rows, shared = constant_rows(layout, PIECE, self.orders[name])
        reach = rows.shape[1]
        ports = self.ports_length
        self.ports_length += len(population.ports) * reach
        counters = len(self.counters)
        self.counters += [(name, word) for word in layout.counters]
        entries = self.entries.length
        for table in layout.entries:
            self.entries.add(table)
        return (
            *own, self.constants.add(rows), ports, reach, copies(population.size), PIECE, shared,
            entries, counters,
        )  # fmt: skip

    def stage(self, name: str, work: Work) -> None:
        """Records of a stage: as it is, and where it stores everything."""
        first, last = self.ports_of(name, work.ports)
        for records, loop in ((self.stage_records, work.plain), (self.full_records, work.full)):
            numbers = self.numbers.add(
                np.array(loop.numbers, dtype=np.float64 if self.types.floats else np.int64)
            )
            bits = self.bits.add(np.array(loop.bits, dtype=np.int64))
            records.append((self.rows[name], 0, numbers, bits, first, last))

    def message(self, source: str, variable: Variable) -> None:
        """Record of a message, and room for it and past ones."""
        population = self.facts.populations[source]
        stride = padded(population.size)
        slots = history_length(self.network.projections, source, variable) + 1
        form = message_of(population, variable)
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
                self.start_of_sent(source, variable),
                population.size,
                stride,
                self.counter_of_message(source, variable),
                0 if form is None else form.shift,
                *limits(sent_word(population, variable)),
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

    def start_of_sent(self, name: str, variable: str) -> int:
        """Where what is sent starts, in samples."""
        if variable == SPIKES:
            return self.starts[name]
        stride = padded(self.facts.populations[name].size)
        row = self.stages[name].layout.row_of_sent(variable) if name in self.stages else 0
        return self.state_starts[name] + row * stride

    def counter_of_message(self, name: str, variable: str) -> int:
        """Counter of the values of a message that do not fit its word."""
        self.counters.append((name, f"message {variable}"))
        return len(self.counters) - 1

    def schedule_step(self) -> None:
        """Past messages first, then stage by stage what the network's order says."""
        for fan in self.fan_groups:
            if fan.delay:
                self.fan_out(fan)
        for node in evaluation_order(self.network.populations, self.network.projections):
            self.schedule_stage(node)

    def schedule_stage(self, node: Node) -> None:
        """Compute a stage, and send what it makes."""
        name, stage = node
        population = self.facts.populations[name]
        early: tuple[str, ...] = ()
        if isinstance(population, FixedInput):
            if stage == "late":
                enter = Operation.ENTER_VALUES if population.graded else Operation.ENTER_SPIKES
                self.schedule.append((enter, self.rows[name]))
        else:
            early = population.model.early
            if node in self.stage_rows:
                self.schedule.append((Operation.COMPUTE, self.stage_rows[node]))
        for variable in population.variables:
            row = self.messages.get((name, variable))
            if row is None or (variable in early) != (stage == "early"):
                continue
            send = Operation.SEND_SPIKES if variable == SPIKES else Operation.SEND_VALUES
            self.schedule.append((send, row))
            for fan in self.fan_groups:
                if (fan.source, fan.variable, fan.delay) == (name, variable, 0):
                    self.fan_out(fan)

    def fan_out(self, fan: Fan) -> None:
        """Schedule a fan-out, and note its sums for the ports that they will arrive at."""
        strides = [padded(self.facts.populations[p.target].size) for p in fan.projections]
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
        geometry = self.geometry(fan)
        self.fans.append(
            (
                fan.shape,
                fan.narrow,
                self.messages[fan.source, fan.variable],
                fan.delay,
                fan.sources,
                width,
                *self.store(fan, width, geometry),
                sums,
                *self.store_blocks(fan, width),
                fan.planes,
                *self.store_places(fan, geometry),
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
        rows = fan.rows(width, self.types, self.orders)
        return self.blocks.add(in_blocks(rows)), reach, start

    def store_places(self, fan: Fan, geometry: Geometry | None) -> tuple[int, ...]:
        """Where the inner places of a kernel start, how they are found, and steps through it."""
        if geometry is None:
            return (0,) * 9
        return (
            self.pointers.add(geometry.inner),
            geometry.radix,
            *reciprocal(geometry.radix, fan.sources),
            geometry.weights_row,
            geometry.sums_row,
            geometry.weights_vector,
            geometry.sums_vector,
            lanes_of(geometry),
        )

    def ports_of(self, name: str, ports: tuple[str, ...]) -> tuple[int, int]:
        """Rows of those of some ports at which something arrives."""
        rows, start = self.stages[name].layout.ports, len(self.ports)
        for port in ports:
            contributions = self.arriving.get((name, port), [])
            if contributions:
                first = len(self.contributions)
                self.contributions += sorted(contributions, key=lambda c: not c[0])
                self.ports.append((rows[port], first, len(self.contributions)))
        return start, len(self.ports)

    def geometry(self, fan: Fan) -> Geometry | None:
        """The geometry of a kernel."""
        weights = fan.projections[0].weights
        if not isinstance(weights, Conv):
            return None
        return geometry_of(weights, channels_last=self.orders[fan.source].channels > 1)

    def placed(self, fan: Fan, weights: Sparse) -> Any:
        """Sparse weights in the order of memory."""
        matrix = weights.to_scipy()
        for axis, name in enumerate((fan.projections[0].target, fan.source)):
            if self.orders[name].channels > 1:
                numbers = self.orders[name].numbers(matrix.shape[axis])
                matrix = matrix[:, numbers] if axis else matrix[numbers]
        return matrix

    def store(self, fan: Fan, width: int, geometry: Geometry | None) -> tuple[int, int, int]:
        """Store weights by source: where weights, sparse columns or places, and synapses start."""
        if geometry is not None:
            return self.weights.add(geometry.weights), self.pointers.add(geometry.outer), 0
        weights = fan.projections[0].weights
        if isinstance(weights, Sparse):
            by_source = self.placed(fan, weights).tocsc()
            targets = by_source.indices.astype(np.int64)
            self.synapses.add(packed(targets, by_source.data, self.types.synapses))
            first = self.synapse_count
            self.synapse_count += targets.size
            return 0, self.pointers.add(by_source.indptr), first
        if fan.shape is Shape.DENSE_BYTES:
            return 0, 0, 0
        rows = fan.rows(width, self.types, self.orders)
        if fan.shape is Shape.DENSE_PAIRS:
            rows = paired(rows)
            self.lengths["pairs"] = max(self.lengths["pairs"], -(-fan.sources // 2))
        return self.weights.add(rows), 0, 0
