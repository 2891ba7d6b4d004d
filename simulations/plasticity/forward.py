"""What lies between neurons, compiled: messages leave, wait and arrive."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.plasticity.records import ONE, Array, Memory, Number, Tables
from ltc2hw.simulations.plasticity.scalars import fit, rsz, weighted_sum
from ltc2hw.simulations.plasticity.typed import wide_vectors


@kernel
def arrive(tables: Tables, memory: Memory, p: Any) -> None:
    """Add ``(weights @ message) << exponent`` to a port; silent sources cost nothing."""
    wide_vectors()
    m = tables.messages[p.message]
    first = m.start + p.delay * m.size
    port, at = memory.cells, p.port
    if p.pointers >= 0:
        arrive_sparse(tables, memory, p, first)
        return
    if p.kernel >= 0:
        convolve(memory, p, tables.kernels[np.uint64(p.kernel)], first)
        return
    if not p.by_source:
        for j in range(p.targets):
            start = p.start + j * p.sources
            total = weighted_sum(memory.values, start, p.shift, memory.sent, first, p.sources)
            port[at + j] += total << p.exponent
        return
    for i in range(p.sources):
        message = np.int64(memory.sent[first + i])
        if message == 0:
            continue
        start = p.start + i * p.targets
        if message == 1:
            add_row(port, at, memory.values, start, p.targets, p.shift, p.exponent)
            continue
        scaled = message << p.exponent
        for j in range(p.targets):
            weight = np.int64(memory.values[start + j]) >> p.shift
            port[at + j] += weight * scaled


@inlined
def arrive_sparse(tables: Tables, memory: Memory, p: Any, first: Number) -> None:
    """The same for weights that are not dense, source by source."""
    ends, port, shift = np.uint64(p.pointers), p.port, p.shift
    base = p.start - np.uint64(tables.pointers[ends])
    for i in range(p.sources):
        message = np.int64(memory.sent[first + i])
        if message == 0:
            continue
        scaled = message << p.exponent
        begin, end = tables.pointers[ends + i], tables.pointers[ends + i + ONE]
        for k in range(np.uint64(begin), np.uint64(end)):
            weight = np.int64(memory.values[base + k]) >> shift
            memory.cells[port + np.uint64(tables.targets[k])] += weight * scaled


@kernel
def convolve(memory: Memory, p: Any, k: Any, first: Number) -> None:
    """The same for a kernel: what a source sends is scattered over the places that see it."""
    for channel in range(p.sources // np.uint64(k.height * k.width)):
        for y in range(k.height):
            line = first + (channel * np.uint64(k.height) + np.uint64(y)) * np.uint64(k.width)
            for x in range(k.width):
                message = np.int64(memory.sent[line + np.uint64(x)])
                if message != 0:
                    scatter(memory, p, k, channel, y, x, message << p.exponent)


@inlined
def scatter(
    memory: Memory, p: Any, k: Any, channel: Number, y: Number, x: Number, scaled: Number
) -> None:
    """Add a message of a channel at a place, times the kernel, to every target that sees it."""
    wide_vectors()
    group = channel // k.inputs
    places = np.uint64(k.target_height * k.target_width)
    for row in range(k.rows):
        high = y + k.before_y - row * k.dilation_y
        if high < 0 or high % k.stride_y or high // k.stride_y >= k.target_height:
            continue
        for column in range(k.columns):
            wide = x + k.before_x - column * k.dilation_x
            if wide < 0 or wide % k.stride_x or wide // k.stride_x >= k.target_width:
                continue
            place = high // k.stride_y * k.target_width + wide // k.stride_x
            target = p.port + group * k.outputs * places + np.uint64(place)
            shared = (np.int64(channel) * k.rows + row) * k.columns + column
            weight = p.start + np.uint64(shared) * k.outputs
            for c in range(k.outputs):
                value = np.int64(memory.values[weight + c])
                memory.cells[target + c * places] += value * scaled


@inlined
def add_row(
    port: Array,
    target: Number,
    values: Array,
    start: Number,
    targets: Number,
    shift: Number,
    exponent: Number,
) -> None:
    """A spike's row of weights: no product."""
    wide_vectors()
    for j in range(targets):
        port[target + j] += (np.int64(values[start + j]) >> shift) << exponent


@kernel
def send(memory: Memory, m: Any) -> None:
    """Spikes and inputs as they are; graded variables as ``word.fit(rsz(value, shift))``."""
    cell, start, shift = m.cell, m.start, m.shift
    low, high, wraps = m.low, m.high, m.wraps
    misfits = np.int64(0)
    for j in range(m.size):
        value = rsz(memory.cells[cell + j], shift)
        fitted = fit(value, low, high, wraps)
        misfits += np.int64(fitted != value)
        memory.sent[start + j] = fitted
    if m.counter >= 0:
        memory.counts[np.uint64(m.counter)] += misfits


@kernel
def copy_cells(copies: Array, first: Number, last: Number, source: Array, target: Array) -> None:
    """Cells become other numbers, copy by copy."""
    for k in range(np.uint64(first), np.uint64(last)):
        c = copies[k]
        begin, end, size = c.source, c.target, c.size
        for j in range(size):
            target[end + j] = source[begin + j]


@inlined
def empty(copies: Array, cells: Array) -> None:
    """The targets of copies become 0."""
    for k in range(copies.shape[0]):
        c = copies[np.uint64(k)]
        cells[c.target : c.target + c.size] = 0


@kernel
def advance(tables: Tables, memory: Memory) -> None:
    """The step becomes the past: registers, messages; ports and credits are empty again."""
    copy_cells(tables.following, 0, tables.following.shape[0], memory.cells, memory.cells)
    empty(tables.inboxes, memory.cells)
    for k in range(tables.messages.shape[0]):
        m = tables.messages[k]
        for back in range(ONE, m.depth):
            to = m.start + (m.depth - back) * m.size
            for j in range(m.size):
                memory.sent[to + j] = memory.sent[to - m.size + j]


@kernel
def clear(tables: Tables, memory: Memory) -> None:
    """Registers and past messages at zero."""
    memory.sent[:] = 0
    empty(tables.following, memory.cells)


@kernel
def enter(tables: Tables, memory: Memory, sample: Array) -> None:
    """A step's encoded sample becomes the variable that the input sends."""
    copy_cells(tables.entered, 0, 1, sample, memory.cells)


@kernel
def record(tables: Tables, memory: Memory, output: Array) -> None:
    """What is read of the output in a step."""
    o = tables.output[0]
    for j in range(o.size):
        output[j] = memory.cells[o.read + j]
