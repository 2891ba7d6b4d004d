"""What synapses keep of the past, compiled: row by row, one word for each state of their neuron.

The counterpart of :mod:`~ltc2hw.simulations.plasticity.integer_traces`. Before a row is moved its
messages and draws stand in the scratch, and its moves along it: those of the targets as they are
where the row is a source's, else spread.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.learning.eligible import TURN
from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.plasticity.records import Array, Kept, Number, Tables
from ltc2hw.simulations.plasticity.synapses import U_32, clip, draw
from ltc2hw.simulations.plasticity.typed import plus, times, wide_vectors

LOW_32, U_64 = np.uint64(0xFFFFFFFF), np.uint64(64)


@inlined
def draw_row(draws: Array, place: Number, stride: Number, high: Number, width: Number) -> None:
    """A draw for every synapse of a row."""
    wide_vectors()
    for j in range(width):
        draws[j] = draw(plus(place, times(np.uint32(j), stride)), high)


@inlined
def spread(kept: Kept, e: Any, target: Number, width: Number) -> None:
    """The moves of one target, along its row."""
    wide_vectors()
    for k in range(e.states):
        for term in range(kept.terms.shape[1]):
            place = kept.terms[e.row + np.uint64(k), term]
            if place >= 0:
                kept.spread[k, term, :width] = kept.moves[np.uint64(place) + target]


@inlined
def gather(tables: Tables, kept: Kept, e: Any, begin: Number, end: Number) -> None:
    """The moves of some synapses' targets."""
    for k in range(e.states):
        for term in range(kept.terms.shape[1]):
            place = kept.terms[e.row + np.uint64(k), term]
            if place >= 0:
                row = kept.spread[k, term]
                for j in range(end - begin):
                    target = np.uint64(tables.targets[begin + j])
                    row[j] = kept.moves[np.uint64(place) + target]


@inlined
def accumulate(
    total: Array, moves: Array, first: Number, words: Array, start: Number, width: Number
) -> None:
    """Add moves times words."""
    wide_vectors()
    for j in range(width):
        total[j] += np.int64(moves[first + j]) * np.int64(words[start + j])


@inlined
def accumulate_term(
    kept: Kept, direct: Number, row: Number, k: Number, term: Number,
    total: Array, start: Number, width: Number,
) -> None:  # fmt: skip
    """Add one term of a state's sum, if there is one; ``start``: the words that it multiplies."""
    place = kept.terms[row, term]
    if place < 0:
        return
    if direct:
        accumulate(total, kept.moves, np.uint64(place), kept.words, start, width)
    else:
        moves = kept.spread[k, term]
        accumulate(total, moves, np.uint64(0), kept.words, start, width)


@inlined
def enter_term(
    kept: Kept, direct: Number, row: Number, k: Number, total: Array,
    up: Number, kept_up: Number, width: Number,
) -> None:  # fmt: skip
    """``(Σ << kept_up) + (b x << up)`` of every synapse of a row."""
    wide_vectors()
    term = kept.terms.shape[1] - 2
    place, messages = kept.terms[row, term], kept.messages
    for j in range(width):
        total[j] = total[j] << kept_up
    if place < 0:
        return
    if direct:
        first = np.uint64(place)
        for j in range(width):
            total[j] += (np.int64(kept.moves[first + j]) * messages[j]) << up
    else:
        moves = kept.spread[k, term]
        for j in range(width):
            total[j] += (np.int64(moves[j]) * messages[j]) << up


@inlined
def settle(
    words: Array, start: Number, total: Array, draws: Array, turn: Number, e: Any, width: Number,
    stochastic: Number,
) -> Number:  # fmt: skip
    """Round and saturate a state's words; how many did not fit."""
    wide_vectors()
    down, low, high, lost = e.down, e.low, e.high, np.int64(0)
    if stochastic:
        # A draw twice over, from which one shift cuts its turned bits.
        turned, cut = U_32 - np.uint64(turn), U_64 - np.uint64(down)
        for j in range(width):
            twice = np.uint64(draws[j]) | (np.uint64(draws[j]) << U_32)
            dither = np.int64((((twice >> turned) & LOW_32) << U_32) >> cut)
            moved = (total[j] + dither) >> down
            held = clip(moved, low, high)
            lost += np.int64(held != moved)
            words[start + j] = held
    else:
        half = np.int64(1) << (down - 1)
        for j in range(width):
            moved = (total[j] + half) >> down
            held = clip(moved, low, high)
            lost += np.int64(held != moved)
            words[start + j] = held
    return lost


@kernel
def move_row(
    kept: Kept, e: Any, direct: Number, start: Number, width: Number,
    stochastic: Number, products: Array, learns: Number,
) -> Number:  # fmt: skip
    """Move what a row of synapses keeps; add what errors find in it to ``products``, if it learns.

    ``start``: the row's first synapse among those of its parameter. Returns misfits.
    """
    totals, words, lost = kept.totals, kept.words, np.int64(0)
    last = kept.terms.shape[1] - 1
    if learns:
        found = totals[last - 1]
        found[:width] = 0
        for k in range(e.states):
            at = e.start + np.uint64(k) * e.size + start
            row = e.row + np.uint64(k)
            accumulate_term(kept, direct, row, k, last, found, at, width)
        for j in range(width):
            products[j] = (np.int64(products[j]) << e.entering_up) + (found[j] << e.kept_up)
    for k in range(e.states):
        total, row = totals[k], e.row + np.uint64(k)
        total[:width] = 0
        for old in range(e.states):
            at = e.start + np.uint64(old) * e.size + start
            accumulate_term(kept, direct, row, k, old, total, at, width)
        enter_term(kept, direct, row, k, total, e.entering_up, e.kept_up, width)
    for k in range(e.states):
        at, turn = e.start + np.uint64(k) * e.size + start, TURN * k % 32
        draws = kept.draws
        lost += settle(words, at, totals[k], draws, turn, e, width, stochastic)
    return lost
