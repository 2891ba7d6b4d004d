"""Updates of everything that learns, compiled: projections row by row, constants of neurons."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.learning.eligible import ELIGIBLE
from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.plasticity.eligibility import draw_row, gather, move_row, spread
from ltc2hw.simulations.plasticity.records import ONE, Array, Kept, Memory, Number, Rule, Tables
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
from ltc2hw.simulations.plasticity.typed import minus, plus, times, wide_vectors

ELIGIBLE_SEED = np.uint64(ELIGIBLE)


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
    first, ends = m.start + p.delay * m.size, np.uint64(p.pointers)
    for i in range(p.sources):
        begin, end = tables.pointers[ends + i], tables.pointers[ends + i + ONE]
        meet_listed(tables, memory, p, memory.sent[first + i], begin, end)
        learn_listed(tables, memory, rule, p, i, begin, end, low, high)


@inlined
def meet_listed(
    tables: Tables, memory: Memory, p: Any, message: Number, begin: Number, end: Number
) -> None:
    """Factors times the message of a source."""
    for j in range(end - begin):
        target = np.uint64(tables.targets[begin + j])
        memory.products[j] = times(memory.factors[p.factor + target], message)


@inlined
def learn_listed(
    tables: Tables, memory: Memory, rule: Rule, p: Any, source: Number, begin: Number,
    end: Number, low: Number, high: Number,
) -> None:  # fmt: skip
    """Update the synapses of a source by the descents in the scratch."""
    f = load(tables.formats, np.uint64(p.format))
    misfits = memory.misfits[np.uint64(p.format)]
    values, means, gradients = memory.values, memory.means, memory.gradients
    index, sources, products = np.uint32(p.index), p.sources, memory.products
    base = p.start - np.uint64(tables.pointers[np.uint64(p.pointers)])
    lost_value = lost_mean = lost_gradient = np.int64(0)
    for j in range(end - begin):
        at, target = base + np.uint64(begin + j), np.uint64(tables.targets[begin + j])
        if rule.stochastic:
            place = plus(index, target * sources + source)
            bits = draw(plus(times(place, HASH_SPREAD), low), high)
            values[at], means[at], gradients[at], a, b, c = learn_stochastic(
                f, values[at], means[at], gradients[at], products[j], bits
            )
        else:
            values[at], means[at], gradients[at], a, b, c = learn_nearest(
                f, values[at], means[at], gradients[at], products[j]
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
    """Update a constant of every neuron of a population, by its factor and its message."""
    products = memory.wide_products
    for j in range(v.size):
        message = rsz(memory.cells[v.message + j], v.message_shift)
        products[j] = np.int64(memory.factors[v.factor + j]) * message
    learn_constant(tables, memory, rule, v, low, high, misfits)


@inlined
def learn_constant(
    tables: Tables, memory: Memory, rule: Rule, v: Any, low: Number, high: Number, misfits: Array
) -> None:
    """Update a constant by the descents in the scratch, and let the network see it."""
    f = load(tables.vector_formats, v.format)
    values, means, gradients = memory.vector_values, memory.vector_means, memory.vector_gradients
    cells, index, products = memory.cells, np.uint32(v.index), memory.wide_products
    start, shift, constant = v.start, v.network_shift, v.constant
    lost_value = lost_mean = lost_gradient = np.int64(0)
    for j in range(v.size):
        at = start + j
        product = products[j]
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


class Keys(NamedTuple):
    """Halves of the keys of an update's draws, and of those of a step's eligibility."""

    low: Any
    high: Any
    kept_low: Any
    kept_high: Any


@kernel
def learn_kept(
    tables: Tables, memory: Memory, rule: Rule, kept: Kept, p: Any, k: Keys, learns: Number
) -> None:
    """Update every synapse of a projection that keeps something, and what it keeps."""
    wide_vectors()
    e, m = kept.eligible[np.uint64(p.format)], tables.messages[p.message]
    first = m.start + p.delay * m.size
    f = load(tables.formats, np.uint64(p.format))
    misfits = memory.misfits[np.uint64(p.format)]
    index, factors, sent = np.uint32(p.index), memory.factors, memory.sent
    products, messages = memory.products, kept.messages
    width, step, rows, jump = p.targets, p.sources, p.sources, ONE
    if not p.by_source:
        width, step, rows, jump = p.sources, ONE, p.targets, p.sources
        for j in range(width):
            messages[j] = sent[first + j]
    stride = times(np.uint32(step), HASH_SPREAD)
    one = plus(minus(f.value_up, f.value_up), 1)
    for i in range(rows):
        number = times(plus(index, i * jump), HASH_SPREAD)
        if p.by_source:
            messages[:width] = np.int64(sent[first + i])
            for j in range(width):
                products[j] = times(factors[p.factor + j], sent[first + i])
        else:
            spread(kept, e, i, width)
            for j in range(width):
                products[j] = times(sent[first + j], factors[p.factor + i])
        if rule.stochastic:
            draw_row(kept.draws, plus(number, k.kept_low), stride, k.kept_high, width)
        misfits[3] += move_row(
            kept, e, p.by_source, i * width, width, rule.stochastic, products, learns
        )
        if learns:
            learn_row(
                memory.values, memory.means, memory.gradients, p.start + i * width,
                products, np.uint64(0), width, one, f, plus(number, k.low), stride, k.high,
                rule.stochastic, misfits,
            )  # fmt: skip


@kernel
def learn_kept_sparse(
    tables: Tables, memory: Memory, rule: Rule, kept: Kept, p: Any, k: Keys, learns: Number
) -> None:
    """The same for the synapses that there are, source by source."""
    e, m = kept.eligible[np.uint64(p.format)], tables.messages[p.message]
    first, ends = m.start + p.delay * m.size, np.uint64(p.pointers)
    draws, index, misfits = kept.draws, np.uint32(p.index), memory.misfits
    origin = tables.pointers[ends]
    for i in range(p.sources):
        begin, end = tables.pointers[ends + i], tables.pointers[ends + i + ONE]
        width = np.uint64(end - begin)
        meet_listed(tables, memory, p, memory.sent[first + i], begin, end)
        gather(tables, kept, e, begin, end)
        kept.messages[:width] = np.int64(memory.sent[first + i])
        if rule.stochastic:
            for j in range(width):
                place = plus(index, np.uint64(tables.targets[np.uint64(begin) + j]) * p.sources + i)
                draws[j] = draw(plus(times(place, HASH_SPREAD), k.kept_low), k.kept_high)
        misfits[np.uint64(p.format), 3] += move_row(
            kept, e, False, np.uint64(begin - origin), width, rule.stochastic,
            memory.products, learns,
        )  # fmt: skip
        if learns:
            learn_listed(tables, memory, rule, p, i, begin, end, k.low, k.high)


@kernel
def learn_kept_vector(
    tables: Tables,
    memory: Memory,
    rule: Rule,
    kept: Kept,
    v: Any,
    row: Number,
    k: Keys,
    learns: Number,
) -> None:
    """The same for a constant of every neuron of a population."""
    e, index = kept.eligible[row], np.uint32(v.index)
    messages, products = kept.messages, memory.wide_products
    for j in range(v.size):
        messages[j] = rsz(memory.cells[v.message + j], v.message_shift)
        products[j] = np.int64(memory.factors[v.factor + j]) * messages[j]
    if rule.stochastic:
        place = plus(times(index, HASH_SPREAD), k.kept_low)
        draw_row(kept.draws, place, HASH_SPREAD, k.kept_high, v.size)
    memory.misfits[row, 3] += move_row(
        kept, e, True, np.uint64(0), v.size, rule.stochastic, products, learns
    )
    if learns:
        learn_constant(tables, memory, rule, v, k.low, k.high, memory.misfits[row])


@kernel
def learn_and_keep(
    tables: Tables, memory: Memory, rule: Rule, kept: Kept, update: Number, moves: Number,
    learns: Number,
) -> None:  # fmt: skip
    """As :func:`learn_all` where synapses keep something, which moves on in every step.

    ``moves``: steps before this one; ``learns``: whether this one makes an update.
    """
    low, high = key_of_update(rule.seed, update)
    kept_low, kept_high = key_of_update(rule.seed ^ ELIGIBLE_SEED, moves)
    keys = Keys(low, high, kept_low, kept_high)
    for k in range(tables.projections.shape[0]):
        p = tables.projections[np.uint64(k)]
        if p.format >= 0 and p.pointers >= 0:
            learn_kept_sparse(tables, memory, rule, kept, p, keys, learns)
        elif p.format >= 0:
            learn_kept(tables, memory, rule, kept, p, keys, learns)
    first = tables.formats.shape[0]
    for k in range(tables.vectors.shape[0]):
        v, row = tables.vectors[np.uint64(k)], np.uint64(first + k)
        learn_kept_vector(tables, memory, rule, kept, v, row, keys, learns)
