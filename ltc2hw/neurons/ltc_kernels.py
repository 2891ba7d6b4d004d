"""Compiled windows of LTC neurons: forward, and the gradient written by hand.

The equations are those of :func:`~ltc2hw.neurons.ltc.ltc_step`; backwards, with δ the gradient of
what follows it::

    δd   = ψ(d) (δs - u_charged δu)          δu_charged = (1 - s) δu + δd
    δη  -= adaptation_strength·δd
    δgate_m = (I - u[t-1]) σ'(gate_m) δu_charged
    δgate_ρ = (η[t-1] - s[t-1]) σ'(gate_ρ) δη
    δI   = τ δu_charged + a_I·δgate_m + c_I·δgate_ρ
    δu[t-1] = (1 - τ) δu_charged + a_u·δgate_m;   δη[t-1] = ρ δη + c_η·δgate_ρ
    δs[t-1] = (1 - ρ) δη + Rᵀ [δI, δgate_m, δgate_ρ]
"""

from __future__ import annotations

import numpy as np

from ltc2hw.neurons.kernels import (
    ONE,
    ZERO,
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
from ltc2hw.neurons.packed import (
    ADP_SLOPE,
    CHARGED,
    CURRENT,
    DENSE,
    EVENT,
    MEM_SLOPE,
    MEMBRANE,
    SECOND,
    SPIKES,
    TAU_ADP,
    TAU_MEM,
    Kind,
    Record,
    Weights,
)


@compiled
def gate_row(record: Record, which: int, t: int, b: int) -> Array:
    """The pre-activations of a gate (0: membrane, 1: adaptation), or their gradients: (N,)."""
    size = record.values.shape[3]
    row: Array = record.sums[t, b, (which + 1) * size : (which + 2) * size]
    if record.gates.shape[0]:
        row = record.gates[which, t, b]
    return row


@compiled
def measure(charged: Array, eta: Array, constants: Array, distance: Array) -> None:
    """``u - θ`` from ``constants`` (2, N): threshold and adaptation strength."""
    threshold, strength = constants[0], constants[1]
    for n in range(distance.shape[0]):
        distance[n] = (charged[n] - threshold[n]) - strength[n] * eta[n]


@compiled
def spike(distance: Array, charged: Array, spikes: Array, membrane: Array) -> None:
    """Spikes, and the membrane after the reset."""
    for n in range(distance.shape[0]):
        spikes[n] = ONE if distance[n] > ZERO else ZERO
    for n in range(distance.shape[0]):
        membrane[n] = ZERO if distance[n] > ZERO else charged[n]


@compiled
def dense_gates(weights: Weights, record: Record, t: int) -> None:
    """Add the whole layer's analog state to both gates."""
    u, eta = record.states[MEMBRANE, t], record.states[SECOND, t]
    current, product = record.values[CURRENT, t], record.slope
    for which, state in ((0, u), (1, eta)):
        sums = record.gates[which, t]
        for b in range(len(sums)):
            fill(weights.bias[1 + which], sums[b])
        add_product(state, weights.terms[2 * which], product, sums)
        add_product(current, weights.terms[2 * which + 1], product, sums)


@compiled
def event_gates(weights: Weights, record: Record, t: int, b: int) -> None:
    """Add bias and own state to both gates of a sample."""
    current = record.values[CURRENT, t, b]
    for which in range(2):
        row = gate_row(record, which, t, b)
        add(weights.bias[1 + which], row)
        add_own(weights.terms[2 * which, 0], record.states[which, t, b], row)
        add_own(weights.terms[2 * which + 1, 0], current, row)


@compiled
def forward(
    kind: Kind, weights: Weights, constants: Array, record: Record, t: int, series: Array
) -> None:
    """One step, from the weighted sums of all ports to the new states."""
    states, values = record.states, record.values
    batch, size = record.sums.shape[1], values.shape[3]
    for b in range(batch):
        fill(record.sums[t, b, :size], values[CURRENT, t, b])
        add(weights.bias[0], values[CURRENT, t, b])
    if kind.gate == DENSE:
        dense_gates(weights, record, t)
    for b in range(batch):
        current, charged = values[CURRENT, t, b], values[CHARGED, t, b]
        u, eta, s = states[MEMBRANE, t, b], states[SECOND, t, b], states[SPIKES, t, b]
        if kind.gate == EVENT:
            event_gates(weights, record, t, b)
        elif kind.gate != DENSE:
            for which in range(2):
                fill(weights.bias[1 + which], gate_row(record, which, t, b))
        tau, rho = values[TAU_MEM, t, b], values[TAU_ADP, t, b]
        gate(kind.plan, gate_row(record, 0, t, b), series, tau, values[MEM_SLOPE, t, b])
        gate(kind.plan, gate_row(record, 1, t, b), series, rho, values[ADP_SLOPE, t, b])
        pull(current, u, tau, charged)
        adapted = states[SECOND, t + 1, b]
        pull(eta, s, rho, adapted)
        distance = record.slope[b]
        measure(charged, adapted, constants, distance)
        spike(distance, charged, states[SPIKES, t + 1, b], states[MEMBRANE, t + 1, b])


@compiled
def distances(constants: Array, record: Record, t: int) -> None:
    """``u - θ`` of all neurons after a step, into ``record.slope``."""
    for b in range(len(record.slope)):
        measure(
            record.values[CHARGED, t, b],
            record.states[SECOND, t + 1, b],
            constants,
            record.slope[b],
        )


@compiled
def back_spike(slope: Array, charged: Array, spikes: Array, back_u: Array, back_s: Array) -> None:
    """Gradient of ``u - θ`` into ``back_s``; that of the charged membrane into ``back_u``."""
    for n in range(slope.shape[0]):
        back_s[n] = (back_s[n] - back_u[n] * charged[n]) * slope[n]
    for n in range(slope.shape[0]):
        back_u[n] = back_s[n] + back_u[n] * (ONE - spikes[n])


@compiled
def back_threshold(strength: Array, distance: Array, back_eta: Array) -> None:
    """On from the gradient of ``u - θ`` to the adaptation."""
    for n in range(distance.shape[0]):
        back_eta[n] -= strength[n] * distance[n]


@compiled
def back_adaptation(rho: Array, back_eta: Array, back_s: Array) -> None:
    """From the new adaptation to the old one and to the old spikes."""
    for n in range(rho.shape[0]):
        back_s[n] = back_eta[n] - rho[n] * back_eta[n]
    for n in range(rho.shape[0]):
        back_eta[n] *= rho[n]


@compiled
def back_dense_gates(weights: Weights, record: Record, t: int, through: bool) -> None:
    """Through the gates' products with the whole layer: to the current and the old states."""
    size = record.slope.shape[1]
    product = record.slope
    for which in range(2):
        grad = record.gates[which, t]
        np.dot(grad, weights.terms[2 * which + 1].T, product)
        for b in range(len(product)):
            add(product[b], record.sums[t, b, :size])
        if through:
            np.dot(grad, weights.terms[2 * which].T, product)
            for b in range(len(product)):
                add(product[b], record.back[which, b])


@compiled
def back_event_gates(
    weights: Weights, grads: Weights, record: Record, t: int, b: int, through: bool
) -> None:
    """Through the gates' own-state terms: current, old states, the terms."""
    size = record.slope.shape[1]
    for which in range(2):
        row = gate_row(record, which, t, b)
        current = record.values[CURRENT, t, b]
        add_own_totals(row, record.states[which, t, b], grads.terms[2 * which, 0])
        add_own_totals(row, current, grads.terms[2 * which + 1, 0])
        if through:
            add_own(weights.terms[2 * which, 0], row, record.back[which, b])
        add_own(weights.terms[2 * which + 1, 0], row, record.sums[t, b, :size])


@compiled
def backward(
    kind: Kind,
    weights: Weights,
    grads: Weights,
    constants: Array,
    record: Record,
    t: int,
    through: bool,
) -> None:
    """One step back: from ``record.back`` and the surrogate in ``record.slope`` to the sums.

    With ``through``, ``record.back`` then holds the gradients of the states before the step,
    without those that take the way through recurrent synapses.
    """
    states, values, back = record.states, record.values, record.back
    size = values.shape[3]
    for b in range(record.sums.shape[1]):
        du, deta, ds = back[MEMBRANE, b], back[SECOND, b], back[SPIKES, b]
        u, eta, s = states[MEMBRANE, t, b], states[SECOND, t, b], states[SPIKES, t, b]
        tau = values[TAU_MEM, t, b]
        back_spike(record.slope[b], values[CHARGED, t, b], states[SPIKES, t + 1, b], du, ds)
        back_threshold(constants[1], ds, deta)
        row = gate_row(record, 0, t, b)
        back_gate(du, values[MEM_SLOPE, t, b], values[CURRENT, t, b], u, row)
        back_towards(tau, du, record.sums[t, b, :size])
        row = gate_row(record, 1, t, b)
        back_gate(deta, values[ADP_SLOPE, t, b], eta, s, row)
        if through:
            back_origin(tau, du)
            back_adaptation(values[TAU_ADP, t, b], deta, ds)
        if kind.gate == EVENT:
            back_event_gates(weights, grads, record, t, b, through)
    if kind.gate == DENSE:
        back_dense_gates(weights, record, t, through)
