"""A neuron is a small program, written once; everything else reads it.

A model's file (``ltc2hw/dynamics/models``) states its equations over named ports, constants and
states. They become a :class:`~ltc2hw.dynamics.program.Program` over a closed set of operations,
which is interpreted on reals and on integers, lowered, bounded, differentiated, counted, compiled
and printed. The names here are what a model's file is written with; ``docs/own-neuron.md`` writes
one.
"""

from __future__ import annotations

from ltc2hw.dynamics.expression import (
    constant,
    fires,
    gate,
    larger,
    mix,
    port,
    register,
    smaller,
    square_root,
    state,
    where,
)
from ltc2hw.dynamics.model import Model, model
from ltc2hw.dynamics.models import MODELS, find_model

__all__ = [
    "MODELS",
    "Model",
    "constant",
    "find_model",
    "fires",
    "gate",
    "larger",
    "mix",
    "model",
    "port",
    "register",
    "smaller",
    "square_root",
    "state",
    "where",
]
