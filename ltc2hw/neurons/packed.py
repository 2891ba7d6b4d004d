"""How compiled windows see a layer: a few integers and contiguous arrays, the same for all cells.

A network is a table of integers (:class:`Plan`, a row per layer) and a few vectors, which compiled
loops cut into the layers' arrays as they go.
"""

from __future__ import annotations

from typing import NamedTuple

from ltc2hw.neurons.kernels import Array, compiled, entry

LTC, LIF, READOUT = 0, 1, 2
"""Families of neurons."""

STATIC, EVENT, DENSE = 0, 1, 2
"""Kinds of gates, as in :class:`~ltc2hw.neurons.ltc.LTCParameters`."""

GATE_CODES = {"static": STATIC, "event": EVENT, "dense": DENSE}

GATES_OF = (2, 0, 1)
"""Gates of a neuron by its family; LTC and readouts have one port more than that."""


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
    slope: Array
    """(B, N): surrogate derivatives."""


CURRENT, CHARGED, TAU_MEM, TAU_ADP, MEM_SLOPE, ADP_SLOPE, VALUES = 0, 1, 2, 3, 4, 5, 6
"""First axis of :attr:`Record.values`."""

MEMBRANE, SECOND, SPIKES = 0, 1, 2
"""First axis of :attr:`Record.states`: ``SECOND`` is the adaptation (LTC) or the current (LIF)."""


class Plan(NamedTuple):
    """Where a layer of N neurons with M inputs lies in vectors that hold a whole network."""

    family: int
    gate: int
    plan: int
    triangle: int
    inputs: int
    """M."""
    size: int
    """N."""
    ports: int
    recurrent: int
    """N with recurrent synapses, else 0."""
    biases: int
    terms: int
    term_rows: int
    constants: int
    weights_at: int
    """Where its parameters begin, in the order of :class:`Weights`."""
    constants_at: int
    record_at: int
    """Where its record begins, and after that the gradients of what is seen of it."""


@compiled
def separate_gates(plan: Plan) -> int:
    """Gates without synapses, whose pre-activations lie apart from the sums."""
    return 0 if plan.gate == EVENT else GATES_OF[plan.family]


def record_length(plan: Plan, steps: int, batch: int) -> int:
    """Numbers in a record and in the gradients that :func:`record_of` finds after it."""
    kept = 1 if plan.family == READOUT else 3
    each_step = kept + plan.ports + separate_gates(plan) + VALUES + 1
    return (steps * each_step + kept + 3 + 1) * batch * plan.size


@compiled
def take(vector: Array, at: int, shape: tuple[int, ...]) -> tuple[Array, int]:
    """A view of a vector's next numbers, and where it ends."""
    length = 1
    for size in shape:
        length *= size
    return vector[at : at + length].reshape(shape), at + length


@entry
def weights_of(plan: Plan, vector: Array) -> Weights:
    """A layer's part of a vector of parameters or gradients."""
    columns = plan.ports * plan.size
    weight_input, at = take(vector, plan.weights_at, (plan.inputs, columns))
    weight_recurrent, at = take(vector, at, (plan.recurrent, columns))
    bias, at = take(vector, at, (plan.biases, plan.size))
    terms, at = take(vector, at, (plan.terms, plan.term_rows, plan.size))
    return Weights(weight_input, weight_recurrent, bias, terms)


@entry
def record_of(plan: Plan, vector: Array, steps: int, batch: int) -> tuple[Record, Array]:
    """A layer's record, and the gradients of what is seen of it (1, L, B, N)."""
    size, ports = plan.size, plan.ports
    kept = 1 if plan.family == READOUT else 3
    gates = separate_gates(plan)
    states, at = take(vector, plan.record_at, (kept, steps + 1, batch, size))
    sums, at = take(vector, at, (steps, batch, ports, size))
    separate, at = take(vector, at, (gates, steps, batch, 1, size))
    values, at = take(vector, at, (VALUES, steps, batch, size))
    back, at = take(vector, at, (3, batch, size))
    slope, at = take(vector, at, (batch, size))
    above, at = take(vector, at, (1, steps, batch, size))
    return Record(states, sums, separate, values, back, slope), above


@compiled
def plan_at(plans: Array, index: int) -> Plan:
    """A row of plans, (layers, fields)."""
    row = plans[index]
    return Plan(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        row[10],
        row[11],
        row[12],
        row[13],
        row[14],
    )
