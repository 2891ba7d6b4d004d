"""Compiled learning in Lava's engine: the integer rule forward and backward, the engine's sums.

Every function is the counterpart of one in ``connection.py`` or ``integer.py`` beside it, with the
same bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.compilation.sources import SOURCES
from ltc2hw.learning.engine_rule import OFFSET, TRACE_LIMIT
from ltc2hw.simulations.compiled import entry, inlined, kernel
from ltc2hw.simulations.learning_engine.connection import (
    DELAY_RANGE,
    TAG_RANGE,
    TRACE_DECAY,
    WEIGHT_RANGE,
)
from ltc2hw.simulations.plasticity.forward import advance, clear
from ltc2hw.simulations.plasticity.kernels import compute_step
from ltc2hw.simulations.plasticity.records import Memory, Rule, Tables
from ltc2hw.simulations.plasticity.synapses import HASH_SPREAD, clip, draw, key_of_update
from ltc2hw.simulations.plasticity.typed import (
    left,
    minus,
    plus,
    right,
    right_unsigned,
    times,
)

Array = npt.NDArray[Any]
Number = Any
"""An integer of some width, or a truth value."""

LOWEST_WEIGHT, HIGHEST_WEIGHT = WEIGHT_RANGE
LOWEST_TAG, HIGHEST_TAG = TAG_RANGE
LOWEST_DELAY, HIGHEST_DELAY = DELAY_RANGE

CONNECTION = np.dtype(
    [
        ("vector", np.int64),
        ("start", np.uint64),
        ("sources", np.uint64),
        ("targets", np.uint64),
        ("by_source", np.int64),
        ("factor", np.uint64),
        ("message", np.uint64),
        ("graded", np.int64),
        ("third_shift", np.int64),
        ("third_index", np.int64),
        ("lost_bits", np.int64),
        ("descent", np.int64),
        ("remembered", np.int64),
        ("departed", np.int64),
        ("mean", np.int64),
        ("mean_gradient", np.int64),
        ("back", np.int64),
        ("period", np.int64),
        ("constant", np.uint64),
        ("shift", np.int64),
        ("first", np.int64),
        ("trace", np.int64),
        ("impulse", np.int64),
        ("decay", np.float64),
    ]
)
"""One learning connection. Shifts include the accumulator's fraction; ``period`` is the updates
between two of the terms of λ and Φ̄, 0 where there are none; ``trace`` is where the traces of its
sources begin, -1 where it keeps none."""


class Engine(NamedTuple):
    """Scalars and scratch of the engine."""

    seed: Any
    bits: Any
    """Of the accumulator below the least bit of a weight."""
    limit: Any
    """Largest sum."""
    third_limit: Any
    split: Any
    stochastic: Any
    own: Any
    epoch: Any
    arrival: Any
    traces: Array
    """Traces of sources that go on from update to update, connection by connection."""
    third: Array
    """Third factors of a connection, after their decay."""
    heard: Array
    """Spikes or pre-synaptic traces of a connection."""


class Drawn(NamedTuple):
    """Draws of every update: ``rounding`` as thresholds of sums, traces as they are."""

    rounding: Array
    pre: Array
    post: Array


class Shifts(NamedTuple):
    """Shifts and bounds of one connection, in the type of its synapses."""

    bits: Any
    low: Any
    high: Any
    lost_bits: Any
    descent: Any
    remembered: Any
    departed: Any
    mean: Any
    mean_gradient: Any
    back: Any


@inlined
def shifts_of(zero: Number, c: Any, e: Engine) -> Shifts:
    """Read them once per row; ``zero`` has the type of the synapses."""
    high = plus(zero, e.limit)
    return Shifts(
        plus(zero, e.bits),
        minus(minus(zero, high), 2),
        high,
        plus(zero, c.lost_bits),
        plus(zero, c.descent),
        plus(zero, c.remembered),
        plus(zero, c.departed),
        plus(zero, c.mean),
        plus(zero, c.mean_gradient),
        plus(zero, c.back),
    )


@inlined
def add(total: Number, product: Number, shift: Number, f: Shifts) -> Number:
    """Shift a product, saturate it, add it, saturate the sum."""
    return clip(plus(total, clip(left(product, shift), f.low, f.high)), f.low, f.high)


@inlined
def settle(total: Number, threshold: Number, f: Shifts, low: Number, high: Number) -> Number:
    """Round a sum by a draw, within limits."""
    whole = right(total, f.bits)
    rest = minus(total, left(whole, f.bits))
    zero = minus(whole, whole)
    return clip(plus(whole, rest > threshold), plus(zero, low), plus(zero, high))


@inlined
def learn_weight(
    f: Shifts, weight: Number, tag: Number, delay: Number, product: Number, threshold: Number
) -> Number:
    """A weight after one update of all of its terms."""
    total = add(left(weight, f.bits), right(product, f.lost_bits), f.descent, f)
    total = add(total, minus(delay, OFFSET), f.remembered, f)
    total = add(total, minus(minus(weight, weight), weight), f.departed, f)
    total = add(total, tag, f.departed, f)
    return settle(total, threshold, f, LOWEST_WEIGHT, HIGHEST_WEIGHT)


@inlined
def learn_tag(f: Shifts, weight: Number, tag: Number, delay: Number, threshold: Number) -> Number:
    """A tag after one update."""
    zero = minus(tag, tag)
    total = add(left(tag, f.bits), minus(zero, tag), f.mean, f)
    total = add(total, weight, f.mean, f)
    total = add(total, minus(plus(zero, OFFSET), delay), f.mean_gradient, f)
    return settle(total, threshold, f, LOWEST_TAG, HIGHEST_TAG)


@inlined
def learn_delay(f: Shifts, weight: Number, tag: Number, delay: Number, threshold: Number) -> Number:
    """A delay after one update."""
    zero = minus(delay, delay)
    total = add(left(delay, f.bits), minus(zero, weight), f.back, f)
    total = add(total, tag, f.back, f)
    total = add(total, minus(zero, weight), f.back, f)
    total = add(total, tag, f.back, f)
    return settle(clip(total, zero, f.high), threshold, f, LOWEST_DELAY, HIGHEST_DELAY)


@inlined
def decay(value: Number, draw_of_update: Number, number: Number, rate: Number) -> Number:
    """A trace after some chip steps."""
    for _ in range(number):
        decayed = rate * value
        below = np.floor(decayed)
        value = np.int64(below) + np.int64(draw_of_update < decayed - below)
    return value


@inlined
def follow(trace: Number, spiked: Number, pre: Number, e: Engine, c: Any) -> Number:
    """A source's trace at the end of an update, in which payloads have been added."""
    limit = np.int64(TRACE_LIMIT)
    passed = e.epoch - e.arrival
    trace = decay(min(trace, limit), pre, e.arrival, c.decay)
    return decay(min(trace + spiked * c.impulse, limit), pre, passed, c.decay)


