"""The compiled time loop: interprets a plan's schedule for a tile of samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.simulations.compiled import entry, inlined, kernel
from ltc2hw.simulations.fast.arrivals import arrive
from ltc2hw.simulations.fast.messages import (
    fan_events,
    fan_pairs,
    fan_values,
    grade,
    list_events,
)
from ltc2hw.simulations.fast.neurons import (
    At,
    adaptive_spikes,
    gate_arguments,
    interpolated_gate,
    leak,
    leaky_spikes,
    plan_gate,
    saturating_current,
    table_gate,
)
from ltc2hw.simulations.fast.sparse import scatter_events, scatter_values
from ltc2hw.simulations.fast.streams import load, store
from ltc2hw.simulations.fast.tables import (
    Counter,
    Function,
    Operation,
    Region,
    Scalar,
    Shape,
    Table,
)
from ltc2hw.sources import SOURCES

# Numba sees members of enumerations as objects, so the kernels use plain integers.
FAN_OUT, ARRIVE = int(Operation.FAN_OUT), int(Operation.ARRIVE)
LAST_ENTER = int(Operation.ENTER_VALUES)
LAST_SEND, FIRST_RECORD = int(Operation.SEND_VALUES), int(Operation.RECORD_SPIKES)
ENTER_SPIKES, SEND_SPIKES = int(Operation.ENTER_SPIKES), int(Operation.SEND_SPIKES)
CURRENT_STAGE = int(Operation.CURRENT)
UPDATE_LIF, UPDATE_READOUT = int(Operation.UPDATE_LIF), int(Operation.UPDATE_READOUT)
RECORD_SPIKES = int(Operation.RECORD_SPIKES)
RECORD_SPIKES_AS_VALUES = int(Operation.RECORD_SPIKES_AS_VALUES)

DENSE_EVENTS, DENSE_VALUES = int(Shape.DENSE_EVENTS), int(Shape.DENSE_VALUES)
DENSE_PAIRS, SPARSE_VALUES = int(Shape.DENSE_PAIRS), int(Shape.SPARSE_VALUES)
PLAN, INTERPOLATED = int(Function.PLAN), int(Function.INTERPOLATED)

CURRENT = np.uint64(Region.CURRENT)
COUNTERS = np.uint64(len(Counter))
COUNT_CURRENT, COUNT_TAU_MEM = np.uint64(Counter.CURRENT), np.uint64(Counter.TAU_MEM)
COUNT_THRESHOLD, COUNT_MEMBRANE = np.uint64(Counter.THRESHOLD), np.uint64(Counter.MEMBRANE)

ZERO, ONE = np.uint64(0), np.uint64(1)

FROM, TO = range(2)
"""Streams."""


class Tables(NamedTuple):
    """What to do: the schedule of a step and the records that it refers to."""

    schedule: Table
    populations: Table
    gates: Table
    messages: Table
    fans: Table
    ports: Table
    contributions: Table
    records: Table


class Parameters(NamedTuple):
    """Read-only numbers of the network."""

    constants: Table
    entries: Table
    weights: Table
    synapses: Table
    pointers: Table


class Memory(NamedTuple):
    """Everything that a tile of samples carries from step to step."""

    state: Table
    spikes: Table
    words: Table
    """The spikes again, as 64-bit words."""
    values: Table
    pairs: Table
    """Messages of one fan-out at a time, two in each 32-bit word."""
    events: Table
    lengths: Table
    narrow_sums: Table
    """Accumulators of events whose sums fit them; all others are broad."""
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


@inlined
def gate_values(
    state: Table, constants: Table, entries: Table, at: At, p: Any, gate: Any
) -> Scalar:
    """Values of a gate; returns the misfits of its arguments."""
    misfits = gate_arguments(state, constants, at, p, gate)
    if gate.function == INTERPOLATED:
        interpolated_gate(state, entries, at, p, gate)
    elif gate.function == PLAN:
        plan_gate(state, at, p, gate)
    else:
        table_gate(state, entries, at, p, gate)
    return misfits


@kernel
def compute(
    operation: Scalar,
    state: Table,
    spikes: Table,
    constants: Table,
    entries: Table,
    gates: Table,
    counts: Table,
    p: Any,
    extent: Extent,
) -> None:
    """One stage of a population, as many samples at once as its constants are repeated."""
    span = extent.tile * extent.neurons
    counter = p.number * COUNTERS
    for first in range(ZERO, extent.samples, p.copies):
        width = min(p.copies, extent.samples - first) * p.stride
        start = extent.tile * p.start + first * p.stride
        at = At(start, span, p.constants, extent.constants, width)
        if operation == CURRENT_STAGE:
            counts[counter + COUNT_CURRENT] += saturating_current(state, constants, at, p)
        elif operation == UPDATE_LIF:
            wraps, misfits = leaky_spikes(state, spikes, constants, at, p)
            counts[counter + COUNT_CURRENT] += wraps
            counts[counter + COUNT_MEMBRANE] += misfits
        else:
            for k in range(p.gates):
                counts[counter + COUNT_TAU_MEM + k] += gate_values(
                    state, constants, entries, at, p, gates[p.first_gate + k]
                )
            if operation == UPDATE_READOUT:
                leak(state, at, gates[p.first_gate])
            else:
                counts[counter + COUNT_THRESHOLD] += adaptive_spikes(
                    state, spikes, constants, at, p, gates[p.first_gate], gates[p.first_gate + ONE]
                )


@kernel
def enter(
    array: Table, p: Any, samples: Table, start: Scalar, offset: Scalar, rows: Scalar
) -> None:
    """Copy a step's encoded samples into the input's variable."""
    size, stride = p.size, p.stride
    for b in range(rows):
        for j in range(size):
            store(array, TO, start + b * stride + j, load(samples, FROM, offset + b * size + j))


@kernel
def record(array: Table, r: Any, start: Scalar, out: Table, extent: Extent, t: Scalar) -> None:
    """Copy a variable into its (T, B, N) array."""
    size, stride = r.size, r.stride
    row = r.destination + (t * extent.batch + extent.first_sample) * size
    for b in range(extent.samples):
        for j in range(size):
            store(out, TO, row + b * size + j, load(array, FROM, start + b * stride + j))


@inlined
def fan_out(
    parameters: Parameters, memory: Memory, tables: Tables, fan: Any, extent: Extent, t: Scalar
) -> None:
    """Multiply a message by all weights that read it."""
    _, _, weights, synapses, pointers = parameters
    _, _, _, values, pairs, events, lengths, narrow_sums, sums, _ = memory
    tile, count = extent.tile, extent.samples
    m = tables.messages[fan.message]
    slot = (t + m.slots - fan.delay) % m.slots
    if fan.shape == DENSE_PAIRS:
        fan_pairs(sums, weights, values, pairs, fan, m, tile, count, slot)
    elif fan.shape == DENSE_VALUES:
        fan_values(sums, weights, values, fan, m, tile, count, slot)
    elif fan.shape == DENSE_EVENTS:
        if fan.narrow != 0:
            fan_events(narrow_sums, weights, events, lengths, fan, m, tile, count, slot)
        else:
            fan_events(sums, weights, events, lengths, fan, m, tile, count, slot)
    elif fan.shape == SPARSE_VALUES:
        scatter_values(sums, synapses, pointers, values, fan, m, tile, count, slot)
    elif fan.narrow != 0:
        scatter_events(narrow_sums, synapses, pointers, events, lengths, fan, m, tile, count, slot)
    else:
        scatter_events(sums, synapses, pointers, events, lengths, fan, m, tile, count, slot)


@inlined
def send(memory: Memory, operation: Scalar, m: Any, extent: Extent, t: Scalar) -> None:
    """Write this step's messages of a population into their ring."""
    state, _, words, values, _, events, lengths, _, _, counts = memory
    tile = extent.tile
    slot = t % m.slots
    if operation == SEND_SPIKES:
        list_events(words, events, lengths, m, tile, extent.samples, slot)
    else:
        variable = tile * (m.region * extent.neurons + m.start)
        out = tile * (m.ring + slot * m.stride)
        counts[m.number * COUNTERS + m.counter] += grade(
            state, variable, values, out, extent.samples * m.stride, m
        )


