"""Surrogate derivatives of :mod:`ltc2hw.neurons.surrogate`, compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ltc2hw.neurons.kernels import (
    FARTHEST,
    ONE,
    SERIES,
    SINGLE,
    ZERO,
    Array,
    compiled,
    exponential,
    merged,
    short_exponential,
)
from ltc2hw.neurons.packed import Plan
from ltc2hw.neurons.surrogate import GAMMA, HEIGHT, SPREAD, WIDTH

_WIDE = WIDTH * SPREAD
_NORMAL = math.sqrt(2.0 * math.pi)

BELLS = np.array(
    [
        -0.5 / WIDTH**2,
        GAMMA * (1.0 + HEIGHT) / (WIDTH * _NORMAL),
        -0.5 / _WIDE**2,
        2.0 * GAMMA * HEIGHT / (_WIDE * _NORMAL) * math.exp(-0.5 * (WIDTH / _WIDE) ** 2),
        (WIDTH / _WIDE**2) ** 2,
    ]
)
"""The two outer bells share ``exp(-d²/2w²)``; their sum is that times ``cosh(m d / w²)``."""

COSH = np.array([1.0 / math.factorial(2 * order) for order in range(8)])

LARGEST = np.float32(12)
"""Beyond this distance the derivative is zero in any precision that counts."""


@compiled
def triangle(distances: Array) -> None:
    """``max(0, 1 - |d|)``, in place."""
    for b in range(distances.shape[0]):
        for n in range(distances.shape[1]):
            distances[b, n] = max(ZERO, ONE - abs(distances[b, n]))


@merged
def three_bells(distances: Array, exp: Any) -> None:
    """:func:`multi_gaussian` by one of the exponentials."""
    series = SERIES.astype(distances.dtype)
    bells, cosh = BELLS.astype(distances.dtype), COSH.astype(distances.dtype)
    for b in range(distances.shape[0]):
        for n in range(distances.shape[1]):
            d = min(abs(distances[b, n]), LARGEST)
            square = d * d
            centre = bells[1] * exp(max(square * bells[0], -FARTHEST), series)
            wide = bells[3] * exp(max(square * bells[2], -FARTHEST), series)
            angle = square * bells[4]
            two = angle * angle
            low = (cosh[0] + cosh[1] * angle) + (cosh[2] + cosh[3] * angle) * two
            high = (cosh[4] + cosh[5] * angle) + (cosh[6] + cosh[7] * angle) * two
            distances[b, n] = centre - wide * (low + high * (two * two))


@compiled
def multi_gaussian(distances: Array) -> None:
    """Derivative of the paper, in place."""
    if distances.itemsize == SINGLE:
        three_bells(distances, short_exponential)
    else:
        three_bells(distances, exponential)


@compiled
def surrogate_slopes(plan: Plan, distances: Array) -> None:
    """Replace ``u - θ`` (B, N) by the surrogate derivatives there."""
    if plan.triangle:
        triangle(distances)
    else:
        multi_gaussian(distances)
