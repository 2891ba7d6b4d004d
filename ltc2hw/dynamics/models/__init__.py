"""Neuron models, one a file; :data:`MODELS` names them, :func:`find_model` imports one on use."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from ltc2hw.dynamics.model import Model
from ltc2hw.errors import UnknownNameError
from ltc2hw.numbers.scalars import require_type

MODELS: dict[str, str] = {
    "ltc": "ltc2hw.dynamics.models.ltc:ltc",
    "lif": "ltc2hw.dynamics.models.lif:lif",
    "cuba": "ltc2hw.dynamics.models.cuba:cuba",
    "readout": "ltc2hw.dynamics.models.readout:readout",
    "alif": "ltc2hw.dynamics.models.alif:alif",
    "adlif": "ltc2hw.dynamics.models.adlif:adlif",
    "brf": "ltc2hw.dynamics.models.brf:brf",
    "izhikevich": "ltc2hw.dynamics.models.izhikevich:izhikevich",
    "if_subtract": "ltc2hw.dynamics.models.if_subtract:if_subtract",
    "if_subtract_delayed": "ltc2hw.dynamics.models.if_subtract_delayed:if_subtract_delayed",
}
"""Module and object of every model of this package."""


def find_model(name: str) -> Model:
    """Return a model of this package.

    Raises:
        UnknownNameError: if there is no such model; lists the known ones.

    >>> find_model("alif").states
    ('current', 'membrane', 'adaptation')
    """
    require_type("model", name, str)
    if name not in MODELS:
        remedy = "one of your own is given itself, not by name"
        raise UnknownNameError("model", name, tuple(MODELS), remedy)
    module, attribute = MODELS[name].split(":")
    return cast(Model, getattr(import_module(module), attribute))
