"""Compiled pieces that the windows of all cells share.

Rows are contiguous vectors (N,), planes (B, N); all arrays of a call have one float type. A loop
writes at most two rows and has no branch that depends on data, so that the compiler vectorizes it;
constants are float32 (exact, and neutral beside float64). Sums are taken in a fixed order: the
same numbers in give the same bits out.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

compiled = numba.njit(cache=True, error_model="numpy", nogil=True)

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
BREAK_1, BREAK_2, BREAK_3 = np.float32(1), np.float32(2.375), np.float32(5)
STEP_1, STEP_2, STEP_3 = np.float32(1 / 4 - 1 / 8), np.float32(1 / 8 - 1 / 32), np.float32(1 / 32)
JUMP = np.float32(1 / 256)
"""PLAN's second and third pieces do not meet at 2.375: the value falls by 1/256 there."""

SERIES = np.array([1.0 / math.factorial(order) for order in range(14)])
HALVING, FARTHEST = np.float32(1 / 64), np.float32(32)

COMMON = 0.2
"""From this share of non-zeros on, a product is left to BLAS instead of skipping the zeros."""

BLOCK = 64
"""Rows whose gradients stay in the cache while all values of the rows are visited."""


@compiled
def exponential(x: Any, series: Array) -> Any:
    """``exp(x)`` for x in [-32, 32]: ``series`` at x/64, squared six times.

    Unlike a call into the C library, it vectorizes. Relative error below 1e-5 in float32, 1e-13
    in float64.
    """
    y = x * HALVING
    value = series[13]
    for order in range(12, -1, -1):
        value = value * y + series[order]
    for _ in range(6):
        value = value * value
    return value


@compiled
def plan_gate(x: Array, value: Array, slope: Array) -> None:
    """PLAN and its derivative, as a sum of clipped lines."""
    for n in range(x.shape[0]):
        magnitude = abs(x[n])
        rise = min(magnitude, BREAK_1) * STEP_1
        rise += min(magnitude, BREAK_2) * STEP_2
        rise += min(magnitude, BREAK_3) * STEP_3
        rise -= ZERO if magnitude < BREAK_2 else JUMP
        value[n] = HALF + (rise if x[n] >= ZERO else -rise)
        slope[n] = (
            (STEP_1 if magnitude < BREAK_1 else ZERO)
            + (STEP_2 if magnitude < BREAK_2 else ZERO)
            + (STEP_3 if magnitude < BREAK_3 else ZERO)
        )


@compiled
def sigmoid_gate(x: Array, series: Array, value: Array, slope: Array) -> None:
    """The logistic function and its derivative."""
    for n in range(x.shape[0]):
        clipped = max(min(-x[n], FARTHEST), -FARTHEST)
        y = ONE / (ONE + exponential(clipped, series))
        value[n] = y
        slope[n] = y * (ONE - y)


@compiled
def gate(plan: int, x: Array, series: Array, value: Array, slope: Array) -> None:
    """The chosen non-linearity and its derivative."""
    if plan:
        plan_gate(x, value, slope)
    else:
        sigmoid_gate(x, series, value, slope)


@compiled
def fill(values: Array, into: Array) -> None:
    """``into = values``."""
    for n in range(into.shape[0]):
        into[n] = values[n]


@compiled
def add(values: Array, sums: Array) -> None:
    """``sums += values``."""
    for n in range(sums.shape[0]):
        sums[n] += values[n]


@compiled
def add_own(factors: Array, values: Array, sums: Array) -> None:
    """``sums += factors ⊙ values``."""
    for n in range(sums.shape[0]):
        sums[n] += factors[n] * values[n]


@compiled
def pull(towards: Array, origin: Array, gate: Array, result: Array) -> None:
    """``result = origin + gate (towards - origin)``."""
    for n in range(result.shape[0]):
        result[n] = origin[n] + gate[n] * (towards[n] - origin[n])


@compiled
def back_gate(grad: Array, slope: Array, towards: Array, origin: Array, result: Array) -> None:
    """Gradient of a gate's pre-activation from that of :func:`pull`'s result."""
    for n in range(result.shape[0]):
        result[n] = grad[n] * slope[n] * (towards[n] - origin[n])