@kernel
def hear(memory: Memory, e: Engine, c: Any, pre: Number) -> None:
    """Spikes, halved payloads, or traces of a connection's sources."""
    for i in range(c.sources):
        message = np.int64(1)
        if not c.vector:
            message = np.int64(memory.sent[c.message + i])
        half = np.int64(0)
        if c.graded:
            half = message >> 1
            half += message & half & 1
        if c.trace >= 0:
            at = np.uint64(c.trace) + i
            message = follow(np.int64(e.traces[at]) + half, message != 0, pre, e, c)
            e.traces[at] = message
        elif c.graded:
            message = min(decay(half, pre, e.arrival, TRACE_DECAY), np.int64(TRACE_LIMIT))
        e.heard[i] = message


@kernel
def prepare_third(
    memory: Memory, e: Engine, c: Any, post: Number, low: Number, high: Number
) -> Number:
    """Third factors of a connection's targets; returns how many saturated."""
    clipped = np.int64(0)
    index = np.uint32(c.third_index)
    passed = e.arrival if c.trace < 0 else e.epoch
    for j in range(c.targets):
        factor = np.int64(memory.factors[c.factor + j])
        if c.third_shift < 0:
            factor = factor << -c.third_shift
        elif c.third_shift > 0:
            dither = np.int64(1) << (c.third_shift - 1)
            if e.stochastic:
                bits = draw(plus(times(plus(index, j), HASH_SPREAD), low), high)
                dither = np.int64(bits) >> (32 - c.third_shift)
            factor = (factor + dither) >> c.third_shift
        fitted = min(max(factor, -e.third_limit), e.third_limit)
        clipped += np.int64(fitted != factor)
        if e.split and fitted < 0:
            e.third[j] = -decay(-fitted, post, passed, TRACE_DECAY)
        else:
            e.third[j] = decay(fitted, post, passed, TRACE_DECAY)
    return clipped


@inlined
def threshold_of(
    like: Number, place: Number, j: Number, stride: Number, high: Number, f: Shifts
) -> Number:
    """A synapse's own draw, in the type of the synapses."""
    bits = draw(plus(place, times(np.uint32(j), stride)), high)
    return plus(minus(like, like), right_unsigned(bits, 32 - f.bits))


