"""Number formats of a neuron's values: what lowering needs to know beside the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ltc2hw.dynamics.operations import Operation
from ltc2hw.numbers.nonlinearity import TABLE_SPAN_BITS, GateFunction
from ltc2hw.numbers.words import Overflow, Word

FACTOR_BITS = 16
"""Width of a model's own numbers where they multiply: sign and 15 bits."""


LIF_CURRENT_BITS = 32
"""Bits in which Lava 0.10.0's fixed-point LIF computes its current of 24 bits."""


def current_register_bits(state_bits: int) -> int:
    """Bits of the register of a wrapping current: 32 as in Lava, four more than a wider state has.

    >>> current_register_bits(24), current_register_bits(40)
    (32, 44)
    """
    return max(LIF_CURRENT_BITS, state_bits + 4)


@dataclass(frozen=True)
class Held:
    """Where a named value lives: fractional bits, and what a value that does not fit becomes.

    ``overflow`` is None where no value can leave the word (a mix of two that are in it).
    """

    fraction: int
    overflow: Operation | None = None
    numbers: tuple[int, ...] = ()

    @classmethod
    def within(cls, word: Word, fraction: int) -> Held:
        """In a word, with the word's own overflow."""
        if word.overflow is Overflow.WRAP:
            return cls(fraction, Operation.WRAP, (word.bits, int(word.signed)))
        return cls(fraction, Operation.SATURATE, (word.minimum, word.maximum))

    @classmethod
    def between(cls, limit: int, fraction: int) -> Held:
        """Clipped at ±limit."""
        return cls(fraction, Operation.SATURATE, (-limit, limit))

    @classmethod
    def wrapping_once(cls, bits: int, register_bits: int, fraction: int) -> Held:
        """In the wrapping register of the current of Lava's LIF."""
        return cls(fraction, Operation.WRAP_ONCE, (bits, register_bits))


@dataclass(frozen=True)
class GateFormat:
    """Integer form of a gate: function, fractional bits of its result, bits of a table index."""

    function: GateFunction
    output_fraction: int
    index_bits: int = 0

    @property
    def coarsest_argument(self) -> int:
        """Fewest fractional bits with which the argument meets all breaks, or all cells."""
        plan = self.function == "plan"
        return max(3, self.output_fraction - 2 if plan else self.index_bits - TABLE_SPAN_BITS)


SURROGATE_TABLE = "surrogate"
"""Name of the table of a surrogate's slopes."""


@dataclass(frozen=True)
class SurrogateFormat:
    """Integer form of the surrogate's slope, at the difference d of a comparison.

    Without ``index_bits`` the triangle ``max(0, 1 - |d|)``, with the fraction of d. Else the entry
    of the table ``surrogate`` over ``|d|`` in [0, 2^span_bits), 2^index_bits of them with
    ``fraction`` bits, and 0 beyond.
    """

    fraction: int = 0
    index_bits: int | None = None
    span_bits: int = 2


@dataclass(frozen=True)
class Formats:
    """Formats of a model's values, ports, constants and gates, all by name.

    ``held``: registers and states (a gate's argument goes by the gate's name); ``ports`` and
    ``constants``: fractional bits. A constant that multiplies brings its bits to the product, which
    is cut back to what its place asks for.
    """

    held: Mapping[str, Held]
    ports: Mapping[str, int]
    constants: Mapping[str, int]
    gates: Mapping[str, GateFormat] = field(default_factory=dict)
    surrogate: SurrogateFormat = SurrogateFormat()


def mantissa(number: float) -> tuple[int, int]:
    """A number as ``m / 2^fraction``, m odd or 0 and at most 15 bits long, rounded to nearest.

    >>> mantissa(0.5), mantissa(140.0), mantissa(0.1)
    ((1, 1), (35, -2), (13107, 17))
    """
    if number == 0.0:
        return 0, 0
    fraction = mantissa_fraction(number)
    value = round(math.ldexp(number, fraction))
    while value % 2 == 0:
        value, fraction = value // 2, fraction - 1
    return value, fraction


def mantissa_fraction(number: float) -> int:
    """Fractional bits with which a number takes all 15 bits; 0 for 0.

    >>> mantissa_fraction(0.75), mantissa_fraction(0.0)
    (15, 0)
    """
    _, exponent = math.frexp(number)
    return FACTOR_BITS - 1 - exponent if number else 0
