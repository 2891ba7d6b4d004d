"""Compiled windows of readouts: as in :mod:`ltc2hw.neurons.ltc_kernels`, without spikes."""

from __future__ import annotations

import numpy as np

from ltc2hw.neurons.kernels import (
    Array,
    add,
    add_own,
    add_own_totals,
    add_product,
    back_gate,
    back_origin,
    back_towards,
    compiled,
    fill,
    gate,
    pull,
)
from ltc2hw.neurons.ltc_kernels import gate_row
from ltc2hw.neurons.packed import (
    CURRENT,
    DENSE,
    EVENT,
    MEM_SLOPE,
    MEMBRANE,
    TAU_MEM,
    Kind,
    Record,
    Weights,
)


@compiled
def forward(kind: Kind, weights: Weights, record: Record, t: int, series: Array) -> None:
    """One step, from the weighted sums of all ports to the new membrane."""
    values, u = record.values, record.states[MEMBRANE, t]
    size = values.shape[3]
    for b in range(len(u)):
        fill(record.sums[t, b, :size], values[CURRENT, t, b])
        add(weights.bias[0], values[CURRENT, t, b])
        row = gate_row(record, 0, t, b)
        if kind.gate == EVENT:
            add(weights.bias[1], row)
            add_own(weights.terms[0, 0], u[b], row)
            add_own(weights.terms[1, 0], values[CURRENT, t, b], row)
        else:
            fill(weights.bias[1], row)
    if kind.gate == DENSE:
        add_product(u, weights.terms[0], record.slope, record.gates[0, t])
        add_product(values[CURRENT, t], weights.terms[1], record.slope, record.gates[0, t])
    for b in range(len(u)):
        tau = values[TAU_MEM, t, b]
        gate(kind.plan, gate_row(record, 0, t, b), series, tau, values[MEM_SLOPE, t, b])
        pull(values[CURRENT, t, b], u[b], tau, record.states[MEMBRANE, t + 1, b])


@compiled
def backward(
    kind: Kind, weights: Weights, grads: Weights, record: Record, t: int, through: bool
) -> None:
    """One step back: from the membranes' gradient in ``record.back`` to the sums."""
    values, u, back = record.values, record.states[MEMBRANE, t], record.back[MEMBRANE]
    size = values.shape[3]
    for b in range(len(u)):
        row, into = gate_row(record, 0, t, b), record.sums[t, b, :size]
        back_gate(back[b], values[MEM_SLOPE, t, b], values[CURRENT, t, b], u[b], row)
        back_towards(values[TAU_MEM, t, b], back[b], into)
        back_origin(values[TAU_MEM, t, b], back[b])
        if kind.gate == EVENT:
            add_own_totals(row, u[b], grads.terms[0, 0])
            add_own_totals(row, values[CURRENT, t, b], grads.terms[1, 0])
            add_own(weights.terms[0, 0], row, back[b])
            add_own(weights.terms[1, 0], row, into)
    if kind.gate == DENSE:
        grad, product = record.gates[0, t], record.slope
        np.dot(grad, weights.terms[1].T, product)
        for b in range(len(u)):
            add(product[b], record.sums[t, b, :size])
        if through:
            np.dot(grad, weights.terms[0].T, product)
            for b in range(len(u)):
                add(product[b], back[b])
