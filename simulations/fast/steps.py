"""The compiled time loop: interprets a plan's schedule for a tile of samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.simulations.fast.compiled import SOURCES, entry, inlined, kernel
from ltc2hw.simulations.fast.messages import (
    contribute,
    fan_events,
    fan_values,
    grade,
    list_events,
    scatter_events,
    scatter_values,
)
from ltc2hw.simulations.fast.neurons import (
    At,
    adaptive_spikes,
    clipped_spikes,
    interpolated_gate,
    leak,
    plan_gate,
    saturating_current,
    table_gate,
    wrapping_current,
)
from ltc2hw.simulations.fast.tables import (
    Counter,
    Function,
    Operation,
    Region,
    Shape,
    Table,
)

# Numba sees members of enumerations as objects, so the kernels use plain integers.
ENTER_SPIKES, ENTER_VALUES = int(Operation.ENTER_SPIKES), int(Operation.ENTER_VALUES)
SEND_SPIKES, SEND_VALUES = int(Operation.SEND_SPIKES), int(Operation.SEND_VALUES)
FAN_OUT = int(Operation.FAN_OUT)
CURRENT_STAGE, LIF_CURRENT = int(Operation.CURRENT), int(Operation.LIF_CURRENT)
UPDATE_LTC, UPDATE_LIF = int(Operation.UPDATE_LTC), int(Operation.UPDATE_LIF)
UPDATE_READOUT = int(Operation.UPDATE_READOUT)
RECORD_SPIKES, RECORD_VALUES = int(Operation.RECORD_SPIKES), int(Operation.RECORD_VALUES)
RECORD_SPIKES_AS_VALUES = int(Operation.RECORD_SPIKES_AS_VALUES)

DENSE_EVENTS, DENSE_VALUES = int(Shape.DENSE_EVENTS), int(Shape.DENSE_VALUES)
SPARSE_EVENTS = int(Shape.SPARSE_EVENTS)
PLAN, INTERPOLATED = int(Function.PLAN), int(Function.INTERPOLATED)

CURRENT = np.uint64(Region.CURRENT)
COUNTERS = np.uint64(len(Counter))
COUNT_CURRENT, COUNT_TAU_MEM = np.uint64(Counter.CURRENT), np.uint64(Counter.TAU_MEM)
COUNT_TAU_ADP, COUNT_THRESHOLD = np.uint64(Counter.TAU_ADP), np.uint64(Counter.THRESHOLD)
COUNT_MEMBRANE = np.uint64(Counter.MEMBRANE)

ZERO = np.uint64(0)


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
    """Read-only numbers of the network."""

    constants: Table
    entries: Table
    weights: Table
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
    """Accumulators of dense events whose sums fit them; all others are broad."""
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
def gate_values(state: Table, constants: Table, entries: Table, at: At, p: Any, gate: Any) -> int:
    """Values of a gate; returns the misfits of its arguments."""
    if gate.function == INTERPOLATED:
        return interpolated_gate(state, constants, entries, at, p, gate)
    if gate.function == PLAN:
        return plan_gate(state, constants, at, p, gate)
    return table_gate(state, constants, entries, at, p, gate)


@kernel
def compute(
    operation: int,
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
        elif operation == LIF_CURRENT:
            counts[counter + COUNT_CURRENT] += wrapping_current(state, constants, at, p)
        elif operation == UPDATE_LIF:
            counts[counter + COUNT_MEMBRANE] += clipped_spikes(state, spikes, constants, at, p)
        else:
            tau_mem = gates[p.tau_mem]
            counts[counter + COUNT_TAU_MEM] += gate_values(
                state, constants, entries, at, p, tau_mem
            )
            if operation == UPDATE_READOUT:
                leak(state, at, tau_mem)
            else:
                tau_adp = gates[p.tau_adp]
                counts[counter + COUNT_TAU_ADP] += gate_values(
                    state, constants, entries, at, p, tau_adp
                )
                counts[counter + COUNT_THRESHOLD] += adaptive_spikes(
                    state, spikes, constants, at, p, tau_mem, tau_adp
                )


@kernel
def enter(array: Table, p: Any, samples: Table, start: int, offset: int, rows: int) -> None:
    """Copy a step's encoded samples into the input's variable."""
    for b in range(rows):
        for j in range(p.size):
            array[start + b * p.stride + j] = samples[offset + b * p.size + j]


@kernel
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
    schedule, populations, gates, messages, fans, contributions, records = tables
    constants, entries, weights, rows, pointers = parameters
    state, spikes, words, values, events, lengths, narrow_sums, broad_sums, counts = memory
    recorded_spikes, recorded_values = recorded
    tile, count, neurons = extent.tile, extent.samples, extent.neurons
    for t in range(extent.first_step, extent.last_step):
        for k in range(schedule.shape[0]):
            operation = schedule[k, 0]
            index = schedule[k, 1]
            if operation == FAN_OUT:
                fan = fans[index]
                m = messages[fan.message]
                slot = (t + m.slots - fan.delay) % m.slots
                if fan.narrow != 0:
                    fan_events(narrow_sums, weights, events, lengths, fan, m, tile, count, slot)
                    contribute(state, narrow_sums, fan, contributions, tile, neurons, count)
                    continue
                if fan.shape == DENSE_EVENTS:
                    fan_events(broad_sums, weights, events, lengths, fan, m, tile, count, slot)
                elif fan.shape == DENSE_VALUES:
                    fan_values(broad_sums, weights, values, fan, m, tile, count, slot)
                elif fan.shape == SPARSE_EVENTS:
                    scatter_events(
                        broad_sums, weights, rows, pointers, events, lengths, fan, m, tile, count,
                        slot,
                    )  # fmt: skip
                else:
                    scatter_values(
                        broad_sums, weights, rows, pointers, values, fan, m, tile, count, slot
                    )
                contribute(state, broad_sums, fan, contributions, tile, neurons, count)
            elif operation == SEND_SPIKES:
                m = messages[index]
                list_events(words, events, lengths, m, tile, count, t % m.slots)
            elif operation == SEND_VALUES:
                m = messages[index]
                counts[m.number * COUNTERS + m.counter] += grade(
                    state,
                    tile * (m.region * neurons + m.start),
                    values,
                    tile * (m.ring + t % m.slots * m.stride),
                    count * m.stride,
                    m,
                )
            elif operation == ENTER_SPIKES:
                p = populations[index]
                offset = (t - extent.first_step) * count * p.size
                enter(spikes, p, samples, tile * p.start, offset, count)
            elif operation == ENTER_VALUES:
                p = populations[index]
                offset = (t - extent.first_step) * count * p.size
                start = tile * (CURRENT * neurons + p.start)
                enter(state, p, samples, start, offset, count)
            elif operation == RECORD_SPIKES:
                r = records[index]
                record(spikes, r, tile * r.start, recorded_spikes, extent, t)
            elif operation == RECORD_SPIKES_AS_VALUES:
                r = records[index]
                record(spikes, r, tile * r.start, recorded_values, extent, t)
            elif operation == RECORD_VALUES:
                r = records[index]
                start = tile * (r.region * neurons + r.start)
                record(state, r, start, recorded_values, extent, t)
            else:
                p = populations[index]
                compute(operation, state, spikes, constants, entries, gates, counts, p, extent)
