"""Networks whose constants are as large, small or odd as their types allow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import FloatPopulation, Network
from ltc2hw.graph.neurons import FixedNeurons, Neurons

REALS = np.array([0.0, -0.0, 5e-324, 1e-300, -1e-300, 1e300, -1.7e308, np.pi, 1 - 2**-53, 1 / 3])
DECAYS = np.array([0.0, 5e-324, 1e-300, 1e-16, 1e-9, 1 - 2**-53, 1.0, 1 / 3])

Rng = np.random.Generator


def mixed(rng: Rng, values: Any, pool: Any) -> Any:
    """The same with some values from a pool."""
    kept = np.array(values)
    chosen = rng.random(kept.shape) < 0.3
    kept[chosen] = rng.choice(pool, int(chosen.sum()))
    return kept


def extreme(rng: Rng, network: Network) -> Network:
    """A float network with some extreme constants and weights."""
    return replace(
        network,
        populations=tuple(_population(rng, p) for p in network.populations),
        projections=tuple(
            replace(p, weights=p.weights.with_values(mixed(rng, p.weights.values, REALS)))
            for p in network.projections
        ),
    )


def _population(rng: Rng, population: FloatPopulation) -> FloatPopulation:
    if not isinstance(population, Neurons):
        return population
    constants = {}
    for name, values in population.constants.items():
        described = population.model.constant(name)
        bounded = (described.low, described.high) == (0.0, 1.0)
        constants[name] = mixed(rng, values, DECAYS if bounded else REALS)
    return population.with_constants(constants)


def extreme_integers(rng: Rng, network: FixedNetwork) -> FixedNetwork:
    """A chain of CUBA populations at the ends of its words."""
    pools = {
        "current_decay": [1, 4095, 4096],
        "membrane_decay": [0, 1, 4095, 4096],
        "threshold": [0, 1, (1 << 17) - 1],
        "bias": [-4096, -1, 0, 4095],
    }
    return replace(
        network,
        populations=tuple(
            p.with_constants({name: mixed(rng, p.constants[name], pools[name]) for name in pools})
            if isinstance(p, FixedNeurons)
            else p
            for p in network.populations
        ),
        projections=tuple(
            replace(p, weights=p.weights.with_values(mixed(rng, p.weights.values, [-128, 0, 127])))
            if p.bits == 8
            else p
            for p in network.projections
        ),
    )
