"""The backward half of a learning step: errors walk against the graph's order, within one step.

State of the past is held fixed, so an error crosses only projections without delay. An engine
supplies a :class:`CreditArithmetic`; the walk is the same for real numbers and integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ltc2hw.graph import STAGE_OF_PORT, Connection, Graph, Port, Variable
from ltc2hw.simulations.driver import C, C_contra, P, P_contra, Plan, Step, Values
from ltc2hw.trace import Array, State

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


def carries_error(connection: Connection, reached: Sequence[str], *, own_current: bool) -> bool:
    """Whether errors cross a projection backwards.

    Not if it has a delay, or no error can use them at its source, or it carries a population's
    own graded current to its own gates (unless ``own_current``).
    """
    own = connection.source == connection.target
    return connection.delay == 0 and connection.source in reached and (own_current or not own)


def backward(
    arithmetic: CreditArithmetic[P, C],
    network: Graph[P, C],
    plan: Plan,
    crossed: Sequence[int],
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
