"""How compiled windows see a layer: a few integers and contiguous arrays, the same for all models.

A network is a table of integers (:class:`Plan`, a row per layer) and a few vectors, which compiled
loops cut into the layers' arrays as they go.
"""

from __future__ import annotations

from typing import NamedTuple

from ltc2hw.neurons.kernels import Array, compiled, entry


class Weights(NamedTuple):
    """Parameters of a layer of N neurons with M inputs, or the gradients of these.

    Columns are ports side by side (P N), rows are sources.
    """

    weight_input: Array
    """(M, P N)."""
    weight_recurrent: Array
    """(N, P N), (0, P N) without recurrence."""
    learned: Array
    """(constants, N)."""
    matrices: Array
    """(matrices, N, N): graded synapses, rows are sources."""


class Record(NamedTuple):
    """A window of L steps of B samples as it was computed, and room to compute in.

    Planes are those of :class:`~ltc2hw.neurons.layout.Buffer`.
    """

    states: Array
    """(registers, L + 1, B, N), before the window and after each step."""
    sums: Array
    """(L, B, P, N): weighted sums of each port; of a way back, their gradients."""
    graded: Array
    """(graded ports, L, B, N): what graded synapses bring, likewise."""
    kept: Array
    """(kept, L, B, N): what else the gradient needs."""
    back: Array
    """(registers, B, N): gradients on the way back."""
    back_early: Array
    """(early, B, N)."""
    rows: Array
    """(rows, N)."""
    row_totals: Array
    """(rows, N)."""


class Plan(NamedTuple):
    """Where a layer of N neurons with M inputs lies in vectors that hold a whole network."""

    inputs: int
    """M."""
    size: int
    """N."""
    ports: int
    """P, those with synapses from inputs."""
    recurrent: int
    """N with recurrent synapses, else 0."""
    learned: int
    matrices: int
    fixed: int
    registers: int
    output: int
    """Which register goes through recurrent synapses."""
    graded: int
    """Ports of graded synapses."""
    early: int
    kept: int
    rows: int
    weights_at: int
    """Where its parameters begin, in the order of :class:`Weights`."""
    fixed_at: int
    record_at: int
    """Where its record begins, and after that the gradients of what is seen of it."""
    wiring_at: int
    """Where its wiring begins."""
    operands: int
    """Operands of its kernels."""
    operands_at: int
    """Where they are written down, in a table of all layers' operands."""


KERNELS = 6
"""Kernels of a layer, :class:`~ltc2hw.neurons.layout.Step`.

Its wiring is, as integers: address (0 for none) and first operand of each kernel; source kind (0 a
register, 1 an early result), source and target of each matrix; buffer and index of each operand.
"""


def record_length(plan: Plan, steps: int, batch: int) -> int:
    """Numbers in a record and in the gradients that :func:`record_of` finds after it."""
    each_step = plan.registers + plan.ports + plan.graded + plan.kept + 1
    planes = steps * each_step + 2 * plan.registers + plan.early
    return (planes * batch + 2 * plan.rows) * plan.size


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
    learned, at = take(vector, at, (plan.learned, plan.size))
    matrices, at = take(vector, at, (plan.matrices, plan.size, plan.size))
    return Weights(weight_input, weight_recurrent, learned, matrices)


@entry
def record_of(plan: Plan, vector: Array, steps: int, batch: int) -> tuple[Record, Array]:
    """A layer's record, and the gradients of what is seen of it (1, L, B, N)."""
    size = plan.size
    states, at = take(vector, plan.record_at, (plan.registers, steps + 1, batch, size))
    sums, at = take(vector, at, (steps, batch, plan.ports, size))
    graded, at = take(vector, at, (plan.graded, steps, batch, size))
    kept, at = take(vector, at, (plan.kept, steps, batch, size))
    back, at = take(vector, at, (plan.registers, batch, size))
    back_early, at = take(vector, at, (plan.early, batch, size))
    rows, at = take(vector, at, (plan.rows, size))
    row_totals, at = take(vector, at, (plan.rows, size))
    above, at = take(vector, at, (1, steps, batch, size))
    return Record(states, sums, graded, kept, back, back_early, rows, row_totals), above


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
        row[15],
        row[16],
        row[17],
        row[18],
    )
