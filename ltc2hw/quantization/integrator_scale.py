"""The scale of neurons whose registers integrate: how many fractional bits they get."""

from __future__ import annotations

import numpy as np

from ltc2hw.dynamics.model import LIF_WORDS
from ltc2hw.dynamics.roles import MEMBRANE, biases, signals, thresholds
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.target import Target
from ltc2hw.numbers.words import FloatArray, Word, largest_fraction
from ltc2hw.quantization.calibration import Ranges, has_integrated_membrane

HEADROOM = 2.0
"""Registers are scaled for this multiple of the largest value seen in calibration."""

FAR = 16.0
"""A threshold or bias of more than this multiple of what occurs is out of reach: no neuron comes to
such a threshold, and with such a bias it always or never fires."""

PINNED = 4.0
"""Multiple of what occurs that a bias out of reach keeps at least when it saturates."""


def integrated_fraction(
    population: Neurons, chip: Target, ranges: Ranges, exact: int | None
) -> int:
    """Fractional bits of the registers of neurons that integrate what arrives.

    ``exact``: the largest fraction at which some weight begins to lose bits, None without weights.
    Thresholds and biases out of reach, and membranes below zero that never came back to spike, make
    the scale coarser only down to that fraction; below it they saturate instead. Membranes of
    neurons that cannot spike are read themselves, so they count on both sides. Currents never
    saturate: they would wrap. Nor do biases of 0 make the scale coarser than that.
    """
    name, model = population.name, population.model
    threshold = _largest(population, thresholds(model))
    bias = _largest(population, biases(model))
    # Lava's LIF shows no registers but its results; without calibration the first is asked for.
    seen = ranges.largest
    others = [r for r in signals(model) if r != MEMBRANE and (seen is None or (name, r) in seen)]
    current = max((ranges.magnitude(name, register) for register in others), default=0.0)
    everything = current
    if MEMBRANE in model.states:
        everything = max(current, ranges.magnitude(name, MEMBRANE))
    scale = _lif_fraction if model.words == LIF_WORDS else _state_fraction
    whole = scale(everything, threshold, bias, chip)
    if exact is None or whole >= exact or not has_integrated_membrane(model):
        return whole
    occurring = max(current, ranges.peak(name, MEMBRANE))
    deep = np.where(
        threshold > FAR * occurring, ranges.each(name, MEMBRANE), ranges.recovered[name]
    )
    occurring = max(occurring, float(deep.max()))
    # Where nothing occurs at all, nothing is known to be out of reach.
    far = FAR * occurring if occurring else np.inf
    near = threshold[threshold <= far]
    reach = max(occurring, float(near.max(initial=0.0)))
    kept = np.where(bias > FAR * reach, PINNED * reach, bias) if reach else bias
    return max(whole, min(scale(occurring, near, kept[kept > 0], chip), exact))


def _largest(population: Neurons, names: tuple[str, ...]) -> FloatArray:
    """Largest magnitude of some constants of each neuron, (N,)."""
    values = [np.abs(population.constants[name]) for name in names]
    largest: FloatArray = np.max(np.stack([np.zeros(population.size), *values]), axis=0)
    return largest


def _state_fraction(largest: float, threshold: FloatArray, bias: FloatArray, chip: Target) -> int:
    """Most fractional bits at which registers with their headroom and all constants fit."""
    constants = (float(values.max(initial=0.0)) for values in (threshold, bias))
    return largest_fraction(HEADROOM * max(largest, *constants), Word(chip.words.state))


def _lif_fraction(largest: float, threshold: FloatArray, bias: FloatArray, chip: Target) -> int:
    """The same where thresholds and biases have mantissas of their own."""
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
