"""Reading and writing the arrays that learn, in either graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.populations import (
    LTC,
    Factor,
    FixedGate,
    FixedLTC,
    FixedReadout,
    Gate,
    Readout,
)
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.learning.rule import Parameter, Term

Numbers = npt.NDArray[Any]
AnyNetwork = TypeVar("AnyNetwork", Network, FixedNetwork)
AnyGated = TypeVar("AnyGated", LTC, Readout, FixedLTC, FixedReadout)
AnyGate = TypeVar("AnyGate", Gate, FixedGate)


def read_parameter(network: Network | FixedNetwork, parameter: Parameter) -> Numbers:
    """Values of a parameter as one vector: reals, or the integers of a FixedNetwork."""
    if parameter.projection is not None:
        return network.projections[parameter.projection].weights.values
    population = network.population(parameter.population)
    if parameter.port == "current":
        assert isinstance(population, (LTC, Readout, FixedLTC, FixedReadout))
        return population.bias_current
    value = getattr(getattr(population, parameter.port), parameter.term)
    return value.values if isinstance(value, Factor) else np.asarray(value)


def write_parameters(network: AnyNetwork, values: Mapping[Parameter, Numbers]) -> AnyNetwork:
    """Return the network with other values of its parameters."""
    projections: list[Any] = list(network.projections)
    populations: dict[str, Any] = {p.name: p for p in network.populations}
    for parameter, value in values.items():
        if parameter.projection is not None:
            old = projections[parameter.projection]
            weights = old.weights.with_values(value)
            projections[parameter.projection] = replace(old, weights=weights)
        else:
            name = parameter.population
            populations[name] = with_vector(populations[name], parameter, value)
    return replace(network, populations=tuple(populations.values()), projections=tuple(projections))


def with_vector(population: AnyGated, parameter: Parameter, value: Numbers) -> AnyGated:
    """Return a population with another bias or self term."""
    if parameter.port == "current":
        return replace(population, bias_current=value)
    gate = with_term(getattr(population, parameter.port), parameter.term, value)
    changed: dict[str, Any] = {parameter.port: gate}
    return replace(population, **changed)


def with_term(gate: AnyGate, term: Term, value: Numbers) -> AnyGate:
    """Return a gate with another bias or self term; the scale of an integer factor stays."""
    old = getattr(gate, term)
    new = replace(old, values=value) if isinstance(old, Factor) else value
    changed: dict[str, Any] = {term: new}
    return replace(gate, **changed)
