"""Lava processes, their build from a fixed network, and safe running of Lava jobs."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy.typing as npt

from ltc2hw.converters.lava.shim import install_finder, require_lava

if TYPE_CHECKING:
    from ltc2hw.converters.conversion import Change
    from ltc2hw.converters.lava.assembly import LavaNetwork
    from ltc2hw.graph.fixed import FixedNetwork

install_finder()


def build(network: FixedNetwork) -> LavaNetwork:
    """Create and connect the Lava processes of an integer network.

    Lava's own connections and, where exact, its own LIF; our processes for the rest. Samples
    enter through ``connect_input``; run any of its processes with its ``run_config()``.

    Raises:
        MissingExtraError: if lava-nc is not installed.
        LavaError: if this process chose another start method of processes than Lava's.
        UnsupportedError: for words or delays that Lava cannot hold; names where.
    """
    require_lava("building Lava processes")
    from ltc2hw.converters.lava.assembly import build_network

    return build_network(network)


def export(
    network: FixedNetwork,
    folder: str | os.PathLike[str],
    *,
    samples: npt.ArrayLike | None = None,
    allow: Collection[str] = (),
) -> tuple[Change, ...]:
    """Write a folder whose ``run.py`` needs only lava-nc and numpy.

    ``samples`` (T, B, N_in), float, are what the promised integers come from; None takes random
    ones. Returns the changes that were made: there are none.

    Raises:
        MissingExtraError: if lava-nc is not installed.
        UnsupportedError: for words or delays that Lava cannot hold; names where.
        InvalidValueError: if the folder exists and is not empty.
        ShapeError: for samples that do not fit the network.
        OSError: if the parent folder does not exist or cannot be written.
    """
    require_lava("exporting Lava processes")
    from ltc2hw.converters.lava.folder import write_folder

    return write_folder(network, folder, samples, allow)
