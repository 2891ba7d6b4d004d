"""LTC neurons with static gates as LIF neurons, for chips whose neurons have no gates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ltc2hw.converters.populations import LIF, gate_of, is_model
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.network import FloatPopulation, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.nonlinearity import evaluate
from ltc2hw.numbers.operators import Weights, expanded
from ltc2hw.numbers.words import FloatArray


def static_form(network: Network) -> Network:
    """Return the network with every LTC population as LIF neurons; exact, or refused by name.

    With a constant gate, no adaptation and ``τ = σ(bias)``, the LTC neuron
    ``u = u + τ (I - u)`` is the LIF neuron ``i = τ·arriving``, ``v = (1 - τ) v + i + τ·bias``: the
    current decays fully and τ moves into the weights and the bias.

    Raises:
        UnsupportedError: if a gate is not static, a threshold adapts, or a graded variable is sent.

    >>> from ltc2hw.converters.populations import LTC, Gate
    >>> from ltc2hw.graph.network import Input
    >>> from ltc2hw.numbers.weights import Dense
    >>> net = Network(
    ...     (Input("input", 1), LTC("n", 1, 0.1, 0.0, 0.0, Gate(0.0), Gate(0.0))),
    ...     (Projection("input", "spikes", "n", "current", Dense([[0.5]])),),
    ...     "n",
    ... )
    >>> static_form(net).projections[0].weights.to_array()
    array([[0.25]])
    """
    found = {p.name: p for p in network.populations if is_model(p, ltc)}
    tau = {name: _constant_tau(population) for name, population in found.items()}
    populations: tuple[FloatPopulation, ...] = tuple(
        _lif(found[p.name], tau[p.name]) if p.name in found else p for p in network.populations
    )
    projections = tuple(_scaled(p, tau) for p in network.projections)
    return replace(network, populations=populations, projections=projections)


def _constant_tau(population: Neurons) -> FloatArray:
    where = f"population {population.name!r}"
    gate = gate_of(population, "tau_mem")
    if np.any(gate.from_state) or np.any(gate.from_current):
        raise UnsupportedError(
            "the static form", where, "a gate that reads its state", "train with --gate static"
        )
    if np.any(population.constants["adaptation_strength"]):
        raise UnsupportedError(
            "the static form", where, "an adaptive threshold", "train with adaptation_strength 0"
        )
    return evaluate(gate.nonlinearity, np.asarray(gate.bias))


def _lif(population: Neurons, tau: FloatArray) -> Neurons:
    return LIF(
        population.name,
        population.size,
        current_decay=np.ones(population.size),
        membrane_decay=tau,
        threshold=population.constants["threshold"],
        bias=tau * population.constants["bias_current"],
    )


def _scaled(projection: Projection, tau: dict[str, FloatArray]) -> Projection:
    where = f"projection {connection_name(projection)}"
    if projection.source in tau and projection.variable != "spikes":
        raise UnsupportedError(
            "the static form", where, "a graded message", "train with --gate static"
        )
    if projection.target not in tau:
        return projection
    if projection.port != "current":
        raise UnsupportedError(
            "the static form", where, "a driven gate", "train with --gate static"
        )
    return replace(projection, weights=_scale_rows(projection.weights, tau[projection.target]))


def _scale_rows(weights: Weights, factors: FloatArray) -> Weights:
    matrix = expanded(weights)
    return matrix.with_values(matrix.values * factors[matrix.rows])
