"""Encoding of samples, compiled: the counterpart of :meth:`ltc2hw.words.Word.encode`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.fixed import FixedInput
from ltc2hw.simulations.compiled import entry, inlined
from ltc2hw.simulations.fast.constants import limits
from ltc2hw.simulations.fast.tables import Scalar, Table
from ltc2hw.sources import SOURCES
from ltc2hw.words import WIDEST_WORD, Rounding

NEAREST_EVEN, FLOOR = 0, 1
ROUNDING = {Rounding.NEAREST_EVEN: NEAREST_EVEN, Rounding.FLOOR: FLOOR, Rounding.TOWARD_ZERO: 2}
LIMIT = float(1 << WIDEST_WORD)


class Encoder(NamedTuple):
    """How an input population turns reals into integers."""

    scale: Any
    low: Any
    high: Any
    wraps: Any
    rounding: Any
    spiking: Any


def encoder_of(population: FixedInput) -> Encoder:
    """The encoder of an input population."""
    scale = float(np.ldexp(1.0, population.fraction))
    rounding = ROUNDING[population.word.rounding]
    return Encoder(scale, *limits(population.word), rounding, not population.graded)


@inlined
def encode_spikes(row: Table, out: Table, start: Scalar) -> Scalar:
    """Copy zeros and ones; returns how many values are neither."""
    invalid = np.int64(0)
    for j in range(np.uint64(row.size)):
        value = row[j]
        invalid += np.int64(value != 0) & np.int64(value != 1)
        out[start + j] = value != 0
    return invalid


@inlined
def encode_values(row: Table, encoder: Encoder, out: Table, start: Scalar) -> Any:
    """Scale, round, fit; returns how many values did not fit, and how many are not finite."""
    invalid, misfits = np.int64(0), np.int64(0)
    scale, low, high, wraps, rounding, _ = encoder
    for j in range(np.uint64(row.size)):
        scaled = np.float64(row[j]) * scale
        invalid += np.int64(not np.isfinite(scaled))
        real = min(max(scaled, -LIMIT), LIMIT)
        if rounding == NEAREST_EVEN:
            real = np.rint(real)
        elif rounding == FLOOR:
            real = np.floor(real)
        value = np.int64(real)
        fitted = min(max(value, low), high)
        if wraps != 0:
            fitted = ((value - low) & wraps) + low
        misfits += np.int64(fitted != value)
        out[start + j] = fitted
    return misfits, invalid


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
) -> tuple[Any, Any]:
    """Write steps and samples of x (T, B, N) to ``out``; return how many misfit and are invalid.

    Invalid are NaN, infinities (also after scaling) and, for spiking inputs, all but 0 and 1.
    """
    misfits, invalid = np.int64(0), np.int64(0)
    start = np.uint64(0)
    for t in range(first_step, last_step):
        for b in range(first_sample, last_sample):
            row = x[t, b]
            if encoder.spiking:
                invalid += encode_spikes(row, out, start)
            else:
                outside, wrong = encode_values(row, encoder, out, start)
                misfits += outside
                invalid += wrong
            start += np.uint64(row.size)
    return misfits, invalid
