"""Whether all neurons of a population move alike: what a common leak is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.real import LEAVES, MEANING
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.learning.backwards import tangent_of
from ltc2hw.learning.rule import Parameter
from ltc2hw.learning.values import constant_name
from ltc2hw.numbers.nonlinearity import GateCurve, Nonlinearity, evaluate, evaluate_slope

Functions = Mapping[str, Nonlinearity | GateCurve]
"""The non-linearity of every gate."""

Known = Mapping[tuple[Operation, str], "float | None"]
"""Leaves by kind and name: the number that all neurons have in all steps, or None."""


def common_entries(
    network: Network, parameters: Collection[Parameter], name: str
) -> frozenset[str]:
    """Entries of a population's tangent that are one number for all its neurons and all steps.

    ``parameters``: what a rule changes. Nothing lands at a port without projections.
    """
    neurons = network.population(name)
    assert isinstance(neurons, Neurons)
    changing = {
        constant_name(network, parameter)
        for parameter in parameters
        if parameter.population == name and parameter.projection is None
    }
    landing = {c.port for c in network.projections if c.target == name}
    known: dict[tuple[Operation, str], float | None] = {}
    for constant, values in neurons.constants.items():
        same = constant not in changing and bool(np.all(values == values[0]))
        known[Operation.PARAMETER, constant] = float(values[0]) if same else None
    ports = {port: None if port in landing else 0.0 for port in neurons.model.ports}
    found = tangent_of(neurons.model)
    forward = common(found.forward, {**known, **_at_ports(ports)}, neurons.functions)
    entries = common(found.jacobian, {**known, **_at_ports(forward)}, neurons.functions)
    return frozenset(entry for entry, value in entries.items() if value is not None)


def _at_ports(values: Mapping[str, float | None]) -> dict[tuple[Operation, str], float | None]:
    return {(Operation.PORT, name): value for name, value in values.items()}


def common(program: Program, known: Known, functions: Functions) -> dict[str, float | None]:
    """Results that are one number, and those that are not, as None.

    >>> from ltc2hw.dynamics.models import find_model
    >>> leak = {(Operation.PARAMETER, "current_decay"): 0.25}
    >>> found = common(find_model("lif").program, {**leak, (Operation.PORT, "current"): 0.0}, {})
    >>> found["current"] is None  # it follows its own past
    True
    """
    values: list[float | None] = []
    for value in program.values:
        if value.operation in LEAVES:
            values.append(known.get((value.operation, value.name)))
        else:
            values.append(_made(value, [values[a] for a in value.arguments], functions))
    return {name: values[place] for name, place in program.results.items()}


def _made(value: Value, arguments: list[float | None], functions: Functions) -> float | None:
    operation = value.operation
    if operation is Operation.NUMBER:
        return float(value.numbers[0])
    if operation is Operation.MULTIPLY and 0.0 in arguments:
        return 0.0
    given: list[Any] = [np.float64(a) for a in arguments if a is not None]
    if len(given) < len(arguments) or operation is Operation.SURROGATE:
        return None
    if operation not in (Operation.GATE, Operation.SLOPE):
        return float(MEANING[operation](*given))
    function = functions[value.name]
    if operation is Operation.GATE:
        return float(evaluate(function, *given))
    return None if isinstance(function, GateCurve) else float(evaluate_slope(function, *given))
