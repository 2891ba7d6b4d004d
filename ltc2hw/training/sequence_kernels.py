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
from ltc2hw.neurons.kernels import Array, clear, compiled, copy, entry, merged
from ltc2hw.neurons.packed import (
    MEMBRANE,
    SPIKES,
    Plan,
    plan_at,
    record_of,
    take,
    weights_of,
)
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

    classes: int
    """1 for classes, 0 for a regression."""
    membranes: int
    """1 if the readout sees the last layer's membranes instead of its spikes."""
    scale: float
    """One over the number of terms in the mean loss of a step."""
    longest: int
    """Steps of the longest window."""


INPUTS = Plan._fields.index("inputs")


@compiled
def constants_of(plan: Plan, vector: Array) -> Array:
    """A layer's constants as rows."""
    length = plan.constants * plan.size
    return vector[plan.constants_at : plan.constants_at + length].reshape(plan.constants, plan.size)


@compiled
def seen_state(index: int, plans: Array, membranes: int) -> int:
    """Which of a layer's states is seen: by the layer above, or as the output."""
    last = len(plans) - 1
    return MEMBRANE if index == last or (index == last - 1 and membranes) else SPIKES


@compiled
def seen(index: int, aim: Aim, plans: Array, room: Array, x: Array) -> Array:
    """What a layer shows to the one above, (L, B, N); the inputs for index -1."""
    if index < 0:
        return x
    record, _ = record_of(plan_at(plans, index), room, aim.longest, x.shape[1])
    return record.states[seen_state(index, plans, aim.membranes), 1 : x.shape[0] + 1]


@merged
def run_window(
    aim: Aim, plans: Array, values: Array, constants: Array, room: Array, x: Array
) -> None:
    """All layers over a window, from the states that their records begin with."""
    for index in range(len(plans)):
        plan = plan_at(plans, index)
        record, _ = record_of(plan, room, aim.longest, x.shape[1])
        below = seen(index - 1, aim, plans, room, x)
        weights = weights_of(plan, values)
        window_kernels.forward(plan, weights, constants_of(plan, constants), record, below)


@merged
def back_window(
    aim: Aim, plans: Array, values: Array, constants: Array, grad: Array, room: Array, x: Array
) -> None:
    """All layers back over a window, from the outputs' gradients to those of the parameters."""
    steps, batch = x.shape[0], x.shape[1]
    for index in range(len(plans) - 1, -1, -1):
        plan = plan_at(plans, index)
        record, above = record_of(plan, room, aim.longest, batch)
        to_x = x[:0]
        if index > 0:
            _, below = record_of(plan_at(plans, index - 1), room, aim.longest, batch)
            to_x = below[0, :steps]
        window_kernels.backward(
            plan,
            weights_of(plan, values),
            weights_of(plan, grad),
            constants_of(plan, constants),
            record,
            seen(index - 1, aim, plans, room, x),
            above[:, :steps],
            seen_state(index, plans, aim.membranes),
            False,
            to_x,
        )


@merged
def keep_states(aim: Aim, plans: Array, room: Array, steps: int, batch: int) -> None:
    """The states after a window become those before the next; no gradient crosses them."""
    for index in range(len(plans)):
        record, _ = record_of(plan_at(plans, index), room, aim.longest, batch)
        for state in range(record.states.shape[0]):
            copy(record.states[state, steps], record.states[state, 0])


@merged
def learn_window(
    aim: Aim,
    plans: Array,
    values: Array,
    constants: Array,
    grad: Array,
    room: Array,
    x: Array,
    targets: Array,
    weights: Array,
) -> float:
    """Forward, loss, backward; adds to the gradients and gives these samples' part of the loss.

    Without any weight, only the states go on.
    """
    steps, batch = x.shape[0], x.shape[1]
    run_window(aim, plans, values, constants, room, x)
    loss = 0.0
    if np.any(weights):
        last = len(plans) - 1
        _, grads = record_of(plan_at(plans, last), room, aim.longest, batch)
        outputs = seen(last, aim, plans, room, x)
        loss = window_loss(aim.classes, outputs, targets, weights, aim.scale, grads[0, :steps])
        back_window(aim, plans, values, constants, grad, room, x)
    keep_states(aim, plans, room, steps, batch)
    return loss


def _learn_sequence(
    aim: Aim,
    rule: Rule,
    plans: Array,
    constants: Array,
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
    (T, B, N_in); ``rooms`` (threads, n) their records. ``done`` updates were made before. Gives the
    number of updates made, ``losses`` their losses; it stops after the first loss that is not
    finite, without that update. Where a gradient is not finite, it stops without that update, too,
    and the number is negative. Gradients are those at the rounded values where parameters have
    steps. ``sources`` is not read: see :func:`~ltc2hw.compilation.sources.SOURCES`.
    """
    threads, steps = len(shares) - 1, len(weights)
    width = plans[0, INPUTS]
    parts = np.zeros(threads)
    made = 0
    round_values(rule, vectors)
    for window in range(len(edges) - 1):
        begin, end = edges[window], edges[window + 1]
        for thread in prange(threads):
            first, after = shares[thread], shares[thread + 1]
            shape = (steps, after - first, width)
            x, _ = take(inputs, steps * first * width, shape)
            # As an assignment, Numba would move it out of the loop over windows.
            clear(vectors.grad[thread : thread + 1])
            parts[thread] = learn_window(
                aim,
                plans,
                vectors.values,
                constants,
                vectors.grad[thread],
                rooms[thread],
                x[begin:end],
                targets[first:after],
                weights[begin:end],
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
        round_values(rule, vectors)
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
