"""Lava processes, their build from a fixed network, and safe running of Lava jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ltc2hw.converters.lava.shim import install_finder, require_lava

if TYPE_CHECKING:
    from ltc2hw.converters.lava.assembly import LavaNetwork
    from ltc2hw.fixed import FixedNetwork

install_finder()


def build(network: FixedNetwork) -> LavaNetwork:
    """Create and connect the Lava processes of an integer network.

    Lava's own connections and, where exact, its own LIF; our processes for the rest. Samples
    enter through ``connect_input``; run any of its processes with its ``run_config()``.

    Raises:
        MissingExtraError: if lava-nc is not installed.
        UnsupportedError: for words or delays that Lava cannot hold; names where.
    """
    require_lava("building Lava processes")
    from ltc2hw.converters.lava.assembly import build_network

    return build_network(network)
