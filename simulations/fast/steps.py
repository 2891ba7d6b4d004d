"""The compiled time loop: interprets a plan's schedule for a tile of samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.simulations.fast.compiled import SOURCES, entry, part
from ltc2hw.simulations.fast.messages import (
    add_events,
    add_values,
    clear,
    contribute,
    grade,
    list_events,
    scatter_events,
    scatter_values,
)
from ltc2hw.simulations.fast.neurons import (
    adapt,
    gate_argument,
    gate_value,
    leak,
    lif_current,
    lif_membrane,
    moving_threshold,
    saturating_current,
    spike_and_reset,
)
from ltc2hw.simulations.fast.tables import (
    EVENT_SLACK,
    Constant,
    Counter,
    Form,
    Operation,
    Region,
    Shape,
    Table,
)

# Numba sees the members of enumerations as objects, so the kernels use plain integers.
ENTER_SPIKES, ENTER_VALUES = int(Operation.ENTER_SPIKES), int(Operation.ENTER_VALUES)
SEND_SPIKES, SEND_VALUES = int(Operation.SEND_SPIKES), int(Operation.SEND_VALUES)
FAN_OUT, CONTRIBUTE = int(Operation.FAN_OUT), int(Operation.CONTRIBUTE)
CURRENT_STAGE, LIF_CURRENT = int(Operation.CURRENT), int(Operation.LIF_CURRENT)
UPDATE_LTC, UPDATE_LIF = int(Operation.UPDATE_LTC), int(Operation.UPDATE_LIF)
UPDATE_READOUT = int(Operation.UPDATE_READOUT)
RECORD_SPIKES, RECORD_VALUES = int(Operation.RECORD_SPIKES), int(Operation.RECORD_VALUES)
RECORD_SPIKES_AS_VALUES = int(Operation.RECORD_SPIKES_AS_VALUES)

DENSE_EVENTS, DENSE_VALUES = int(Shape.DENSE_EVENTS), int(Shape.DENSE_VALUES)
SPARSE_EVENTS = int(Shape.SPARSE_EVENTS)
NARROW_NARROW, NARROW_BROAD = int(Form.NARROW_NARROW), int(Form.NARROW_BROAD)

CURRENT, MEMBRANE = np.uint64(Region.CURRENT), np.uint64(Region.MEMBRANE)
ADAPTATION, THRESHOLD = np.uint64(Region.ADAPTATION), np.uint64(Region.THRESHOLD)
TAU_MEM, TAU_ADP = np.uint64(Region.TAU_MEM), np.uint64(Region.TAU_ADP)
PORT_CURRENT = np.uint64(Region.PORT_CURRENT)
PORT_TAU_MEM, PORT_TAU_ADP = np.uint64(Region.PORT_TAU_MEM), np.uint64(Region.PORT_TAU_ADP)

BIAS_CURRENT, FIXED_THRESHOLD = np.uint64(Constant.BIAS_CURRENT), np.uint64(Constant.THRESHOLD)
MEM_BIAS, ADP_BIAS = np.uint64(Constant.MEM_BIAS), np.uint64(Constant.ADP_BIAS)
MEM_FROM_STATE = np.uint64(Constant.MEM_FROM_STATE)
MEM_FROM_CURRENT = np.uint64(Constant.MEM_FROM_CURRENT)
ADP_FROM_STATE = np.uint64(Constant.ADP_FROM_STATE)
ADP_FROM_CURRENT = np.uint64(Constant.ADP_FROM_CURRENT)
STRENGTH = np.uint64(Constant.STRENGTH)
CURRENT_KEPT = np.uint64(Constant.CURRENT_KEPT)
MEMBRANE_KEPT = np.uint64(Constant.MEMBRANE_KEPT)

COUNTERS = np.uint64(len(Counter))
COUNT_CURRENT, COUNT_TAU_MEM = np.uint64(Counter.CURRENT), np.uint64(Counter.TAU_MEM)
COUNT_TAU_ADP, COUNT_THRESHOLD = np.uint64(Counter.TAU_ADP), np.uint64(Counter.THRESHOLD)
COUNT_MEMBRANE = np.uint64(Counter.MEMBRANE)

ZERO, ONE, FOUR, SLACK = np.uint64(0), np.uint64(1), np.uint64(4), np.uint64(EVENT_SLACK)


class Tables(NamedTuple):
    """What to do: the schedule of a step and the records that it refers to."""

    schedule: Table
    populations: Table
    gates: Table
    messages: Table
    fans: Table
    contributions: Table
    records: Table


class Parameters(NamedTuple):
    """Read-only numbers of the network. Narrow and broad weights are of different types."""

    constants: Table
    entries: Table
    narrow_weights: Table
    broad_weights: Table
    rows: Table
    pointers: Table


class Memory(NamedTuple):
    """Everything that a tile of samples carries from step to step."""

    state: Table
    spikes: Table
    words: Table
    """The spikes again, as 64-bit words."""
    values: Table
    events: Table
    lengths: Table
    narrow_sums: Table
    broad_sums: Table
    counts: Table


class Recorded(NamedTuple):
    """Arrays (T, B, N) of everything recorded, end to end."""

    spikes: Table
    values: Table


class Extent(NamedTuple):
    """Which part of the samples a call computes; all fields are unsigned."""

    first_step: Any
    last_step: Any
    batch: Any
    first_sample: Any
    samples: Any
    """Samples of this tile, at most ``tile``."""
    tile: Any
    """Samples for which memory is laid out."""
    neurons: Any
    """Padded neurons of the network: length of a region for one sample."""
    constants: Any
    """Length of a region of constants."""


@part
def send_spikes(memory: Memory, m: Any, extent: Extent, t: int) -> None:
    """Write this step's event lists into the message's ring."""
    slot = t % m.slots
    for b in range(extent.samples):
        row = slot * extent.tile + b
        start = extent.tile * m.ring + row * (m.stride + SLACK)
        first = extent.tile * m.start + b * m.stride
        memory.lengths[extent.tile * m.lengths + row] = list_events(
            memory.words, first, m.stride, memory.events, start
        )


@part
def send_values(memory: Memory, m: Any, extent: Extent, t: int) -> None:
    """Write this step's graded messages into the message's ring."""
    slot = t % m.slots
    variable = extent.tile * (m.region * extent.neurons + m.start)
    out = extent.tile * (m.ring + slot * m.stride)
    width = extent.samples * m.stride
    misfits = grade(memory.state, variable, memory.values, out, width, m)
    memory.counts[m.number * COUNTERS + m.counter] += misfits


@part
def fan_events(
    memory: Memory, sums: Table, weights: Table, fan: Any, m: Any, extent: Extent, slot: int
) -> None:
    """Dense weights times event lists."""
    for b in range(extent.samples):
        row = slot * extent.tile + b
        total = extent.tile * fan.sums + b * fan.width
        clear(sums, total, fan.width)
        start = extent.tile * m.ring + row * (m.stride + SLACK)
        length = memory.lengths[extent.tile * m.lengths + row]
        add_events(sums, total, weights, fan.weights, fan.width, memory.events, start, length)


@part
def fan_values(
    memory: Memory, sums: Table, weights: Table, fan: Any, m: Any, extent: Extent, slot: int
) -> None:
    """Dense weights times graded messages; four rows of weights serve all samples of the tile."""
    clear(sums, extent.tile * fan.sums, extent.samples * fan.width)
    for block in range((fan.sources + FOUR - ONE) // FOUR):
        i = block * FOUR
        n = min(FOUR, fan.sources - i)
        for b in range(extent.samples):
            total = extent.tile * fan.sums + b * fan.width
            start = extent.tile * (m.ring + slot * m.stride) + b * m.stride
            add_values(sums, total, weights, fan.weights, fan.width, memory.values, start, i, n)


@part
def fan_sparse(
    memory: Memory,
    sums: Table,
    weights: Table,
    parameters: Parameters,
    fan: Any,
    m: Any,
    extent: Extent,
    slot: int,
) -> None:
    """Sparse weights times event lists or graded messages."""
    for b in range(extent.samples):
        total = extent.tile * fan.sums + b * fan.width
        clear(sums, total, fan.width)
        if fan.shape == SPARSE_EVENTS:
            row = slot * extent.tile + b
            start = extent.tile * m.ring + row * (m.stride + SLACK)
            length = memory.lengths[extent.tile * m.lengths + row]
            scatter_events(
                sums, total, weights, fan.weights, parameters.rows, fan.rows,
                parameters.pointers, fan.columns, memory.events, start, length,
            )  # fmt: skip
        else:
            start = extent.tile * (m.ring + slot * m.stride) + b * m.stride
            scatter_values(
                sums, total, weights, fan.weights, parameters.rows, fan.rows,
                parameters.pointers, fan.columns, memory.values, start, fan.sources,
            )  # fmt: skip


@part
def fan_out(
    memory: Memory, parameters: Parameters, fan: Any, m: Any, extent: Extent, t: int
) -> None:
    """Multiply a message by all weights that read it, into accumulators."""
    slot = (t + m.slots - fan.delay) % m.slots
    if fan.shape == DENSE_EVENTS:
        if fan.form == NARROW_NARROW:
            fan_events(memory, memory.narrow_sums, parameters.narrow_weights, fan, m, extent, slot)
        elif fan.form == NARROW_BROAD:
            fan_events(memory, memory.broad_sums, parameters.narrow_weights, fan, m, extent, slot)
        else:
            fan_events(memory, memory.broad_sums, parameters.broad_weights, fan, m, extent, slot)
    elif fan.shape == DENSE_VALUES:
        if fan.form == NARROW_BROAD:
            fan_values(memory, memory.broad_sums, parameters.narrow_weights, fan, m, extent, slot)
        else:
            fan_values(memory, memory.broad_sums, parameters.broad_weights, fan, m, extent, slot)
    elif fan.form == NARROW_BROAD:
        fan_sparse(
            memory, memory.broad_sums, parameters.narrow_weights, parameters, fan, m, extent, slot
        )
    else:
        fan_sparse(
            memory, memory.broad_sums, parameters.broad_weights, parameters, fan, m, extent, slot
        )


@part
def add_to_port(memory: Memory, c: Any, extent: Extent) -> None:
    """Bring a part of a fan-out's accumulators to the port where it lands."""
    for b in range(extent.samples):
        start = extent.tile * c.sums + b * c.width + c.column
        port = extent.tile * (c.region * extent.neurons + c.start) + b * c.stride
        if c.narrow != 0:
            contribute(memory.state, port, memory.narrow_sums, start, c.stride, c.exponent, c.first)
        else:
            contribute(memory.state, port, memory.broad_sums, start, c.stride, c.exponent, c.first)


