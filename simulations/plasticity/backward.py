"""Errors between neurons, compiled: that of the output, and factors on their way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.learning.words import EXPONENT_FRACTION, LOG2_E, WEIGHT_FRACTION
from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.plasticity.records import ONE, Array, Memory, Number, Rule, Tables
from ltc2hw.simulations.plasticity.scalars import fit, rescale, rsz, weighted_sum


@kernel
def output_error(tables: Tables, memory: Memory, rule: Rule, goal: Array, weight: int) -> None:
    """Write the output's error into its credit."""
    o, cells, bits = tables.output[0], memory.cells, rule.factor_fraction
    misfits = np.int64(0)
    if not rule.softmax:
        for j in range(o.size):
            error = rescale(goal[j] - cells[o.read + j], o.fraction - bits)
            misfits += write_error(cells, rule, o.credit + j, error * weight)
        memory.counts[o.counter] += misfits
        return
    highest = cells[o.read]
    for j in range(o.size):
        highest = max(highest, cells[o.read + j])
    total = np.int64(0)
    for j in range(o.size):
        below = (highest - cells[o.read + j]) * LOG2_E
        below = rescale(below, o.fraction + EXPONENT_FRACTION - rule.softmax_index)
        halvings = min(below >> rule.softmax_index, bits + 1)
        cell = below & ((np.int64(1) << rule.softmax_index) - 1)
        power = tables.powers[np.uint64(cell)] >> halvings
        cells[o.credit + j] = power
        total += power
    for j in range(o.size):
        wanted = (np.int64(1) << bits) if np.int64(j) == goal[0] else np.int64(0)
        error = wanted - (cells[o.credit + j] << bits) // total
        misfits += write_error(cells, rule, o.credit + j, error * weight)
    memory.counts[o.counter] += misfits


@inlined
def write_error(cells: Array, rule: Rule, at: Number, weighted: Number) -> Number:
    """Write ``sat(rsz(weight e, 8))`` as the credit of a neuron; 1 if it did not fit."""
    error = rsz(weighted, WEIGHT_FRACTION)
    fitted = fit(error, rule.factor_low, rule.factor_high, 0)
    cells[at] = fitted
    return np.int64(fitted != error)


@kernel
def feed_back(tables: Tables, memory: Memory, rule: Rule, p: Any) -> None:
    """Add ``rescale(factor @ B, fraction of B)`` to the credit of the source."""
    if not rule.symmetric:
        send_back(memory, tables.feedback, p.back, np.int64(0), p)
    elif p.pointers < 0:
        send_back(memory, memory.values, p.start, p.shift, p)
    else:
        ends = np.uint64(p.pointers)
        base = p.start - np.uint64(tables.pointers[ends])
        for i in range(p.sources):
            first, last = tables.pointers[ends + i], tables.pointers[ends + i + ONE]
            total = np.int64(0)
            for k in range(np.uint64(first), np.uint64(last)):
                weight = np.int64(memory.values[base + k]) >> p.shift
                total += weight * np.int64(memory.factors[p.factor + np.uint64(tables.targets[k])])
            memory.cells[p.credit + i] += rescale(total, p.fraction)


@kernel
def send_back(memory: Memory, weights: Array, first: Number, shift: Number, p: Any) -> None:
    """Factors through weights laid out as those of a dense projection."""
    for i in range(p.sources):
        total = np.int64(0)
        if p.by_source:
            start = first + i * p.targets
            total = weighted_sum(weights, start, shift, memory.factors, p.factor, p.targets)
        else:
            for j in range(p.targets):
                weight = np.int64(weights[first + j * p.sources + i]) >> shift
                total += weight * np.int64(memory.factors[p.factor + j])
        memory.cells[p.credit + i] += rescale(total, p.fraction)
