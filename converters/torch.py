"""ltc2hw's torch modules, and your own that are made of its cells, to a Network and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from ltc2hw.converters.torch_cells import chain_network, require_plain
from ltc2hw.graph.network import Network
from ltc2hw.neurons import GraphNetwork, SpikingNetwork, to_module

__all__ = ["from_module", "to_module"]


def from_module(
    module: nn.Module,
    provenance: Mapping[str, str] | None = None,
) -> Network:
    """The Network that computes what a module computes."""
    network = _network_of(module)
    return replace(network, provenance={**network.provenance, **(provenance or {})})


def _network_of(module: nn.Module) -> Network:
    if isinstance(module, SpikingNetwork):
        network = chain_network(module)
        kept = {} if module.template is None else module.template.provenance
        return replace(network, provenance=kept)
    if isinstance(module, GraphNetwork):
        for name, part in module.named_modules():
            require_plain(part, type(part) if name else GraphNetwork, name or "the network")
        return module.network()
    raise NotImplementedError
