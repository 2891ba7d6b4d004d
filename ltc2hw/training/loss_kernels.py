"""Losses of a window with their gradients, compiled; as in :mod:`ltc2hw.training.loss`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ltc2hw.graph.labels import NO_LABEL, Labels, head_edges
from ltc2hw.neurons.kernels import Array, compiled


@compiled
def squared_error(outputs: Array, targets: Array, weight: float, grads: Array) -> float:
    """``weight Σ (outputs - targets)²`` over a plane (B, N), and its gradient."""
    total = 0.0
    for b in range(outputs.shape[0]):
        for n in range(outputs.shape[1]):
            error = outputs[b, n] - targets[b, n]
            total += error * error
            grads[b, n] = 2.0 * weight * error
    return weight * total


@compiled
def cross_entropy(
    edges: Array, outputs: Array, targets: Array, weight: float, grads: Array
) -> float:
    """``-weight Σ targets·log softmax(outputs)`` over a plane (B, N), and its gradient.

    There is a softmax for the outputs between two ``edges``. There, each row of ``targets`` sums to
    one, or is zeros and its weight is.
    """
    total = 0.0
    for b in range(outputs.shape[0]):
        for head in range(len(edges) - 1):
            first, after = edges[head], edges[head + 1]
            largest = outputs[b, first:after].max()
            sum_of_exponentials = 0.0
            for n in range(first, after):
                sum_of_exponentials += math.exp(outputs[b, n] - largest)
            logarithm = largest + math.log(sum_of_exponentials)
            for n in range(first, after):
                total += targets[b, n] * (logarithm - outputs[b, n])
                share = math.exp(outputs[b, n] - logarithm)
                grads[b, n] = weight * (share - targets[b, n])
    return weight * total


@compiled
def plane_loss(edges: Array, outputs: Array, targets: Array, weight: float, grads: Array) -> float:
    """Loss of a plane (B, N) of one weight, and its gradient."""
    if len(edges):
        return cross_entropy(edges, outputs, targets, weight, grads)
    return squared_error(outputs, targets, weight, grads)


@compiled
def window_loss(
    edges: Array, outputs: Array, targets: Array, weights: Array, scale: float, grads: Array
) -> float:
    """Weighted mean over the steps of outputs (L, B, N); fills ``grads``, of the same shape.

    ``edges`` are as :func:`loss_edges` makes them.
    ``targets`` (1, B, N) are wanted at every step, (L, B, N) at each its own. ``weights`` (L, 1)
    are those of all samples, (L, B) each its own. ``scale`` is one over the number of terms that
    make up a step's mean.
    """
    steps, batch = outputs.shape[0], outputs.shape[1]
    total = 0.0
    for t in range(steps):
        wanted = targets[t if len(targets) > 1 else 0]
        if weights.shape[1] == 1:
            weight = weights[t, 0] * scale / steps
            total += plane_loss(edges, outputs[t], wanted, weight, grads[t])
        else:
            for b in range(batch):
                one, weight = slice(b, b + 1), weights[t, b] * scale / steps
                total += plane_loss(edges, outputs[t, one], wanted[one], weight, grads[t, one])
    return total


def loss_edges(classes: bool, outputs: int, heads: tuple[int, ...]) -> Array:
    """Where the groups of classes begin and the last one ends, (H + 1,); none for a regression.

    >>> loss_edges(True, 13, ()).tolist(), loss_edges(True, 13, (9, 4)).tolist()
    ([0, 13], [0, 9, 13])
    """
    edges = head_edges(heads or (outputs,)) if classes else np.zeros(0)
    # Unsigned, so that a loop between two of them need not look for negative indices.
    return edges.astype(np.uint64)


def as_targets(
    classes: bool, labels: Labels, outputs: int, dtype: Any, heads: tuple[int, ...] = ()
) -> Array:
    """Labels as the losses take them, (1, B, N) or at every step (T, B, N).

    Classes become rows of zeros with a one, or with ``heads`` one for each of the labels (B, H). A
    step without a label has zeros, and no weight.
    """
    if heads:
        ones = np.eye(outputs, dtype=dtype)[labels + head_edges(heads)[:-1]]
        several: Array = ones.sum(axis=1, dtype=dtype)
        return several[None]
    if classes:
        rows = np.eye(outputs, dtype=dtype)[labels]
        rows[labels == NO_LABEL] = 0.0
        return rows if labels.ndim == 2 else rows[None]
    targets = np.ascontiguousarray(labels, dtype)
    return np.nan_to_num(targets) if labels.ndim == 3 else targets[None]
