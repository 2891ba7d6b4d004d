"""One learning connection of Lava, in NumPy: the bits of ``LearningDense`` in fixed point.

Sources in lava-nc 0.10.0: ``learning_rule_applier.py`` (products and accumulator),
``connection.py`` (traces, rounding, limits), ``random.py`` (generators).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.trace import Array
from ltc2hw.learning.engine_rule import (
    ACCUMULATOR_BITS,
    OFFSET,
    TRACE_LIMIT,
    WIDTHS,
    Operand,
    Product,
    SourceTrace,
    SynapseRule,
)
from ltc2hw.numbers.words import IntArray

FRACTION_BITS = 7
"""Bits of the accumulator below the least bit of a weight, tag or delay."""

WEIGHT_RANGE, TAG_RANGE, DELAY_RANGE = (-256, 255), (-257, 255), (0, 255)
"""Limits after an update, as Lava's code has them."""

TRACE_DECAY = float(np.exp(-1 / np.array([np.iinfo(np.uint16).max]))[0])
"""Lava's slowest decay, which third factors and overwritten traces still undergo."""

ROUNDING_SEED = 2
"""Seed of the generator that rounds weights, tags and delays; the same in every connection."""

POST_SEED = 2
"""Added to a connection's seed for the decay of its third factors."""


class Synapses(NamedTuple):
    """Integers of the synapses of a connection, shape (N_target, N_source)."""

    weight: IntArray
    tag: IntArray
    delay: IntArray


@dataclass(frozen=True)
class Draws:
    """Random numbers of consecutive updates, arrays (updates,) in [0, 1).

    ``rounding`` rounds synapses; ``pre`` and ``post`` round the decay of x1 and of third factors.
    """

    rounding: npt.NDArray[np.float64]
    pre: npt.NDArray[np.float64]
    post: npt.NDArray[np.float64]

    @classmethod
    def of_updates(cls, first: int, count: int, seed: int, chip_steps: int) -> Draws:
        """Those of updates ``first`` to ``first + count - 1`` of a connection with a seed.

        Every generator draws once when it is made; rounding draws once per update, traces twice
        per chip step, of which an update has ``chip_steps``.
        """
        step = 2 * chip_steps
        updates = np.arange(first + 1, first + count + 1)

        def drawn(generator_seed: int, places: IntArray) -> npt.NDArray[np.float64]:
            numbers = np.random.default_rng(generator_seed).random(int(places.max(initial=0)) + 1)
            return numbers[places]

        return cls(
            drawn(ROUNDING_SEED, updates),
            drawn(seed, step * updates),
            drawn(seed + POST_SEED, step * updates),
        )


class Traces(NamedTuple):
    """What meets at the synapses: spikes x0 (M,), trace x1 (M,), third factors y1, y2 (N,)."""

    spiked: IntArray
    pre: IntArray
    post: IntArray
    negative: IntArray


def traces(message: IntArray, third: IntArray, draws: Draws, n: int, arrival: int) -> Traces:
    """Traces of one update ``n`` of ``draws``, from a message (M,) and a third factor (N,).

    ``x0 = [message ≠ 0]``, ``x1 = round_half_even(message / 2)`` as Lava overwrites it with the
    payload of a graded spike. All traces decay ``arrival`` times, by one draw per update.
    """
    halved = np.round(message / 2).astype(np.uint8).astype(np.int64)
    pre = decay(halved, float(draws.pre[n]), arrival)
    post = decay(third, float(draws.post[n]), arrival)
    return Traces((message != 0).astype(np.int64), np.minimum(pre, TRACE_LIMIT), post, post * 0)


def split_traces(message: IntArray, third: IntArray, draws: Draws, n: int, arrival: int) -> Traces:
    """As :func:`traces`, with the positive part of the factor in y1 and the negative in y2."""
    positive = traces(message, np.maximum(third, 0), draws, n, arrival)
    negative = decay(np.maximum(-third, 0), float(draws.post[n]), arrival)
    return positive._replace(negative=negative)


def seen_by(
    rule: SynapseRule,
    before: IntArray | None,
    message: IntArray,
    third: IntArray,
    draws: Draws,
    n: int,
    arrival: int = 1,
) -> Traces:
    """Traces of one update ``n`` of ``draws`` by which a rule learns.

    ``before``: x1 (M,) as the update before left it, where the rule keeps it; it then is as at the
    end of the update, and so are third factors.
    """
    see = traces if rule.third_factor == "signed" else split_traces
    kept = rule.kept
    if kept is None:
        return see(message, third, draws, n, arrival)
    assert before is not None
    after = source_trace(kept, before, message, float(draws.pre[n]))
    return see(message, third, draws, n, kept.epoch)._replace(pre=after)


