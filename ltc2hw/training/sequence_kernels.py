"""A whole network over a whole sequence in one compiled call, updates included."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple, cast

import numpy as np
from numba import prange

from ltc2hw.compilation.caching import cached
from ltc2hw.compilation.sources import SOURCES
from ltc2hw.neurons import window_kernels
from ltc2hw.neurons.calls import fill_operands
from ltc2hw.neurons.kernels import Array, clear, compiled, copy, entry, merged
from ltc2hw.neurons.packed import (
    Plan,
    plan_at,
    record_of,
    take,
    weights_of,
)
from ltc2hw.neurons.vector_code import COLUMNS
from ltc2hw.training.loss_kernels import window_loss
from ltc2hw.training.update_kernels import (
    Rule,
    Vectors,
    restore_values,
    round_values,
    share,
    step_sizes,
    update,
    whole_gradient,
)


class Aim(NamedTuple):
    """What the network should give, and the room that it has."""

    edges: Array
    """Of the groups of classes, as :func:`~ltc2hw.training.loss_kernels.loss_edges` makes them."""
    scale: float
    """One over the number of terms in the mean loss of a step."""
    longest: int
    """Steps of the longest window."""


INPUTS = Plan._fields.index("inputs")


class Net(NamedTuple):
    """A network as compiled loops see it."""

    plans: Array
    """(layers, fields of :class:`~ltc2hw.neurons.packed.Plan`)."""
    wiring: Array
    fixed: Array
    """The fixed constants of all layers."""
    operands: int
    """Operands of all layers."""
    seen: Array
    """(layers,): the register of each that is seen by the layer above, or as the output."""


@compiled
def fixed_of(plan: Plan, vector: Array) -> Array:
    """A layer's fixed constants as rows."""
    length = plan.fixed * plan.size
    return vector[plan.fixed_at : plan.fixed_at + length].reshape(plan.fixed, plan.size)


@compiled
def find_operands(
    aim: Aim, net: Net, vectors: Vectors, room: Array, thread: int, batch: int, operands: Array
) -> None:
    """Where the operands of all layers lie for the samples of a thread."""
    for index in range(len(net.plans)):
        plan = plan_at(net.plans, index)
        record, _ = record_of(plan, room, aim.longest, batch)
        weights, grads = weights_of(plan, vectors.values), weights_of(plan, vectors.grad[thread])
        fixed = fixed_of(plan, net.fixed)
        fill_operands(plan, net.wiring, weights, grads, fixed, record, record, operands)


@compiled
def shown(index: int, aim: Aim, net: Net, room: Array, x: Array) -> Array:
    """What a layer shows to the one above, (L, B, N); the inputs for index -1."""
    if index < 0:
        return x
    record, _ = record_of(plan_at(net.plans, index), room, aim.longest, x.shape[1])
    return record.states[net.seen[index], 1 : x.shape[0] + 1]


@merged
def run_window(aim: Aim, net: Net, values: Array, room: Array, operands: Array, x: Array) -> None:
    """All layers over a window, from the states that their records begin with."""
    for index in range(len(net.plans)):
        plan = plan_at(net.plans, index)
        record, _ = record_of(plan, room, aim.longest, x.shape[1])
        below = shown(index - 1, aim, net, room, x)
        weights = weights_of(plan, values)
        window_kernels.forward(plan, net.wiring, operands, weights, record, below)


@merged
def back_window(
    aim: Aim, net: Net, values: Array, grad: Array, room: Array, operands: Array, x: Array
) -> None:
    """All layers back over a window, from the outputs' gradients to those of the parameters."""
    steps, batch = x.shape[0], x.shape[1]
    for index in range(len(net.plans) - 1, -1, -1):
        plan = plan_at(net.plans, index)
        record, above = record_of(plan, room, aim.longest, batch)
        to_x = x[:0]
        if index > 0:
            _, below = record_of(plan_at(net.plans, index - 1), room, aim.longest, batch)
            to_x = below[0, :steps]
        window_kernels.backward(
            plan,
            net.wiring,
            operands,
            weights_of(plan, values),
            weights_of(plan, grad),
            record,
            shown(index - 1, aim, net, room, x),
            above[:, :steps],
            net.seen[index],
            False,
            to_x,
        )


@merged
def keep_states(aim: Aim, net: Net, room: Array, steps: int, batch: int) -> None:
    """The states after a window become those before the next; no gradient crosses them."""
    for index in range(len(net.plans)):
        record, _ = record_of(plan_at(net.plans, index), room, aim.longest, batch)
        for state in range(record.states.shape[0]):
            copy(record.states[state, steps], record.states[state, 0])


