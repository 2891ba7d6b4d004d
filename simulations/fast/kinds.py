"""The kinds of numbers that a network can be computed with, and which one it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ltc2hw.converters.populations import Factor
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.simulations.fast import rounding
from ltc2hw.simulations.fast.tables import Table
from ltc2hw.simulations.fast.widths import fits_narrow, fits_short, fits_single

Integer = type[np.int8] | type[np.int16] | type[np.int32] | type[np.int64]


@dataclass(frozen=True)
class Types:
    """Types of a plan; see :mod:`~ltc2hw.simulations.fast.arithmetic` for its numbers."""

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

    def factor(self, factor: Factor) -> Table:
        """A factor as kernels multiply with it."""
        return self.shifted(factor.values, factor.shift)

    def shifted(self, values: Table, bits: int) -> Table:
        """Integers whose products will be shifted right by ``bits``."""
        if self.number in (np.float64, np.float32):
            return np.ldexp(values.astype(np.float64), -bits)
        return values


SINGLE = Types(np.float32, np.int32, np.int32, np.int8, np.uint32, np.int16, np.int32, np.int32)
SHORT = Types(np.int32, np.int32, np.int32, np.int8, np.uint32, np.int16, np.int32, np.int32)
NARROW = Types(np.float64, np.float64, np.int32, np.int8, np.uint32, np.int16, np.int32, np.int64)
WIDE = Types(np.int64, np.int64, np.int64, np.int64, np.int64, np.int64, np.int64, np.int64)


def types_of(network: FixedNetwork, sums: Sequence[int]) -> Types:
    """The fastest types that give the bits of 64-bit integers; ``sums`` as for fits_narrow."""
    if not fits_narrow(network, sums):
        return WIDE
    if not fits_short(network, sums):
        return NARROW
    return SINGLE if rounding.EXISTS and fits_single(network, sums) else SHORT