def source_trace(kept: SourceTrace, before: IntArray, message: IntArray, draw: float) -> IntArray:
    """x1 (M,) at the end of an update, which begins with ``before`` and meets a message (M,).

    Payloads are added, halved, before any decay, spikes when they come; saturation at 127.

    >>> source_trace(SourceTrace(2, 32), np.array([63, 63, 0]), np.array([0, 1, 1]), 0.2)
    array([39, 71, 32])
    """
    halved = np.round(message / 2).astype(np.uint8).astype(np.int64) * (kept.impulse == 0)
    added = (message != 0) * kept.impulse
    trace = np.minimum(before + halved, TRACE_LIMIT)
    for chip_step in range(1, kept.epoch + 1):
        trace = decay(trace, draw, 1, kept.decay)
        if chip_step == kept.arrival:
            trace = np.minimum(trace + added, TRACE_LIMIT)
    return np.asarray(trace, dtype=np.int64)


def overflows(rule: SynapseRule, before: IntArray, message: IntArray) -> int:
    """How many traces do not hold the payloads that a message (M,) adds to them."""
    if rule.kept is None or rule.kept.impulse:
        return 0
    return int(np.count_nonzero(before + np.round(message / 2) > TRACE_LIMIT))


def decay(trace: IntArray, draw: float, times: int, rate: float = TRACE_DECAY) -> IntArray:
    """``z = rate x``, rounded down, or up with probability of its fraction.

    >>> decay(np.array([64, -64]), 0.9995, 1)
    array([ 63, -64])
    """
    for _ in range(times):
        decayed = rate * trace
        below = np.floor(decayed)
        trace = (below + (draw < decayed - below)).astype(np.int64)
    return trace


def update(
    rule: SynapseRule,
    synapses: Synapses,
    seen: Traces,
    number: int,
    rounding: Array | float,
    extra_bits: int = 0,
) -> Synapses:
    """One update: all three rules on the old integers; ``number`` counts updates from 0.

    ``rounding``: the draw of the update, or one per synapse. ``extra_bits`` gives the accumulator
    and the third factors that many more bits than the engine has.

    A sum starts at ``v << 7``; each product is cut, shifted, saturated and added with saturation;
    then ``floor(sum / 128) + [draw < fraction]``, within the variable's limits.
    """
    operands: Mapping[Operand, IntArray] = {
        "x1": seen.pre[None, :],
        "y1": seen.post[:, None],
        "y2": seen.negative[:, None],
        "w": synapses.weight,
        "t": synapses.tag,
        "d": synapses.delay - OFFSET,
    }
    live = int((number + 1) % (1 << rule.decimation) == 0)
    shape = synapses.weight.shape
    gates = {"x0": np.broadcast_to(seen.spiked, shape), "u": np.full(shape, live)}

    def summed(value: IntArray, products: tuple[Product, ...]) -> IntArray:
        total = value << (FRACTION_BITS + extra_bits)
        for product in products:
            term = gates[product.dependency] * product.mantissa
            bits = FRACTION_BITS + extra_bits
            for name in product.operands:
                finer = extra_bits if name in ("y1", "y2") else 0
                width = WIDTHS[name] + finer
                term = term * np.clip(operands[name], -(1 << width), (1 << width) - 1)
                bits -= finer
            shifted = (term >> product.lost_bits) << (product.exponent + bits)
            total = saturate(total + saturate(shifted, extra_bits), extra_bits)
        return total

    def rounded(total: IntArray, limits: tuple[int, int]) -> IntArray:
        whole = total / (1 << (FRACTION_BITS + extra_bits))
        below = np.floor(whole)
        fitted: IntArray = np.clip(below + (rounding < whole - below), *limits).astype(np.int64)
        return fitted

    return Synapses(
        rounded(summed(synapses.weight, rule.weight), WEIGHT_RANGE),
        rounded(summed(synapses.tag, rule.tag), TAG_RANGE),
        rounded(np.maximum(summed(synapses.delay, rule.delay), 0), DELAY_RANGE),
    )


def saturate(values: IntArray, extra_bits: int) -> IntArray:
    """The accumulator's range, ``-2^15 - 1 .. 2^15 - 1``, as Lava's code has it."""
    limit = 1 << (ACCUMULATOR_BITS + extra_bits)
    saturated: IntArray = np.clip(values, -limit - 1, limit - 1)
    return saturated
