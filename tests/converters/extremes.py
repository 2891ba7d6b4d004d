"""Networks whose constants are as large, small or odd as their types allow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ltc2hw.converters.populations import LIF, LTC, FixedLIF, Gate, Readout
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import FloatPopulation, Network

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
    def reals(*names: str) -> dict[str, Any]:
        return {name: mixed(rng, getattr(population, name), REALS) for name in names}

    if isinstance(population, LIF):
        decays = {
            name: mixed(rng, getattr(population, name), DECAYS)
            for name in ("current_decay", "membrane_decay")
        }
        return replace(population, **decays, **reals("threshold", "bias"))
    if isinstance(population, LTC):
        return replace(
            population,
            **reals("threshold", "adaptation_strength", "bias_current"),
            tau_mem=_gate(rng, population.tau_mem),
            tau_adp=_gate(rng, population.tau_adp),
        )
    if isinstance(population, Readout):
        return replace(population, **reals("bias_current"), tau_mem=_gate(rng, population.tau_mem))
    return population


def _gate(rng: Rng, gate: Gate) -> Gate:
    names = ("bias", "from_state", "from_current")
    return replace(gate, **{name: mixed(rng, getattr(gate, name), REALS) for name in names})


def extreme_integers(rng: Rng, network: FixedNetwork) -> FixedNetwork:
    """A chain of CUBA populations at the ends of its words."""
    pools = {
        "current_decay": [1, 4095, 4096],
        "membrane_decay": [0, 1, 4095, 4096],
        "threshold": [0, 1, (1 << 17) - 1],
        "bias_mantissa": [-4096, -1, 0, 4095],
    }
    return replace(
        network,
        populations=tuple(
            replace(p, **{name: mixed(rng, getattr(p, name), pool) for name, pool in pools.items()})
            if isinstance(p, FixedLIF)
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