@part
def current_stage(
    memory: Memory, constants: Table, p: Any, extent: Extent, first: int, width: int
) -> None:
    """Stage ``current`` of LTC and readout neurons."""
    span = extent.tile * extent.neurons
    start = extent.tile * p.start + first
    misfits = saturating_current(
        memory.state, constants, CURRENT * span + start, PORT_CURRENT * span + start,
        BIAS_CURRENT * extent.constants + p.constants, width, p,
    )  # fmt: skip
    memory.counts[p.number * COUNTERS + COUNT_CURRENT] += misfits


@part
def lif_current_stage(
    memory: Memory, constants: Table, p: Any, extent: Extent, first: int, width: int
) -> None:
    """Stage ``current`` of LIF neurons."""
    span = extent.tile * extent.neurons
    start = extent.tile * p.start + first
    misfits = lif_current(
        memory.state, constants, CURRENT * span + start, PORT_CURRENT * span + start,
        CURRENT_KEPT * extent.constants + p.constants, width, p,
    )  # fmt: skip
    memory.counts[p.number * COUNTERS + COUNT_CURRENT] += misfits


@part
def membrane_gate(
    memory: Memory,
    parameters: Parameters,
    gates: Table,
    p: Any,
    extent: Extent,
    first: int,
    width: int,
) -> None:
    """Gate τ and the leak that it steers, of LTC and readout neurons."""
    span = extent.tile * extent.neurons
    start = extent.tile * p.start + first
    gate = gates[p.tau_mem]
    misfits = gate_argument(
        memory.state, parameters.constants, gate, p,
        TAU_MEM * span + start, PORT_TAU_MEM * span + start,
        MEMBRANE * span + start, CURRENT * span + start,
        MEM_BIAS * extent.constants + p.constants,
        MEM_FROM_STATE * extent.constants + p.constants,
        MEM_FROM_CURRENT * extent.constants + p.constants, width,
    )  # fmt: skip
    memory.counts[p.number * COUNTERS + COUNT_TAU_MEM] += misfits
    gate_value(memory.state, parameters.entries, gate, TAU_MEM * span + start, width)
    leak(
        memory.state, MEMBRANE * span + start, CURRENT * span + start, TAU_MEM * span + start,
        gate.output_fraction, width,
    )  # fmt: skip


