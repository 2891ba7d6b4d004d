"""How compiled windows see a layer: a few integers and contiguous arrays, the same for all cells.

One type for every family of neurons lets a whole network be a homogeneous tuple, which compiled
loops can index.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ltc2hw.neurons.kernels import Array

LTC, LIF, READOUT = 0, 1, 2
"""Families of neurons."""

STATIC, EVENT, DENSE = 0, 1, 2
"""Kinds of gates, as in :class:`~ltc2hw.neurons.ltc.LTCParameters`."""

GATE_CODES = {"static": STATIC, "event": EVENT, "dense": DENSE}

GATES_OF = {LTC: 2, LIF: 0, READOUT: 1}
"""Gates per neuron; one port more than that."""


class Kind(NamedTuple):
    """What a layer computes."""

    family: int
    gate: int
    plan: int
    """1 for PLAN, 0 for the logistic function."""
    triangle: int
    """1 for the triangular surrogate, 0 for the paper's."""


class Weights(NamedTuple):
    """Parameters of a layer of N neurons with M inputs, or the gradients of these.

    Columns are ports side by side (P N: ``current``, ``tau_mem``, ``tau_adp`` with event gates,
    else ``current`` alone), rows are sources.
    """

    weight_input: Array
    """(M, P N)."""
    weight_recurrent: Array
    """(N, P N), (0, P N) without recurrence."""
    bias: Array
    """(ports, N); LIF neurons have one, of the membrane."""
    terms: Array
    """Gate terms: (2 gates, 1, N) of own states, (2 gates, N, N) transposed, or (0, 1, N)."""


class Record(NamedTuple):
    """A window of L steps of B samples as it was computed, and room to compute in."""

    states: Array
    """(3 or 1, L + 1, B, N), before the window and after each step: membrane; adaptation (LTC) or
    current (LIF); spikes."""
    sums: Array
    """(L, B, P, N): weighted sums of each port; after the way back, their gradients."""
    gates: Array
    """(gates, L, B, 1, N): pre-activations of gates without synapses; then their gradients."""
    values: Array
    """(6, L, B, N): what else the gradient needs."""
    back: Array
    """(3, B, N): gradients of the states on the way back."""
    scratch: Array
    """(B, P N): products."""
    slope: Array
    """(B, N): surrogate derivatives; small products."""


CURRENT, CHARGED, TAU_MEM, TAU_ADP, MEM_SLOPE, ADP_SLOPE, VALUES = 0, 1, 2, 3, 4, 5, 6
"""First axis of :attr:`Record.values`."""

MEMBRANE, SECOND, SPIKES = 0, 1, 2
"""First axis of :attr:`Record.states`: ``SECOND`` is the adaptation (LTC) or the current (LIF)."""


def new_record(kind: Kind, weights: Weights, steps: int, batch: int) -> Record:
    """Room for a window of a layer, its state before the window zero."""
    size, columns = weights.bias.shape[1], weights.weight_input.shape[1]
    dtype = weights.bias.dtype
    separate = 0 if kind.gate == EVENT else GATES_OF[kind.family]
    return Record(
        np.zeros((1 if kind.family == READOUT else 3, steps + 1, batch, size), dtype),
        np.zeros((steps, batch, columns // size, size), dtype),
        np.zeros((separate, steps, batch, 1, size), dtype),
        np.zeros((VALUES, steps, batch, size), dtype),
        np.zeros((3, batch, size), dtype),
        np.zeros((batch, columns), dtype),
        np.zeros((batch, size), dtype),
    )
