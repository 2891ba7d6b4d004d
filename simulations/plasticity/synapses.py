"""FPTT updates of synapses and of neurons' constants, compiled.

The counterparts of ``update`` and ``draw`` of the specification. The synapses of a projection are
stored in rows: one row per source, or one per target where that makes the rows longer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.learning.fixed import UpdateFormat
from ltc2hw.learning.words import GRADIENT_DITHER, MEAN_DITHER
from ltc2hw.numbers.counter import GOLDEN_64, MIX_1, MIX_2, SPLIT_1, SPLIT_2, SPREAD
from ltc2hw.simulations.compiled import inlined
from ltc2hw.simulations.plasticity.typed import (
    either,
    left,
    minus,
    plus,
    right,
    right_unsigned,
    times,
    to_top,
    wide_vectors,
)

Array = npt.NDArray[Any]
Number = Any
"""An integer of some width, or a truth value."""

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
    back_up: Any
    mean_departure_up: Any
    mean_gradient_up: Any
    value_down: Any
    gradient_down: Any
    mean_down: Any
    value_rest: Any
    """Bits of the type that a dither does not use, here and below."""
    gradient_rest: Any
    mean_rest: Any
    value_low: Any
    gradient_low: Any
    mean_low: Any
    value_high: Any
    gradient_high: Any
    mean_high: Any


def constants_of(form: UpdateFormat, width: int) -> Constants:
    """Shifts and words of a format, for integers of ``width`` bits."""
    downs = (form.value_down, form.gradient_down, form.mean_down)
    words = (form.word.value, form.word.gradient, form.word.mean)
    return Constants(
        form.value_up,
        form.mean_up,
        form.product_up,
        form.gradient_up,
        form.departure_up,
        form.back_up,
        form.mean_departure_up,
        form.mean_gradient_up,
        *downs,
        *(width - down for down in downs),
        *(word.minimum for word in words),
        *(word.maximum for word in words),
    )


@inlined
def load(table: Array, row: Number) -> Constants:
    """A row of the table of formats, in registers."""
    f = table[row]
    return Constants(
        f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9],
        f[10], f[11], f[12], f[13], f[14], f[15], f[16], f[17], f[18], f[19],
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
    back = minus(gradient_dither, left(departure, f.back_up))
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
    f: Constants, value: Number, mean: Number, gradient: Number, product: Number, bits: Number
) -> tuple[Number, ...]:
    """One update, rounded by 32 random bits.

    The draw is first brought to the top of the type, so that one shift cuts a dither from it.
    """
    top = to_top(value, bits)
    return learn(
        f,
        value,
        mean,
        gradient,
        product,
        right_unsigned(top, f.value_rest),
        right_unsigned(left(top, MEAN_DITHER), f.mean_rest),
        right_unsigned(left(top, GRADIENT_DITHER), f.gradient_rest),
    )


@inlined
def learn_nearest(
    f: Constants, value: Number, mean: Number, gradient: Number, product: Number
) -> tuple[Number, ...]:
    """One update, rounded to nearest."""
    one = plus(minus(value, value), 1)
    return learn(
        f,
        value,
        mean,
        gradient,
        product,
        left(one, minus(f.value_down, 1)),
        left(one, minus(f.mean_down, 1)),
        left(one, minus(f.gradient_down, 1)),
    )


@inlined
def learn_row(
    values: Array,
    means: Array,
    gradients: Array,
    start: Number,
    vector: Array,
    first: Number,
    width: Number,
    scalar: Number,
    f: Constants,
    place: Number,
    stride: Number,
    high: Number,
    stochastic: Number,
    misfits: Array,
) -> None:
    """Update a row of synapses: factors times a message, or messages times a factor.

    ``place``: ``index·SPREAD + low`` of the first synapse; ``stride``: what the next one adds.
    """
    wide_vectors()
    # Counters of the synapses' type keep the loops in vectors of one width.
    lost_value = lost_mean = lost_gradient = minus(f.value_up, f.value_up)
    if stochastic:
        for j in range(width):
            at = start + j
            bits = draw(plus(place, times(np.uint32(j), stride)), high)
            product = times(vector[first + j], scalar)
            values[at], means[at], gradients[at], a, b, c = learn_stochastic(
                f, values[at], means[at], gradients[at], product, bits
            )
            lost_value = plus(lost_value, a)
            lost_mean = plus(lost_mean, b)
            lost_gradient = plus(lost_gradient, c)
    else:
        for j in range(width):
            at = start + j
            product = times(vector[first + j], scalar)
            values[at], means[at], gradients[at], a, b, c = learn_nearest(
                f, values[at], means[at], gradients[at], product
            )
            lost_value = plus(lost_value, a)
            lost_mean = plus(lost_mean, b)
            lost_gradient = plus(lost_gradient, c)
    misfits[0] += lost_value
    misfits[1] += lost_mean
    misfits[2] += lost_gradient