@part
def adaptation_gate(
    memory: Memory,
    parameters: Parameters,
    gates: Table,
    p: Any,
    extent: Extent,
    first: int,
    width: int,
) -> None:
    """Gate ρ, the adaptation that it steers, and the threshold, of LTC neurons."""
    span = extent.tile * extent.neurons
    start = extent.tile * p.start + first
    gate = gates[p.tau_adp]
    misfits = gate_argument(
        memory.state, parameters.constants, gate, p,
        TAU_ADP * span + start, PORT_TAU_ADP * span + start,
        ADAPTATION * span + start, CURRENT * span + start,
        ADP_BIAS * extent.constants + p.constants,
        ADP_FROM_STATE * extent.constants + p.constants,
        ADP_FROM_CURRENT * extent.constants + p.constants, width,
    )  # fmt: skip
    memory.counts[p.number * COUNTERS + COUNT_TAU_ADP] += misfits
    gate_value(memory.state, parameters.entries, gate, TAU_ADP * span + start, width)
    adapt(
        memory.state, memory.spikes, ADAPTATION * span + start, TAU_ADP * span + start, start,
        gate.output_fraction, p.adaptation_fraction, width,
    )  # fmt: skip
    misfits = moving_threshold(
        memory.state, parameters.constants, THRESHOLD * span + start,
        FIXED_THRESHOLD * extent.constants + p.constants,
        STRENGTH * extent.constants + p.constants, ADAPTATION * span + start, width, p,
    )  # fmt: skip
    memory.counts[p.number * COUNTERS + COUNT_THRESHOLD] += misfits


