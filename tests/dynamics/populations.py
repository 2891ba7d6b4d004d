"""Random populations of every kind, for tests of their programs."""

from __future__ import annotations

import numpy as np

from ltc2hw.dynamics.choosing import encode_constants
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.targets import load_target
from tests.dynamics.running import WIDTHS, Neurons, chosen_formats, random_case
from tests.random_networks import random_lif, random_ltc, random_readout

KINDS = tuple(MODELS)


def random_population(rng: np.random.Generator, kind: str, *, extreme: bool = True) -> FixedNeurons:
    """One to four neurons that nobody tuned."""
    size = int(rng.integers(1, 5))
    if kind == "lif":
        return random_lif(rng, "hidden", size, load_target("loihi2"), extreme=extreme)
    if kind not in ("ltc", "readout"):
        return chosen_population(rng, kind)
    make = random_ltc if kind == "ltc" else random_readout
    return make(rng, "hidden", size, extreme=extreme)


def chosen_population(rng: np.random.Generator, kind: str) -> FixedNeurons:
    """Neurons of any model, with formats chosen for a run in which they spike."""
    constants, arriving = random_case(kind, rng)
    neurons = Neurons(find_model(kind), arriving.shape[-1], constants)
    formats = chosen_formats(neurons, dict.fromkeys(neurons.model.ports, arriving))
    integers, _ = encode_constants(neurons.model, formats, WIDTHS, neurons.constants)
    return FixedNeurons("hidden", neurons.size, neurons.model.worked_out, formats, integers)
