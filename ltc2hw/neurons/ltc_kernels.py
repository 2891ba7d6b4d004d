"""Compiled loops over a window of LTC steps: forward, and its hand-written gradient.

N neurons, B samples, L steps, P ports with synapses (3 with event gates, else 1); all arrays have
one float type. The equations are those of :func:`~ltc2hw.neurons.ltc.ltc_step`.
"""

from __future__ import annotations

from ltc2hw.neurons.kernels import (
    DENSE,
    EVENT,
    ONE,
    ZERO,
    Array,
    add,
    add_own,
    add_product,
    add_total,
    back_pull,
    compiled,
    fill,
    gate,
    pull,
)

MEMBRANE, ADAPTATION, SPIKES, DISTANCE, SEQUENCES = 0, 1, 2, 3, 4
"""First axis of ``sequences`` (4, L, B, N): the states after each step, then ``u - θ``."""

CURRENT, CHARGED, TAU_MEM, TAU_ADP, MEM_FACTOR, ADP_FACTOR, RECORDS = 0, 1, 2, 3, 4, 5, 6
"""First axis of ``records`` (6, L, B, N), what else the gradient needs.

``MEM_FACTOR`` is ``(I - u[t-1]) σ'(gate_m)``, ``ADP_FACTOR`` is ``(η[t-1] - s[t-1]) σ'(gate_ρ)``:
how far the new membrane and adaptation move with their gates.
"""


@compiled
def finish_gates(
    kind: int, sums: Array, bias: Array, terms: Array, u: Array, eta: Array, scratch: Array
) -> None:
    """Complete the gates of ``sums`` (3, B, N) by their own-state or whole-layer terms."""
    if kind == EVENT:
        add_own(terms[0, 0], u, sums[1])
        add_own(terms[1, 0], sums[0], sums[1])
        add_own(terms[2, 0], eta, sums[2])
        add_own(terms[3, 0], sums[0], sums[2])
        return
    fill(bias[1], sums[1])
    fill(bias[2], sums[2])
    if kind == DENSE:
        add_product(u, terms[0], scratch, sums[1])
        add_product(sums[0], terms[1], scratch, sums[1])
        add_product(eta, terms[2], scratch, sums[2])
        add_product(sums[0], terms[3], scratch, sums[2])


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
            spikes[b, n] = ONE if distance[b, n] > ZERO else ZERO
            membrane[b, n] = ZERO if distance[b, n] > ZERO else charged[b, n]


@compiled
def forward(
    kind: int,
    plan: bool,
    drive: Array,
    recurrent: Array,
    bias: Array,
    constants: Array,
    terms: Array,
    initial: Array,
    sums: Array,
    sequences: Array,
    records: Array,
) -> None:
    """Run the window and fill ``sequences`` and ``records``.

    ``drive`` (P, L, B, N) weighted inputs with biases; ``recurrent`` (P, N, N), transposed, or
    (0, N, N); ``bias`` (3, N); ``constants`` (2, N); ``terms`` (4, 1, N), or transposed matrices
    (4, N, N), in the order of LTCParameters; ``initial`` (3, B, N): u, η, s before the window;
    ``sums`` (4, B, N), scratch.
    """
    u, eta, s = initial[0], initial[1], initial[2]
    for t in range(drive.shape[1]):
        for port in range(drive.shape[0]):
            sums[port] = drive[port, t]
        for port in range(recurrent.shape[0]):
            add_product(s, recurrent[port], sums[3], sums[port])
        finish_gates(kind, sums, bias, terms, u, eta, sums[3])
        gate(plan, sums[1], records[TAU_MEM, t], records[MEM_FACTOR, t])
        gate(plan, sums[2], records[TAU_ADP, t], records[ADP_FACTOR, t])
        records[CURRENT, t] = sums[0]
        charged = records[CHARGED, t]
        pull(sums[0], u, records[TAU_MEM, t], records[MEM_FACTOR, t], charged)
        pull(eta, s, records[TAU_ADP, t], records[ADP_FACTOR, t], sequences[ADAPTATION, t])
        u, eta, s = sequences[MEMBRANE, t], sequences[ADAPTATION, t], sequences[SPIKES, t]
        measure(charged, eta, constants, sequences[DISTANCE, t])
        spike(sequences[DISTANCE, t], charged, s, u)


