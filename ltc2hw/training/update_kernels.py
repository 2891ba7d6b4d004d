"""One parameter update, compiled: FPTT's regularizer, norm clip, optimizer, FPTT's memories.

The equations are those of :class:`~ltc2hw.training.fptt.FPTT` and of torch's optimizers. Vectors
are walked in tiles that stay in the cache, once for everything.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ltc2hw.neurons.kernels import Array, compiled

SGD, ADAM, ADAMAX = 0, 1, 2
OPTIMIZER_CODES = {"sgd": SGD, "adam": ADAM, "adamax": ADAMAX}

TILE = 2048
FIRST_DECAY, SECOND_DECAY, TINY = 0.9, 0.999, 1e-8
"""Torch's defaults for Adam and Adamax."""


class Rule(NamedTuple):
    """Constants of an update in the parameters' float type."""

    optimizer: int
    online: int
    """1 for FPTT, 0 for the bare loss."""
    alpha: float
    beta: float
    clip: float


class Vectors(NamedTuple):
    """All parameters of a network and what an update keeps for each, mostly (n,)."""

    values: Array
    grad: Array
    """(threads, n): the samples of each thread add up their own."""
    mean: Array
    """``Φ̄``."""
    memory: Array
    """``λ``."""
    first: Array
    """Mean of gradients."""
    second: Array
    """Mean of squared gradients (Adam), largest gradient (Adamax)."""
    bounds: Array
    """Values are clipped to ± these; empty: they are not."""
    steps: Array
    """Gradients are computed at multiples of these; 0, or none at all: at the values."""
    lowest: Array
    highest: Array
    """Mantissas that rounded values may have; as long as ``steps``."""
    held: Array
    """The values, while others stand in their place; as long as ``steps``."""


@compiled
def add_regularizer(rule: Rule, values: Array, mean: Array, memory: Array, grad: Array) -> None:
    """``grad += α (Φ - Φ̄) - λ``."""
    alpha = grad.dtype.type(rule.alpha)
    for n in range(len(grad)):
        grad[n] += alpha * (values[n] - mean[n]) - memory[n]


@compiled
def share(vectors: Vectors, part: int, parts: int) -> tuple[int, int]:
    """Where the numbers begin and end that one of the threads brings up to date."""
    length = len(vectors.values)
    return part * length // parts, (part + 1) * length // parts


@compiled
def whole_gradient(rule: Rule, vectors: Vectors, begin: int, end: int) -> float:
    """Complete the gradient that is clipped, from ``begin`` to ``end``; its squared norm there."""
    square = 0.0
    for start in range(begin, end, TILE):
        part = slice(start, min(start + TILE, end))
        tile = vectors.grad[0, part]
        for thread in range(1, len(vectors.grad)):
            tile += vectors.grad[thread, part]
        if rule.online:
            values, mean = vectors.values[part], vectors.mean[part]
            add_regularizer(rule, values, mean, vectors.memory[part], tile)
        square += np.dot(tile, tile)
    return square


@compiled
def adam(values: Array, grad: Array, first: Array, second: Array, rates: Array) -> None:
    """Adam; ``rates``: step size, one over the root of the second bias correction."""
    kept, fresh = rates[2], rates[3]
    for n in range(len(grad)):
        first[n] += kept * (grad[n] - first[n])
    for n in range(len(grad)):
        second[n] += fresh * (grad[n] * grad[n] - second[n])
    for n in range(len(grad)):
        values[n] -= rates[0] * first[n] / (np.sqrt(second[n]) * rates[1] + rates[4])


@compiled
def adamax(values: Array, grad: Array, first: Array, second: Array, rates: Array) -> None:
    """Adamax; ``rates`` as for :func:`adam`."""
    kept, decay = rates[2], rates[5]
    for n in range(len(grad)):
        first[n] += kept * (grad[n] - first[n])
    for n in range(len(grad)):
        second[n] = max(decay * second[n], abs(grad[n]) + rates[4])
    for n in range(len(grad)):
        values[n] -= rates[0] * first[n] / second[n]


@compiled
def sgd(values: Array, grad: Array, rates: Array) -> None:
    """Plain gradient descent."""
    for n in range(len(grad)):
        values[n] -= rates[0] * grad[n]


@compiled
def scale(factor: float, grad: Array) -> None:
    """``grad *= factor``."""
    constant = grad.dtype.type(factor)
    for n in range(len(grad)):
        grad[n] *= constant


@compiled
def remember(rule: Rule, values: Array, mean: Array, memory: Array) -> None:
    """First ``λ -= α (Φ - Φ̄)``, then ``Φ̄ = (1 - β) Φ̄ + β Φ - (β/α) λ``."""
    alpha, beta = values.dtype.type(rule.alpha), values.dtype.type(rule.beta)
    ratio = values.dtype.type(rule.beta / rule.alpha)
    for n in range(len(values)):
        memory[n] -= alpha * (values[n] - mean[n])
    for n in range(len(values)):
        mean[n] += beta * (values[n] - mean[n]) - ratio * memory[n]


@compiled
def limit(bounds: Array, values: Array) -> None:
    """Clip to ± bounds."""
    for n in range(len(bounds)):
        values[n] = min(max(values[n], -bounds[n]), bounds[n])


@compiled
def round_values(vectors: Vectors) -> None:
    """Hold the values and put multiples of their steps in their place."""
    steps, values = vectors.steps, vectors.values
    lowest, highest = vectors.lowest, vectors.highest
    vectors.held[:] = values[: len(steps)]
    for n in range(len(steps)):
        if steps[n] > 0.0:
            mantissa = min(max(np.rint(values[n] / steps[n]), lowest[n]), highest[n])
            values[n] = steps[n] * mantissa


@compiled
def restore_values(vectors: Vectors) -> None:
    """Back to the values held."""
    vectors.values[: len(vectors.held)] = vectors.held


@compiled
def step_sizes(rule: Rule, rate: float, step: int, dtype: Array) -> Array:
    """What the optimizers take as ``rates``, in the float type of ``dtype``."""
    rates = np.zeros(6, dtype.dtype)
    first = 1.0 if rule.optimizer == SGD else 1.0 - FIRST_DECAY**step
    rates[0] = rate / first
    rates[1] = 1.0 / np.sqrt(1.0 - SECOND_DECAY**step)
    rates[2], rates[3] = 1.0 - FIRST_DECAY, 1.0 - SECOND_DECAY
    rates[4], rates[5] = TINY, SECOND_DECAY
    return rates


@compiled
def update(rule: Rule, vectors: Vectors, square: float, rates: Array, begin: int, end: int) -> None:
    """Change what lies from ``begin`` to ``end``; ``square``: the whole gradient's squared norm."""
    factor = min(1.0, rule.clip / (np.sqrt(square) + 1e-6))
    for start in range(begin, end, TILE):
        part = slice(start, min(start + TILE, end))
        values, grad = vectors.values[part], vectors.grad[0, part]
        scale(factor, grad)
        if rule.optimizer == ADAM:
            adam(values, grad, vectors.first[part], vectors.second[part], rates)
        elif rule.optimizer == ADAMAX:
            adamax(values, grad, vectors.first[part], vectors.second[part], rates)
        else:
            sgd(values, grad, rates)
        if rule.online:
            remember(rule, values, vectors.mean[part], vectors.memory[part])
        limit(vectors.bounds[part], values)
