"""One FPTT update in integers: the equations of ``update_format``, nearest or stochastic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ltc2hw.learning.fixed import UpdateFormat
from ltc2hw.learning.rule import Memory
from ltc2hw.learning.words import DRAW_BITS, GRADIENT_DITHER, MEAN_DITHER
from ltc2hw.numbers.words import IntArray


def update(
    form: UpdateFormat, memory: Memory, descent: IntArray, bits: IntArray | None
) -> tuple[Memory, Mapping[str, int]]:
    """One FPTT update of a parameter and its misfits; equations in ``update_format``."""
    word = form.word
    departure = (memory.value << form.value_up) - (memory.mean << form.mean_up)
    pull = (
        (descent << form.product_up)
        + (memory.gradient << form.gradient_up)
        - (departure << form.departure_up)
    )
    dither = dithers(bits)
    moved = memory.value + round_down(pull, form.value_down, dither.value)
    value, value_misfits = word.value.fit(moved)

    departure = (value << form.value_up) - (memory.mean << form.mean_up)
    back = round_down(-(departure << form.back_up), form.gradient_down, dither.gradient)
    gradient, gradient_misfits = word.gradient.fit(memory.gradient + back)

    drift = (departure << form.mean_departure_up) - (gradient << form.mean_gradient_up)
    pulled = memory.mean + round_down(drift, form.mean_down, dither.mean)
    mean, mean_misfits = word.mean.fit(pulled)
    misfits = {"value": value_misfits, "gradient": gradient_misfits, "mean": mean_misfits}
    return Memory(value, mean, gradient), misfits


class Dithers(NamedTuple):
    """32-bit numbers that round Φ, Φ̄ and λ; None rounds to nearest."""

    value: IntArray | None
    mean: IntArray | None
    gradient: IntArray | None


def dithers(bits: IntArray | None) -> Dithers:
    """Three numbers from one draw: itself, and its lower bits brought to the top."""
    if bits is None:
        return Dithers(None, None, None)
    mask = (1 << DRAW_BITS) - 1
    return Dithers(bits, (bits << MEAN_DITHER) & mask, (bits << GRADIENT_DITHER) & mask)


def round_down(values: IntArray, bits: int, dither: IntArray | None) -> IntArray:
    """``(x + r) >> bits``, bits >= 1: nearest with ``r = 2^(bits-1)``, stochastic with random r.

    ``r`` are the top ``bits`` bits of a 32-bit number, or that number shifted left to ``bits``.

    >>> import numpy as np
    >>> round_down(np.array([5, 6]), 2, None)
    array([1, 2])
    """
    if dither is None:
        return (values + (1 << (bits - 1))) >> bits
    aligned = dither >> (DRAW_BITS - bits) if bits <= DRAW_BITS else dither << (bits - DRAW_BITS)
    return (values + aligned) >> bits