@inlined
def enter_samples(
    memory: Memory, operation: Scalar, p: Any, samples: Table, extent: Extent, t: Scalar
) -> None:
    """Copy a step's encoded samples into the input's variable."""
    offset = (t - extent.first_step) * extent.samples * p.size
    start = extent.tile * p.start
    if operation == ENTER_SPIKES:
        enter(memory.spikes, p, samples, start, offset, extent.samples)
    else:
        start += CURRENT * extent.tile * extent.neurons
        enter(memory.state, p, samples, start, offset, extent.samples)


@inlined
def record_variable(
    memory: Memory, recorded: Recorded, operation: Scalar, r: Any, extent: Extent, t: Scalar
) -> None:
    """Copy a variable into its (T, B, N) array."""
    start = extent.tile * r.start
    if operation == RECORD_SPIKES:
        record(memory.spikes, r, start, recorded.spikes, extent, t)
    elif operation == RECORD_SPIKES_AS_VALUES:
        record(memory.spikes, r, start, recorded.values, extent, t)
    else:
        start += r.region * extent.tile * extent.neurons
        record(memory.state, r, start, recorded.values, extent, t)


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
    read: see :func:`~ltc2hw.sources.SOURCES`.
    """
    schedule = tables.schedule
    for t in range(extent.first_step, extent.last_step):
        for k in range(schedule.shape[0]):
            operation = schedule[k, 0]
            index = schedule[k, 1]
            if operation == FAN_OUT:
                fan_out(parameters, memory, tables, tables.fans[index], extent, t)
            elif operation == ARRIVE:
                arrive(
                    memory.state, memory.narrow_sums, memory.broad_sums, tables.ports[index],
                    tables.contributions, extent.tile, extent.neurons, extent.samples,
                )  # fmt: skip
            elif operation <= LAST_ENTER:
                enter_samples(memory, operation, tables.populations[index], samples, extent, t)
            elif operation <= LAST_SEND:
                send(memory, operation, tables.messages[index], extent, t)
            elif operation >= FIRST_RECORD:
                record_variable(memory, recorded, operation, tables.records[index], extent, t)
            else:
                compute(
                    operation, memory.state, memory.spikes, parameters.constants,
                    parameters.entries, tables.gates, memory.counts, tables.populations[index],
                    extent,
                )  # fmt: skip
