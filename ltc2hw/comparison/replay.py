"""The part of a network that a change can reach, driven by what the rest of it sent.

A cause that rounds numbers of one layer moves nothing before that layer: what the layers before it
sent in the float run is what they would send again. So they need not run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.dynamics.model import SPIKES
from ltc2hw.graph.network import Input, Network
from ltc2hw.graph.structure import Variable
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.words import FloatArray


@dataclass(frozen=True)
class Replay:
    """A network whose input is a variable that a population of the whole network sent.

    ``source`` is None where the whole network runs, on the samples themselves.
    """

    network: Network
    source: tuple[str, Variable] | None = None

    def samples(self, x: FloatArray, reference: Trace) -> FloatArray:
        """What goes in, (T, B, N): the samples, or what the population sent in another run."""
        if self.source is None:
            return x
        return np.asarray(reference.recorded()[self.source], dtype=np.float64)


def changed(first: Network, second: Network) -> frozenset[str]:
    """Names of the populations that compute or hear otherwise in two networks of one structure.

    >>> from ltc2hw.graph.network import Projection
    >>> from ltc2hw.graph.neurons import Neurons
    >>> from ltc2hw.numbers.weights import Dense
    >>> wire = Projection("x", "spikes", "out", "current", Dense([[1.0]]))
    >>> net = Network((Input("x", 1), Neurons("out", 1, "lif")), (wire,), "out")
    >>> changed(net, replace(net, projections=(replace(wire, weights=Dense([[0.5]])),)))
    frozenset({'out'})
    """
    populations = zip(first.populations, second.populations, strict=True)
    projections = zip(first.projections, second.projections, strict=True)
    return frozenset(a.name for a, b in populations if a != b) | frozenset(
        a.target for a, b in projections if a != b
    )


def reached(network: Network, names: Iterable[str], *, backwards: bool = False) -> frozenset[str]:
    """Populations that messages of some populations come to, or come from, and these themselves."""
    found = set(names)
    links = [(p.source, p.target) for p in network.projections]
    while True:
        more = {b if not backwards else a for a, b in links if (b if backwards else a) in found}
        if more <= found:
            return frozenset(found)
        found |= more


def replay(network: Network, changes: Set[str]) -> Replay:
    """The part of a network that has to run where only some populations change.

    It is what lies behind the population farthest from the input that the changes do not reach and
    through which alone, by one variable, the unchanged part is heard. Its numbers are those of the
    whole network, bit for bit.
    """
    moved = reached(network, changes)
    best, kept = None, frozenset[str]()
    for population in network.populations:
        before = reached(network, (population.name,), backwards=True)
        heard = {
            (p.source, p.variable)
            for p in network.projections
            if p.source in before and p.target not in before
        }
        whole = network.input.name in before and not before & moved and network.output not in before
        if whole and len(heard) == 1 and len(before) > max(len(kept), 1):
            (best,), kept = heard, before
    if best is None:
        return Replay(network)
    name, variable = best
    source = network.population(name)
    drive = Input(name, source.size, variable != SPIKES, source.shape)
    rest = tuple(p for p in network.populations if p.name not in kept)
    projections = tuple(
        replace(p, variable=drive.variables[0]) if p.source == name else p
        for p in network.projections
        if p.target not in kept
    )
    return Replay(Network((drive, *rest), projections, network.output), best)
