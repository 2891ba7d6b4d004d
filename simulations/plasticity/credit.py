"""The backward half of a learning step: errors walk against the graph's order, within one step.

State of the past is held fixed, so an error crosses only projections without delay. An engine
supplies a :class:`CreditArithmetic`; the walk is the same for real numbers and integers.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.structure import STAGE_OF_PORT, Graph, Port, Variable
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.rule import Parameter
from ltc2hw.simulations.driver import C, C_contra, P, P_contra, Plan, Step, Values, sent_message

Factors = Mapping[tuple[str, Port], Array]
"""Post-synaptic factors, ``-∂loss/∂port`` (B, N), by population and port."""


class CreditArithmetic(Protocol[P_contra, C_contra]):
    """What makes the backward half of an engine."""

    dtype: npt.DTypeLike

    def factors(
        self, population: P_contra, registers: Values, step: Step, credit: Values
    ) -> Mapping[Port, Array]:
        """Factors of a population's ports from the credit (descent direction) of its variables.

        ``registers`` are those before the step. The factor of ``current`` leaves out the credit
        of the graded current itself, which :meth:`current_factor` adds.
        """
        ...

    def current_factor(self, factor: Array, credit: Array) -> Array:
        """Factor of the port ``current`` with the credit of the graded current added."""
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
) -> Factors:
    """Factors of every port of every population that the error (B, N_out) reaches.

    ``crossed``: indices of the projections that carry errors back; ``carried``: registers before
    the step.
    """
    credit: dict[tuple[str, Variable], Array] = {(network.output, "membrane"): error}
    factors: dict[tuple[str, Port], Array] = {}
    for name, stage in reversed(plan.order):
        population = network.population(name)
        if stage == "update":
            own: dict[str, Array] = {v: a for (n, v), a in credit.items() if n == name}
            if own:
                found = arithmetic.factors(population, carried[name], step, own)
                factors.update({(name, port): factor for port, factor in found.items()})
        elif (name, "current") in credit:
            arrived = credit[name, "current"]
            factor = factors.get((name, "current"), np.zeros_like(arrived))
            factors[name, "current"] = arithmetic.current_factor(factor, arrived)
        for port in population.ports:
            if STAGE_OF_PORT[port] != stage or (name, port) not in factors:
                continue
            for index in plan.incoming.get((name, port), ()):
                if index in crossed:
                    connection = network.projections[index]
                    sent = arithmetic.feedback(index, connection, factors[name, port])
                    key = connection.source, connection.variable
                    credit[key] = credit[key] + sent if key in credit else sent
    return factors


def meeting(
    network: Graph[Any, Any],
    parameter: Parameter,
    factors: Factors,
    registers: State,
    step: Step,
) -> tuple[Array, Array]:
    """Factor and message that meet at every value of a parameter, two vectors.

    The message of a bias is 1, that of a gate's self terms its own neuron's state or current.
    ``registers`` are those before the step.
    """
    name, port = parameter.population, parameter.port
    population = network.population(name)
    produced = step.produced[name]
    factor = factors.get((name, port), np.zeros_like(produced["membrane"]))[0]
    if parameter.projection is not None:
        connection = network.projections[parameter.projection]
        rows, columns = connection.weights.coordinates
        return factor[rows], sent_message(registers, step.messages, connection)[0][columns]
    if parameter.term == "bias":
        return factor, np.ones_like(factor)
    if parameter.term == "from_current":
        return factor, produced["current"][0]
    return factor, registers[population.name]["membrane" if port == "tau_mem" else "adaptation"][0]
