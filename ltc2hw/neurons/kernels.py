"""Compiled pieces that the windows of all cells share.

Planes are contiguous, (B, N); sums of several ports are (B, P, N). All arrays of a call have one
float type. A loop touches few planes and has no branch that depends on data, so that the compiler
vectorizes it; constants are float32 (exact, and neutral beside float64). Sums are taken in a fixed
order: the same numbers in give the same bits out.
"""

from __future__ import annotations

import math
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

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
BREAK_1, BREAK_2, BREAK_3 = np.float32(1), np.float32(2.375), np.float32(5)
STEP_1, STEP_2, STEP_3 = np.float32(1 / 4 - 1 / 8), np.float32(1 / 8 - 1 / 32), np.float32(1 / 32)
JUMP = np.float32(1 / 256)
"""PLAN's second and third pieces do not meet at 2.375: the value falls by 1/256 there."""

SERIES = np.array([1.0 / math.factorial(order) for order in range(14)])
SINGLE = 4
"""Bytes of a float32."""

HALVING, FARTHEST = np.float32(1 / 64), np.float32(32)


@compiled
def exponential(x: Any, series: Array) -> Any:
    """``exp(x)`` for x in [-32, 32]: ``series`` at x/64, squared six times.

    Unlike a call into the C library, it vectorizes. Relative error below 1e-13 in float64.
    """
    y = x * HALVING
    value = series[13]
    for order in range(12, -1, -1):
        value = value * y + series[order]
    for _ in range(6):
        value = value * value
    return value


@compiled
def short_exponential(x: Any, series: Array) -> Any:
    """As :func:`exponential` with eight terms, enough for float32: relative error below 2e-5."""
    y = x * HALVING
    two = y * y
    low = (series[0] + series[1] * y) + (series[2] + series[3] * y) * two
    high = (series[4] + series[5] * y) + (series[6] + series[7] * y) * two
    value = low + high * (two * two)
    for _ in range(6):
        value = value * value
    return value


@compiled
def plan_gate(x: Array, port: int, value: Array, slope: Array) -> None:
    """PLAN and its derivative, as a sum of clipped lines."""
    for b in range(value.shape[0]):
        for n in range(value.shape[1]):
            signed = x[b, port, n]
            magnitude = abs(signed)
            rise = min(magnitude, BREAK_1) * STEP_1
            rise += min(magnitude, BREAK_2) * STEP_2
            rise += min(magnitude, BREAK_3) * STEP_3
            rise -= ZERO if magnitude < BREAK_2 else JUMP
            value[b, n] = HALF + (rise if signed >= ZERO else -rise)
            slope[b, n] = (
                (STEP_1 if magnitude < BREAK_1 else ZERO)
                + (STEP_2 if magnitude < BREAK_2 else ZERO)
                + (STEP_3 if magnitude < BREAK_3 else ZERO)
            )


@merged
def logistic(x: Array, port: int, value: Array, slope: Array, exp: Any) -> None:
    """The logistic function and its derivative by one of the exponentials."""
    series = SERIES.astype(x.dtype)
    for b in range(value.shape[0]):
        for n in range(value.shape[1]):
            y = ONE / (ONE + exp(max(min(-x[b, port, n], FARTHEST), -FARTHEST), series))
            value[b, n] = y
            slope[b, n] = y * (ONE - y)


@compiled
def sigmoid_gate(x: Array, port: int, value: Array, slope: Array) -> None:
    """The logistic function and its derivative."""
    if x.itemsize == SINGLE:
        logistic(x, port, value, slope, short_exponential)
    else:
        logistic(x, port, value, slope, exponential)


@compiled
def gate(plan: int, x: Array, port: int, value: Array, slope: Array) -> None:
    """The chosen non-linearity and its derivative, of one port of x (B, P, N)."""
    if plan:
        plan_gate(x, port, value, slope)
    else:
        sigmoid_gate(x, port, value, slope)


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
def fill(row: Array, into: Array) -> None:
    """``into = row`` for every sample."""
    for b in range(into.shape[0]):
        for n in range(into.shape[1]):
            into[b, n] = row[n]


@compiled
def add(values: Array, sums: Array) -> None:
    """``sums += values``."""
    for b in range(values.shape[0]):
        for n in range(values.shape[1]):
            sums[b, n] += values[b, n]


@compiled
def add_bias(sums: Array, bias: Array, result: Array) -> None:
    """``result = sums + bias``, of the first port."""
    for b in range(result.shape[0]):
        for n in range(result.shape[1]):
            result[b, n] = sums[b, 0, n] + bias[n]


@compiled
def add_own(
    sums: Array, port: int, bias: Array, factors: Array, state: Array, current: Array
) -> None:
    """A gate's bias and own terms; ``factors`` (2, 1, N): from the state, from the current."""
    from_state, from_current = factors[0, 0], factors[1, 0]
    for b in range(state.shape[0]):
        for n in range(state.shape[1]):
            sums[b, port, n] += (bias[n] + from_state[n] * state[b, n]) + (
                from_current[n] * current[b, n]
            )


@compiled
def pull(towards: Array, origin: Array, gate: Array, result: Array) -> None:
    """``result = origin + gate (towards - origin)``."""
    for b in range(result.shape[0]):
        for n in range(result.shape[1]):
            result[b, n] = origin[b, n] + gate[b, n] * (towards[b, n] - origin[b, n])


@compiled
def back_gate(
    grad: Array, slope: Array, towards: Array, origin: Array, result: Array, port: int
) -> None:
    """Gradient of a gate's pre-activation from that of :func:`pull`'s result."""
    for b in range(grad.shape[0]):
        for n in range(grad.shape[1]):
            result[b, port, n] = grad[b, n] * slope[b, n] * (towards[b, n] - origin[b, n])


@compiled
def back_towards(gate: Array, grad: Array, result: Array) -> None:
    """Port 0 of ``result`` becomes ``gate ⊙ grad``: back through :func:`pull` to the current."""
    for b in range(grad.shape[0]):
        for n in range(grad.shape[1]):
            result[b, 0, n] = gate[b, n] * grad[b, n]


@compiled
def back_origin(gate: Array, grad: Array) -> None:
    """``grad *= 1 - gate``: from the result of :func:`pull` to its origin."""
    for b in range(grad.shape[0]):
        for n in range(grad.shape[1]):
            grad[b, n] -= gate[b, n] * grad[b, n]


@compiled
def back_own(grad: Array, port: int, factors: Array, result: Array) -> None:
    """``result += factors ⊙ grad``: through an own term of a gate to the old state."""
    for b in range(grad.shape[0]):
        for n in range(factors.shape[0]):
            result[b, n] += factors[n] * grad[b, port, n]


@compiled
def back_own_current(grad: Array, port: int, factors: Array, result: Array) -> None:
    """As :func:`back_own`, into port 0 of ``result``, the current."""
    for b in range(grad.shape[0]):
        for n in range(factors.shape[0]):
            result[b, 0, n] += factors[n] * grad[b, port, n]


@compiled
def add_totals(grad: Array, port: int, values: Array, totals: Array) -> None:
    """``totals += Σ_b grad ⊙ values``: the gradient of an own term's factors."""
    for b in range(values.shape[0]):
        for n in range(values.shape[1]):
            totals[n] += grad[b, port, n] * values[b, n]


@compiled
def add_columns(values: Array, totals: Array) -> None:
    """``totals += Σ_rows values``, row by row."""
    for row in range(values.shape[0]):
        for n in range(totals.shape[0]):
            totals[n] += values[row, n]


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
