"""Updates of everything that learns, compiled: projections row by row, constants of neurons."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.plasticity.records import ONE, Array, Memory, Number, Rule, Tables
from ltc2hw.simulations.plasticity.scalars import rsz
from ltc2hw.simulations.plasticity.synapses import (
    HASH_SPREAD,
    draw,
    key_of_update,
    learn_nearest,
    learn_row,
    learn_stochastic,
    load,
)
from ltc2hw.simulations.plasticity.typed import plus, times


@inlined
def learn_weights(
    tables: Tables, memory: Memory, rule: Rule, p: Any, low: Number, high: Number
) -> None:
    """Update every synapse of a projection."""
    m = tables.messages[p.message]
    first = m.start + p.delay * m.size
    f = load(tables.formats, np.uint64(p.format))
    misfits = memory.misfits[np.uint64(p.format)]
    index, factors = np.uint32(p.index), memory.factors
    # A row is a source's synapses, or a target's: one side varies along it, the other is fixed.
    along, along_first, width, step = factors, p.factor, p.targets, p.sources
    across, across_first, rows, jump = memory.sent, first, p.sources, ONE
    if not p.by_source:
        along, along_first, width, step = memory.sent, first, p.sources, ONE
        across, across_first, rows, jump = factors, p.factor, p.targets, p.sources
    stride = times(np.uint32(step), HASH_SPREAD)
    for i in range(rows):
        place = plus(times(plus(index, i * jump), HASH_SPREAD), low)
        learn_row(
            memory.values, memory.means, memory.gradients, p.start + i * width,
            along, along_first, width, across[across_first + i], f, place, stride, high,
            rule.stochastic, misfits,
        )  # fmt: skip


@inlined
def learn_sparse(
    tables: Tables, memory: Memory, rule: Rule, p: Any, low: Number, high: Number
) -> None:
    """Update the synapses that there are, source by source."""
    m = tables.messages[p.message]
    first = m.start + p.delay * m.size
    f = load(tables.formats, np.uint64(p.format))
    misfits = memory.misfits[np.uint64(p.format)]
    values, means, gradients = memory.values, memory.means, memory.gradients
    factors, factor, index, sources = memory.factors, p.factor, np.uint32(p.index), p.sources
    ends = np.uint64(p.pointers)
    base = p.start - np.uint64(tables.pointers[ends])
    lost_value = lost_mean = lost_gradient = np.int64(0)
    for i in range(sources):
        message = memory.sent[first + i]
        begin, end = tables.pointers[ends + i], tables.pointers[ends + i + ONE]
        for k in range(np.uint64(begin), np.uint64(end)):
            at, target = base + k, np.uint64(tables.targets[k])
            product = times(factors[factor + target], message)
            if rule.stochastic:
                place = plus(index, target * sources + i)
                bits = draw(plus(times(place, HASH_SPREAD), low), high)
                values[at], means[at], gradients[at], a, b, c = learn_stochastic(
                    f, values[at], means[at], gradients[at], product, bits
                )
            else:
                values[at], means[at], gradients[at], a, b, c = learn_nearest(
                    f, values[at], means[at], gradients[at], product
                )
            lost_value += np.int64(a)
            lost_mean += np.int64(b)
            lost_gradient += np.int64(c)
    misfits[0] += lost_value
    misfits[1] += lost_mean
    misfits[2] += lost_gradient


@inlined
def learn_vector(
    tables: Tables, memory: Memory, rule: Rule, v: Any, low: Number, high: Number, misfits: Array
) -> None:
    """Update a constant of every neuron of a population, and let the network see it."""
    f = load(tables.vector_formats, v.format)
    values, means, gradients = memory.vector_values, memory.vector_means, memory.vector_gradients
    cells, factors, index = memory.cells, memory.factors, np.uint32(v.index)
    start, message_shift, shift = v.start, v.message_shift, v.network_shift
    message, factor, constant = v.message, v.factor, v.constant
    lost_value = lost_mean = lost_gradient = np.int64(0)
    for j in range(v.size):
        at = start + j
        product = np.int64(factors[factor + j]) * rsz(cells[message + j], message_shift)
        if rule.stochastic:
            bits = draw(plus(times(plus(index, j), HASH_SPREAD), low), high)
            values[at], means[at], gradients[at], a, b, c = learn_stochastic(
                f, values[at], means[at], gradients[at], product, bits
            )
        else:
            values[at], means[at], gradients[at], a, b, c = learn_nearest(
                f, values[at], means[at], gradients[at], product
            )
        lost_value += np.int64(a)
        lost_mean += np.int64(b)
        lost_gradient += np.int64(c)
    for j in range(v.size):
        value = values[start + j]
        cells[constant + j] = value >> shift if shift >= 0 else value << -shift
    misfits[0] += lost_value
    misfits[1] += lost_mean
    misfits[2] += lost_gradient


@kernel
def learn_all(tables: Tables, memory: Memory, rule: Rule, update: Number) -> None:
    """Update everything that learns, with the draws of this update.

    What it calls is inlined: to hand all tables on takes longer than a small projection.
    """
    low, high = key_of_update(rule.seed, update)
    for k in range(tables.projections.shape[0]):
        p = tables.projections[np.uint64(k)]
        if p.format >= 0 and p.pointers >= 0:
            learn_sparse(tables, memory, rule, p, low, high)
        elif p.format >= 0:
            learn_weights(tables, memory, rule, p, low, high)
    first = tables.formats.shape[0]
    for k in range(tables.vectors.shape[0]):
        misfits = memory.misfits[first + k]
        learn_vector(tables, memory, rule, tables.vectors[np.uint64(k)], low, high, misfits)
