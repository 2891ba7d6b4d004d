"""Compiled windows of LIF neurons; the equations are those of :func:`~ltc2hw.neurons.lif.lif_step`.

``constants`` (3, N): current decay, membrane decay, threshold.
"""

from __future__ import annotations

import numpy as np

from ltc2hw.neurons.kernels import ONE, ZERO, Array, add, add_columns, compiled, joined
from ltc2hw.neurons.ltc_kernels import back_spike, spike
from ltc2hw.neurons.packed import CHARGED, MEMBRANE, SECOND, SPIKES, Record, Weights


@compiled
def leak(decay: Array, bias: Array, before: Array, arriving: Array, after: Array) -> None:
    """``after = (1 - decay) before + arriving + bias``."""
    for b in range(after.shape[0]):
        for n in range(after.shape[1]):
            after[b, n] = ((ONE - decay[n]) * before[b, n] + arriving[b, n]) + bias[n]


@compiled
def back_leak(decay: Array, grad: Array) -> None:
    """``grad *= 1 - decay``."""
    for b in range(grad.shape[0]):
        for n in range(grad.shape[1]):
            grad[b, n] *= ONE - decay[n]


@compiled
def measure(charged: Array, threshold: Array, distance: Array) -> None:
    """``v - threshold``."""
    for b in range(distance.shape[0]):
        for n in range(distance.shape[1]):
            distance[b, n] = charged[b, n] - threshold[n]


@compiled
def forward(weights: Weights, constants: Array, record: Record, t: int) -> None:
    """One step, from the weighted sums to the new states."""
    states, charged = record.states, record.values[CHARGED, t]
    bias, current = weights.bias[0], states[SECOND, t + 1]
    leak(constants[0], np.zeros_like(bias), states[SECOND, t], joined(record.sums[t]), current)
    leak(constants[1], bias, states[MEMBRANE, t], current, charged)
    measure(charged, constants[2], record.slope)
    spike(record.slope, charged, states[SPIKES, t + 1], states[MEMBRANE, t + 1])


@compiled
def distances(constants: Array, record: Record, t: int) -> None:
    """``v - threshold`` of all neurons after a step, into ``record.slope``."""
    measure(record.values[CHARGED, t], constants[2], record.slope)


@compiled
def backward(grads: Weights, constants: Array, record: Record, t: int) -> None:
    """One step back: from ``record.back`` and the surrogate in ``record.slope`` to the sums."""
    dv, di, ds = record.back[MEMBRANE], record.back[SECOND], record.back[SPIKES]
    back_spike(record.slope, record.values[CHARGED, t], record.states[SPIKES, t + 1], dv, ds)
    add_columns(dv, grads.bias[0])
    add(dv, di)
    record.sums[t, :, 0] = di
    back_leak(constants[0], di)
    back_leak(constants[1], dv)
    ds[:] = ZERO
