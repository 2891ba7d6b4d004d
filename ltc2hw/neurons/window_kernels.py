"""Compiled windows of any layer: products with the synapses around the kernels of its model."""

from __future__ import annotations

import numpy as np

from ltc2hw.compilation.sources import SOURCES
from ltc2hw.neurons.calls import fill_operands, matrix_ends, run
from ltc2hw.neurons.kernels import Array, add, clear, compiled, entry, joined, stacked
from ltc2hw.neurons.layout import Step
from ltc2hw.neurons.packed import Plan, Record, Weights
from ltc2hw.neurons.products import add_dense, add_outer, add_product
from ltc2hw.neurons.vector_code import COLUMNS

PREPARE, EARLY, FORWARD = int(Step.PREPARE), int(Step.EARLY), int(Step.FORWARD)
BACKWARD, BACK_EARLY, FINISH = int(Step.BACKWARD), int(Step.BACK_EARLY), int(Step.FINISH)


@compiled
def forward(
    plan: Plan,
    wiring: Array,
    operands: Array,
    weights: Weights,
    record: Record,
    x: Array,
) -> None:
    """Run x: (L, B, M) from the state in ``record.states[:, 0]``; the record keeps everything.

    ``operands``: as :func:`~ltc2hw.neurons.calls.fill_operands` found these arrays.
    """
    batch = x.shape[1]
    run(plan, wiring, operands, PREPARE, 0, 1)
    for t in range(x.shape[0]):
        sums = joined(record.sums[t])
        clear(sums)
        if plan.recurrent:
            add_product(record.states[plan.output, t], weights.weight_recurrent, sums)
        add_product(x[t], weights.weight_input, sums)
        for port in range(plan.graded):
            clear(record.graded[port, t])
        add_graded(plan, wiring, weights, record, t, 0)
        if plan.early:
            run(plan, wiring, operands, EARLY, t, batch)
            add_graded(plan, wiring, weights, record, t, 1)
        run(plan, wiring, operands, FORWARD, t, batch)


@compiled
def add_graded(
    plan: Plan, wiring: Array, weights: Weights, record: Record, t: int, early: int
) -> None:
    """Add what graded synapses carry of registers, or of early results, to their ports."""
    for index in range(plan.matrices):
        kind, source, target = matrix_ends(plan, wiring, index)
        if kind == early:
            values = record.kept[source, t] if early else record.states[source, t]
            add_dense(values, weights.matrices[index], record.graded[target, t])


@compiled
def backward(
    plan: Plan,
    wiring: Array,
    operands: Array,
    weights: Weights,
    grads: Weights,
    record: Record,
    x: Array,
    above: Array,
    first: int,
    to_state: bool,
    to_x: Array,
) -> None:
    """Walk back through a window; the parameters' gradients are added to ``grads``.

    ``above`` (V, L, B, N) are the gradients of V registers after each step, from the register
    ``first`` on. ``to_x`` (L, B, M) receives the inputs' gradients, unless it is empty. With
    ``to_state``, ``record.back`` ends as the gradients of the state before the window.
    """
    steps, batch = x.shape[0], x.shape[1]
    for register in range(plan.registers):
        clear(record.back[register])
    clear(record.row_totals)
    for t in range(steps - 1, -1, -1):
        through = t > 0 or to_state
        for index in range(above.shape[0]):
            add(above[index, t], record.back[first + index])
        run(plan, wiring, operands, BACKWARD, t, batch)
        if plan.early:
            back_graded(plan, wiring, weights, record, t, 1)
            run(plan, wiring, operands, BACK_EARLY, t, batch)
        if through:
            back_graded(plan, wiring, weights, record, t, 0)
        if through and plan.recurrent:
            back = record.back[plan.output]
            add_dense(joined(record.sums[t]), weights.weight_recurrent.T, back)
    run(plan, wiring, operands, FINISH, 0, 1)
    add_weight_gradients(plan, wiring, grads, record, x)
    if to_x.shape[0]:
        for t in range(steps):
            clear(to_x[t])
            add_dense(joined(record.sums[t]), weights.weight_input.T, to_x[t])


@compiled
def back_graded(
    plan: Plan, wiring: Array, weights: Weights, record: Record, t: int, early: int
) -> None:
    """From the gradients of graded ports to those of early results, or of registers."""
    for index in range(plan.matrices):
        kind, source, target = matrix_ends(plan, wiring, index)
        if kind == early:
            back = record.back_early[source] if early else record.back[source]
            add_dense(record.graded[target, t], weights.matrices[index].T, back)


@compiled
def add_weight_gradients(
    plan: Plan, wiring: Array, grads: Weights, record: Record, x: Array
) -> None:
    """Synapses, from what :func:`backward` left in the record."""
    steps = x.shape[0]
    _, batch, ports, size = record.sums.shape
    sums = record.sums[:steps].reshape(steps * batch, ports * size)
    add_outer(stacked(x), sums, grads.weight_input)
    if plan.recurrent:
        add_outer(stacked(record.states[plan.output, :steps]), sums, grads.weight_recurrent)
    for index in range(plan.matrices):
        early, source, target = matrix_ends(plan, wiring, index)
        before = record.kept[source] if early else record.states[source]
        gates = stacked(record.graded[target, :steps])
        add_outer(stacked(before[:steps]), gates, grads.matrices[index])


@entry
def forward_window(
    plan: Plan,
    wiring: Array,
    weights: Weights,
    fixed: Array,
    record: Record,
    x: Array,
    sources: int = SOURCES,
) -> None:
    """:func:`forward` of one layer by itself.

    ``sources`` is not read: see :func:`~ltc2hw.compilation.sources.SOURCES`.
    """
    operands = np.empty((plan.operands, COLUMNS), np.int64)
    # Gradients have no place yet; the way forward adds to none.
    fill_operands(plan, wiring, weights, weights, fixed, record, record, operands)
    forward(plan, wiring, operands, weights, record, x)


@entry
def backward_window(
    plan: Plan,
    wiring: Array,
    weights: Weights,
    grads: Weights,
    fixed: Array,
    record: Record,
    back: Record,
    x: Array,
    above: Array,
    to_x: Array,
    sources: int = SOURCES,
) -> None:
    """:func:`backward` of one layer by itself, from gradients of all registers to all gradients.

    ``back`` is the record with other places for the gradients, so that the record stays as it is.
    ``sources`` is not read: see :func:`~ltc2hw.compilation.sources.SOURCES`.
    """
    operands = np.empty((plan.operands, COLUMNS), np.int64)
    fill_operands(plan, wiring, weights, grads, fixed, record, back, operands)
    backward(plan, wiring, operands, weights, grads, back, x, above, 0, True, to_x)
