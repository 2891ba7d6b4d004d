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

from ltc2hw.neurons.kernels import (
    ONE,
    ZERO,
    Array,
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
    STATIC,
    TAU_ADP,
    TAU_MEM,
    Plan,
    Record,
    Weights,
)
from ltc2hw.neurons.products import add_dense


@compiled
def gate_plane(record: Record, which: int, t: int) -> tuple[Array, int]:
    """Sums (B, P, N) and the port of them where a gate lies (0: membrane, 1: adaptation)."""
    if record.gates.shape[0]:
        return record.gates[which, t], 0
    return record.sums[t], which + 1


@compiled
def measure(charged: Array, eta: Array, constants: Array, distance: Array) -> None:
    """``u - θ`` from ``constants`` (2, N): threshold and adaptation strength."""
    threshold, strength = constants[0], constants[1]
    for b in range(distance.shape[0]):
        for n in range(distance.shape[1]):
            distance[b, n] = (charged[b, n] - threshold[n]) - strength[n] * eta[b, n]


@compiled
def spike(distance: Array, charged: Array, spikes: Array, membrane: Array) -> None:
    """Spikes, and the membrane after the reset."""
    for b in range(distance.shape[0]):
        for n in range(distance.shape[1]):
            fired = distance[b, n] > ZERO
            spikes[b, n] = ONE if fired else ZERO
            membrane[b, n] = ZERO if fired else charged[b, n]


@compiled
def complete_gates(plan: Plan, weights: Weights, record: Record, t: int) -> None:
    """Bring both gates from what synapses give to their pre-activations."""
    current = record.values[CURRENT, t]
    for which in range(2):
        state, bias = record.states[which, t], weights.bias[1 + which]
        sums, port = gate_plane(record, which, t)
        if plan.gate == EVENT:
            add_own(sums, port, bias, weights.terms[2 * which : 2 * which + 2], state, current)
            continue
        plane = joined(sums)
        fill(bias, plane)
        if plan.gate == DENSE:
            add_dense(state, weights.terms[2 * which], plane)
            add_dense(current, weights.terms[2 * which + 1], plane)


@compiled
def forward(plan: Plan, weights: Weights, constants: Array, record: Record, t: int) -> None:
    """One step, from the weighted sums of all ports to the new states."""
    states, values = record.states, record.values
    current, charged = values[CURRENT, t], values[CHARGED, t]
    adapted, distance = states[SECOND, t + 1], record.slope
    add_bias(record.sums[t], weights.bias[0], current)
    complete_gates(plan, weights, record, t)
    for which in range(2):
        sums, port = gate_plane(record, which, t)
        gate(plan.plan, sums, port, values[TAU_MEM + which, t], values[MEM_SLOPE + which, t])
    pull(current, states[MEMBRANE, t], values[TAU_MEM, t], charged)
    pull(states[SECOND, t], states[SPIKES, t], values[TAU_ADP, t], adapted)
    measure(charged, adapted, constants, distance)
    spike(distance, charged, states[SPIKES, t + 1], states[MEMBRANE, t + 1])


@compiled
def distances(constants: Array, record: Record, t: int) -> None:
    """``u - θ`` of all neurons after a step, into ``record.slope``."""
    measure(record.values[CHARGED, t], record.states[SECOND, t + 1], constants, record.slope)


@compiled
def back_spike(slope: Array, charged: Array, spikes: Array, back_u: Array, back_s: Array) -> None:
    """Gradient of ``u - θ`` into ``back_s``; that of the charged membrane into ``back_u``."""
    for b in range(slope.shape[0]):
        for n in range(slope.shape[1]):
            back_s[b, n] = (back_s[b, n] - back_u[b, n] * charged[b, n]) * slope[b, n]
        for n in range(slope.shape[1]):
            back_u[b, n] = back_s[b, n] + back_u[b, n] * (ONE - spikes[b, n])


@compiled
def back_threshold(strength: Array, distance: Array, back_eta: Array) -> None:
    """On from the gradient of ``u - θ`` to the adaptation."""
    for b in range(distance.shape[0]):
        for n in range(distance.shape[1]):
            back_eta[b, n] -= strength[n] * distance[b, n]


@compiled
def back_adaptation(rho: Array, back_eta: Array, back_s: Array) -> None:
    """From the new adaptation to the old one and to the old spikes."""
    for b in range(rho.shape[0]):
        for n in range(rho.shape[1]):
            back_s[b, n] = back_eta[b, n] - rho[b, n] * back_eta[b, n]
        for n in range(rho.shape[1]):
            back_eta[b, n] *= rho[b, n]


@compiled
def back_gates(
    plan: Plan, weights: Weights, grads: Weights, record: Record, t: int, through: bool
) -> None:
    """From the gates' pre-activations to the current, to own terms and, if wanted, old states."""
    for which in range(2):
        grad, port = gate_plane(record, which, t)
        from_state, from_current = weights.terms[2 * which], weights.terms[2 * which + 1]
        if plan.gate == EVENT:
            state, current = record.states[which, t], record.values[CURRENT, t]
            add_totals(grad, port, state, grads.terms[2 * which, 0])
            add_totals(grad, port, current, grads.terms[2 * which + 1, 0])
            back_own_current(grad, port, from_current[0], record.sums[t])
            if through:
                back_own(grad, port, from_state[0], record.back[which])
            continue
        add_dense(joined(grad), from_current.T, joined(record.sums[t]))
        if through:
            add_dense(joined(grad), from_state.T, record.back[which])


@compiled
def backward(
    plan: Plan,
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
    states, values = record.states, record.values
    du, deta, ds = record.back[MEMBRANE], record.back[SECOND], record.back[SPIKES]
    back_spike(record.slope, values[CHARGED, t], states[SPIKES, t + 1], du, ds)
    back_threshold(constants[1], ds, deta)
    grad, port = gate_plane(record, 0, t)
    back_gate(du, values[MEM_SLOPE, t], values[CURRENT, t], states[MEMBRANE, t], grad, port)
    back_towards(values[TAU_MEM, t], du, record.sums[t])
    grad, port = gate_plane(record, 1, t)
    back_gate(deta, values[ADP_SLOPE, t], states[SECOND, t], states[SPIKES, t], grad, port)
    if through:
        back_origin(values[TAU_MEM, t], du)
        back_adaptation(values[TAU_ADP, t], deta, ds)
    if plan.gate != STATIC:
        back_gates(plan, weights, grads, record, t, through)
