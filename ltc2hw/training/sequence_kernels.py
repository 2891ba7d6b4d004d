"""A whole network over a whole sequence in one compiled call, updates included."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ltc2hw.neurons import window_kernels
from ltc2hw.neurons.kernels import Array, compiled
from ltc2hw.neurons.packed import MEMBRANE, SPIKES, Kind, Record, Weights
from ltc2hw.training.loss_kernels import window_loss
from ltc2hw.training.update_kernels import Rule, Vectors, restore_values, round_values, update


class Layer(NamedTuple):
    """What all samples share of a layer."""

    kind: Kind
    weights: Weights
    constants: Array


class Bench(NamedTuple):
    """What some samples need of a layer: their states, and the gradients that they add up."""

    grads: Weights
    record: Record
    above: Array
    """(1, L, B, N): gradients of what the layer above sees, or of the outputs."""


class Aim(NamedTuple):
    """What the readout should give, and where it looks."""

    classes: bool
    membranes: bool
    """Whether the readout sees the last layer's membranes instead of its spikes."""
    scale: float


@compiled
def seen_by(
    index: int, aim: Aim, layers: tuple[Layer, ...], benches: tuple[Bench, ...], x: Array
) -> Array:
    """The inputs (L, B, M) of a layer."""
    if index == 0:
        return x
    states = benches[index - 1].record.states
    which = MEMBRANE if index == len(layers) - 1 and aim.membranes else SPIKES
    return states[which, 1 : x.shape[0] + 1]


@compiled
def run_window(aim: Aim, layers: tuple[Layer, ...], benches: tuple[Bench, ...], x: Array) -> None:
    """All layers over a window, from the states that their records begin with."""
    for index in range(len(layers)):
        layer = layers[index]
        window_kernels.forward(
            layer.kind,
            layer.weights,
            layer.constants,
            benches[index].record,
            seen_by(index, aim, layers, benches, x),
        )


@compiled
def back_window(aim: Aim, layers: tuple[Layer, ...], benches: tuple[Bench, ...], x: Array) -> None:
    """All layers back over a window, from the outputs' gradients to those of the parameters."""
    steps, last = x.shape[0], len(layers) - 1
    for index in range(last, -1, -1):
        layer, bench = layers[index], benches[index]
        first = SPIKES
        if index == last or (index == last - 1 and aim.membranes):
            first = MEMBRANE
        to_x = x[:0] if index == 0 else benches[index - 1].above[0, :steps]
        window_kernels.backward(
            layer.kind,
            layer.weights,
            bench.grads,
            layer.constants,
            bench.record,
            seen_by(index, aim, layers, benches, x),
            bench.above[:, :steps],
            first,
            False,
            to_x,
        )


@compiled
def keep_states(benches: tuple[Bench, ...], steps: int) -> None:
    """The states after a window become those before the next; no gradient crosses them."""
    for index in range(len(benches)):
        states = benches[index].record.states
        states[:, 0] = states[:, steps]


@compiled
def learn_window(
    aim: Aim,
    layers: tuple[Layer, ...],
    benches: tuple[Bench, ...],
    x: Array,
    targets: Array,
    weights: Array,
) -> float:
    """Forward, loss, backward; adds to the gradients and gives these samples' part of the loss."""
    steps, last = x.shape[0], benches[len(benches) - 1]
    run_window(aim, layers, benches, x)
    outputs = last.record.states[MEMBRANE, 1 : steps + 1]
    loss = window_loss(aim.classes, outputs, targets, weights, aim.scale, last.above[0, :steps])
    back_window(aim, layers, benches, x)
    keep_states(benches, steps)
    return loss


@compiled
def learn_sequence(
    aim: Aim,
    rule: Rule,
    layers: tuple[Layer, ...],
    benches: tuple[Bench, ...],
    vectors: Vectors,
    x: Array,
    targets: Array,
    weights: Array,
    edges: Array,
    rate: float,
    done: int,
    losses: Array,
) -> int:
    """One update per window between ``edges``; windows without weight only advance the states.

    ``done`` updates were made before. Gives the number of updates made, ``losses`` their losses;
    it stops after the first loss that is not finite, without that update. Gradients are those at
    the rounded values where parameters have steps.
    """
    made = 0
    round_values(rule, vectors)
    for window in range(len(edges) - 1):
        part = slice(edges[window], edges[window + 1])
        if not np.any(weights[part]):
            run_window(aim, layers, benches, x[part])
            keep_states(benches, len(x[part]))
            continue
        vectors.grad[:] = 0.0
        losses[made] = learn_window(aim, layers, benches, x[part], targets, weights[part])
        made += 1
        if not np.isfinite(losses[made - 1]):
            break
        restore_values(vectors)
        update(rule, vectors, rate, done + made)
        round_values(rule, vectors)
    restore_values(vectors)
    return made
