"""The kinds of numbers that a network can be computed with, and which one it takes.

It takes the fastest that :mod:`~ltc2hw.simulations.fast.widths` proves to be exact:

- wide ones are 64-bit integers, the arithmetic of the specification;
- narrow ones are integers held in doubles, whose vector instructions are several times faster:
  where no product or sum leaves ±2^53, doubles are exact, factors are stored already divided by
  ``2^bits`` (exact as well), and rounding the product toward zero is the specification's ``rsz``;
- short ones are 32-bit integers, twice as many in a vector, where sums and results fit; products
  may be wider: they are added up from two pieces;
- single ones are integers held in floats of 32 bits, where no sum or shifted product leaves ±2^24.
  A product may have more bits: with the processor rounding toward zero (:mod:`~.rounding`) what is
  cut off first is a part of what ``rsz`` cuts off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltc2hw.simulations.fast import rounding
from ltc2hw.simulations.fast.widths import Facts, fits_narrow, fits_short, fits_single

Integer = type[np.int8] | type[np.int16] | type[np.int32] | type[np.int64]


@dataclass(frozen=True)
class Types:
    """Types of a plan."""

    number: type[np.float64] | type[np.float32] | type[np.int32] | type[np.int64]
    """Registers and constants."""
    arrival: type[np.float64] | type[np.int32] | type[np.int64]
    """What arrives at ports."""
    message: Integer
    """Encoded samples and graded messages."""
    weights: Integer
    synapses: type[np.uint32] | type[np.int64]
    narrow_sums: Integer
    broad_sums: Integer
    entries: Integer
    """Entries of gate tables."""

    @property
    def floats(self) -> bool:
        """Whether integers are held in floats."""
        return self.number in (np.float32, np.float64)

    @property
    def integer(self) -> type[np.int32] | type[np.int64]:
        """Integers as wide as the numbers."""
        return np.int32 if self.number in (np.float32, np.int32) else np.int64


SINGLE = Types(np.float32, np.int32, np.int32, np.int8, np.uint32, np.int16, np.int32, np.int32)
SHORT = Types(np.int32, np.int32, np.int32, np.int8, np.uint32, np.int16, np.int32, np.int32)
NARROW = Types(np.float64, np.float64, np.int32, np.int8, np.uint32, np.int16, np.int32, np.int64)
WIDE = Types(np.int64, np.int64, np.int64, np.int64, np.int64, np.int64, np.int64, np.int64)


def types_of(facts: Facts) -> Types:
    """The fastest types that give the bits of 64-bit integers."""
    if not fits_narrow(facts):
        return WIDE
    if not fits_short(facts):
        return NARROW
    return SINGLE if rounding.EXISTS and fits_single(facts) else SHORT
