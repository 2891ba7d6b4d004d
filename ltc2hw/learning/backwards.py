"""The way of an error through one population: which of its variables carry it, and where to.

To ports, within a step; and to what a synapse left in the neuron's states in the steps before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.reverse import Reverse, reverse
from ltc2hw.dynamics.tangent import Tangent, cross, tangent
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.structure import Graph
from ltc2hw.learning.neurons import by_identity, neurons_of


@by_identity
def _reverses(model: Model) -> dict[tuple[str, ...], Reverse]:
    """Reverses of a model that were asked for, by what they give credit to."""
    return {}


def reverse_of(model: Model, credited: Collection[str]) -> Reverse:
    """Both halves of a model's learning step for credit of these variables, in any order.

    Raises:
        UnsupportedError: if no error finds its way to a port.
    """
    ordered = tuple(name for name in model.results if name in credited)
    known = _reverses(model)
    if ordered not in known:
        known[ordered] = reverse(model, ordered)
    return known[ordered]


def passes(population: Any, variable: str) -> bool:
    """Whether an error of what a population sends finds its way to one of its ports in a step."""
    neurons = neurons_of(population)
    if neurons is None:
        return False
    known = _passing(neurons.model)
    if variable not in known:
        try:
            reverse_of(neurons.model, (variable,))
            known[variable] = True
        except UnsupportedError:
            known[variable] = False
    return known[variable]


@by_identity
def _passing(model: Model) -> dict[str, bool]:
    """What was asked of :func:`passes`, by variable."""
    return {}


@by_identity
def tangent_of(model: Model) -> Tangent:
    """How one step of a model moves."""
    return tangent(model)


def remembers(population: Any, variable: str) -> bool:
    """Whether an error of what a population sends finds what landed at a port, now or before."""
    neurons = neurons_of(population)
    if neurons is None:
        return False
    found = tangent_of(neurons.model)
    return passes(population, variable) or any(
        found.remembered(port, (variable,)) for port in found.ports
    )


def enters(population: Any, variables: Sequence[str], port: str) -> bool:
    """Whether errors of a population's variables go on within the step to what lands on a port."""
    neurons = neurons_of(population)
    if neurons is None:
        return False
    found = tangent_of(neurons.model)
    return any(found.has(cross(variable, port)) for variable in variables)


def credited(graph: Graph[Any, Any], crossed: Collection[int], name: str) -> tuple[str, ...]:
    """Variables of a population that errors arrive at: what is read out, and what is sent."""
    population = graph.population(name)
    sent = {graph.projections[i].variable for i in crossed if graph.projections[i].source == name}
    read = {population.output_variable} if name == graph.output else set()
    return tuple(v for v in population.recordable if v in sent | read)
