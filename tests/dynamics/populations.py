"""Random populations of every kind, for tests of their programs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.targets import load_target
from tests.random_networks import random_lif, random_ltc, random_readout

KINDS = ("ltc", "lif", "readout")


def random_population(rng: np.random.Generator, kind: str, *, extreme: bool = True) -> Any:
    """One to four neurons that nobody tuned."""
    size = int(rng.integers(1, 5))
    if kind == "lif":
        return random_lif(rng, "hidden", size, load_target("loihi2"), extreme=extreme)
    make = random_ltc if kind == "ltc" else random_readout
    return make(rng, "hidden", size, extreme=extreme)
