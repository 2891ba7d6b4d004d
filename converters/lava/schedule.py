"""When each population acts on the chip: chip steps, offsets, extra delays. Needs no Lava.

Every hop over a connection costs one chip step, an algorithmic step costs as many chip steps as
its longest chain of hops within a cycle needs. With ``M`` chip steps per algorithmic step, stage n
of step t is computed at chip step ``t·M + c_n``. A projection of delay d from stage a to stage b
can be met when ``c_b + d·M - c_a >= 1``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.fixed import FixedNetwork, FixedProjection
from ltc2hw.graph.structure import Node, Stage, connection_name, connection_nodes

LARGEST_DELAY = 62
"""Chip steps that a connection can add to its own one (6 bits, the last value kept free)."""


@dataclass(frozen=True)
class Schedule:
    """Chip steps of a network.

    - ``period``: M, chip steps per algorithmic step
    - ``offsets[population, stage]``: c, chip step of the stage's first computation
    - ``delays``: chip steps that each projection adds to the one step of a connection, in the
      order of the network's projections
    """

    period: int
    offsets: Mapping[Node, int]
    delays: tuple[int, ...]

    def skew(self, population: str) -> int:
        """Chip steps from the start of an algorithmic step to the population's update."""
        return self.offsets[population, "late"]

    def chip_steps(self, steps: int) -> int:
        """Chip steps after which every population has computed that many algorithmic steps."""
        return (steps - 1) * self.period + max(self.offsets.values()) + 1


@dataclass(frozen=True)
class _Constraint:
    """``offset[late] >= offset[early] + hops - delay · period``."""

    early: Node
    late: Node
    hops: int
    delay: int

    def bound(self, offsets: Mapping[Node, int], period: int) -> int:
        return offsets[self.early] + self.hops - self.delay * period


def make_schedule(network: FixedNetwork) -> Schedule:
    """Return the schedule with the fewest chip steps per algorithmic step, earliest offsets.

    Constraints: a hop takes one chip step, ``c_target + d·M >= c_source + 1``; a population
    computes its early results no later than the others and holds one of each at a time,
    ``c_early <= c_late <= c_early + M - 1``. The earliest solution for a given M is the
    longest path from zero (Bellman-Ford); M is the first for which there is one.

    Raises:
        UnsupportedError: if a projection must wait more chip steps than a connection can delay.
    """
    constraints = tuple(_constraints(network))
    nodes = tuple(_nodes(network))
    period = 1
    # Every cycle has a delay >= 1 and at most as many hops as there are nodes, so this ends.
    while (offsets := _earliest(nodes, constraints, period)) is None:
        period += 1
    delays = tuple(_extra_delay(network, p, offsets, period) for p in network.projections)
    return Schedule(period, offsets, delays)


def _nodes(network: FixedNetwork) -> Iterator[Node]:
    for population in network.populations:
        yield population.name, "early"
        yield population.name, "late"


def _constraints(network: FixedNetwork) -> Iterator[_Constraint]:
    by_name = {population.name: population for population in network.populations}
    early: Stage = "early"
    late: Stage = "late"
    for population in network.populations:
        yield _Constraint((population.name, early), (population.name, late), 0, 0)
        # One register holds the current between the stages: c_current >= c_update + 1 - M.
        yield _Constraint((population.name, late), (population.name, early), 1, 1)
    for projection in network.projections:
        source, target = connection_nodes(by_name, projection)
        yield _Constraint(source, target, 1, projection.delay)


def _earliest(
    nodes: tuple[Node, ...], constraints: tuple[_Constraint, ...], period: int
) -> dict[Node, int] | None:
    """Smallest non-negative offsets, or None if some cycle pushes them up without end."""
    offsets = dict.fromkeys(nodes, 0)
    for _ in nodes:
        changed = False
        for constraint in constraints:
            bound = constraint.bound(offsets, period)
            if bound > offsets[constraint.late]:
                offsets[constraint.late] = bound
                changed = True
        if not changed:
            return offsets
    return None


def _extra_delay(
    network: FixedNetwork,
    projection: FixedProjection,
    offsets: Mapping[Node, int],
    period: int,
) -> int:
    """Fewest chip steps to wait so that a message arrives within its target's window.

    The target collects what arrives in the M chip steps up to its own, so only what exceeds the
    window has to be waited for on the way.
    """
    by_name = {population.name: population for population in network.populations}
    source, target = (offsets[node] for node in connection_nodes(by_name, projection))
    slack = target + projection.delay * period - source - 1
    delay = max(0, slack - (period - 1))
    if delay > LARGEST_DELAY:
        raise UnsupportedError(
            "lava",
            f"projection {connection_name(projection)}",
            f"a delay of {projection.delay} steps, {delay + 1} chip steps at {period} per step",
            f"keep it within {LARGEST_DELAY + 1} chip steps",
        )
    return delay
