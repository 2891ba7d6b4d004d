"""Integer arithmetic of on-chip FPTT, written for arrays of int64.

Written from the equations of ``docs/on-chip-learning.md`` alone, so that it checks the engines of
``simulations/`` instead of repeating them; the neurons' own step is their program.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from ltc2hw.converters.lava.processes.scheduled import Integers
from ltc2hw.learning.fixed import UpdateFormat
from ltc2hw.numbers.words import shift_toward_zero

HASH = (0x9E3779B1, 0x7FEB352D, 0x846CA68B)
SPLIT = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
LOW, ALL = 2**32 - 1, 2**64 - 1


@dataclass(frozen=True)
class FactorConstants:
    """Words and tables of errors and factors; an empty ``slopes`` means the triangle."""

    bits: int
    fraction: int
    slopes: Integers
    slope_index: int
    powers: Integers
    power_index: int


@dataclass(frozen=True)
class GateForm:
    """Fractions of a gate's argument and value, its current's shift, and whether it is ``plan``."""

    fraction: int
    output_fraction: int
    current_shift: int
    plan: bool

    def slope(self, value: Integers, argument: Integers) -> Integers:
        """Derivative of the gate where it has this value at this argument."""
        one, unit = 2**self.output_fraction, 2**self.fraction
        if not self.plan:
            curved: Integers = value * (one - value) >> self.output_fraction
            return curved
        a, slopes = 8 * np.abs(argument), [one // 4, one // 8, one // 32]
        slope: Integers = np.select([a < 8 * unit, a < 19 * unit, a < 40 * unit], slopes)
        return slope


@dataclass(frozen=True)
class Rounding:
    """Stochastic by draws of a seed, or to nearest."""

    stochastic: bool
    seed: int


def shifted(x: Integers, bits: int) -> Integers:
    """Divide by ``2^bits`` toward zero; multiply, if negative."""
    result: Integers = shift_toward_zero(x, bits) if bits >= 0 else x * 2**-bits
    return result


def fitted(x: Integers, bits: int) -> Integers:
    """Clip to a signed word."""
    return np.clip(x, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def spike_credit(
    c: FactorConstants, distance: Integers, fraction: int, credit: Integers
) -> Integers:
    """Credit of the membrane: ``ψ(d) L``, cut to the word's fraction."""
    a = np.abs(distance)
    if not c.slopes.size:
        return shift_toward_zero(np.maximum(2**fraction - a, 0) * credit, fraction)
    cell = shifted(a, fraction + 2 - c.slope_index)
    padded = np.append(c.slopes, 0)
    return shift_toward_zero(padded[np.minimum(cell, c.slopes.size)] * credit, c.fraction)


def softmax(c: FactorConstants, u: Integers, fraction: int) -> Integers:
    """Probabilities of membranes with ``c.fraction`` bits."""
    below = shifted((np.max(u) - u) * 1512775, fraction + 20 - c.power_index)
    whole, part = np.divmod(below, 2**c.power_index)
    powers = c.powers[part] >> np.minimum(whole, c.fraction + 1)
    probabilities: Integers = powers * 2**c.fraction // np.sum(powers)
    return probabilities


def split_mix(z: int) -> int:
    """One output of the 64-bit mixer."""
    z = (z ^ z >> 30) * SPLIT[1] & ALL
    z = (z ^ z >> 27) * SPLIT[2] & ALL
    return z ^ z >> 31


def draws(rounding: Rounding, update: int, index: Integers) -> Integers:
    """32 random bits for every index."""
    key = split_mix(split_mix(rounding.seed + SPLIT[0] & ALL) + (update + 1) * SPLIT[0] & ALL)
    h = (index * HASH[0] + (key & LOW)) & LOW
    h = ((h ^ h >> 16) * HASH[1] & LOW) ^ (key >> 32)
    h = (h ^ h >> 15) * HASH[2] & LOW
    return h ^ h >> 16


def rounded(x: Integers, bits: int, dither: Integers | None) -> Integers:
    """Divide by ``2^bits``, up or down by 32 random bits, or to nearest."""
    half = 2 ** (bits - 1) if dither is None else shifted(dither, 32 - bits)
    result: Integers = (x + half) >> bits
    return result


@dataclass
class Plastic:
    """Φ, Φ̄ and λ of one parameter, and the index of each value's draw."""

    form: UpdateFormat
    rounding: Rounding
    index: Integers
    value: Integers
    mean: Integers
    gradient: Integers

    @property
    def network(self) -> Integers:
        """The integers that the network computes with."""
        shift = self.form.word.network_shift
        result: Integers = self.value >> shift if shift >= 0 else self.value * 2**-shift
        return result

    def learn(self, product: Integers, update: int) -> None:
        """One FPTT update from factor times message."""
        f, word = self.form, self.form.word
        first = second = third = None
        if self.rounding.stochastic:
            first = draws(self.rounding, update, self.index)
            second, third = first * 2**16 & LOW, first * 2**24 & LOW
        lifted = self.mean * 2**f.mean_up
        departure = self.value * 2**f.value_up - lifted
        pull = product * 2**f.product_up + self.gradient * 2**f.gradient_up
        pull = pull - departure * 2**f.departure_up
        self.value = fitted(self.value + rounded(pull, f.value_down, first), word.value.bits)
        departure = self.value * 2**f.value_up - lifted
        back = rounded(-departure * 2**f.back_up, f.gradient_down, second)
        self.gradient = fitted(self.gradient + back, word.gradient.bits)
        drift = departure * 2**f.mean_departure_up - self.gradient * 2**f.mean_gradient_up
        self.mean = fitted(self.mean + rounded(drift, f.mean_down, third), word.mean.bits)

    def checksum(self) -> int:
        """CRC-32 of the three words as little-endian 64-bit integers."""
        words = np.stack([self.value.ravel(), self.mean.ravel(), self.gradient.ravel()])
        return zlib.crc32(words.astype("<i8").tobytes())
