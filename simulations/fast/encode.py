"""Encoding of samples, compiled: the counterpart of :meth:`ltc2hw.numbers.words.Word.encode`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.compilation.sources import SOURCES
from ltc2hw.graph.fixed import FixedInput
from ltc2hw.numbers.words import WIDEST_WORD, Rounding
from ltc2hw.simulations.compiled import entry, inlined
from ltc2hw.simulations.fast.constants import limits
from ltc2hw.simulations.fast.streams import load, store
from ltc2hw.simulations.fast.tables import Scalar, Table

NEAREST_EVEN, FLOOR = 0, 1
ROUNDING = {Rounding.NEAREST_EVEN: NEAREST_EVEN, Rounding.FLOOR: FLOOR, Rounding.TOWARD_ZERO: 2}
LIMIT = float(1 << WIDEST_WORD)

FROM, TO = range(2)
"""Streams."""


class Encoder(NamedTuple):
    """How an input population turns reals into integers."""

    scale: Any
    low: Any
    high: Any
    wraps: Any
    rounding: Any
    spiking: Any


class Rows(NamedTuple):
    """Which samples of a flat array are encoded, one row of them a step; all unsigned."""

    first: Any
    """Place of the first value."""
    step: Any
    """From step to step."""
    steps: Any
    width: Any


def encoder_of(population: FixedInput) -> Encoder:
    """The encoder of an input population."""
    scale = float(np.ldexp(1.0, population.fraction))
    rounding = ROUNDING[population.word.rounding]
    return Encoder(scale, *limits(population.word), rounding, not population.graded)


@inlined
def encode_spikes(x: Table, first: Scalar, width: Scalar, out: Table, start: Scalar) -> Scalar:
    """Copy zeros and ones; returns how many values are neither."""
    invalid = np.int64(0)
    for j in range(width):
        value = load(x, FROM, first + j)
        invalid += np.int64(value != 0) & np.int64(value != 1)
        store(out, TO, start + j, np.int64(value != 0))
    return invalid


@inlined
def encode_values(
    x: Table, first: Scalar, width: Scalar, encoder: Encoder, out: Table, start: Scalar
) -> Any:
    """Scale, round, fit; returns how many values did not fit, and how many are not finite."""
    invalid, misfits = np.int64(0), np.int64(0)
    scale, low, high, wraps, rounding, _ = encoder
    for j in range(width):
        sample = np.float64(load(x, FROM, first + j))
        invalid += np.int64(not np.isfinite(sample))
        scaled = sample * scale  # what becomes infinite saturates
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
        store(out, TO, start + j, fitted)
    return misfits, invalid


@entry
def encode(
    x: Table, encoder: Encoder, rows: Rows, out: Table, sources: int = SOURCES
) -> tuple[Any, Any]:
    """Write rows of samples to ``out``; return how many misfit and are invalid.

    Invalid are NaN, infinities and, for spiking inputs, all but 0 and 1.
    """
    misfits, invalid = np.int64(0), np.int64(0)
    width = rows.width
    for t in range(rows.steps):
        first, start = rows.first + t * rows.step, t * width
        if encoder.spiking:
            invalid += encode_spikes(x, first, width, out, start)
        else:
            outside, wrong = encode_values(x, first, width, encoder, out, start)
            misfits += outside
            invalid += wrong
    return misfits, invalid
