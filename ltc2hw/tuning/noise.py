"""Differences of paired numbers, one for each sample, against what chance makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltc2hw.numbers.words import FloatArray

KEPT = 1.645
"""Standard errors by which a change must help: one in twenty passes by chance alone."""

LOST = 1.0
"""Standard errors from which on a loss is one: looking for a remedy costs time only."""


@dataclass(frozen=True)
class Paired:
    """Mean of the differences of B pairs, and its standard error if the true mean is 0.

    ``error = sqrt(Σ d²) / B``; for answers that are right or wrong, ``mean / error`` squared is
    McNemar's ``(b - c)² / (b + c)``.

    >>> found = Paired.of(np.array([1.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 0.0, 1.0]))
    >>> found.mean, round(found.error, 4), found.is_beyond(1.0)
    (0.5, 0.3536, True)
    """

    mean: float
    error: float

    @classmethod
    def of(cls, values: FloatArray, others: FloatArray) -> Paired:
        """``values - others``, (B,) each."""
        differences = values - others
        error = float(np.sqrt(np.sum(differences**2))) / differences.size
        return cls(float(differences.mean()), error)

    def is_beyond(self, errors: float = KEPT) -> bool:
        """Whether the mean is larger than so many standard errors."""
        return self.mean > errors * self.error

    def is_below(self, errors: float = KEPT) -> bool:
        """Whether the mean is less than minus so many standard errors."""
        return Paired(-self.mean, self.error).is_beyond(errors)
