"""Weights rounded up or down so that what arrives changes least, in place of each by itself.

Of the weights of one neuron, ``w``, rounded to ``q``, what arrives is off by ``(w - q) · x``. Its
mean square over calibration samples is ``(w - q)ᵀ H (w - q)`` with ``H = mean(x xᵀ)``: an error of
one weight can be taken back by another whose source is active at the same time.

Source: Frantar et al. 2022, arXiv 2210.17323 (GPTQ), whose pass over the weights is followed here
by a descent, one weight at a time, until none helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.fixed import FixedNetwork, FixedProjection
from ltc2hw.graph.network import Network, Projection
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.operators import Matrix
from ltc2hw.numbers.words import FloatArray, IntArray, Word
from ltc2hw.quantization.mixing import check_pair
from ltc2hw.quantization.remedies.arriving import bundles, moments

RIDGE = 0.01
"""Part of the mean power of a source that every source has at least, so that silent ones of the
calibration samples are still rounded to nearest."""

SWEEPS = 50
"""Most passes of the descent; it ends by itself, mostly within ten."""


@dataclass(frozen=True)
class Rows:
    """Weights of neurons whose sums are weighed together: ``real`` and ``mantissas`` are (N, S).

    ``steps`` (S,) is the worth of a unit of each mantissa; mantissas stay within ``low`` and
    ``high``, (N, S) each.
    """

    real: FloatArray
    mantissas: IntArray
    steps: FloatArray
    low: IntArray
    high: IntArray


def rounded_by_arrivals(
    network: Network,
    fixed: FixedNetwork,
    calibration: npt.ArrayLike,
    lengths: object = None,
    *,
    words: tuple[Word, ...] | None = None,
) -> FixedNetwork:
    """The integer network with mantissas chosen for what arrives; scales and all else stay.

    ``calibration`` (T, B, N_in) runs in float; ``lengths`` (B,) are the steps of samples that end
    before T; ``words`` are those of the projections' mantissas, by default of their ``bits``. The
    mean squared error of what arrives at any neuron does not rise (counted with :data:`RIDGE`).

    Raises:
        InvalidValueError: if the integer network is not one of the float network.
        ShapeError, InvalidValueError: for samples or lengths that do not fit the network.
    """
    check_pair(network, fixed)
    held = words or words_of(fixed)
    projections = list(fixed.projections)
    for bundle, power in zip(bundles(network), moments(network, calibration, lengths), strict=True):
        pairs = [(network.projections[place], fixed.projections[place]) for place in bundle.places]
        groups = rows_of(pairs, tuple(held[place] for place in bundle.places))
        found = [least_error(rows, seen) for rows, seen in zip(groups, power, strict=True)]
        integers = with_mantissas([integer for _, integer in pairs], found)
        for place, projection in zip(bundle.places, integers, strict=True):
            projections[place] = projection
    return replace(fixed, projections=tuple(projections))


def words_of(fixed: FixedNetwork) -> tuple[Word, ...]:
    """Words of the projections' mantissas, as their ``bits`` say."""
    return tuple(Word(projection.bits) for projection in fixed.projections)


def least_error(rows: Rows, power: FloatArray) -> IntArray:
    """Mantissas (N, S) with a small ``(real - mantissas·steps) H (real - mantissas·steps)ᵀ``.

    The better one of the given mantissas and those of a pass that hands errors on, each improved
    one weight at a time until nothing helps.

    >>> rows = Rows(np.array([[0.4, 0.4]]), np.zeros((1, 2), int), np.ones(2),
    ...             np.full((1, 2), -1), np.full((1, 2), 1))
    >>> int(least_error(rows, np.ones((2, 2))).sum())  # both fire together: 0.8 arrives
    1
    """
    scale = float(np.mean(np.diag(power)))
    if scale == 0.0:
        return rows.mantissas
    damped = power + RIDGE * scale * np.eye(len(power))
    first = _descended(rows, rows.mantissas, damped)
    second = _descended(rows, _handed_on(rows, damped), damped)
    better = errors_of(rows, second, damped) < errors_of(rows, first, damped)
    return np.where(better[:, None], second, first)


def errors_of(rows: Rows, mantissas: IntArray, power: FloatArray) -> FloatArray:
    """Mean squared error of what arrives at each neuron, (N,)."""
    off = rows.real - mantissas * rows.steps
    return np.asarray(np.einsum("ns,ns->n", off @ power, off))


