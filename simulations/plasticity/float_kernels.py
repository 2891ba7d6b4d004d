"""The compiled time loop of learning in real numbers: forward, errors back, update; step by step.

Every function is the counterpart of one of the readable engine
(:mod:`~ltc2hw.simulations.plasticity.float64`), on the tables of
:mod:`~ltc2hw.simulations.plasticity.float_layout`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ltc2hw.compilation.sources import SOURCES
from ltc2hw.simulations.compiled import entry, inlined, kernel
from ltc2hw.simulations.plasticity.float_evaluate import evaluate
from ltc2hw.simulations.plasticity.float_tables import (
    ARRIVE,
    COMPARE,
    EVALUATE,
    ONE,
    Array,
    FloatMemory,
    FloatRule,
    FloatTables,
    Number,
)
from ltc2hw.simulations.plasticity.float_updates import learn_all
from ltc2hw.simulations.plasticity.forward import copy_cells, empty
from ltc2hw.simulations.plasticity.typed import wide_vectors


@kernel
def arrive(tables: FloatTables, cells: Array, values: Array, p: Any) -> None:
    """Add ``weights @ message`` to a port; silent sources cost nothing."""
    wide_vectors()
    if p.pointers >= 0:
        arrive_sparse(tables, cells, values, p)
        return
    port, targets = p.port, p.targets
    for i in range(p.sources):
        message, start = cells[p.message + i], p.start + i * targets
        if message == 1.0:
            for j in range(targets):
                cells[port + j] += values[start + j]
        elif message != 0.0:
            for j in range(targets):
                cells[port + j] += message * values[start + j]


@inlined
def arrive_sparse(tables: FloatTables, cells: Array, values: Array, p: Any) -> None:
    """The same for weights that are not dense, source by source."""
    ends = np.uint64(p.pointers)
    base = p.start - np.uint64(tables.pointers[ends])
    for i in range(p.sources):
        message = cells[p.message + i]
        if message == 0.0:
            continue
        begin, end = tables.pointers[ends + i], tables.pointers[ends + i + ONE]
        for k in range(np.uint64(begin), np.uint64(end)):
            cells[p.port + np.uint64(tables.targets[k])] += message * values[base + k]


@kernel
def give_back(
    tables: FloatTables, cells: Array, weights: Array, p: Any, r: Any, start: Number
) -> None:
    """Add ``factor @ B`` to the credit of the source; B as the projection's weights lie."""
    if not r.dense:
        give_back_sparse(tables, cells, weights, p, r, start)
        return
    wide_vectors()
    targets, four = p.targets, np.uint64(4)
    whole = targets // four * four
    for i in range(p.sources):
        first = start + i * targets
        a = b = c = d = 0.0
        for j in range(np.uint64(0), whole, four):
            a += weights[first + j] * cells[r.factor + j]
            b += weights[first + j + np.uint64(1)] * cells[r.factor + j + np.uint64(1)]
            c += weights[first + j + np.uint64(2)] * cells[r.factor + j + np.uint64(2)]
            d += weights[first + j + np.uint64(3)] * cells[r.factor + j + np.uint64(3)]
        for j in range(whole, targets):
            a += weights[first + j] * cells[r.factor + j]
        cells[r.credit + i] += (a + b) + (c + d)


@inlined
def give_back_sparse(
    tables: FloatTables, cells: Array, weights: Array, p: Any, r: Any, start: Number
) -> None:
    """The same through the synapses that there are."""
    ends = np.uint64(p.pointers)
    base = start - np.uint64(tables.pointers[ends])
    for i in range(p.sources):
        begin, end = tables.pointers[ends + i], tables.pointers[ends + i + ONE]
        total = 0.0
        for k in range(np.uint64(begin), np.uint64(end)):
            total += weights[base + k] * cells[r.factor + np.uint64(tables.targets[k])]
        cells[r.credit + i] += total


@kernel
def output_error(cells: Array, o: Any, softmax: Number, goal: Array, weight: Number) -> None:
    """Write the output's error into its credit."""
    if not softmax:
        for j in range(o.size):
            cells[o.credit + j] += weight * (goal[j] - cells[o.read + j])
        return
    highest = cells[o.read]
    for j in range(o.size):
        highest = max(highest, cells[o.read + j])
    total = 0.0
    for j in range(o.size):
        total += math.exp(cells[o.read + j] - highest)
    for j in range(o.size):
        power = math.exp(cells[o.read + j] - highest)
        cells[o.credit + j] += weight * (goal[j] - power / total)


@kernel
def compute_step(
    tables: FloatTables,
    memory: FloatMemory,
    softmax: Number,
    goal: Array,
    weight: Number,
) -> None:
    """One step forward, and its error back to every factor.

    A negative weight: a step without a goal, which nothing is compared with.
    """
    for k in range(tables.schedule.shape[0]):
        act, first, last = tables.schedule[k]
        at = np.uint64(first)
        if act == EVALUATE:
            evaluate(tables.operations, at, np.uint64(last), memory.cells)
        elif act == ARRIVE:
            arrive(tables, memory.cells, memory.values, tables.projections[at])
        elif act == COMPARE:
            if weight < 0:
                return
            output_error(memory.cells, tables.output[0], softmax, goal, weight)
        else:
            r = tables.returned[at]
            p = tables.projections[r.projection]
            if r.feeds < 0:
                give_back(tables, memory.cells, memory.values, p, r, p.start)
            else:
                give_back(tables, memory.cells, memory.back, p, r, np.uint64(r.feeds))


@inlined
def record(cells: Array, o: Any, output: Array) -> None:
    """What is read of the output in a step."""
    for j in range(o.size):
        output[j] = cells[o.read + j]


@entry
def run(
    tables: FloatTables,
    memory: FloatMemory,
    rule: FloatRule,
    samples: Array,
    goals: Array,
    weights: Array,
    outputs: Array,
    lengths: Array,
    reset: bool,
    sources: int = SOURCES,
) -> Number:
    """Learn S samples of at most T steps, one after the other.

    ``samples`` (S, T, N_in); ``goals`` (S, T or 1, N_out); ``weights`` (S, T) of the loss in time,
    negative at a step without a goal; ``outputs`` (T, S, N_out) is filled; ``lengths`` (S,) steps
    of each sample. Returns -1, or the updates that it made until numbers left the reals or their
    range, where it ends.
    ``sources`` is not read: see :func:`~ltc2hw.compilation.sources.SOURCES`.
    """
    cells, updates = memory.cells, 0
    evaluate(tables.once, np.uint64(0), np.uint64(tables.once.shape[0]), cells)
    for s in range(samples.shape[0]):
        if reset:
            empty(tables.registers, cells)
            memory.kept[:] = 0
        for t in range(lengths[s]):
            weight = weights[s, t]
            copy_cells(tables.entered, 0, 1, samples[s, t], cells)
            goal = goals[s, t if goals.shape[1] > 1 else 0]
            compute_step(tables, memory, rule.softmax, goal, weight)
            record(cells, tables.output[0], outputs[t, s])
            lost = learn_all(tables, memory, rule, weight >= 0)
            copy_cells(tables.following, 0, tables.following.shape[0], cells, cells)
            empty(tables.inboxes, cells)
            updates += weight >= 0
            if lost:
                return updates
    return -1
