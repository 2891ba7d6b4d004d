"""FPTT updates of synapses and of neurons' constants, compiled.

The counterparts of ``update`` and ``draw`` of the specification. Weights are stored by source:
row i holds the synapses of source i onto all targets, so that both the update and the forward pass
of a spike walk through contiguous memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.counter import GOLDEN_64, MIX_1, MIX_2, SPLIT_1, SPLIT_2, SPREAD
from ltc2hw.plasticity_fixed import UpdateFormat
from ltc2hw.plasticity_words import MEMORY_DITHER, VALUE_DITHER
from ltc2hw.simulations.compiled import inlined
from ltc2hw.simulations.plasticity.typed import (
    both,
    either,
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

VALUE_RIGHT, MEMORY_MASK = 32 - VALUE_DITHER, (1 << MEMORY_DITHER) - 1
ONE = np.uint64(1)
U_27, U_30, U_31, U_32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
U_SPLIT_1, U_SPLIT_2, U_GOLDEN = np.uint64(SPLIT_1), np.uint64(SPLIT_2), np.uint64(GOLDEN_64)
HASH_1, HASH_2, HASH_SPREAD = np.uint32(MIX_1), np.uint32(MIX_2), np.uint32(SPREAD)


class Constants(NamedTuple):
    """Constants of one parameter's update, all of the type of its words."""

    value_up: Any
    mean_up: Any
    product_up: Any
    gradient_up: Any
    departure_up: Any
    gradient_left: Any
    mean_departure_up: Any
    mean_gradient_up: Any
    value_down: Any
    gradient_down: Any
    mean_down: Any
    value_half: Any
    gradient_half: Any
    mean_half: Any
    value_right: Any
    gradient_right: Any
    mean_right: Any
    value_left: Any
    gradient_left_dither: Any
    mean_left: Any
    value_low: Any
    gradient_low: Any
    mean_low: Any
    value_high: Any
    gradient_high: Any
    mean_high: Any


def constants_of(form: UpdateFormat) -> Constants:
    """Shifts and words of a format; a dither of w bits is brought to n bits by two shifts."""
    downs = (form.value_down, form.gradient_down, form.mean_down)
    widths = (VALUE_DITHER, MEMORY_DITHER, MEMORY_DITHER)
    words = (form.word.value, form.word.gradient, form.word.mean)
    return Constants(
        form.value_up,
        form.mean_up,
        form.product_up,
        form.gradient_up,
        form.departure_up,
        form.gradient_left,
        form.mean_departure_up,
        form.mean_gradient_up,
        *downs,
        *((1 << down) >> 1 for down in downs),
        *(max(0, width - down) for width, down in zip(widths, downs, strict=True)),
        *(max(0, down - width) for width, down in zip(widths, downs, strict=True)),
        *(word.minimum for word in words),
        *(word.maximum for word in words),
    )


@inlined
def load(table: Array, row: Number) -> Constants:
    """A row of the table of formats, in registers."""
    f = table[row]
    return Constants(
        f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9], f[10], f[11], f[12], f[13],
        f[14], f[15], f[16], f[17], f[18], f[19], f[20], f[21], f[22], f[23], f[24], f[25],
    )  # fmt: skip


@inlined
def mix(value: Number) -> Number:
    """Finalizer of splitmix64."""
    value = (value ^ (value >> U_30)) * U_SPLIT_1
    value = (value ^ (value >> U_27)) * U_SPLIT_2
    return value ^ (value >> U_31)


@inlined
def key_of_update(seed: Number, update: Number) -> tuple[Number, Number]:
    """``step_key``: two unsigned 32-bit halves."""
    key = mix(mix(seed + U_GOLDEN) + (update + ONE) * U_GOLDEN)
    return np.uint32(key), np.uint32(key >> U_32)


@inlined
def draw(place: Number, high: Number) -> Number:
    """32 random bits of an index, from ``place = index·SPREAD + low``; all unsigned 32-bit."""
    bits = either(place, right_unsigned(place, 16))
    bits = either(times(bits, HASH_1), high)
    bits = times(either(bits, right_unsigned(bits, 15)), HASH_2)
    return either(bits, right_unsigned(bits, 16))


