"""Small networks in files, with the sizes of the Add task."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import ltc2hw
from ltc2hw.graph.network import Network
from ltc2hw.tasks import load_task
from tests.random_networks import random_network

TASK = "add-8"


def add_network() -> Network:
    """An untrained network that fits the Add task."""
    return random_network(np.random.default_rng(0), inputs=2, hidden=(6,), outputs=1)


def write_pair(folder: Path) -> tuple[Path, Path]:
    """Files of that network and of its integers."""
    network = add_network()
    ltc2hw.save(network, folder / "model.h5")
    fixed = ltc2hw.quantize(network, "loihi2", load_task(TASK).train.x)
    ltc2hw.save(fixed, folder / "fixed.h5")
    return folder / "model.h5", folder / "fixed.h5"
