"""Runs a learning connection in Lava's runtime, all of it told by one file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ltc2hw.converters.lava import learning_engine
from ltc2hw.learning.engine_rule import SourceTrace, SynapseScale, synapse_rule
from ltc2hw.learning.rule import FPTTRule

ARRAYS = ("weights", "messages", "third")
EPOCH, ARRIVAL = 3, 2


def connection(folder: Path) -> learning_engine.Connection:
    """The connection of ``given.npz``, with factors without a sign.

    A slow rule of graded messages, or, where a part of traces is kept, a faster one of spikes.
    """
    with np.load(folder / "given.npz", allow_pickle=False) as given:
        part, arrays = float(given["part"]), {name: given[name] for name in ARRAYS}
    kept, trace = None, 6
    if part:
        kept = SourceTrace.of(part, spikes=True, epoch=EPOCH, arrival=ARRIVAL)
        trace = kept.fraction(0)
    rule = FPTTRule(learning_rate=2.0 ** (-8 if kept is None else -5))
    scale = SynapseScale.finest(rule, 8, reach=-2, trace=trace)
    return learning_engine.Connection(
        synapse_rule(rule, scale, third_factor="split", kept=kept),
        **arrays,
        graded=kept is None,
        seed=3,
        epoch=EPOCH,
        arrival=ARRIVAL,
        cleared=(0, 6, 11),
    )


def run(folder: Path) -> None:
    """Learn, and leave ``learned.npz``."""
    learning_engine.run(folder, connection(folder))