@inlined
def clip(value: Number, low: Number, high: Number) -> Number:
    """Saturate."""
    if value < low:
        value = low
    if value > high:
        value = high
    return value


@inlined
def learn(
    f: Constants,
    value: Number,
    mean: Number,
    gradient: Number,
    product: Number,
    value_dither: Number,
    mean_dither: Number,
    gradient_dither: Number,
) -> tuple[Number, ...]:
    """One FPTT update of one synapse: Φ, Φ̄, λ, and which of them saturated."""
    kept = left(mean, f.mean_up)
    departure = minus(left(value, f.value_up), kept)
    pull = plus(left(product, f.product_up), left(gradient, f.gradient_up))
    pull = minus(pull, left(departure, f.departure_up))
    moved = plus(value, right(plus(pull, value_dither), f.value_down))
    new_value = clip(moved, f.value_low, f.value_high)

    departure = minus(left(new_value, f.value_up), kept)
    back = minus(gradient_dither, left(departure, f.gradient_left))
    remembered = plus(gradient, right(back, f.gradient_down))
    new_gradient = clip(remembered, f.gradient_low, f.gradient_high)

    drift = left(departure, f.mean_departure_up)
    drift = minus(drift, left(new_gradient, f.mean_gradient_up))
    pulled = plus(mean, right(plus(drift, mean_dither), f.mean_down))
    new_mean = clip(pulled, f.mean_low, f.mean_high)
    return (
        new_value,
        new_mean,
        new_gradient,
        new_value != moved,
        new_mean != pulled,
        new_gradient != remembered,
    )


@inlined
def learn_stochastic(
    f: Constants, value: Number, mean: Number, gradient: Number, product: Number, bits: int
) -> tuple[Number, ...]:
    """One update, rounded by 32 random bits."""
    bits = plus(minus(value, value), bits)
    upper = left(right_unsigned(right_unsigned(bits, VALUE_RIGHT), f.value_right), f.value_left)
    middle = both(right_unsigned(bits, MEMORY_DITHER), MEMORY_MASK)
    middle = left(right_unsigned(middle, f.mean_right), f.mean_left)
    lower = right_unsigned(both(bits, MEMORY_MASK), f.gradient_right)
    lower = left(lower, f.gradient_left_dither)
    return learn(f, value, mean, gradient, product, upper, middle, lower)


@inlined
def learn_nearest(
    f: Constants, value: Number, mean: Number, gradient: Number, product: int
) -> tuple[Number, ...]:
    """One update, rounded to nearest."""
    return learn(f, value, mean, gradient, product, f.value_half, f.mean_half, f.gradient_half)


@inlined
def learn_row(
    values: Array,
    means: Array,
    gradients: Array,
    start: Number,
    factors: Array,
    factor: Number,
    width: Number,
    message: Number,
    f: Constants,
    place: Number,
    stride: Number,
    high: Number,
    stochastic: bool,
    misfits: Array,
) -> None:
    """Update the synapses of one source onto ``width`` targets.

    ``place``: ``index·SPREAD + low`` of the first synapse; ``stride``: what the next target adds.
    """
    lost_value, lost_mean, lost_gradient = np.int64(0), np.int64(0), np.int64(0)
    if stochastic:
        for j in range(width):
            at = start + j
            bits = draw(plus(place, times(np.uint32(j), stride)), high)
            product = times(factors[factor + j], message)
            values[at], means[at], gradients[at], a, b, c = learn_stochastic(
                f, values[at], means[at], gradients[at], product, bits
            )
            lost_value += np.int64(a)
            lost_mean += np.int64(b)
            lost_gradient += np.int64(c)
    else:
        for j in range(width):
            at = start + j
            product = times(factors[factor + j], message)
            values[at], means[at], gradients[at], a, b, c = learn_nearest(
                f, values[at], means[at], gradients[at], product
            )
            lost_value += np.int64(a)
            lost_mean += np.int64(b)
            lost_gradient += np.int64(c)
    misfits[0] += lost_value
    misfits[1] += lost_mean
    misfits[2] += lost_gradient
