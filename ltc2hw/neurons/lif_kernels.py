"""Compiled windows of LIF neurons; the equations are those of :func:`~ltc2hw.neurons.lif.lif_step`.

``constants`` (3, N): current decay, membrane decay, threshold.
"""

from __future__ import annotations

from ltc2hw.neurons.kernels import ONE, Array, add, compiled, fill
from ltc2hw.neurons.ltc_kernels import back_spike, spike
from ltc2hw.neurons.packed import CHARGED, MEMBRANE, SECOND, SPIKES, Record, Weights


@compiled
def leak(decay: Array, before: Array, arriving: Array, after: Array) -> None:
    """``after = (1 - decay) before + arriving``."""
    for n in range(after.shape[0]):
        after[n] = (ONE - decay[n]) * before[n] + arriving[n]


@compiled
def back_leak(decay: Array, grad: Array) -> None:
    """``grad *= 1 - decay``."""
    for n in range(grad.shape[0]):
        grad[n] *= ONE - decay[n]


@compiled
def distance(charged: Array, threshold: Array, result: Array) -> None:
    """``v - threshold``."""
    for n in range(result.shape[0]):
        result[n] = charged[n] - threshold[n]


@compiled
def forward(weights: Weights, constants: Array, record: Record, t: int) -> None:
    """One step, from the weighted sums to the new states."""
    states = record.states
    for b in range(record.sums.shape[1]):
        current, charged = states[SECOND, t + 1, b], record.values[CHARGED, t, b]
        leak(constants[0], states[SECOND, t, b], record.sums[t, b], current)
        leak(constants[1], states[MEMBRANE, t, b], current, charged)
        add(weights.bias[0], charged)
        distance(charged, constants[2], record.slope[b])
        spike(record.slope[b], charged, states[SPIKES, t + 1, b], states[MEMBRANE, t + 1, b])


@compiled
def distances(constants: Array, record: Record, t: int) -> None:
    """``v - threshold`` of all neurons after a step, into ``record.slope``."""
    for b in range(len(record.slope)):
        distance(record.values[CHARGED, t, b], constants[2], record.slope[b])


@compiled
def backward(grads: Weights, constants: Array, record: Record, t: int) -> None:
    """One step back: from ``record.back`` and the surrogate in ``record.slope`` to the sums."""
    values, back = record.values, record.back
    for b in range(record.sums.shape[1]):
        dv, di, ds = back[MEMBRANE, b], back[SECOND, b], back[SPIKES, b]
        back_spike(record.slope[b], values[CHARGED, t, b], record.states[SPIKES, t + 1, b], dv, ds)
        add(dv, grads.bias[0])
        add(dv, di)
        fill(di, record.sums[t, b])
        back_leak(constants[0], di)
        back_leak(constants[1], dv)
        ds[:] = 0.0