@inlined
def learn_row(
    values: Array,
    tags: Array,
    delays: Array,
    start: Number,
    along: Array,
    width: Number,
    scalar: Number,
    f: Shifts,
    live: Number,
    own: Number,
    shared: Number,
    place: Number,
    stride: Number,
    high: Number,
) -> None:
    """Update a row of synapses: one side varies along it, the other is ``scalar``."""
    if live and own:
        for j in range(width):
            at = start + j
            w, t, d, product = values[at], tags[at], delays[at], times(along[j], scalar)
            threshold = threshold_of(w, place, j, stride, high, f)
            values[at] = learn_weight(f, w, t, d, product, threshold)
            tags[at] = learn_tag(f, w, t, d, threshold)
            delays[at] = learn_delay(f, w, t, d, threshold)
    elif live:
        for j in range(width):
            at = start + j
            w, t, d, product = values[at], tags[at], delays[at], times(along[j], scalar)
            values[at] = learn_weight(f, w, t, d, product, shared)
            tags[at] = learn_tag(f, w, t, d, shared)
            delays[at] = learn_delay(f, w, t, d, shared)
    else:
        for j in range(width):
            at = start + j
            w = values[at]
            threshold = shared
            if own:
                threshold = threshold_of(w, place, j, stride, high, f)
            product = right(times(along[j], scalar), f.lost_bits)
            total = add(left(w, f.bits), product, f.descent, f)
            values[at] = settle(total, threshold, f, LOWEST_WEIGHT, HIGHEST_WEIGHT)


@kernel
def learn_connection(
    values: Array,
    tags: Array,
    delays: Array,
    e: Engine,
    c: Any,
    live: Number,
    shared: Number,
    low: Number,
    high: Number,
) -> None:
    """Update every synapse; rows that meet nothing stay as they are."""
    along, width, step = e.third, c.targets, c.sources
    across, rows, jump = e.heard, c.sources, np.uint64(1)
    if not c.by_source:
        along, width, step = e.heard, c.sources, np.uint64(1)
        across, rows, jump = e.third, c.targets, c.sources
    stride, index = times(np.uint32(step), HASH_SPREAD), np.uint32(c.first)
    zero = minus(values[c.start], values[c.start])
    f = shifts_of(zero, c, e)
    threshold = plus(zero, shared)
    for i in range(rows):
        scalar = across[i]
        if scalar == 0 and not live:
            continue
        place = plus(times(plus(index, i * jump), HASH_SPREAD), low)
        learn_row(
            values, tags, delays, c.start + i * width, along, width, scalar,
            f, live, e.own, threshold, place, stride, high,
        )  # fmt: skip


@kernel
def learn_all(
    memory: Memory,
    connections: Array,
    e: Engine,
    drawn: Drawn,
    n: Number,
    update: Number,
    clipped: Array,
) -> None:
    """Update all connections; ``n`` counts the updates of this call, ``update`` all."""
    low, high = key_of_update(e.seed, np.uint64(update))
    for k in range(connections.shape[0]):
        c = connections[np.uint64(k)]
        live = c.period > 0 and (update + 1) % max(c.period, 1) == 0
        hear(memory, e, c, drawn.pre[n])
        clipped[k] += prepare_third(memory, e, c, drawn.post[n], low, high)
        if c.vector:
            learn_connection(
                memory.vector_values, memory.vector_means, memory.vector_gradients,
                e, c, live, drawn.rounding[n], low, high,
            )  # fmt: skip
            for j in range(c.targets):
                value = np.int64(memory.vector_values[c.start + j])
                memory.cells[c.constant + j] = value << c.shift
        else:
            learn_connection(
                memory.values, memory.means, memory.gradients,
                e, c, live, drawn.rounding[n], low, high,
            )  # fmt: skip


@entry
def run(
    tables: Tables,
    memory: Memory,
    rule: Rule,
    connections: Array,
    engine: Engine,
    drawn: Drawn,
    samples: Array,
    goals: Array,
    weights: Array,
    outputs: Array,
    lengths: Array,
    clipped: Array,
    update: int,
    reset: bool,
    sources: int = SOURCES,
) -> None:
    """Learn S samples of at most T steps, one after the other, each step with a goal.

    Arguments as those of the integer rule; ``clipped`` (connections,) counts third factors that
    saturated.
    """
    n = 0
    for s in range(samples.shape[0]):
        if reset:
            clear(tables, memory)
            engine.traces[:] = 0
        for t in range(lengths[s]):
            goal = goals[s, t if goals.shape[1] > 1 else 0]
            weight = weights[s, t]
            compute_step(tables, memory, rule, None, samples[s, t], goal, weight, outputs[t, s])
            learn_all(memory, connections, engine, drawn, n, update + n, clipped)
            advance(tables, memory)
            n += 1