def _handed_on(rows: Rows, power: FloatArray) -> IntArray:
    """Round one source after the other, each time moving the weights that are still to come."""
    # The upper factor of the inverse has, row by row, what the later weights make up for.
    factor = np.linalg.cholesky(np.linalg.inv(power)).T
    real, found = rows.real.copy(), np.zeros_like(rows.mantissas)
    for source, step in enumerate(rows.steps):
        rounded = np.rint(real[:, source] / step)
        kept = np.clip(rounded, rows.low[:, source], rows.high[:, source])
        found[:, source] = kept
        off = (real[:, source] - kept * step) / factor[source, source]
        real[:, source + 1 :] -= np.outer(off, factor[source, source + 1 :])
    return found


def _descended(rows: Rows, start: IntArray, power: FloatArray) -> IntArray:
    """Move one mantissa after the other to where the error is least, until all stay."""
    found = start.copy()
    slope = (rows.real - found * rows.steps) @ power
    for _ in range(SWEEPS):
        moved = False
        for source, step in enumerate(rows.steps):
            wanted = np.rint(slope[:, source] / (step * power[source, source]))
            reached = np.clip(
                found[:, source] + wanted, rows.low[:, source], rows.high[:, source]
            ).astype(np.int64)
            change = reached - found[:, source]
            some = np.flatnonzero(change)
            if some.size:
                moved = True
                found[some, source] = reached[some]
                slope[some] -= np.outer(change[some] * step, power[source])
        if not moved:
            break
    return found


def rows_of(
    pairs: Sequence[tuple[Projection, FixedProjection]], words: Sequence[Word]
) -> list[Rows]:
    """Weights of projections that land at one port, joined; those of a convolution by group."""
    real, integer = pairs[0]
    if isinstance(real.weights, Conv):
        return _kernels(real.weights, integer, words[0])
    parts = [_matrix(*pair, word) for pair, word in zip(pairs, words, strict=True)]
    return [
        Rows(
            np.concatenate([part.real for part in parts], axis=1),
            np.concatenate([part.mantissas for part in parts], axis=1),
            np.concatenate([part.steps for part in parts]),
            np.concatenate([part.low for part in parts], axis=1),
            np.concatenate([part.high for part in parts], axis=1),
        )
    ]


def with_mantissas(
    integers: Sequence[FixedProjection], found: Sequence[IntArray]
) -> list[FixedProjection]:
    """Projections with the mantissas of their rows, as :func:`rows_of` has them."""
    first = integers[0].weights
    if isinstance(first, Conv):
        return [replace(integers[0], weights=first.with_values(np.stack(found).ravel()))]
    ends = np.cumsum([integer.weights.shape[1] for integer in integers])[:-1]
    return [
        replace(integer, weights=integer.weights.with_values(values[_places(integer.weights)]))
        for integer, values in zip(integers, np.split(found[0], ends, axis=1), strict=True)
    ]


def _places(weights: Matrix | Conv) -> tuple[IntArray, IntArray]:
    """Target and source of every value."""
    assert not isinstance(weights, Conv)
    return weights.coordinates


def _matrix(real: Projection, integer: FixedProjection, word: Word) -> Rows:
    """A projection's weights as a matrix in which absent synapses stay 0."""
    weights = real.weights
    places, shape = _places(integer.weights), weights.shape
    low, high = np.zeros((2, *shape), dtype=np.int64)
    low[places], high[places] = word.minimum, word.maximum
    mantissas = np.asarray(integer.weights.to_array(), dtype=np.int64)
    steps = np.full(shape[1], np.ldexp(1.0, -integer.weight_fraction))
    return Rows(np.asarray(weights.to_array(), dtype=np.float64), mantissas, steps, low, high)


def _kernels(weights: Conv, integer: FixedProjection, word: Word) -> list[Rows]:
    """A convolution, whose output channels of one group see the same."""
    held = integer.weights
    assert isinstance(held, Conv)
    shape = (weights.groups, -1, weights.kernel[0].size)
    kernels, mantissas = weights.kernel.reshape(shape), held.kernel.reshape(shape)
    low, high = (np.full(mantissas[0].shape, end) for end in (word.minimum, word.maximum))
    steps = np.full(shape[2], np.ldexp(1.0, -integer.weight_fraction))
    return [
        Rows(kernel, own, steps, low, high) for kernel, own in zip(kernels, mantissas, strict=True)
    ]
