"""No number that integer learning computes leaves 64 bits, whatever the samples: checked once.

Engines compute on 64-bit integers, which wrap without a word. So the largest magnitude of every
product and sum on the way of an error is worked out in Python's unbounded integers from the widths
alone, as is every shift: engines differ beyond 63 bits. The names are those of
``docs/on-chip-learning.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ltc2hw.converters.populations import Factor, FixedGate, FixedLTC, FixedReadout
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork, FixedProjection
from ltc2hw.learning.rule import FEEDBACK_BITS, FPTTRule
from ltc2hw.learning.words import (
    EXPONENT_FRACTION,
    LOG2_E,
    SURROGATE_SPAN_BITS,
    WEIGHT_FRACTION,
    PlasticWords,
)
from ltc2hw.numbers.scalars import require_range
from ltc2hw.numbers.words import WIDEST_WORD, IntArray

MAGNITUDE_BITS = 63
"""Bits of a magnitude that a signed 64-bit integer holds."""

REMEDY = "narrow the factor word"

Bound = tuple[str, int]
"""What is computed, and its largest magnitude."""


@dataclass(frozen=True)
class Errors:
    """Everything that bounds depend on: a network with room, a rule in words, and its path."""

    network: FixedNetwork
    rule: FPTTRule
    words: PlasticWords
    reached: Sequence[str]
    crossed: Collection[int]
    slopes: IntArray

    @property
    def factor(self) -> int:
        """Largest magnitude of the factor word."""
        return 1 << (self.words.factor - 1)


def check_products(errors: Errors) -> None:
    """Raise unless every product, sum and shift on the way of an error fits 64-bit integers.

    Raises:
        InvalidValueError: naming the widest one of the first population that does not.
    """
    for name in errors.reached:
        population = errors.network.population(name)
        assert isinstance(population, (FixedLTC, FixedReadout))
        require_range(f"fraction of {name}", population.fraction, 0, WIDEST_WORD)
        _check_fans(errors, population)
        for what, largest in _bounds(errors, population):
            if largest.bit_length() > MAGNITUDE_BITS:
                raise InvalidValueError(
                    f"widest {what} in {name}",
                    f"{largest.bit_length()} bits",
                    f"at most {MAGNITUDE_BITS} bits",
                    REMEDY,
                )


def _check_fans(errors: Errors, population: FixedLTC | FixedReadout) -> None:
    """Raise unless factors times states, and times sums of weights, leave room for rounding."""
    fan_out = sum(
        projection.weights.shape[0] << (_back_bits(errors, projection) - 1)
        for projection in errors.network.projections
        if projection.source == population.name
    )
    widest = errors.words.factor + max(population.state.bits, fan_out.bit_length())
    if widest >= WIDEST_WORD:
        raise InvalidValueError(
            f"widest product of a factor in {population.name}",
            f"{widest} bits",
            f"below {WIDEST_WORD} bits",
            REMEDY,
        )


def _back_bits(errors: Errors, projection: FixedProjection) -> int:
    """Width of the weights through which errors come back."""
    return projection.bits if errors.rule.feedback == "symmetric" else FEEDBACK_BITS


def _bounds(errors: Errors, population: FixedLTC | FixedReadout) -> Iterator[Bound]:
    if isinstance(population, FixedReadout):
        yield from _error(errors, population)
        yield from _gated(errors, population, errors.factor)
        return
    yield from _credit(errors, population)
    yield from _spiking(errors, population)


def _error(errors: Errors, readout: FixedReadout) -> Iterator[Bound]:
    """Softmax or difference, and its weight in time."""
    fraction, span = errors.words.factor_fraction, 1 << readout.state.bits
    error = 1 << fraction
    if errors.rule.error == "softmax":
        shift = readout.fraction + EXPONENT_FRACTION - errors.words.softmax_index
        yield "exponent of the softmax", _rescaled(span * LOG2_E, shift)
        yield "probability of the softmax", error << fraction
    else:
        error = _rescaled(span, readout.fraction - fraction)
    yield "weighted error", error << WEIGHT_FRACTION


def _credit(errors: Errors, population: FixedLTC) -> Iterator[Bound]:
    """Factors through the weights of every projection that errors cross, and their sum."""
    total = 0
    for index in errors.crossed:
        projection = errors.network.projections[index]
        if projection.source == population.name:
            symmetric = errors.rule.feedback == "symmetric"
            bits = _back_bits(errors, projection)
            fraction = projection.weight_fraction if symmetric else FEEDBACK_BITS
            sent = (projection.weights.shape[0] * errors.factor) << (bits - 1)
            yield "credit of a projection", _rescaled(sent, fraction)
            total += _rescaled(sent, fraction)
    yield "sum of credits", total


def _spiking(errors: Errors, population: FixedLTC) -> Iterator[Bound]:
    """``D``, ``H`` and what follows from them."""
    fraction, adaptation = population.fraction, population.adaptation_fraction
    slope, lost = 1 << fraction, fraction
    if errors.rule.surrogate != "triangle":
        slope, lost = int(np.max(errors.slopes)), errors.words.factor_fraction
        cell = fraction + SURROGATE_SPAN_BITS - errors.words.surrogate_index
        yield "distance from the threshold", _rescaled(1 << (population.state.bits + 1), cell)
    yield "product of slope and credit", slope * errors.factor
    passed = min(_rescaled(slope * errors.factor, lost), errors.factor)
    yield from _gated(errors, population, passed)
    strength = population.adaptation_strength
    lifted = _rescaled(_largest(strength.values) * passed, strength.shift + fraction - adaptation)
    yield (
        "product of adaptation strength and credit",
        max(lifted, _largest(strength.values) * passed),
    )
    change = (1 << adaptation) * _slope(population.tau_adp)
    yield "change of the adaptation", change
    yield (
        "product of two factors of tau_adp",
        lifted * (change >> population.tau_adp.output_fraction),
    )


def _gated(errors: Errors, population: FixedLTC | FixedReadout, passed: int) -> Iterator[Bound]:
    """``F_m``, and ``F`` with its way through the gates."""
    gate, fraction = population.tau_mem, population.fraction
    change = (1 << population.state.bits) * _slope(gate)
    yield "change of the membrane", change
    yield "product of two factors of tau_mem", passed * (change >> gate.output_fraction)
    yield "product of credit and gate", passed << gate.output_fraction
    total = passed
    for own in (gate,) if isinstance(population, FixedReadout) else (gate, population.tau_adp):
        product = _factor(own.from_current) * errors.factor
        through = _rescaled(product, own.from_current.shift + own.fraction - fraction)
        yield "product through a gate", max(product, through)
        total += through
    yield "sum of factors", total


def _factor(factor: Factor) -> int:
    """Largest magnitude of a multiplier, and of what it can learn to be in 16 bits."""
    return max(_largest(factor.values), 1 << 15)


def _largest(values: IntArray) -> int:
    return max(abs(int(values.min())), abs(int(values.max())))


def _slope(gate: FixedGate) -> int:
    """Largest magnitude of a gate's slope, before the table's is shifted as well."""
    one = 1 << gate.output_fraction
    if gate.function == "plan":
        return one >> 2
    return max(abs(value * (one - value)) for value in map(int, gate.table)) >> gate.output_fraction


def _rescaled(largest: int, bits: int) -> int:
    """Bound of ``rescale(x, bits)``; beyond 62 bits of shift nothing is bounded.

    >>> _rescaled(12, 2), _rescaled(12, -2), _rescaled(1, 63) > 2**63
    (3, 48, True)
    """
    if abs(bits) > WIDEST_WORD:
        return 1 << (MAGNITUDE_BITS + abs(bits))
    return largest >> bits if bits >= 0 else largest << -bits