@part
def update_lif(
    memory: Memory, constants: Table, p: Any, extent: Extent, first: int, width: int
) -> None:
    """Stage ``update`` of LIF neurons."""
    span = extent.tile * extent.neurons
    start = extent.tile * p.start + first
    misfits = lif_membrane(
        memory.state, constants, MEMBRANE * span + start, CURRENT * span + start,
        MEMBRANE_KEPT * extent.constants + p.constants,
        BIAS_CURRENT * extent.constants + p.constants, width, p,
    )  # fmt: skip
    memory.counts[p.number * COUNTERS + COUNT_MEMBRANE] += misfits
    spike_and_reset(
        memory.state, constants, memory.spikes, MEMBRANE * span + start,
        FIXED_THRESHOLD * extent.constants + p.constants, start, width,
    )  # fmt: skip


@part
def compute(
    operation: int, memory: Memory, parameters: Parameters, gates: Table, p: Any, extent: Extent
) -> None:
    """One stage of a population, as many samples at once as its constants are repeated."""
    span = extent.tile * extent.neurons
    for first_copy in range(ZERO, extent.samples, p.copies):
        first = first_copy * p.stride
        width = min(p.copies, extent.samples - first_copy) * p.stride
        if operation == CURRENT_STAGE:
            current_stage(memory, parameters.constants, p, extent, first, width)
        elif operation == LIF_CURRENT:
            lif_current_stage(memory, parameters.constants, p, extent, first, width)
        elif operation == UPDATE_LIF:
            update_lif(memory, parameters.constants, p, extent, first, width)
        else:
            membrane_gate(memory, parameters, gates, p, extent, first, width)
            if operation == UPDATE_LTC:
                adaptation_gate(memory, parameters, gates, p, extent, first, width)
                start = extent.tile * p.start + first
                spike_and_reset(
                    memory.state, memory.state, memory.spikes, MEMBRANE * span + start,
                    THRESHOLD * span + start, start, width,
                )  # fmt: skip


