"""Compiled windows of readouts: as in :mod:`ltc2hw.neurons.ltc_kernels`, without spikes."""

from __future__ import annotations

from ltc2hw.neurons.kernels import (
    add_bias,
    add_own,
    add_totals,
    back_gate,
    back_origin,
    back_own,
    back_own_current,
    back_towards,
    compiled,
    fill,
    gate,
    joined,
    pull,
)
from ltc2hw.neurons.ltc_kernels import gate_plane
from ltc2hw.neurons.packed import (
    CURRENT,
    DENSE,
    EVENT,
    MEM_SLOPE,
    MEMBRANE,
    TAU_MEM,
    Plan,
    Record,
    Weights,
)
from ltc2hw.neurons.products import add_dense


@compiled
def forward(plan: Plan, weights: Weights, record: Record, t: int) -> None:
    """One step, from the weighted sums of all ports to the new membrane."""
    values, u = record.values, record.states[MEMBRANE, t]
    current, tau = values[CURRENT, t], values[TAU_MEM, t]
    add_bias(record.sums[t], weights.bias[0], current)
    sums, port = gate_plane(record, 0, t)
    if plan.gate == EVENT:
        add_own(sums, port, weights.bias[1], weights.terms, u, current)
    else:
        fill(weights.bias[1], joined(sums))
    if plan.gate == DENSE:
        add_dense(u, weights.terms[0], joined(sums))
        add_dense(current, weights.terms[1], joined(sums))
    gate(plan.plan, sums, port, tau, values[MEM_SLOPE, t])
    pull(current, u, tau, record.states[MEMBRANE, t + 1])


@compiled
def backward(
    plan: Plan, weights: Weights, grads: Weights, record: Record, t: int, through: bool
) -> None:
    """One step back: from the membranes' gradient in ``record.back`` to the sums."""
    values, u, back = record.values, record.states[MEMBRANE, t], record.back[MEMBRANE]
    sums = record.sums[t]
    grad, port = gate_plane(record, 0, t)
    back_gate(back, values[MEM_SLOPE, t], values[CURRENT, t], u, grad, port)
    back_towards(values[TAU_MEM, t], back, sums)
    back_origin(values[TAU_MEM, t], back)
    if plan.gate == EVENT:
        add_totals(grad, port, u, grads.terms[0, 0])
        add_totals(grad, port, values[CURRENT, t], grads.terms[1, 0])
        back_own_current(grad, port, weights.terms[1, 0], sums)
        back_own(grad, port, weights.terms[0, 0], back)
    elif plan.gate == DENSE:
        add_dense(joined(grad), weights.terms[1].T, joined(sums))
        if through:
            add_dense(joined(grad), weights.terms[0].T, back)
