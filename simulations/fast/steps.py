"""The compiled time loop: interprets a plan's schedule for a tile of samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.compilation.sources import SOURCES
from ltc2hw.simulations.compiled import entry, inlined, kernel
from ltc2hw.simulations.fast.arrivals import arrive
from ltc2hw.simulations.fast.convolutions import convolve
from ltc2hw.simulations.fast.machine import call_loop
from ltc2hw.simulations.fast.matrices import configure_for, release
from ltc2hw.simulations.fast.messages import (
    fan_bytes,
    fan_events,
    fan_pairs,
    fan_spikes,
    fan_values,
    grade,
    keep_spikes,
    list_events,
)
from ltc2hw.simulations.fast.rounding import restore_rounding, round_toward_zero
from ltc2hw.simulations.fast.sparse import scatter_events, scatter_values
from ltc2hw.simulations.fast.streams import load, store
from ltc2hw.simulations.fast.tables import Operation, Scalar, Shape, Table

# Numba sees members of enumerations as objects, so the kernels use plain integers.
FAN_OUT = int(Operation.FAN_OUT)
LAST_ENTER = int(Operation.ENTER_VALUES)
LAST_SEND, FIRST_RECORD = int(Operation.SEND_VALUES), int(Operation.RECORD_SPIKES)
ENTER_SPIKES, SEND_SPIKES = int(Operation.ENTER_SPIKES), int(Operation.SEND_SPIKES)
RECORD_SPIKES = int(Operation.RECORD_SPIKES)
RECORD_SPIKES_AS_VALUES = int(Operation.RECORD_SPIKES_AS_VALUES)

DENSE_EVENTS, DENSE_VALUES = int(Shape.DENSE_EVENTS), int(Shape.DENSE_VALUES)
DENSE_PAIRS, SPARSE_VALUES = int(Shape.DENSE_PAIRS), int(Shape.SPARSE_VALUES)
DENSE_BYTES = int(Shape.DENSE_BYTES)
KERNEL_EVENTS = int(Shape.KERNEL_EVENTS)

ZERO, ONE = np.uint64(0), np.uint64(1)

FROM, TO = range(2)
"""Streams."""


class Tables(NamedTuple):
    """What to do: the schedule of a step and the records that it refers to."""

    schedule: Table
    populations: Table
    stages: Table
    messages: Table
    fans: Table
    ports: Table
    contributions: Table
    records: Table


class Parameters(NamedTuple):
    """Read-only numbers of the network."""

    constants: Table
    numbers: Table
    """What loops read that is the same for all neurons: as numbers, and as integers."""
    bits: Table
    entries: Table
    weights: Table
    synapses: Table
    pointers: Table
    blocks: Table


class Memory(NamedTuple):
    """Everything that a tile of samples carries from step to step."""

    state: Table
    ports: Table
    """What arrives at the samples that are computed at once."""
    spikes: Table
    words: Table
    """The spikes again, as 64-bit words."""
    values: Table
    pairs: Table
    """Messages of one fan-out at a time, two in each 32-bit word."""
    bytes: Table
    """Messages for the matrix unit: spikes of past steps, and the bytes of values."""
    byte_words: Table
    """The same as 64-bit words."""
    crowds: Table
    """For every slot of spikes, whether the matrix unit multiplies them."""
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


class At(NamedTuple):
    """Which neurons are computed at once. All fields are unsigned."""

    first: Any
    """The first of them, in the population's rows of neurons of all samples."""
    constant: Any
    """The first in its rows of constants, and of what arrives."""
    width: Any
    """How many they are, possibly of several samples side by side."""


@inlined
def compute(
    parameters: Parameters, memory: Memory, tables: Tables, stage: Any, extent: Extent
) -> None:
    """One stage of a population, piece by piece.

    Small populations go as many samples at once as their constants are repeated.
    """
    p = tables.populations[stage.population]
    # Not ranges: their lengths would take divisions, which small networks notice.
    first = ZERO
    while first < extent.samples:
        count = min(p.copies, extent.samples - first)
        neurons = count * p.stride
        piece = ZERO
        while piece < neurons:
            constant: Scalar = piece
            if p.shared != 0:
                constant = p.piece if piece + p.piece >= neurons else ZERO
            at = At(first * p.stride + piece, constant, min(p.piece, neurons - piece))
            for row in range(stage.first_port, stage.last_port):
                port = tables.ports[row]
                arrive(
                    memory.ports, memory.narrow_sums, memory.broad_sums, port, tables.contributions,
                    p.ports + port.row * p.reach + constant, min(p.stride, at.width), extent.tile,
                    first, count, piece,
                )  # fmt: skip
            compute_piece(parameters, memory, stage, p, at, extent.tile)
            piece += p.piece
        first += p.copies


