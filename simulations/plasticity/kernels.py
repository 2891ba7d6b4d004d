"""The compiled time loop of on-chip FPTT: forward, errors back, update; one sample, one step.

Every function is the counterpart of one of the specification, on the tables of
:mod:`~ltc2hw.simulations.plasticity.layout` and the arrays of
:mod:`~ltc2hw.simulations.plasticity.packing`.
"""

from __future__ import annotations

import numpy as np

from ltc2hw.compilation.sources import SOURCES
from ltc2hw.simulations.compiled import entry, inlined, kernel
from ltc2hw.simulations.plasticity.backward import feed_back, output_error
from ltc2hw.simulations.plasticity.evaluate import evaluate
from ltc2hw.simulations.plasticity.forward import (
    advance,
    arrive,
    clear,
    copy_cells,
    enter,
    record,
    send,
)
from ltc2hw.simulations.plasticity.records import (
    ARRIVE,
    COMPARE,
    DELIVER,
    EVALUATE,
    MOVE,
    ONE,
    SEND,
    Array,
    Kept,
    Memory,
    Number,
    Rule,
    Tables,
)
from ltc2hw.simulations.plasticity.updates import learn_all, learn_and_keep


@kernel
def operate(
    tables: Tables,
    memory: Memory,
    rule: Rule,
    kept: Kept | None,
    act: Number,
    first: Number,
    last: Number,
    goal: Array,
    weight: int,
) -> None:
    """One row of the schedule."""
    at = np.uint64(first)
    if act == ARRIVE:
        arrive(tables, memory, tables.projections[at])
    elif act == EVALUATE:
        evaluate(tables.operations, first, last, memory.cells, tables.entries, memory.counts)
    elif act == SEND:
        send(memory, tables.messages[at])
    elif act == COMPARE:
        output_error(tables, memory, rule, goal, weight)
    elif act == DELIVER:
        copy_cells(tables.delivered, first, last, memory.cells, memory.factors)
    elif act == MOVE:
        if kept is not None:
            copy_cells(kept.moved, first, last, memory.cells, kept.moves)
    else:
        feed_back(tables, memory, rule, tables.projections[at])


@inlined
def compute_step(
    tables: Tables,
    memory: Memory,
    rule: Rule,
    kept: Kept | None,
    sample: Array,
    goal: Array,
    weight: int,
    output: Array,
) -> None:
    """One step forward, and its error back to every factor; ``output`` (N_out,) is filled.

    A negative weight: a step without a goal, which nothing is compared with.
    """
    enter(tables, memory, sample)
    for k in range(tables.schedule.shape[0]):
        act, first, last = tables.schedule[k]
        if act == COMPARE and weight < 0:
            break
        operate(tables, memory, rule, kept, act, first, last, goal, weight)
    record(tables, memory, output)


@entry
def run(
    tables: Tables,
    memory: Memory,
    rule: Rule,
    kept: Kept | None,
    samples: Array,
    goals: Array,
    weights: Array,
    outputs: Array,
    lengths: Array,
    update: Number,
    moves: Number,
    reset: bool,
    sources: int = SOURCES,
) -> None:
    """Learn S samples of at most T steps, one after the other.

    ``samples`` (S, T, N_in) encoded; ``goals`` (S, T or 1, 1) labels or (S, T or 1, N_out)
    targets; ``weights`` (S, T) of the loss in time, negative at a step without a goal; ``outputs``
    (T, S, N_out) is filled; ``lengths`` (S,) steps of each sample; ``update`` and ``moves``:
    updates and steps done before.
    ``sources`` is not read: see :func:`~ltc2hw.compilation.sources.SOURCES`.
    """
    number, moved = np.uint64(update), np.uint64(moves)
    for s in range(samples.shape[0]):
        if reset:
            clear(tables, memory)
            if kept is not None:
                kept.words[:] = 0
        for t in range(lengths[s]):
            goal = goals[s, t if goals.shape[1] > 1 else 0]
            weight = weights[s, t]
            compute_step(tables, memory, rule, kept, samples[s, t], goal, weight, outputs[t, s])
            if kept is not None:
                learn_and_keep(tables, memory, rule, kept, number, moved, weight >= 0)
            elif weight >= 0:
                learn_all(tables, memory, rule, number)
            if weight >= 0:
                number += ONE
            moved += ONE
            advance(tables, memory)