@compiled
def back_origin(gate: Array, grad: Array) -> None:
    """``grad *= 1 - gate``: from the result of :func:`pull` to its origin."""
    for n in range(grad.shape[0]):
        grad[n] -= gate[n] * grad[n]


@compiled
def back_towards(gate: Array, grad: Array, result: Array) -> None:
    """``result = gate ⊙ grad``: from the result of :func:`pull` to what it is pulled to."""
    for n in range(result.shape[0]):
        result[n] = gate[n] * grad[n]


@compiled
def share_of_nonzeros(values: Array) -> float:
    """How much of a matrix differs from zero."""
    count = 0
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            count += values[row, column] != ZERO
    return count / max(1, values.size)


@compiled
def add_rows(values: Array, weights: Array, sums: Array) -> None:
    """``sums += values @ weights`` by adding up the weights' rows of non-zero values."""
    found = np.empty(values.shape[1] + 1, np.int64)
    for b in range(values.shape[0]):
        count = 0
        for i in range(values.shape[1]):
            found[count] = i
            count += values[b, i] != ZERO
        row = sums[b]
        whole = count - count % 4
        for k in range(0, whole, 4):
            one, two, three, four = found[k], found[k + 1], found[k + 2], found[k + 3]
            first, second, third, fourth = weights[one], weights[two], weights[three], weights[four]
            v1, v2, v3, v4 = values[b, one], values[b, two], values[b, three], values[b, four]
            for n in range(row.shape[0]):
                row[n] += (v1 * first[n] + v2 * second[n]) + (v3 * third[n] + v4 * fourth[n])
        for k in range(whole, count):
            single, v1 = weights[found[k]], values[b, found[k]]
            for n in range(row.shape[0]):
                row[n] += v1 * single[n]


@compiled
def add_product(values: Array, weights: Array, scratch: Array, sums: Array) -> None:
    """``sums += values @ weights``."""
    if share_of_nonzeros(values) < COMMON:
        add_rows(values, weights, sums)
        return
    np.dot(values, weights, scratch)
    for b in range(sums.shape[0]):
        add(scratch[b], sums[b])


@compiled
def add_listed(values: Array, grads: Array, i: int, rows: Array, total: Array) -> None:
    """``total += Σ values[row, i] grads[row]`` over listed rows."""
    whole = len(rows) - len(rows) % 4
    for k in range(0, whole, 4):
        first, second = grads[rows[k]], grads[rows[k + 1]]
        third, fourth = grads[rows[k + 2]], grads[rows[k + 3]]
        v1, v2 = values[rows[k], i], values[rows[k + 1], i]
        v3, v4 = values[rows[k + 2], i], values[rows[k + 3], i]
        for n in range(total.shape[0]):
            total[n] += (v1 * first[n] + v2 * second[n]) + (v3 * third[n] + v4 * fourth[n])
    for k in range(whole, len(rows)):
        single, v1 = grads[rows[k]], values[rows[k], i]
        for n in range(total.shape[0]):
            total[n] += v1 * single[n]


@compiled
def add_outer(values: Array, grads: Array, totals: Array) -> None:
    """``totals += valuesᵀ @ grads``: (R, M), (R, C) -> (M, C); skips zeros where many are zero."""
    if share_of_nonzeros(values) >= COMMON:
        product = np.dot(values.T, grads)
        for i in range(totals.shape[0]):
            add(product[i], totals[i])
        return
    found = np.empty(BLOCK + 1, np.int64)
    for start in range(0, values.shape[0], BLOCK):
        end = min(start + BLOCK, values.shape[0])
        for i in range(values.shape[1]):
            count = 0
            for row in range(start, end):
                found[count] = row
                count += values[row, i] != ZERO
            add_listed(values, grads, i, found[:count], totals[i])


@compiled
def add_own_totals(left: Array, right: Array, totals: Array) -> None:
    """``totals += left ⊙ right``."""
    for n in range(totals.shape[0]):
        totals[n] += left[n] * right[n]


@compiled
def add_columns(values: Array, totals: Array) -> None:
    """``totals += Σ_rows values``, row by row."""
    for row in range(values.shape[0]):
        add(values[row], totals)


@compiled
def stacked(sequence: Array) -> Array:
    """A contiguous sequence (L, B, N) as a matrix (L B, N)."""
    steps, batch, size = sequence.shape
    return sequence.reshape(steps * batch, size)
