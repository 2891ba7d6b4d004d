"""Integer arithmetic of on-chip FPTT, written for arrays of int64.

Written from the equations of ``docs/on-chip-learning.md`` alone, so that it checks the engines of
``simulations/`` instead of repeating them; what neurons do is their program, forward and back.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.converters.lava.processes.scheduled import Integers
from ltc2hw.dynamics.past import PAST
from ltc2hw.dynamics.tangent import carry, enter
from ltc2hw.learning.eligible import ELIGIBLE, EligibilityFormat
from ltc2hw.learning.fixed import UpdateFormat
from ltc2hw.numbers.words import shift_toward_zero

HASH = (0x9E3779B1, 0x7FEB352D, 0x846CA68B)
SPLIT = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
LOW, ALL = 2**32 - 1, 2**64 - 1


@dataclass(frozen=True)
class ErrorConstants:
    """Word of errors and factors, and the table of ``2^-x``."""

    bits: int
    fraction: int
    powers: Integers
    power_index: int


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


def softmax(c: ErrorConstants, u: Integers, fraction: int) -> Integers:
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
class Eligible:
    """What the values of one parameter keep of the past, by state of their neuron.

    ``port``: where they land; ``words`` change. Moves are entries of the neuron's tangent and
    factors of its past, by name, an integer per value.
    """

    form: EligibilityFormat
    port: str
    rounding: Rounding
    index: Integers
    words: dict[str, Integers]

    def descent(self, product: Integers, moves: Mapping[str, Integers]) -> Integers:
        """Factor times message, and what errors find in the past."""
        found: Integers = product * 2**self.form.entering_up
        for state, word in self.words.items():
            past = moves.get(f"{PAST}.{state}")
            if past is not None:
                found = found + past * word * 2**self.form.kept_up
        return found

    def move(self, moves: Mapping[str, Integers], message: Integers, number: int) -> None:
        """The words after step ``number``."""
        f, words = self.form, {}
        bits = draws(replace(self.rounding, seed=self.rounding.seed ^ ELIGIBLE), number, self.index)
        for k, state in enumerate(self.words):
            total = moves.get(enter(state, self.port), 0) * message * 2**f.entering_up
            for old, word in self.words.items():
                total = total + moves.get(carry(state, old), 0) * word * 2**f.kept_up
            turn = 8 * k % 32
            dither = (bits * 2**turn & LOW) + (bits >> 32 - turn)
            stochastic = self.rounding.stochastic
            words[state] = fitted(
                rounded(total, f.down, dither if stochastic else None), f.word.bits
            )
        self.words = words

    def clear(self) -> None:
        """Keep nothing."""
        self.words = {state: np.zeros_like(word) for state, word in self.words.items()}


@dataclass
class Plastic:
    """Φ, Φ̄ and λ of one parameter, and the index of each value's draw.

    ``eligible``: what its values keep, None where they keep nothing.
    """

    form: UpdateFormat
    rounding: Rounding
    index: Integers
    value: Integers
    mean: Integers
    gradient: Integers
    eligible: Eligible | None = None

    @property
    def network(self) -> Integers:
        """The integers that the network computes with."""
        shift = self.form.word.network_shift
        result: Integers = self.value >> shift if shift >= 0 else self.value * 2**-shift
        return result

    def descend(self, product: Integers, moves: Mapping[str, Integers], update: int) -> None:
        """One update from factor times message, and from what errors find in the past."""
        own = self.eligible
        self.learn(product if own is None else own.descent(product, moves), update)

    def move(self, message: Integers, moves: Mapping[str, Integers], number: int) -> None:
        """What is kept after step ``number``, which has met a message."""
        if self.eligible is not None:
            self.eligible.move(moves, message, number)

    def begin(self) -> None:
        """A sample begins: nothing is kept of the one before."""
        if self.eligible is not None:
            self.eligible.clear()

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

    @property
    def words(self) -> tuple[Integers, Integers, Integers]:
        """Φ, Φ̄ and λ."""
        return self.value, self.mean, self.gradient


def checksum(words: Iterable[Integers]) -> int:
    """CRC-32 of integers, one array after the other, as little-endian 64-bit ones."""
    found = 0
    for word in words:
        found = zlib.crc32(word.astype("<i8").tobytes(), found)
    return found
