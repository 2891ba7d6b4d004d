"""Compiled windows of any layer: products with the synapses around each family's own step."""

from __future__ import annotations

from ltc2hw.compilation.sources import SOURCES
from ltc2hw.neurons import lif_kernels, ltc_kernels, readout_kernels
from ltc2hw.neurons.kernels import (
    Array,
    add,
    add_columns,
    clear,
    compiled,
    entry,
    joined,
    merged,
    stacked,
)
from ltc2hw.neurons.packed import (
    CURRENT,
    DENSE,
    LIF,
    LTC,
    READOUT,
    SPIKES,
    Plan,
    Record,
    Weights,
)
from ltc2hw.neurons.products import add_dense, add_outer, add_product
from ltc2hw.neurons.surrogate_kernels import surrogate_slopes


@entry
def forward(
    plan: Plan,
    weights: Weights,
    constants: Array,
    record: Record,
    x: Array,
    sources: int = SOURCES,
) -> None:
    """Run x: (L, B, M) from the state in ``record.states[:, 0]``; the record keeps everything.

    ``sources`` is not read: see :func:`~ltc2hw.compilation.sources.SOURCES`.
    """
    recurrent = weights.weight_recurrent.shape[0] > 0
    for t in range(x.shape[0]):
        sums = joined(record.sums[t])
        clear(sums)
        if recurrent:
            spikes = record.states[SPIKES, t]
            add_product(spikes, weights.weight_recurrent, sums)
        add_product(x[t], weights.weight_input, sums)
        if plan.family == LTC:
            ltc_kernels.forward(plan, weights, constants, record, t)
        elif plan.family == LIF:
            lif_kernels.forward(weights, constants, record, t)
        else:
            readout_kernels.forward(plan, weights, record, t)


@entry
def backward(
    plan: Plan,
    weights: Weights,
    grads: Weights,
    constants: Array,
    record: Record,
    x: Array,
    above: Array,
    first: int,
    to_state: bool,
    to_x: Array,
    sources: int = SOURCES,
) -> None:
    """Walk back through a window; ``grads``, zero before, become the parameters' gradients.

    ``above`` (V, L, B, N) are the gradients of V states after each step, from the state ``first``
    on. ``to_x`` (L, B, M) receives the inputs' gradients, unless it is empty. With ``to_state``,
    ``record.back`` ends as the gradients of the state before the window. ``sources`` is not read.
    """
    steps = x.shape[0]
    for state in range(record.back.shape[0]):
        clear(record.back[state])
    for t in range(steps - 1, -1, -1):
        through = t > 0 or to_state
        for index in range(above.shape[0]):
            add(above[index, t], record.back[first + index])
        if plan.family == READOUT:
            readout_kernels.backward(plan, weights, grads, record, t, through)
        else:
            back_spiking(plan, weights, grads, constants, record, t, through)
    add_weight_gradients(plan, grads, record, x)
    if to_x.shape[0]:
        for t in range(steps):
            clear(to_x[t])
            add_dense(joined(record.sums[t]), weights.weight_input.T, to_x[t])


@merged
def back_spiking(
    plan: Plan,
    weights: Weights,
    grads: Weights,
    constants: Array,
    record: Record,
    t: int,
    through: bool,
) -> None:
    """One step back through neurons that spike, recurrent synapses included."""
    if plan.family == LTC:
        ltc_kernels.distances(constants, record, t)
    else:
        lif_kernels.distances(constants, record, t)
    surrogate_slopes(plan, record.slope)
    if plan.family == LTC:
        ltc_kernels.backward(plan, weights, grads, constants, record, t, through)
    else:
        lif_kernels.backward(grads, constants, record, t)
    if through and weights.weight_recurrent.shape[0] > 0:
        add_dense(joined(record.sums[t]), weights.weight_recurrent.T, record.back[SPIKES])


@compiled
def add_weight_gradients(plan: Plan, grads: Weights, record: Record, x: Array) -> None:
    """Synapses, biases and dense gate terms, from what :func:`backward` left in the record."""
    steps = x.shape[0]
    _, batch, ports, size = record.sums.shape
    sums = record.sums[:steps].reshape(steps * batch, ports * size)
    add_outer(stacked(x), sums, grads.weight_input)
    if grads.weight_recurrent.shape[0]:
        add_outer(stacked(record.states[SPIKES, :steps]), sums, grads.weight_recurrent)
    if plan.family == LIF:
        return
    add_columns(sums, grads.bias.reshape(-1)[: sums.shape[1]])
    for which in range(record.gates.shape[0]):
        gates = record.gates[which, :steps].reshape(steps * batch, size)
        add_columns(gates, grads.bias[1 + which])
        if plan.gate == DENSE:
            before = stacked(record.states[which, :steps])
            current = stacked(record.values[CURRENT, :steps])
            add_outer(before, gates, grads.terms[2 * which])
            add_outer(current, gates, grads.terms[2 * which + 1])
