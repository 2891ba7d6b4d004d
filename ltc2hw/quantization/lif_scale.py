"""The scale of a LIF population: how many fractional bits its current and membrane get."""

from __future__ import annotations

import numpy as np

from ltc2hw.graph.network import LIF
from ltc2hw.graph.target import Target
from ltc2hw.numbers.words import FloatArray, Word, largest_fraction
from ltc2hw.quantization.calibration import Ranges

HEADROOM = 2.0
"""Registers are scaled for this multiple of the largest value seen in calibration."""

FAR = 16.0
"""A threshold or bias of more than this multiple of what occurs is out of reach: no neuron comes to
such a threshold, and with such a bias it always or never fires."""

PINNED = 4.0
"""Multiple of what occurs that a bias out of reach keeps at least when it saturates."""


def lif_fraction(population: LIF, chip: Target, ranges: Ranges, exact: int | None) -> int:
    """Fractional bits of a LIF population's current and membrane.

    ``exact``: the largest fraction at which some weight begins to lose bits, None without weights.
    Thresholds and biases out of reach, and membranes below zero that never came back to spike, make
    the scale coarser only down to that fraction; below it they saturate instead. Membranes of
    neurons that cannot spike are read themselves, so they count on both sides. Currents never
    saturate: they would wrap. Nor do biases of 0 make the scale coarser than that.
    """
    name = population.name
    current = ranges.magnitude(name, "current")
    threshold, bias = np.abs(population.threshold), np.abs(population.bias)
    everything = max(current, ranges.magnitude(name, "membrane"))
    whole = _fraction(everything, threshold, bias, chip)
    if exact is None or whole >= exact:
        return whole
    occurring = max(current, ranges.peak(name, "membrane"))
    deep = np.where(
        threshold > FAR * occurring, ranges.each(name, "membrane"), ranges.recovered[name]
    )
    occurring = max(occurring, float(deep.max()))
    # Where nothing occurs at all, nothing is known to be out of reach.
    far = FAR * occurring if occurring else np.inf
    near = threshold[threshold <= far]
    reach = max(occurring, float(near.max(initial=0.0)))
    kept = np.where(bias > FAR * reach, PINNED * reach, bias) if reach else bias
    return max(whole, min(_fraction(occurring, near, kept[kept > 0], chip), exact))


def _fraction(largest: float, threshold: FloatArray, bias: FloatArray, chip: Target) -> int:
    """Most fractional bits at which registers with their headroom and all constants fit."""
    words = chip.lif
    highest = float(threshold.max(initial=0.0))
    fractions = [largest_fraction(HEADROOM * max(largest, highest), Word(chip.words.state))]
    if threshold.size:
        word = Word(words.threshold_mantissa, signed=False)
        fractions.append(largest_fraction(highest, word) + words.alignment)
    if bias.size:
        word = Word(words.bias_mantissa)
        room = (1 << words.bias_exponent) - 1
        fractions.append(largest_fraction(float(bias.max()), word) + room)
    return min(fractions)
