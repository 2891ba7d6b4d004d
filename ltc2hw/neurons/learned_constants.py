"""Which constants of a network's neurons are learned, where nobody says."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ltc2hw.errors import UnknownNameError
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons

TERMS = ("from_state", "from_current")
"""How a gate of the LTC depends on its own neuron."""


def learned_constants(
    network: Network, names: Collection[str] | Mapping[str, Collection[str]] | None
) -> dict[str, tuple[str, ...]]:
    """The learned constants of every population, in the order of its model.

    ``names`` are those of any population, or of each population by its name. Left out, they are
    what the package's own cells learn: biases, and the own terms of gates that other populations
    steer or that depend on their neuron already. Neurons at which nothing arrives, such as one that
    sends a constant, stay as they are.

    Raises:
        UnknownNameError: for a name that no neuron of the network has.
    """
    neurons = [population for population in network.populations if isinstance(population, Neurons)]
    known = {described.name: None for own in neurons for described in own.model.constants}
    each = (
        names if isinstance(names, Mapping) else dict.fromkeys([own.name for own in neurons], names)
    )
    for own, given in each.items():
        network.population(own)
        for name in given or ():
            if name not in known:
                raise UnknownNameError("learned constant", name, tuple(known))

    def learned(own: Neurons, constant: str) -> bool:
        given = each.get(own.name, ())
        return _by_default(network, own, constant) if given is None else constant in given

    return {
        own.name: tuple(d.name for d in own.model.constants if learned(own, d.name))
        for own in neurons
    }


def _by_default(network: Network, neurons: Neurons, constant: str) -> bool:
    arriving = [p for p in network.projections if p.target == neurons.name]
    port, _, term = constant.rpartition(".")
    if term in TERMS:
        steered = any(p.port == port and p.source != neurons.name for p in arriving)
        return steered or bool(neurons.constants[constant].any())
    return bool(arriving) and term.startswith("bias")