@compiled
def back_spike(charged: Array, slope: Array, back_u: Array, back_s: Array) -> None:
    """Turn the gradient of the spikes into that of ``u - θ``; the reset contributes."""
    for b in range(charged.shape[0]):
        for n in range(charged.shape[1]):
            back_s[b, n] = (back_s[b, n] - back_u[b, n] * charged[b, n]) * slope[b, n]


@compiled
def back_measure(
    distance: Array, spikes: Array, strength: Array, back_u: Array, back_eta: Array
) -> None:
    """On from the gradient of ``u - θ`` to the charged membrane and to the adaptation."""
    for b in range(distance.shape[0]):
        for n in range(distance.shape[1]):
            back_u[b, n] = distance[b, n] + back_u[b, n] * (ONE - spikes[b, n])
            back_eta[b, n] -= strength[n] * distance[b, n]


@compiled
def back_gates(
    kind: int, terms: Array, ports: Array, t: int, back_u: Array, back_eta: Array, scratch: Array
) -> None:
    """Through the gates' own-state or whole-layer terms, to the old states and the current."""
    current, mem, adp = ports[0, t], ports[1, t], ports[2, t]
    if kind == EVENT:
        add_own(terms[0, 0], mem, back_u)
        add_own(terms[1, 0], mem, current)
        add_own(terms[2, 0], adp, back_eta)
        add_own(terms[3, 0], adp, current)
    elif kind == DENSE:
        add_product(mem, terms[0], scratch, back_u)
        add_product(mem, terms[1], scratch, current)
        add_product(adp, terms[2], scratch, back_eta)
        add_product(adp, terms[3], scratch, current)


@compiled
def backward(
    kind: int,
    recurrent: Array,
    strength: Array,
    terms: Array,
    slopes: Array,
    grads: Array,
    sequences: Array,
    records: Array,
    scratch: Array,
    back: Array,
    ports: Array,
) -> None:
    """Walk back through the window and fill ``ports`` and ``back``.

    ``recurrent`` (P, N, N) or (0, N, N) and ``terms`` as they are; ``slopes`` (L, B, N) surrogate
    derivatives; ``grads`` (3, L, B, N) of u, η, s after each step; ``scratch`` (3, B, N).
    ``ports`` (3, L, B, N) become the gradients of the summed ports, ``back`` (3, B, N), zeros
    before, those of u, η, s before the window.
    """
    charged, adapted = scratch[0], scratch[1]
    for t in range(slopes.shape[0] - 1, -1, -1):
        for kept in range(3):
            add(grads[kept, t], back[kept])
        back_spike(records[CHARGED, t], slopes[t], back[MEMBRANE], back[SPIKES])
        charged[:] = back[MEMBRANE]
        adapted[:] = back[ADAPTATION]
        back_measure(back[SPIKES], sequences[SPIKES, t], strength, charged, adapted)
        back_pull(
            charged,
            records[TAU_MEM, t],
            records[MEM_FACTOR, t],
            ports[0, t],
            back[MEMBRANE],
            ports[1, t],
        )
        back_pull(
            adapted,
            records[TAU_ADP, t],
            records[ADP_FACTOR, t],
            back[ADAPTATION],
            back[SPIKES],
            ports[2, t],
        )
        back_gates(kind, terms, ports, t, back[MEMBRANE], back[ADAPTATION], scratch[2])
        for port in range(recurrent.shape[0]):
            add_product(ports[port, t], recurrent[port], scratch[2], back[SPIKES])


@compiled
def own_totals(
    ports: Array, initial: Array, sequences: Array, current: Array, totals: Array
) -> None:
    """Add up the gradients of the own-state terms, ``totals`` (4, N), over the window."""
    for t in range(current.shape[0]):
        u = sequences[MEMBRANE, t - 1] if t else initial[MEMBRANE]
        eta = sequences[ADAPTATION, t - 1] if t else initial[ADAPTATION]
        add_total(ports[1, t], u, totals[0])
        add_total(ports[1, t], current[t], totals[1])
        add_total(ports[2, t], eta, totals[2])
        add_total(ports[2, t], current[t], totals[3])
