"""Compiled pieces that the windows of gated populations share.

All arrays are (B, N), contiguous and of one float type; vectors (N,) repeat over the batch. The
loops have no branch that depends on data, and their constants are float32 (exact, and neutral
beside float64), so that the compiler vectorizes them.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

STATIC, EVENT, DENSE = 0, 1, 2
"""Kinds of gates, as in :class:`~ltc2hw.neurons.ltc.LTCParameters`."""

compiled = numba.njit(cache=True, error_model="numpy")

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
BREAK_1, BREAK_2, BREAK_3 = np.float32(1), np.float32(2.375), np.float32(5)
STEP_1, STEP_2, STEP_3 = np.float32(1 / 4 - 1 / 8), np.float32(1 / 8 - 1 / 32), np.float32(1 / 32)
JUMP = np.float32(1 / 256)
"""PLAN's second and third pieces do not meet at 2.375: the value falls by 1/256 there."""


@compiled
def plan_gate(x: Array, value: Array, slope: Array) -> None:
    """PLAN and its derivative, as a sum of clipped lines."""
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            magnitude = abs(x[b, n])
            rise = min(magnitude, BREAK_1) * STEP_1
            rise += min(magnitude, BREAK_2) * STEP_2
            rise += min(magnitude, BREAK_3) * STEP_3
            rise -= ZERO if magnitude < BREAK_2 else JUMP
            value[b, n] = HALF + (rise if x[b, n] >= ZERO else -rise)
            slope[b, n] = (
                (STEP_1 if magnitude < BREAK_1 else ZERO)
                + (STEP_2 if magnitude < BREAK_2 else ZERO)
                + (STEP_3 if magnitude < BREAK_3 else ZERO)
            )


@compiled
def sigmoid_gate(x: Array, value: Array, slope: Array) -> None:
    """The logistic function and its derivative."""
    for b in range(x.shape[0]):
        for n in range(x.shape[1]):
            y = ONE / (ONE + math.exp(-x[b, n]))
            value[b, n] = y
            slope[b, n] = y * (ONE - y)


@compiled
def gate(plan: bool, x: Array, value: Array, slope: Array) -> None:
    """The chosen non-linearity and its derivative."""
    if plan:
        plan_gate(x, value, slope)
    else:
        sigmoid_gate(x, value, slope)


@compiled
def fill(vector: Array, into: Array) -> None:
    """``into = vector``, repeated over the batch."""
    for b in range(into.shape[0]):
        for n in range(into.shape[1]):
            into[b, n] = vector[n]


@compiled
def add(values: Array, sums: Array) -> None:
    """``sums += values``."""
    for b in range(sums.shape[0]):
        for n in range(sums.shape[1]):
            sums[b, n] += values[b, n]


@compiled
def add_product(values: Array, weights: Array, scratch: Array, sums: Array) -> None:
    """``sums += values @ weights``."""
    np.dot(values, weights, scratch)
    add(scratch, sums)


@compiled
def add_own(vector: Array, values: Array, sums: Array) -> None:
    """``sums += vector ⊙ values``."""
    for b in range(sums.shape[0]):
        for n in range(sums.shape[1]):
            sums[b, n] += vector[n] * values[b, n]


@compiled
def add_total(left: Array, right: Array, totals: Array) -> None:
    """``totals += Σ_b left ⊙ right``, totals (N,)."""
    for b in range(left.shape[0]):
        for n in range(left.shape[1]):
            totals[n] += left[b, n] * right[b, n]


@compiled
def pull(towards: Array, origin: Array, gate: Array, factor: Array, result: Array) -> None:
    """``result = origin + gate (towards - origin)``; the slope in ``factor`` times the pull."""
    for b in range(result.shape[0]):
        for n in range(result.shape[1]):
            difference = towards[b, n] - origin[b, n]
            result[b, n] = origin[b, n] + gate[b, n] * difference
            factor[b, n] *= difference


@compiled
def back_pull(
    grad: Array, gate: Array, factor: Array, towards: Array, origin: Array, gated: Array
) -> None:
    """Gradients of the three arguments of :func:`pull` from that of its result."""
    for b in range(grad.shape[0]):
        for n in range(grad.shape[1]):
            through = grad[b, n] * gate[b, n]
            gated[b, n] = grad[b, n] * factor[b, n]
            towards[b, n] = through
            origin[b, n] = grad[b, n] - through