@merged
def learn_window(
    aim: Aim,
    net: Net,
    values: Array,
    grad: Array,
    room: Array,
    operands: Array,
    x: Array,
    targets: Array,
    weights: Array,
) -> float:
    """Forward, loss, backward; adds to the gradients and gives these samples' part of the loss.

    Targets and weights are as :func:`~ltc2hw.training.loss_kernels.window_loss` takes them. Without
    any weight, only the states go on.
    """
    steps, batch = x.shape[0], x.shape[1]
    run_window(aim, net, values, room, operands, x)
    loss = 0.0
    if np.any(weights):
        last = len(net.plans) - 1
        _, grads = record_of(plan_at(net.plans, last), room, aim.longest, batch)
        outputs = shown(last, aim, net, room, x)
        loss = window_loss(aim.edges, outputs, targets, weights, aim.scale, grads[0, :steps])
        back_window(aim, net, values, grad, room, operands, x)
    keep_states(aim, net, room, steps, batch)
    return loss


def _learn_sequence(
    aim: Aim,
    rule: Rule,
    net: Net,
    vectors: Vectors,
    rooms: Array,
    inputs: Array,
    targets: Array,
    shares: Array,
    weights: Array,
    edges: Array,
    rate: float,
    done: int,
    losses: Array,
    sources: int = SOURCES,
) -> int:
    """One update per window between ``edges``; windows without weight only advance the states.

    ``inputs`` hold the samples of one thread (between two of ``shares``) after the other's, each
    (T, B, N_in); ``rooms`` (threads, n) their records. ``targets`` are (1, B, N) or (T, B, N),
    ``weights`` (T, 1) or (T, B). ``done`` updates were made before. Gives the
    number of updates made, ``losses`` their losses; it stops after the first loss that is not
    finite, without that update. Where a gradient is not finite, it stops without that update, too,
    and the number is negative. Gradients are those at the rounded values where parameters have
    steps. ``sources`` is not read: see :func:`~ltc2hw.compilation.sources.SOURCES`.
    """
    threads, steps = len(shares) - 1, len(weights)
    alike, lasting = weights.shape[1] == 1, len(targets) == 1
    width = net.plans[0, INPUTS]
    parts = np.zeros(threads)
    operands = np.empty((threads, net.operands, COLUMNS), np.int64)
    for thread in range(threads):
        batch = shares[thread + 1] - shares[thread]
        find_operands(aim, net, vectors, rooms[thread], thread, batch, operands[thread])
    made = 0
    round_values(vectors)
    for window in range(len(edges) - 1):
        begin, end = edges[window], edges[window + 1]
        for thread in prange(threads):
            first, after = shares[thread], shares[thread + 1]
            shape = (steps, after - first, width)
            x, _ = take(inputs, steps * first * width, shape)
            wanted = targets if lasting else targets[begin:end]
            own = (0, 1) if alike else (first, after)
            # As an assignment, Numba would move it out of the loop over windows.
            clear(vectors.grad[thread : thread + 1])
            parts[thread] = learn_window(
                aim,
                net,
                vectors.values,
                vectors.grad[thread],
                rooms[thread],
                operands[thread],
                x[begin:end],
                wanted[:, first:after],
                weights[begin:end, own[0] : own[1]],
            )
        if not np.any(weights[begin:end]):
            continue
        losses[made] = parts.sum()
        made += 1
        if not np.isfinite(losses[made - 1]):
            break
        restore_values(vectors)
        rates = step_sizes(rule, rate, done + made, vectors.values)
        for thread in prange(threads):
            first, after = share(vectors, thread, threads)
            parts[thread] = whole_gradient(rule, vectors, first, after)
        square = parts.sum()
        if not np.isfinite(square):
            restore_values(vectors)
            return -made
        for thread in prange(threads):
            first, after = share(vectors, thread, threads)
            update(rule, vectors, square, rates, first, after)
        round_values(vectors)
    restore_values(vectors)
    return made


learn_sequence = entry(_learn_sequence)
"""With one thread, which compiles sooner."""


def _renamed(function: Callable[..., int], name: str) -> Any:
    """The same code by another name: Numba's cache knows functions by name and line alone."""
    same = cast(FunctionType, function)
    other = FunctionType(same.__code__, same.__globals__, name, same.__defaults__, same.__closure__)
    other.__qualname__ = name
    return other


learn_sequence_threads = cached(
    _renamed(_learn_sequence, "learn_sequence_threads"),
    error_model="numpy",
    nogil=True,
    parallel=True,
)
"""With a thread for each share of the samples."""
