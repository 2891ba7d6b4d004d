"""A piece of a sequence in a layer that learns from its own memory, compiled.

As :mod:`ltc2hw.training.pieces` has it by torch. Inner loops go along neurons or messages, which
lie side by side in memory.
"""

from __future__ import annotations

import numpy as np

from ltc2hw.neurons.kernels import ZERO, Array, compiled, entry


@compiled
def _add_product(left: Array, right: Array, total: Array) -> None:
    """``total += left right``, rows of neurons."""
    for n in range(len(total)):
        total[n] += left[n] * right[n]


@compiled
def _fill(row: Array, value: np.float32) -> None:
    for n in range(len(row)):
        row[n] = value


@compiled
def _put(values: Array, into: Array) -> None:
    for m in range(len(into)):
        into[m] = values[m]


@compiled
def _add(values: Array, total: Array) -> None:
    for n in range(len(total)):
        total[n] += values[n]


@compiled
def _credit_of(
    here: Array, present: Array, column: int, b: int, credit: Array, shown: Array, row: Array
) -> None:
    """How the loss moves with a column of a step's derivatives, of one sample."""
    states = len(credit)
    _fill(row, ZERO)
    for i in range(states):
        if present[i, column]:
            _add_product(here[i, column, b], credit[i, b], row)
    if present[states, column]:
        _add_product(here[states, column, b], shown, row)


@compiled
def _add_left(
    here: Array, present: Array, column: int, b: int, products: Array, i: int, place: Array
) -> None:
    """Add what a column leaves in state i at the end of the piece."""
    for k in range(products.shape[1]):
        if present[k, column]:
            _add_product(products[i, k, b], here[k, column, b], place)


@compiled
def _carry(
    here: Array, present: Array, b: int, products: Array, left: Array, entered: Array, kept: Array
) -> None:
    """A step's part in what is left at the end of the piece, then the products without it."""
    states, ports = left.shape[:2]
    for i in range(states):
        for p in range(ports):
            _fill(left[i, p, b], ZERO)
            _add_left(here, present, states + p, b, products, i, left[i, p, b])
        for f in range(entered.shape[1]):
            _add_left(here, present, states + ports + f, b, products, i, entered[i, f, b])
        for j in range(states):
            _fill(kept[i, j], ZERO)
            _add_left(here, present, j, b, products, i, kept[i, j])
    for i in range(states):
        for j in range(states):
            products[i, j, b] = kept[i, j]


@compiled
def _begin(b: int, credit: Array, products: Array) -> None:
    """After the last step: no credit, and nothing that has moved yet."""
    for i in range(len(credit)):
        _fill(credit[i, b], ZERO)
        for j in range(len(credit)):
            _fill(products[i, j, b], np.float32(i == j))


@entry
def go_back(
    derivatives: Array,
    present: Array,
    shown: Array,
    factors: Array,
    constant: Array,
    left: Array,
    entered: Array,
    credit: Array,
    products: Array,
) -> None:
    """From the last step of a piece to the first.

    ``derivatives`` (L, rows, columns, B, N), of which only the ``present`` (rows, columns) are
    read; ``shown`` (L, B, N), the credit of what is seen. Written are ``factors`` (L, P, B, N), and
    of the state before the piece ``credit`` (d, B, N) and ``products`` (d, d, B, N); added to are
    ``constant`` (F, N) and, unless ``left`` (L, d, P, B, N) is empty, ``entered`` (d, F, B, N).
    """
    steps, _, columns, batch, size = derivatives.shape
    states, ports = len(credit), factors.shape[1]
    own = np.empty((states, size), derivatives.dtype)
    kept = np.empty((states, states, size), derivatives.dtype)
    row = np.empty(size, derivatives.dtype)
    for b in range(batch):
        _begin(b, credit, products)
        for step in range(steps - 1, -1, -1):
            here, seen = derivatives[step], shown[step, b]
            for i in range(states):
                _credit_of(here, present, i, b, credit, seen, own[i])
            for p in range(ports):
                _credit_of(here, present, states + p, b, credit, seen, factors[step, p, b])
            for f in range(columns - states - ports):
                _credit_of(here, present, states + ports + f, b, credit, seen, row)
                _add(row, constant[f])
            if len(left):
                _carry(here, present, b, products, left[step], entered, kept)
            for i in range(states):
                credit[i, b] = own[i]


@compiled
def _add_times(values: Array, factor: float, total: Array) -> None:
    if factor != ZERO:
        for m in range(len(total)):
            total[m] += factor * values[m]


@compiled
def _sum(rows: Array, factors: Array, total: Array) -> None:
    """``total = Σ_i factors[i] rows[i]``; the rows of most neurons in one pass."""
    first, one = rows[0], factors[0]
    if len(rows) == 1:
        for m in range(len(total)):
            total[m] = one * first[m]
        return
    second, other = rows[1], factors[1]
    if len(rows) == 2:
        for m in range(len(total)):
            total[m] = one * first[m] + other * second[m]
        return
    third, last = rows[2], factors[2]
    for m in range(len(total)):
        total[m] = one * first[m] + other * second[m] + last * third[m]
    for i in range(3, len(rows)):
        _add_times(rows[i], factors[i], total)


@compiled
def _joined(eligibility: Array) -> Array:
    """(B, N, d, P, M') as (B, N, d, P M')."""
    batch, size, states, ports, count = eligibility.shape
    return eligibility.reshape(batch, size, states, ports * count)


@entry
def meet(credit: Array, eligibility: Array, gradient: Array) -> None:
    """``gradient += credit · e``: (N, P M') of (d, B, N) and (B, N, d, P, M')."""
    held = _joined(eligibility)
    found = np.empty_like(gradient[0])
    for b in range(len(held)):
        for n in range(len(gradient)):
            _sum(held[b, n], credit[:, b, n], found)
            _add(found, gradient[n])


@entry
def advance(
    products: Array,
    credit: Array,
    left: Array,
    messages: Array,
    eligibility: Array,
    gradient: Array,
) -> None:
    """:func:`meet`, then ``e ← products e + Σ_t left[t] messages[t]`` in the same pass."""
    batch, size, states, ports, count = eligibility.shape
    held, made = _joined(eligibility), np.empty((states, ports * count), eligibility.dtype)
    found = np.empty_like(gradient[0])
    for b in range(batch):
        for n in range(size):
            own = held[b, n]
            _sum(own, credit[:, b, n], found)
            _add(found, gradient[n])
            for i in range(states):
                _sum(own, products[i, :, b, n], made[i])
            for i in range(states):
                for p in range(ports):
                    row = made[i, p * count : (p + 1) * count]
                    for step in range(len(messages)):
                        _add_times(messages[step, b], left[step, i, p, b, n], row)
                _put(made[i], own[i])
