"""How sure a change of the score is, from verdicts on the same samples before and after."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import comb, sqrt

import numpy as np

from ltc2hw.numbers.words import FloatArray

CONFIDENCE = 0.95
"""How often intervals hold what they are about."""

NORMAL = 1.96
"""Standard deviations to either side that a normal variable leaves once in twenty times."""

RESAMPLES = 2000
"""Bootstrap samples of verdicts that are not right or wrong."""


@dataclass(frozen=True)
class Change:
    """A mean change of verdicts and from where to where it may lie for other such samples."""

    mean: float
    low: float
    high: float

    @property
    def beyond_noise(self) -> bool:
        """Whether no change at all lies outside of the interval."""
        return not self.low <= 0.0 <= self.high


def change(before: FloatArray, after: FloatArray, seed: int = 0) -> Change:
    """Change of the mean verdict, each (B,), on the same samples.

    Where verdicts are right or wrong, the interval is Newcombe's for paired proportions (method 10,
    Statistics in Medicine 17, 1998), else that of a bootstrap over samples, drawn by the seed.

    >>> found = change(np.array([1.0, 1.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0, 0.0]))
    >>> round(found.mean, 3), round(found.low, 2), round(found.high, 2)
    (-0.25, -0.66, 0.32)
    """
    mean = float(np.mean(after) - np.mean(before))
    if answers(before) and answers(after):
        return Change(mean, *newcombe(before, after))
    return Change(mean, *bootstrap(after - before, seed))


def answers(verdicts: FloatArray) -> bool:
    """Whether verdicts say right or wrong."""
    return bool(np.all((verdicts == 0.0) | (verdicts == 1.0)))


def wilson(right: int, count: int) -> tuple[float, float]:
    """Interval of a proportion (Wilson, 1927).

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    square = NORMAL**2
    centre = (right + square / 2) / (count + square)
    half = NORMAL * sqrt(right * (count - right) / count + square / 4) / (count + square)
    return max(0.0, centre - half), min(1.0, centre + half)


def newcombe(before: FloatArray, after: FloatArray) -> tuple[float, float]:
    """Interval of the change of a proportion, of answers (B,) to the same questions."""
    count = len(before)
    both = int(np.sum(before * after))
    first, second = int(np.sum(before)), int(np.sum(after))
    neither = count - first - second + both
    margin = first * (count - first) * second * (count - second)
    # The correlation of the answers, with a correction where it is positive.
    cross = both * neither - (first - both) * (second - both)
    if cross > 0:
        cross = max(cross - count // 2, 0)
    together = 0.0 if margin == 0 else cross / sqrt(margin)
    p, q = first / count, second / count
    (low_p, high_p), (low_q, high_q) = wilson(first, count), wilson(second, count)

    def reach(a: float, b: float) -> float:
        return sqrt(max(a * a - 2 * together * a * b + b * b, 0.0))

    return q - p - reach(q - low_q, high_p - p), q - p + reach(high_q - q, p - low_p)


def mcnemar(before: FloatArray, after: FloatArray) -> float:
    """How likely a change as large is by chance alone: McNemar's exact test, both sides.

    >>> mcnemar(np.array([1.0, 1.0, 1.0, 1.0, 0.0]), np.array([0.0, 0.0, 0.0, 0.0, 0.0]))
    0.125
    """
    worse, better = int(np.sum(before > after)), int(np.sum(after > before))
    changed = worse + better
    tail = sum(comb(changed, k) for k in range(min(worse, better) + 1))
    # Of integers, so that no number of answers is too many.
    return min(1.0, float(Fraction(2 * tail, 1 << changed)))


def bootstrap(differences: FloatArray, seed: int) -> tuple[float, float]:
    """Ends of the middle of the means of samples drawn again and again from differences (B,)."""
    if np.all(differences == differences[0]):
        return float(differences[0]), float(differences[0])
    rng, count = np.random.default_rng(seed), len(differences)
    means = [float(np.mean(differences[rng.integers(0, count, count)])) for _ in range(RESAMPLES)]
    outside = (1.0 - CONFIDENCE) / 2
    low, high = np.quantile(means, [outside, 1.0 - outside])
    return float(low), float(high)


def spread(differences: FloatArray, largest: float) -> FloatArray:
    """Standard deviation of the mean of differences (B, n), (n,).

    As if there were one more sample, with the ``largest`` difference: where few samples change at
    all, those that did not happen to are otherwise taken for certain (Agresti and Min, 2005).

    >>> spread(np.zeros((10, 1)), 1.0)
    array([0.1])
    """
    squares = np.sum((differences - differences.mean(axis=0)) ** 2, axis=0)
    found: FloatArray = np.sqrt(squares + largest**2) / len(differences)
    return found
