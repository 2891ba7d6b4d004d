"""Compiled loops over a window of readout steps: forward, and its hand-written gradient.

Axes and conventions as in :mod:`ltc2hw.neurons.ltc_kernels`, with two ports: current, tau_mem.
"""

from __future__ import annotations

from ltc2hw.neurons.kernels import (
    DENSE,
    EVENT,
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

MEMBRANE, CURRENT, TAU_MEM, MEM_FACTOR, RECORDS = 0, 1, 2, 3, 4
"""First axis of ``records`` (4, L, B, N)."""


@compiled
def forward(
    kind: int,
    plan: bool,
    drive: Array,
    bias: Array,
    terms: Array,
    initial: Array,
    sums: Array,
    records: Array,
) -> None:
    """Run the window and fill ``records``; ``initial`` (B, N), ``sums`` (2, B, N) scratch."""
    u = initial
    for t in range(drive.shape[1]):
        current = records[CURRENT, t]
        current[:] = drive[0, t]
        if kind == EVENT:
            sums[0] = drive[1, t]
            add_own(terms[0, 0], u, sums[0])
            add_own(terms[1, 0], current, sums[0])
        else:
            fill(bias[1], sums[0])
        if kind == DENSE:
            add_product(u, terms[0], sums[1], sums[0])
            add_product(current, terms[1], sums[1], sums[0])
        gate(plan, sums[0], records[TAU_MEM, t], records[MEM_FACTOR, t])
        pull(current, u, records[TAU_MEM, t], records[MEM_FACTOR, t], records[MEMBRANE, t])
        u = records[MEMBRANE, t]


@compiled
def backward(
    kind: int,
    terms: Array,
    grads: Array,
    records: Array,
    scratch: Array,
    back: Array,
    ports: Array,
) -> None:
    """Walk back: fill ``ports`` (2, L, B, N) and ``back`` (B, N), zeros before.

    ``grads`` (L, B, N) of the membranes; ``scratch`` (2, B, N).
    """
    charged = scratch[0]
    for t in range(grads.shape[0] - 1, -1, -1):
        add(grads[t], back)
        charged[:] = back
        back_pull(
            charged, records[TAU_MEM, t], records[MEM_FACTOR, t], ports[0, t], back, ports[1, t]
        )
        if kind == EVENT:
            add_own(terms[0, 0], ports[1, t], back)
            add_own(terms[1, 0], ports[1, t], ports[0, t])
        elif kind == DENSE:
            add_product(ports[1, t], terms[0], scratch[1], back)
            add_product(ports[1, t], terms[1], scratch[1], ports[0, t])


@compiled
def own_totals(gates: Array, before: Array, current: Array, totals: Array) -> None:
    """Add up the gradients of the own-state terms, ``totals`` (2, N), over the window."""
    for t in range(gates.shape[0]):
        add_total(gates[t], before[t], totals[0])
        add_total(gates[t], current[t], totals[1])
