"""Updates of everything that learns in real numbers, compiled: row by row of synapses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.plasticity.float_blocks import (
    FPTT,
    KEEP,
    MOST_WORDS,
    PLAIN,
    four_kept,
    none_kept,
    one_kept,
    three_kept,
    two_kept,
)
from ltc2hw.simulations.plasticity.float_tables import (
    ONE,
    Array,
    FloatMemory,
    FloatRule,
    FloatTables,
    Number,
)
from ltc2hw.simulations.plasticity.typed import wide_vectors

LARGEST = np.finfo(np.float64).max


@kernel
def learn_row(
    memory: FloatMemory, rule: FloatRule, start: Number, width: Number, vector: Array,
    first: Number, scalar: Number,
) -> int:  # fmt: skip
    """Update a row by its descents, a vector times a number; how many left the reals."""
    wide_vectors()
    values, means, gradients = memory.values, memory.means, memory.gradients
    rate, alpha, beta, drift = rule.learning_rate, rule.alpha, rule.beta, rule.drift
    lost = 0
    if rule.plain:
        for j in range(width):
            at = start + j
            value = values[at] + rate * (vector[first + j] * scalar)
            lost += not abs(value) <= LARGEST
            values[at] = value
            means[at] = value
        return lost
    for j in range(width):
        at = start + j
        mean, gradient = means[at], gradients[at]
        pull = alpha * (values[at] - mean) - (vector[first + j] * scalar + gradient)
        value = values[at] - rate * pull
        departure = value - mean
        remembered = gradient - alpha * departure
        mean = mean + beta * departure - drift * remembered
        values[at] = value
        gradients[at] = remembered
        means[at] = mean
        lost += not abs(mean) <= LARGEST
    return lost


@inlined
def add_products(
    cells: Array, cell: Number, kept: Array, old: Number, own: Array, width: Number
) -> None:
    """Add what a row kept, times cells, to a vector; nothing where there are none."""
    if cell >= 0:
        for j in range(width):
            own[j] += cells[np.uint64(cell) + j] * kept[old + j]


@kernel
def keep_row(
    memory: FloatMemory, e: Any, places: Array, row: Number, width: Number, learns: Number
) -> int:
    """Add what errors find in the past to a row's descents, and let what it keeps follow the step.

    ``places``: cells of the terms; ``row``: the row's first value.
    """
    wide_vectors()
    cells, kept, fresh, words = memory.cells, memory.kept, memory.fresh, e.words
    if learns:
        for k in range(words):
            old = e.kept + np.uint64(k) * e.size + row
            add_products(cells, places[words, k], kept, old, memory.products, width)
    for new in range(words):
        cell, own = places[new, places.shape[1] - 1], fresh[new]
        for j in range(width):
            own[j] = cells[np.uint64(cell) + j] * memory.messages[j] if cell >= 0 else 0.0
        for k in range(words):
            old = e.kept + np.uint64(k) * e.size + row
            add_products(cells, places[new, k], kept, old, own, width)
    lost = 0
    for new in range(words):
        old, own = e.kept + np.uint64(new) * e.size + row, fresh[new]
        for j in range(width):
            lost += not abs(own[j]) <= LARGEST
            kept[old + j] = own[j]
    return lost


@inlined
def resolve(tables: FloatTables, memory: FloatMemory, e: Any) -> None:
    """Cells of the terms of what is kept, as they are for a dense row."""
    rows, columns = e.words + 1, memory.places.shape[1]
    for r in range(rows):
        for c in range(columns):
            memory.places[r, c] = tables.terms[e.terms + np.uint64(r), c]


@inlined
def gather(tables: FloatTables, memory: FloatMemory, e: Any, begin: Number, width: Number) -> None:
    """Bring the terms of the targets of a sparse row together, in cells of their own."""
    cells, columns = memory.cells, memory.places.shape[1]
    for r in range(e.words + 1):
        for c in range(columns):
            cell = tables.terms[e.terms + np.uint64(r), c]
            if cell >= 0:
                place = memory.gathered + np.uint64(r * columns + c) * memory.longest
                for j in range(width):
                    cells[place + j] = cells[np.uint64(cell) + np.uint64(tables.targets[begin + j])]
                memory.places[r, c] = np.int64(place)
            else:
                memory.places[r, c] = -1


@inlined
def follow(
    memory: FloatMemory, rule: FloatRule, start: Number, back: Number, width: Number
) -> None:
    """Feedback weights gain what the row has gained, and both lose a part of themselves."""
    for j in range(width):
        gained = memory.values[start + j] - memory.before[j]
        memory.back[back + j] = rule.decay * (memory.back[back + j] + gained)
        memory.values[start + j] *= rule.decay
        memory.means[start + j] *= rule.decay


@inlined
def learn_blocks(memory: FloatMemory, rule: FloatRule, e: Any, p: Any, learns: Number) -> Number:
    """Update every synapse of a dense projection by the kernel for what its values keep."""
    mode = KEEP
    if learns:
        mode = PLAIN if rule.plain else FPTT
    arrays = memory.cells, memory.kept, memory.values, memory.means, memory.gradients
    numbers = (
        memory.places.shape[1], memory.nothing, p.message, p.sources, p.targets, e.kept, e.size,
        e.start, mode,
    )  # fmt: skip
    rates = rule.learning_rate, rule.alpha, rule.beta, rule.drift
    if e.words == 0:
        return none_kept(arrays, memory.places, numbers, rates)
    if e.words == 1:
        return one_kept(arrays, memory.places, numbers, rates)
    if e.words == 2:
        return two_kept(arrays, memory.places, numbers, rates)
    if e.words == 3:
        return three_kept(arrays, memory.places, numbers, rates)
    return four_kept(arrays, memory.places, numbers, rates)


@kernel
def learn_synapses(
    tables: FloatTables, memory: FloatMemory, rule: FloatRule, e: Any, learns: Number
) -> Number:
    """Update every synapse of a projection, source by source, and what it keeps."""
    p = tables.projections[np.uint64(e.projection)]
    cells, width, lost = memory.cells, p.targets, 0
    if p.pointers < 0:
        resolve(tables, memory, e)
        if e.words <= MOST_WORDS and e.back < 0:
            return learn_blocks(memory, rule, e, p, learns)
    origin = np.uint64(0 if p.pointers < 0 else tables.pointers[np.uint64(p.pointers)])
    for i in range(p.sources):
        row = i * width
        if p.pointers >= 0:
            ends = np.uint64(p.pointers) + i
            begin = np.uint64(tables.pointers[ends])
            width, row = np.uint64(tables.pointers[ends + ONE]) - begin, begin - origin
            gather(tables, memory, e, begin, width)
        lost += learn_source(memory, rule, e, row, width, cells[p.message + i], learns)
    return lost


@inlined
def learn_source(
    memory: FloatMemory, rule: FloatRule, e: Any, row: Number, width: Number, message: Number,
    learns: Number,
) -> int:  # fmt: skip
    """Update the synapses of a source."""
    wide_vectors()
    lost, start = 0, e.start + row
    factor = np.uint64(memory.places[e.words, memory.places.shape[1] - 1])
    adapts = learns and e.back >= 0
    if adapts:
        for j in range(width):
            memory.before[j] = memory.values[start + j]
    if e.words == 0:
        if learns:
            lost = learn_row(memory, rule, start, width, memory.cells, factor, message)
    else:
        for j in range(width):
            memory.messages[j] = message
            memory.products[j] = memory.cells[factor + j] * message
        lost = keep_row(memory, e, memory.places, row, width, learns)
        if learns:
            lost += learn_row(memory, rule, start, width, memory.products, np.uint64(0), 1.0)
    if adapts:
        follow(memory, rule, start, np.uint64(e.back) + row, width)
    return lost


@kernel
def learn_constant(
    tables: FloatTables, memory: FloatMemory, rule: FloatRule, e: Any, learns: Number
) -> int:
    """Update a constant of every neuron of a population, and what it keeps."""
    wide_vectors()
    cells, width, lost = memory.cells, e.size, 0
    resolve(tables, memory, e)
    for j in range(width):
        memory.messages[j] = cells[e.message + j]
        memory.products[j] = cells[e.factor + j] * cells[e.message + j]
    if e.words:
        lost = keep_row(memory, e, memory.places, np.uint64(0), width, learns)
    if learns:
        lost += learn_row(memory, rule, e.start, width, memory.products, np.uint64(0), 1.0)
        for j in range(width):
            value = memory.values[e.start + j]
            lost += not e.low <= value <= e.high
            cells[e.constant + j] = value
    return lost


@kernel
def learn_all(tables: FloatTables, memory: FloatMemory, rule: FloatRule, learns: Number) -> int:
    """Update everything that learns; how many numbers left the reals, or their range."""
    lost = 0
    for k in range(tables.plastic.shape[0]):
        e = tables.plastic[np.uint64(k)]
        if not (learns or e.words):
            continue
        if e.projection >= 0:
            lost += learn_synapses(tables, memory, rule, e, learns)
        else:
            lost += learn_constant(tables, memory, rule, e, learns)
    return lost
