"""What exports of integer networks share: the features that they meet, and samples to check."""

from __future__ import annotations

import numpy as np

from ltc2hw.converters.conversion import Conversion
from ltc2hw.fixed import FixedInput, FixedLIF, FixedLTC, FixedNetwork
from ltc2hw.graph import connection_name
from ltc2hw.words import FloatArray

SAMPLE_STEPS = 32
"""Steps of the random sample whose integers are promised unless samples are given."""


def random_samples(network: FixedNetwork) -> FloatArray:
    """One sample over the whole range of the input, the same for every network of its size."""
    rng, given = np.random.default_rng(0), network.input
    shape = (SAMPLE_STEPS, 1, given.size)
    if not given.graded:
        return (rng.random(shape) < 0.3).astype(np.float64)
    integers = rng.integers(given.word.minimum, given.word.maximum + 1, shape)
    return np.ldexp(integers.astype(np.float64), -given.fraction)


def meet_features(network: FixedNetwork, conversion: Conversion) -> None:
    """Ask the table about every population and projection.

    Raises:
        UnsupportedError: for what the table refuses.
    """
    for population in network.populations:
        label = f"population {population.name!r}"
        if isinstance(population, FixedInput):
            conversion.meet("graded-input" if population.graded else "spiking-input", label)
        elif isinstance(population, FixedLIF):
            conversion.meet("lif", label)
            if np.any(population.bias_mantissa):
                conversion.meet("membrane-bias", label)
        else:
            conversion.meet("ltc" if isinstance(population, FixedLTC) else "readout", label)
    for projection in network.projections:
        label = connection_name(projection)
        if projection.source == projection.target:
            conversion.meet("recurrence", label)
        elif projection.delay:
            conversion.meet("delay", label)
        if sum(p.target == projection.target for p in network.projections) > 1:
            conversion.meet("topology", label)
