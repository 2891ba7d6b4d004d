"""Compiled pieces that the windows of all cells share.

Planes are contiguous, (B, N); sums of several ports are (B, P, N). All arrays of a call have one
float type. A loop touches few planes and has no branch that depends on data, so that the compiler
vectorizes it; constants are float32 (exact, and neutral beside float64). Sums are taken in a fixed
order: the same numbers in give the same bits out.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ltc2hw.compilation.caching import cached

Array = npt.NDArray[Any]

compiled = numba.njit(error_model="numpy", nogil=True)
"""For what entry points call."""
entry = partial(cached, error_model="numpy", nogil=True)
"""For what Python calls: its machine code is kept (:mod:`ltc2hw.compilation.sources`)."""
merged = numba.njit(inline="always", error_model="numpy")
"""For what is called from one or two places: compiled as a part of each caller."""

ZERO = np.float32(0)


@compiled
def clear(plane: Array) -> None:
    """``plane = 0``; numba's own assignment does not vectorize."""
    for b in range(plane.shape[0]):
        for n in range(plane.shape[1]):
            plane[b, n] = ZERO


@compiled
def copy(values: Array, into: Array) -> None:
    """``into = values``."""
    for b in range(into.shape[0]):
        for n in range(into.shape[1]):
            into[b, n] = values[b, n]


@compiled
def add(values: Array, sums: Array) -> None:
    """``sums += values``."""
    for b in range(values.shape[0]):
        for n in range(values.shape[1]):
            sums[b, n] += values[b, n]


@compiled
def stacked(sequence: Array) -> Array:
    """A contiguous sequence (L, B, N) as a matrix (L B, N)."""
    steps, batch, size = sequence.shape
    return sequence.reshape(steps * batch, size)


@compiled
def joined(sums: Array) -> Array:
    """Contiguous sums (B, P, N) as a matrix (B, P N)."""
    batch, ports, size = sums.shape
    return sums.reshape(batch, ports * size)
