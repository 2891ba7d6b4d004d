"""Products of matrices that fit the cache, added to what is there; few spikes cost little.

A library's products bring threads of their own, which get into the way of those that share a batch
(OpenBLAS warns of it and takes thirty times as long), and through Numba they cannot add. Sums are
taken in a fixed order: by the sources.
"""

from __future__ import annotations

import numpy as np

from ltc2hw.neurons.blocks import BYTES, VECTORS, add_strip
from ltc2hw.neurons.kernels import ZERO, Array, compiled

DEPTH = 64
"""Factors of a sum in a turn: so many rows of the right matrix stay in the nearest cache."""

FEW = 16
"""For so many sums of a column, copying the right matrix would take longer than multiplying."""

COMMON = 0.15
"""From this share of non-zeros on, to skip the zeros does not pay."""


@compiled
def fill_panel(right: Array, first: int, column: int, panel: Array) -> None:
    """Rows from ``first`` on and columns from ``column`` on, zeros where there are none."""
    depth = min(panel.shape[0], right.shape[0] - first)
    width = min(panel.shape[1], right.shape[1] - column)
    if width < panel.shape[1]:
        panel[:] = ZERO
    if right.strides[0] >= right.strides[1]:
        for k in range(depth):
            for c in range(width):
                panel[k, c] = right[first + k, column + c]
    else:
        for c in range(width):
            for k in range(depth):
                panel[k, c] = right[first + k, column + c]


@compiled
def add_turn(
    left: Array, factor: int, right: Array, row: int, column: int, depth: int, sums: Array, at: int
) -> None:
    """``sums[:, at:] += left[:, factor:factor + depth] @ right[row:row + depth, column:]``.

    As many columns as VECTORS registers hold, one of them if there are no more sums. Rows of
    ``right`` lie densely.
    """
    down, along = left.strides[0] // left.itemsize, left.strides[1] // left.itemsize
    first, length, width, count = factor * along, right.shape[1], sums.shape[1], sums.shape[0]
    begin = row * length + column
    if width * sums.itemsize > BYTES:
        add_strip(
            left, first, down, along, right, begin, length, depth, sums, at, width, count, VECTORS
        )
    else:
        add_strip(left, first, down, along, right, begin, length, depth, sums, at, width, count, 1)


@compiled
def add_columns_of(left: Array, right: Array, column: int, panel: Array, sums: Array) -> None:
    """Columns of ``sums += left @ right`` from ``column`` on, as many as the panel has."""
    rest = sums.shape[1] - column
    whole = panel.shape[1] <= rest
    lanes = BYTES // sums.itemsize
    into, at = sums, column
    if not whole:
        into, at = (
            np.zeros((sums.shape[0], lanes if rest <= lanes else panel.shape[1]), sums.dtype),
            0,
        )
    direct = whole and sums.shape[0] <= FEW and right.strides[1] == right.itemsize
    for factor in range(0, right.shape[0], DEPTH):
        depth = min(DEPTH, right.shape[0] - factor)
        if direct:
            add_turn(left, factor, right, factor, column, depth, into, at)
        else:
            fill_panel(right, factor, column, panel)
            add_turn(left, factor, panel, 0, 0, depth, into, at)
    if not whole:
        for row in range(sums.shape[0]):
            for c in range(rest):
                sums[row, column + c] += into[row, c]


@compiled
def add_dense(left: Array, right: Array, sums: Array) -> None:
    """``sums += left @ right``: (R, K), (K, C), transposed or not, and contiguous sums."""
    panel = np.empty((DEPTH, VECTORS * BYTES // sums.itemsize), sums.dtype)
    for column in range(0, sums.shape[1], panel.shape[1]):
        add_columns_of(left, right, column, panel, sums)


@compiled
def share_of_nonzeros(values: Array) -> float:
    """How much of a matrix differs from zero."""
    count = 0
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            count += values[row, column] != ZERO
    return count / max(1, values.size)


@compiled
def list_nonzeros(values: Array, row: int, found: Array) -> int:
    """How many values of a row of M differ from zero; their places into ``found`` (M + 1,)."""
    count = 0
    for i in range(values.shape[1]):
        found[count] = i
        count += values[row, i] != ZERO
    return count


@compiled
def add_rows(values: Array, weights: Array, sums: Array) -> None:
    """``sums += values @ weights`` by adding up the weights' rows of non-zero values."""
    found = np.empty(values.shape[1] + 1, np.int64)
    for b in range(values.shape[0]):
        count = list_nonzeros(values, b, found)
        whole = count - count % 4
        for k in range(0, whole, 4):
            one, two, three, four = found[k], found[k + 1], found[k + 2], found[k + 3]
            v1, v2, v3, v4 = values[b, one], values[b, two], values[b, three], values[b, four]
            for n in range(sums.shape[1]):
                sums[b, n] += (v1 * weights[one, n] + v2 * weights[two, n]) + (
                    v3 * weights[three, n] + v4 * weights[four, n]
                )
        for k in range(whole, count):
            one = found[k]
            v1 = values[b, one]
            for n in range(sums.shape[1]):
                sums[b, n] += v1 * weights[one, n]


@compiled
def add_outer_rows(values: Array, grads: Array, totals: Array) -> None:
    """``totals += valuesᵀ @ grads``: the gradient's row of each non-zero value, times that."""
    found = np.empty(values.shape[1] + 1, np.int64)
    for row in range(values.shape[0]):
        count = list_nonzeros(values, row, found)
        for k in range(count):
            i = found[k]
            value = values[row, i]
            for n in range(totals.shape[1]):
                totals[i, n] += value * grads[row, n]


@compiled
def add_product(values: Array, weights: Array, sums: Array) -> None:
    """``sums += values @ weights``: (B, M), (M, C); zeros among the values are skipped."""
    if share_of_nonzeros(values) < COMMON:
        add_rows(values, weights, sums)
    else:
        add_dense(values, weights, sums)


@compiled
def add_outer(values: Array, grads: Array, totals: Array) -> None:
    """``totals += valuesᵀ @ grads``: (R, M), (R, C), as :func:`add_product`."""
    if share_of_nonzeros(values) < COMMON:
        add_outer_rows(values, grads, totals)
    else:
        add_dense(values.T, grads, totals)
