"""The backward half of a learning step: errors walk against the graph's order, within one step.

State of the past is held fixed, so an error crosses only projections without delay. An engine
supplies a :class:`CreditArithmetic`; the walk is the same for real numbers and integers.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.reverse import ONE
from ltc2hw.graph.structure import Graph, port_stage, variable_stage
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.fixed import STATE
from ltc2hw.learning.neurons import learnable_at
from ltc2hw.learning.rule import Parameter
from ltc2hw.numbers.operators import expanded
from ltc2hw.simulations.driver import C, C_contra, P, P_contra, Plan, Step, Values, sent_message

Factors = Mapping[tuple[str, str], Array]
"""Post-synaptic factors, ``-∂loss/∂port`` (B, N), by population and port."""

Credits = Mapping[str, Values]
"""Descent directions, ``-∂loss/∂variable`` (B, N), by population and variable."""


class CreditArithmetic(Protocol[P_contra, C_contra]):
    """What makes the backward half of an engine."""

    dtype: npt.DTypeLike

    def factors(
        self, population: P_contra, registers: Values, step: Step, credit: Values
    ) -> Mapping[str, Array]:
        """Factors of a population's ports from the credit (descent direction) of its variables.

        ``registers`` are those before the step. Ports that the credit does not reach are left out.
        """
        ...

    def feedback(self, index: int, connection: C_contra, factor: Array) -> Array:
        """Credit (B, N_source) that a factor (B, N_target) sends back through a projection."""
        ...


def backward(
    arithmetic: CreditArithmetic[P, C],
    network: Graph[P, C],
    plan: Plan,
    crossed: Container[int],
    carried: State,
    step: Step,
    error: Array,
) -> tuple[Factors, Credits]:
    """Factors of every port of every population that the error (B, N_out) reaches, and its credit.

    ``crossed``: indices of the projections that carry errors back; ``carried``: registers before
    the step. What a population sends of its first stage has its credit only after the factors of
    its second one have gone back: then its first stage's factors are worked out once more.
    """
    output = network.population(network.output)
    credit: dict[str, dict[str, Array]] = {p.name: {} for p in network.populations}
    credit[network.output][output.output_variable] = error
    factors: dict[tuple[str, str], Array] = {}
    for name, stage in reversed(plan.order):
        population, own = network.population(name), credit[name]
        ports = [port for port in population.ports if port_stage(population, port) == stage]
        early = any(variable_stage(population, variable) == "early" for variable in own)
        if own and (stage == "late" or early):
            found = arithmetic.factors(population, carried[name], step, own)
            fresh = ports if stage == "early" else population.ports
            factors.update({(name, port): found[port] for port in fresh if port in found})
        for port in ports:
            for index in plan.incoming.get((name, port), ()):
                if index in crossed and (name, port) in factors:
                    connection = network.projections[index]
                    sent = arithmetic.feedback(index, connection, factors[name, port])
                    known = credit[connection.source]
                    variable = connection.variable
                    known[variable] = known[variable] + sent if variable in known else sent
    return factors, credit


def meeting(
    network: Graph[Any, Any],
    parameter: Parameter,
    factors: Factors,
    registers: State,
    step: Step,
) -> tuple[Array, Array]:
    """Factor and message that meet at every value of a parameter, two vectors.

    ``registers`` are those before the step.
    """
    name, port = parameter.population, parameter.port
    population = network.population(name)
    nothing = np.zeros_like(step.produced[name][population.output_variable])
    factor = factors.get((name, port), nothing)[0]
    targets, message = met(network, parameter, registers, step)
    return factor[targets], message


Targets = slice | Array
"""Which neuron of a population each value of a parameter belongs to."""


def met(
    network: Graph[Any, Any], parameter: Parameter, registers: State, step: Step
) -> tuple[Targets, Array]:
    """The neuron of every value of a parameter, and the message that the value met in a step.

    The message of a bias is 1, that of a self term what it multiplies in its own neuron.
    """
    name, port = parameter.population, parameter.port
    population = network.population(name)
    produced = step.produced[name]
    if parameter.projection is not None:
        connection = network.projections[parameter.projection]
        rows, columns = expanded(connection.weights).coordinates
        return rows, sent_message(registers, step.messages, connection)[0][columns]
    message = learnable_at(population, port, parameter.term).message
    if message == ONE:
        return slice(None), np.ones_like(produced[population.output_variable][0])
    if message.startswith(STATE):
        return slice(None), registers[name][message.removeprefix(STATE)][0]
    return slice(None), produced[message][0]
