"""Neuron models, one a file; this table is where they are found by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from ltc2hw.dynamics.model import Model
from ltc2hw.errors import UnknownNameError

MODELS: Mapping[str, str] = {
    "ltc": "ltc2hw.dynamics.models.ltc",
    "lif": "ltc2hw.dynamics.models.lif",
    "readout": "ltc2hw.dynamics.models.readout",
}
"""Every model of the package, and the module whose object of the same name it is."""


def find_model(name: str) -> Model:
    """The model of that name, imported when it is first asked for.

    Raises:
        UnknownNameError: if the package has none.

    >>> find_model("lif").states
    ('current', 'membrane')
    """
    if name not in MODELS:
        raise UnknownNameError("neuron model", str(name), tuple(MODELS))
    found: Model = getattr(import_module(MODELS[name]), name)
    return found