@inlined
def compute_piece(
    parameters: Parameters, memory: Memory, stage: Any, p: Any, at: At, tile: Scalar
) -> None:
    """One stage of the neurons at ``at``."""
    arrays = (
        memory.state, memory.spikes, memory.ports, parameters.constants, parameters.numbers,
        parameters.bits, parameters.entries, memory.counts,
    )  # fmt: skip
    firsts = (
        tile * p.start + at.first, tile * p.spikes + at.first, p.ports + at.constant,
        p.constants + at.constant, stage.numbers, stage.bits, p.entries, p.counters,
    )  # fmt: skip
    call_loop(stage.address, arrays, firsts, (tile * p.stride, p.reach, at.width))


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
    """Copy a variable into its (T, B, N) array, channel by channel."""
    size, stride, channels = r.size, r.stride, r.channels
    row = r.destination + (t * extent.batch + extent.first_sample) * size
    pixels = size // channels
    for b in range(extent.samples):
        to, back = row + b * size, start + b * stride
        if channels == ONE:
            for j in range(size):
                store(out, TO, to + j, load(array, FROM, back + j))
        else:
            for channel in range(channels):
                for pixel in range(pixels):
                    value = load(array, FROM, back + pixel * channels + channel)
                    store(out, TO, to + channel * pixels + pixel, value)


@inlined
def fan_out(
    parameters: Parameters, memory: Memory, tables: Tables, fan: Any, extent: Extent, t: Scalar
) -> None:
    """Multiply a message by all weights that read it."""
    weights, synapses = parameters.weights, parameters.synapses
    pointers, blocks = parameters.pointers, parameters.blocks
    values, pairs, messages, crowds = memory.values, memory.pairs, memory.bytes, memory.crowds
    events, lengths = memory.events, memory.lengths
    narrow_sums, sums = memory.narrow_sums, memory.broad_sums
    tile, count = extent.tile, extent.samples
    m = tables.messages[fan.message]
    slot = (t + m.slots - fan.delay) % m.slots
    if fan.shape == DENSE_PAIRS:
        fan_pairs(sums, weights, values, pairs, fan, m, tile, count, slot)
    elif fan.shape == DENSE_VALUES:
        fan_values(sums, weights, values, fan, m, tile, count, slot)
    elif fan.shape == DENSE_BYTES:
        fan_bytes(sums, blocks, messages, values, fan, m, tile, count, slot)
    elif fan.reach != ZERO and crowds[m.crowds + slot] != ZERO:
        fan_spikes(sums, blocks, messages, fan, m, tile, count, slot)
    elif fan.shape == DENSE_EVENTS:
        if fan.narrow != 0:
            fan_events(narrow_sums, weights, events, lengths, fan, m, tile, count, slot)
        else:
            fan_events(sums, weights, events, lengths, fan, m, tile, count, slot)
    elif fan.shape >= KERNEL_EVENTS:
        convolve(
            narrow_sums, sums, weights, pointers, values, events, lengths, fan, m, tile, count, slot
        )
    elif fan.shape == SPARSE_VALUES:
        scatter_values(sums, synapses, pointers, values, fan, m, tile, count, slot)
    elif fan.narrow != 0:
        scatter_events(narrow_sums, synapses, pointers, events, lengths, fan, m, tile, count, slot)
    else:
        scatter_events(sums, synapses, pointers, events, lengths, fan, m, tile, count, slot)


@inlined
def send(memory: Memory, operation: Scalar, m: Any, extent: Extent, t: Scalar) -> None:
    """Write this step's messages of a population into their ring."""
    words, samples = memory.words, extent.samples
    tile = extent.tile
    slot = t % m.slots
    if operation == SEND_SPIKES:
        crowd = ZERO
        if m.reach != ZERO:
            crowd = keep_spikes(words, memory.byte_words, m, tile, samples, slot)
            memory.crowds[m.crowds + slot] = crowd
        if crowd == ZERO or m.lists != 0:
            list_events(words, memory.events, memory.lengths, m, tile, samples, slot)
    else:
        out = tile * (m.ring + slot * m.stride)
        memory.counts[m.counter] += grade(
            memory.state, tile * m.start, memory.values, out, samples * m.stride, m
        )


@inlined
def enter_samples(
    memory: Memory, operation: Scalar, p: Any, samples: Table, extent: Extent, t: Scalar
) -> None:
    """Copy a step's encoded samples into the input's variable."""
    offset = (t - extent.first_step) * extent.samples * p.size
    if operation == ENTER_SPIKES:
        enter(memory.spikes, p, samples, extent.tile * p.spikes, offset, extent.samples)
    else:
        enter(memory.state, p, samples, extent.tile * p.start, offset, extent.samples)


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
    read: see :func:`~ltc2hw.compilation.sources.SOURCES`.
    """
    schedule = tables.schedule
    multiplies = parameters.blocks.shape[0] != 0
    if multiplies:
        configure_for(extent.samples)
    before = round_toward_zero()
    for t in range(extent.first_step, extent.last_step):
        for k in range(schedule.shape[0]):
            operation = schedule[k, 0]
            index = schedule[k, 1]
            if operation == FAN_OUT:
                fan_out(parameters, memory, tables, tables.fans[index], extent, t)
            elif operation <= LAST_ENTER:
                enter_samples(memory, operation, tables.populations[index], samples, extent, t)
            elif operation <= LAST_SEND:
                send(memory, operation, tables.messages[index], extent, t)
            elif operation >= FIRST_RECORD:
                record_variable(memory, recorded, operation, tables.records[index], extent, t)
            else:
                compute(parameters, memory, tables, tables.stages[index], extent)
    restore_rounding(before)
    if multiplies:
        release()
