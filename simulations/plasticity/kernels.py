"""The compiled time loop of on-chip FPTT: forward, errors back, update; one sample, one step.

Every function is the counterpart of one of the specification, on the tables of
:mod:`~ltc2hw.simulations.plasticity.layout` and the arrays of
:mod:`~ltc2hw.simulations.plasticity.packing`.
"""

from __future__ import annotations

import numpy as np

from ltc2hw.compilation.sources import SOURCES
from ltc2hw.simulations.compiled import entry, inlined, kernel
from ltc2hw.simulations.plasticity.backward import (
    feed_back,
    ltc_factors,
    output_error,
    readout_factors,
)
from ltc2hw.simulations.plasticity.forward import (
    adaptation_stage,
    arrive,
    clear,
    current_stage,
    enter,
    membrane_stage,
    record,
    send,
    shift_messages,
)
from ltc2hw.simulations.plasticity.records import (
    ARRIVE,
    COMPARE,
    CURRENT_STAGE,
    FEEDBACK,
    SEND,
    UPDATE_STAGE,
    Array,
    Memory,
    Number,
    Rule,
    Tables,
)
from ltc2hw.simulations.plasticity.tables import LTC_KIND
from ltc2hw.simulations.plasticity.updates import learn_all


@kernel
def operate(
    tables: Tables,
    memory: Memory,
    rule: Rule,
    operation: Number,
    index: Number,
    goal: Array,
    weight: int,
) -> None:
    """One row of the schedule."""
    at = np.uint64(index)
    if operation == ARRIVE:
        arrive(tables, memory, tables.projections[at])
    elif operation == FEEDBACK:
        feed_back(tables, memory, rule, tables.projections[at])
    elif operation == SEND:
        m = tables.messages[at]
        send(memory, tables.populations[m.population], m, memory.counts[m.population])
    else:
        p, counts = tables.populations[at], memory.counts[at]
        if operation == CURRENT_STAGE:
            current_stage(memory, p, counts)
        elif operation == UPDATE_STAGE:
            membrane_stage(tables, memory, p, counts)
            if p.kind == LTC_KIND:
                adaptation_stage(tables, memory, p, counts)
        elif operation == COMPARE:
            output_error(tables, memory, rule, p, goal, weight, counts)
        elif p.kind == LTC_KIND:
            ltc_factors(tables, memory, rule, p, counts)
        else:
            readout_factors(tables, memory, rule, p, counts)


@inlined
def compute_step(
    tables: Tables,
    memory: Memory,
    rule: Rule,
    sample: Array,
    goal: Array,
    weight: int,
    output: Array,
) -> None:
    """One step forward, and its error back to every factor; ``output`` (N_out,) is filled."""
    enter(tables, memory, sample)
    for k in range(tables.schedule.shape[0]):
        operation, index = tables.schedule[k]
        operate(tables, memory, rule, operation, index, goal, weight)
        if operation == COMPARE:
            record(memory, tables.populations[index], output)


@entry
def run(
    tables: Tables,
    memory: Memory,
    rule: Rule,
    samples: Array,
    goals: Array,
    weights: Array,
    outputs: Array,
    update: Number,
    reset: bool,
    sources: int = SOURCES,
) -> None:
    """Learn S samples of T steps, one after the other.

    ``samples`` (S, T, N_in) encoded; ``goals`` (S, 1) labels or (S, N_out) targets; ``weights``
    (T,) of the loss in time; ``outputs`` (T, S, N_out) is filled; ``update``: updates done before.
    ``sources`` is not read: see :func:`~ltc2hw.compilation.sources.SOURCES`.
    """
    for s in range(samples.shape[0]):
        if reset:
            clear(memory)
        for t in range(samples.shape[1]):
            compute_step(tables, memory, rule, samples[s, t], goals[s], weights[t], outputs[t, s])
            learn_all(tables, memory, rule, np.uint64(update + s * samples.shape[1] + t))
            shift_messages(tables, memory)
