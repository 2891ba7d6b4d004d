"""Losses of a window with their gradients, compiled; as in :mod:`ltc2hw.training.loss`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ltc2hw.graph.labels import class_labels, real_targets
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
def cross_entropy(outputs: Array, targets: Array, weight: float, grads: Array) -> float:
    """``-weight Σ targets·log softmax(outputs)`` over a plane (B, N), and its gradient.

    Each row of ``targets`` sums to one.
    """
    total = 0.0
    for b in range(outputs.shape[0]):
        largest = outputs[b].max()
        sum_of_exponentials = 0.0
        for n in range(outputs.shape[1]):
            sum_of_exponentials += math.exp(outputs[b, n] - largest)
        logarithm = largest + math.log(sum_of_exponentials)
        for n in range(outputs.shape[1]):
            total += targets[b, n] * (logarithm - outputs[b, n])
            share = math.exp(outputs[b, n] - logarithm)
            grads[b, n] = weight * (share - targets[b, n])
    return weight * total


@compiled
def window_loss(
    classes: int, outputs: Array, targets: Array, weights: Array, scale: float, grads: Array
) -> float:
    """Weighted mean over the steps of outputs (L, B, N); fills ``grads``, of the same shape.

    ``scale`` is one over the number of terms that make up a step's mean.
    """
    steps = outputs.shape[0]
    total = 0.0
    for t in range(steps):
        weight = weights[t] * scale / steps
        if classes:
            total += cross_entropy(outputs[t], targets, weight, grads[t])
        else:
            total += squared_error(outputs[t], targets, weight, grads[t])
    return total


def as_targets(classes: bool, labels: object, batch: int, outputs: int, dtype: Any) -> Array:
    """Labels as the losses take them, (B, N): classes become rows of zeros with a one.

    Raises:
        ShapeError, InvalidValueError: as :mod:`ltc2hw.graph.labels`.
    """
    if not classes:
        return np.ascontiguousarray(real_targets(labels, batch, outputs), dtype)
    return np.eye(outputs, dtype=dtype)[class_labels(labels, batch, outputs)]
