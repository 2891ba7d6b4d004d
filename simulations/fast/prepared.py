"""What runs of a network have in common: worked out once, kept as long as the network lives."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.state import make_state, register_shapes
from ltc2hw.graph.trace import State, record_names
from ltc2hw.simulations.fast.encode import encoder_of
from ltc2hw.simulations.fast.memory import Tile
from ltc2hw.simulations.fast.plan import build_plan
from ltc2hw.simulations.fast.recording import Layout, Recording, lay_out

LAYOUTS = 16
"""Layouts that are kept: most callers run samples of one shape."""

TILES, TILE_BYTES = 4, 1 << 20
"""Tiles of a size that are kept for the next run, and how large they may be.

A call with little to do would spend much of its time on making one.
"""


class Prepared:
    """A network's plan, and parts of runs to use again; threads may share it."""

    def __init__(self, network: FixedNetwork, *, matrices: bool) -> None:
        self.plan = build_plan(network, matrices=matrices)
        self.encoder = encoder_of(network.input)
        self.names = tuple(self.plan.rows)
        self.shapes = register_shapes(network)
        self.layouts: dict[tuple[Any, ...], Layout] = {}
        self.tiles: dict[int, list[Tile]] = {}

    def recording(
        self, network: FixedNetwork, record: Sequence[str] | str, steps: int, batch: int
    ) -> Recording:
        """Room for what a run records.

        Raises:
            UnknownNameError: if no kind of population has such a variable.
        """
        names = record if isinstance(record, str) else record_names(record)
        key = (names, steps, batch)
        layout = self.layouts.get(key)
        if layout is None:
            layout = lay_out(network, self.plan, names, steps, batch)
            if len(self.layouts) >= LAYOUTS:
                self.layouts.clear()
            self.layouts[key] = layout
        return layout.recording()

    def end_state(self, batch: int) -> State:
        """Room for the registers after a run."""
        return make_state(self.shapes, batch, np.int64, np.empty)

    def take(self, samples: int) -> Tile:
        """A tile for ``samples`` samples that nobody else has; what it holds is undefined."""
        try:
            return self.tiles[samples].pop()
        except (KeyError, IndexError):
            return Tile(self.plan, self.shapes, samples)

    def give(self, tile: Tile) -> None:
        """Keep a tile for a later run."""
        kept = self.tiles.setdefault(tile.samples, [])
        if tile.bytes <= TILE_BYTES and len(kept) < TILES:
            kept.append(tile)


_PREPARED: dict[tuple[int, bool], tuple[weakref.ref[FixedNetwork], Prepared]] = {}


def prepared(network: FixedNetwork, *, matrices: bool) -> Prepared:
    """What runs of a network have in common, with the matrix unit or without; it never changes."""
    key = id(network), matrices
    known = _PREPARED.get(key)
    if known is not None and known[0]() is network:
        return known[1]
    new = Prepared(network, matrices=matrices)
    _PREPARED[key] = (weakref.ref(network, lambda _: _PREPARED.pop(key, None)), new)
    return new
