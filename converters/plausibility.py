"""Neurons that nothing can make spike: what a step in the wrong unit makes of a network."""

from __future__ import annotations

import numpy as np

from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.euler import Leaky
from ltc2hw.converters.products import row_sizes
from ltc2hw.converters.signals import CONSTANT, Signal
from ltc2hw.numbers.words import FloatArray

HORIZON = 1000
"""Steps in which a neuron must be able to spike once, if everything before it spikes at each."""


def check_reach(
    conversion: Conversion, label: str, neurons: Leaky, threshold: FloatArray, arriving: Signal
) -> None:
    """Refuse neurons, without leave, that stay below their threshold whatever they receive.

    ``threshold`` (N,) counts from the reset potential. The bound takes every weight as positive,
    so that only scales count, not signs; what is no spike may be of any size, and neurons that
    receive nothing at all are nobody's mistake.

    Raises:
        UnsupportedError: naming how many, and how far the nearest one comes.
    """
    drive = largest_drive(arriving)
    highest = neurons.membrane_gain * neurons.input_gain * drive
    highest = np.abs(highest) * _sum(neurons.synapse) * _sum(neurons.leak)
    highest = highest + np.abs(neurons.rest) * (neurons.leak > 0.0)
    silent = (highest < threshold) & (drive > 0.0)
    if np.any(silent):
        nearest = float(np.max(highest[silent] / threshold[silent]))
        far = f"at most {nearest:.3g} of their threshold"
        count = f"{int(silent.sum())} of {neurons.size} neurons reach {far} in {HORIZON} steps"
        conversion.meet("silent-neurons", f"{label}: {count}")


def largest_drive(arriving: Signal) -> FloatArray:
    """The sum of all weights' sizes per neuron; infinite where something but spikes arrives."""
    drive = np.zeros(arriving.size)
    for source, matrix in arriving.terms.items():
        weights = row_sizes(matrix)
        if source.variable != "spikes" and source.population != CONSTANT:
            weights = np.where(weights > 0.0, np.inf, 0.0)
        drive += weights
    return drive


def _sum(decay: FloatArray) -> FloatArray:
    """What a decaying sum of ones comes to: Σ (1 - decay)^k over the steps."""
    with np.errstate(divide="ignore", invalid="ignore"):
        total = -np.expm1(HORIZON * np.log1p(-decay)) / decay
    return np.where(decay == 0.0, float(HORIZON), np.where(decay >= 1.0, 1.0, total))
