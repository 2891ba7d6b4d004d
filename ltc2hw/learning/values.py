"""Reading and writing the arrays that learn, in either graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.learning.neurons import Numbers, constant_of, learnable_at
from ltc2hw.learning.rule import Parameter

AnyNetwork = TypeVar("AnyNetwork", Network, FixedNetwork)


def read_parameter(network: Network | FixedNetwork, parameter: Parameter) -> Numbers:
    """Values of a parameter as one vector: reals, or the integers of a FixedNetwork."""
    if parameter.projection is not None:
        return network.projections[parameter.projection].weights.values
    population = network.population(parameter.population)
    return constant_of(population, constant_name(network, parameter))


def constant_name(network: Network | FixedNetwork, parameter: Parameter) -> str:
    """Name of a neuron's constant in its model."""
    population = network.population(parameter.population)
    return learnable_at(population, parameter.port, parameter.term).constant


def write_parameters(network: AnyNetwork, values: Mapping[Parameter, Numbers]) -> AnyNetwork:
    """Return the network with other values of its parameters."""
    projections: list[Any] = list(network.projections)
    constants: dict[str, dict[str, Numbers]] = {}
    for parameter, value in values.items():
        if parameter.projection is not None:
            old = projections[parameter.projection]
            weights = old.weights.with_values(value)
            projections[parameter.projection] = replace(old, weights=weights)
        else:
            own = constants.setdefault(parameter.population, {})
            own[constant_name(network, parameter)] = value
    given: list[Any] = list(network.populations)
    populations: list[Any] = [
        p.with_constants(constants[p.name]) if p.name in constants else p for p in given
    ]
    return replace(network, populations=tuple(populations), projections=tuple(projections))
