"""Encoding of samples, compiled: the counterpart of :meth:`ltc2hw.words.Word.encode`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.fixed import FixedInput
from ltc2hw.simulations.compiled import entry
from ltc2hw.simulations.fast.plan import limits
from ltc2hw.simulations.fast.steps import SOURCES
from ltc2hw.simulations.fast.tables import Table
from ltc2hw.words import WIDEST_WORD, Rounding

NEAREST_EVEN, FLOOR = 0, 1
ROUNDING = {Rounding.NEAREST_EVEN: NEAREST_EVEN, Rounding.FLOOR: FLOOR, Rounding.TOWARD_ZERO: 2}
LIMIT = float(1 << WIDEST_WORD)


class Encoder(NamedTuple):
    """How an input population turns reals into integers."""

    scale: Any
    rounding: Any
    low: Any
    high: Any
    wraps: Any
    spiking: Any


def encoder_of(population: FixedInput) -> Encoder:
    """The encoder of an input population."""
    scale = float(np.ldexp(1.0, population.fraction))
    rounding = ROUNDING[population.word.rounding]
    return Encoder(scale, rounding, *limits(population.word), not population.graded)


@entry
def encode(
    x: Table,
    encoder: Encoder,
    first_step: int,
    last_step: int,
    first_sample: int,
    last_sample: int,
    out: Table,
    sources: int = SOURCES,
) -> tuple[Any, bool]:
    """Write steps and samples of x (T, B, N) to ``out``; return misfits, and whether all is valid.

    Invalid are NaN, infinities (also after scaling) and, for spiking inputs, all but 0 and 1.
    """
    misfits = np.int64(0)
    valid = True
    k = np.uint64(0)
    for t in range(first_step, last_step):
        for b in range(first_sample, last_sample):
            for j in range(x.shape[2]):
                scaled = np.float64(x[t, b, j]) * encoder.scale
                if encoder.spiking:
                    valid &= scaled == 0.0 or scaled == 1.0
                else:
                    valid &= np.isfinite(scaled)
                real = min(max(scaled, -LIMIT), LIMIT)
                if encoder.rounding == NEAREST_EVEN:
                    real = np.rint(real)
                elif encoder.rounding == FLOOR:
                    real = np.floor(real)
                value = np.int64(real)
                fitted = min(max(value, encoder.low), encoder.high)
                if encoder.wraps != 0:
                    fitted = ((value - encoder.low) & encoder.wraps) + encoder.low
                misfits += np.int64(fitted != value)
                out[k] = fitted
                k += np.uint64(1)
    return misfits, valid
