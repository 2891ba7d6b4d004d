"""The way of an error through one population: which of its variables carry it, to which ports."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.reverse import Reverse, reverse
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
    try:
        reverse_of(neurons.model, (variable,))
    except UnsupportedError:
        return False
    return True


def credited(graph: Graph[Any, Any], crossed: Collection[int], name: str) -> tuple[str, ...]:
    """Variables of a population that errors arrive at: what is read out, and what is sent."""
    population = graph.population(name)
    sent = {graph.projections[i].variable for i in crossed if graph.projections[i].source == name}
    read = {population.output_variable} if name == graph.output else set()
    return tuple(v for v in population.recordable if v in sent | read)