@part
def enter(array: Table, p: Any, samples: Table, start: int, offset: int, rows: int) -> None:
    """Copy a step's encoded samples into the input's variable."""
    for b in range(rows):
        for j in range(p.size):
            array[start + b * p.stride + j] = samples[offset + b * p.size + j]


@part
def record(array: Table, r: Any, start: int, out: Table, extent: Extent, t: int) -> None:
    """Copy a variable into its (T, B, N) array."""
    for b in range(extent.samples):
        row = r.destination + (t * extent.batch + extent.first_sample + b) * r.size
        for j in range(r.size):
            out[row + j] = array[start + b * r.stride + j]


@entry
def run_steps(
    tables: Tables,
    parameters: Parameters,
    memory: Memory,
    recorded: Recorded,
    samples: Table,
    extent: Extent,
    sources: int = SOURCES,
) -> None:
    """Steps ``first_step .. last_step - 1`` of one tile.

    ``samples`` are the encoded samples of these steps and this tile, flat. ``sources`` is not
    read: see :func:`~ltc2hw.simulations.fast.compiled.sources_digest`.
    """
    tile = extent.tile
    for t in range(extent.first_step, extent.last_step):
        for k in range(tables.schedule.shape[0]):
            operation = tables.schedule[k, 0]
            index = tables.schedule[k, 1]
            if operation == FAN_OUT:
                fan = tables.fans[index]
                fan_out(memory, parameters, fan, tables.messages[fan.message], extent, t)
            elif operation == CONTRIBUTE:
                add_to_port(memory, tables.contributions[index], extent)
            elif operation == SEND_SPIKES:
                send_spikes(memory, tables.messages[index], extent, t)
            elif operation == SEND_VALUES:
                send_values(memory, tables.messages[index], extent, t)
            elif operation in (ENTER_SPIKES, ENTER_VALUES):
                p = tables.populations[index]
                offset = (t - extent.first_step) * extent.samples * p.size
                if operation == ENTER_SPIKES:
                    enter(memory.spikes, p, samples, tile * p.start, offset, extent.samples)
                else:
                    start = tile * (CURRENT * extent.neurons + p.start)
                    enter(memory.state, p, samples, start, offset, extent.samples)
            elif operation in (RECORD_SPIKES, RECORD_SPIKES_AS_VALUES, RECORD_VALUES):
                r = tables.records[index]
                if operation == RECORD_SPIKES:
                    record(memory.spikes, r, tile * r.start, recorded.spikes, extent, t)
                elif operation == RECORD_SPIKES_AS_VALUES:
                    record(memory.spikes, r, tile * r.start, recorded.values, extent, t)
                else:
                    start = tile * (r.region * extent.neurons + r.start)
                    record(memory.state, r, start, recorded.values, extent, t)
            else:
                p = tables.populations[index]
                compute(operation, memory, parameters, tables.gates, p, extent)
