"""The eligibility of synapses over a piece, compiled: each number is read and written once."""

from __future__ import annotations

import numpy as np

from ltc2hw.neurons.kernels import ZERO, Array, compiled, entry


@compiled
def meet(credit: Array, held: Array, gradient: Array, n: int) -> None:
    """One neuron's and sample's part of the gradient."""
    states, ports, count = held.shape
    for i in range(states):
        factor = credit[i]
        if factor != ZERO:
            for p in range(ports):
                for m in range(count):
                    gradient[p, n, m] += factor * held[i, p, m]


@entry
def advance(
    products: Array,
    credit: Array,
    left: Array,
    messages: Array,
    eligibility: Array,
    gradient: Array,
) -> None:
    """Meet the credit of the state before a piece, then carry the eligibility to its end.

    ::

        gradient += credit · e      e ← products e + Σ_t left[t] messages[t]

    ``products`` (d, d, B, N), ``credit`` (d, B, N), ``left`` (L, d, P, B, N), ``messages``
    (L, B, M'), ``eligibility`` (B, N, d, P, M'), ``gradient`` (P, N, M').
    """
    batch, size, states, ports, count = eligibility.shape
    made = np.empty((states, ports, count), eligibility.dtype)
    for b in range(batch):
        for n in range(size):
            held = eligibility[b, n]
            meet(credit[:, b, n], held, gradient, n)
            for i in range(states):
                for p in range(ports):
                    row = made[i, p]
                    for m in range(count):
                        row[m] = ZERO
                    for j in range(states):
                        factor = products[i, j, b, n]
                        if factor != ZERO:
                            for m in range(count):
                                row[m] += factor * held[j, p, m]
                    for step in range(len(messages)):
                        factor = left[step, i, p, b, n]
                        if factor != ZERO:
                            for m in range(count):
                                row[m] += factor * messages[step, b, m]
            for i in range(states):
                for p in range(ports):
                    for m in range(count):
                        held[i, p, m] = made[i, p, m]


@entry
def meet_all(credit: Array, eligibility: Array, gradient: Array) -> None:
    """``gradient += credit · e`` alone."""
    batch, size = eligibility.shape[:2]
    for b in range(batch):
        for n in range(size):
            meet(credit[:, b, n], eligibility[b, n], gradient, n)
