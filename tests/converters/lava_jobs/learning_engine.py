"""Runs a learning connection in Lava's runtime, all of it told by one file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ltc2hw.converters.lava import learning_engine
from ltc2hw.learning.engine_rule import SynapseScale, synapse_rule
from ltc2hw.learning.rule import FPTTRule


def connection(folder: Path) -> learning_engine.Connection:
    """The connection of ``given.npz``: a slow rule, graded messages, factors without a sign."""
    rule = FPTTRule(learning_rate=2.0**-8)
    scale = SynapseScale.finest(rule, 8, reach=-2, trace=6)
    with np.load(folder / "given.npz", allow_pickle=False) as given:
        return learning_engine.Connection(
            synapse_rule(rule, scale, third_factor="split"),
            given["weights"],
            given["messages"],
            given["third"],
            graded=True,
            seed=3,
            epoch=3,
            arrival=2,
        )


def run(folder: Path) -> None:
    """Learn, and leave ``learned.npz``."""
    learning_engine.run(folder, connection(folder))
