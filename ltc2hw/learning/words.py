"""Word widths of learning on a chip, and the tables and rates that it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np

from ltc2hw.errors import InvalidValueError
from ltc2hw.learning.checks import require_choice, require_integer, require_seed
from ltc2hw.learning.rule import FPTTRule, surrogate_slope
from ltc2hw.numbers.fields import set_field
from ltc2hw.numbers.words import IntArray, Rounding, round_real

PlasticRounding = Literal["stochastic", "nearest"]

DRAW_BITS = 32
"""Bits of a draw, which rounds all three words of a synapse."""

GRADIENT_DITHER, MEAN_DITHER = 16, 24
"""A draw shifted left by this, modulo 2^32, rounds λ and Φ̄; the draw itself rounds Φ."""

SURROGATE_SPAN_BITS = 2
"""Surrogate tables cover distances below 4 from the threshold; beyond, the slope is 0."""

EXPONENT_FRACTION = 20
"""Fractional bits of :data:`LOG2_E`."""

LOG2_E = 1512775
"""``round(2^20 log2(e))``, for the integer softmax."""

WEIGHT_FRACTION = 8
"""Fractional bits of the loss's weight in time."""


@dataclass(frozen=True)
class PlasticWords:
    """Widths in bits of what learning adds to a chip.

    ``value``, ``mean``, ``gradient``: the three words Φ, Φ̄, λ of a synapse; the network computes
    with the top bits of Φ. ``neuron``: the same three for the constants of neurons (biases, self
    terms). ``gradient_shift``: λ's range is 2^-gradient_shift of Φ's, its steps as much finer.
    ``factor`` and ``factor_fraction``: word and fraction of errors, fed back errors and
    post-synaptic factors. ``eligibility``: the words that a synapse keeps for states of its neuron,
    where the rule has them; they reach 2^``eligibility_range`` times the largest message.
    ``softmax_index`` and ``surrogate_index``: 2^n entries of the tables of 2^-x and of ψ.
    ``rounding`` of a synapse's words: stochastic, by draws that only ``seed``, update (or step) and
    synapse decide, or to nearest.

    Raises:
        InvalidValueError: for a width out of range, or a seed outside 0 .. 2^64 - 1.
        UnknownNameError: for an unknown rounding.

    >>> PlasticWords(value=8, rounding="nearest").mean
    16
    """

    value: int = 16
    mean: int = 16
    gradient: int = 16
    neuron: int = 24
    gradient_shift: int = 6
    factor: int = 20
    factor_fraction: int = 16
    softmax_index: int = 8
    surrogate_index: int = 6
    rounding: PlasticRounding = "stochastic"
    seed: int = 0
    eligibility: int = 16
    eligibility_range: int = 3

    def __post_init__(self) -> None:
        require_choice("rounding", self.rounding, get_args(PlasticRounding))
        set_field(self, "seed", require_seed("seed", self.seed))
        for name, lowest, highest in (
            ("value", 2, 40),
            ("mean", 2, 40),
            ("gradient", 2, 40),
            ("neuron", 8, 40),
            ("gradient_shift", 0, 30),
            ("factor", 4, 40),
            ("eligibility", 2, 32),
            ("eligibility_range", 0, 30),
            ("softmax_index", 1, 20),
            ("surrogate_index", 1, 20),
        ):
            width = require_integer(f"plastic word {name}", getattr(self, name), lowest, highest)
            set_field(self, name, width)
        fraction = require_integer(
            "plastic word factor_fraction", self.factor_fraction, 2, self.factor - 1
        )
        set_field(self, "factor_fraction", fraction)


def power_of_two(name: str, rate: float) -> int:
    """The k of a rate ``2^-k``.

    Raises:
        InvalidValueError: for any other rate, or one above 1.

    >>> power_of_two("alpha", 0.125)
    3
    """
    mantissa, exponent = math.frexp(rate)
    if mantissa != 0.5 or exponent > 1:
        nearest = 2.0 ** min(0, round(math.log2(rate)))
        raise InvalidValueError(
            f"{name} of an integer rule", rate, "a power of two, at most 1", f"use {nearest:g}"
        )
    return 1 - exponent


def power_table(words: PlasticWords) -> IntArray:
    """Entries ``round(2^factor_fraction 2^-(i / 2^n))`` for i below 2^n.

    >>> power_table(PlasticWords(softmax_index=1, factor_fraction=8))
    array([256, 181])
    """
    count = 1 << words.softmax_index
    powers = 2.0 ** (-np.arange(count, dtype=np.float64) / count)
    return round_real(np.ldexp(powers, words.factor_fraction), Rounding.NEAREST_EVEN)


def slope_table(rule: FPTTRule, words: PlasticWords) -> IntArray:
    """Entries ``round(2^factor_fraction ψ)`` at the middle of 2^n cells of |d| in [0, 4).

    Empty for the triangle, which needs no table.
    """
    if rule.surrogate == "triangle":
        return np.zeros(0, dtype=np.int64)
    cells = np.arange(1 << words.surrogate_index, dtype=np.float64)
    distance = np.ldexp(cells + 0.5, SURROGATE_SPAN_BITS - words.surrogate_index)
    slopes = surrogate_slope(rule.surrogate, distance)
    return round_real(np.ldexp(slopes, words.factor_fraction), Rounding.NEAREST_EVEN)


Count = TypeVar("Count", int, IntArray)


def time_weight(rule: FPTTRule, t: Count, steps: Count) -> Count:
    """The loss's weight in time with 8 fractional bits: ``(t + 1) 2^8 // steps``, or ``2^8``."""
    if rule.weighting == "uniform":
        return t * 0 + (1 << WEIGHT_FRACTION)
    return ((t + 1) << WEIGHT_FRACTION) // steps
