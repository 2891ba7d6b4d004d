"""What people see of an object: one line in a console, tables in a notebook.

The tables are made by :mod:`ltc2hw.looking`, which knows all objects; it is looked up here by name,
on use, as engines are in :mod:`ltc2hw.registry`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

VIEWS: dict[str, str] = {
    "Network": "ltc2hw.looking.networks",
    "FixedNetwork": "ltc2hw.looking.networks",
    "Trace": "ltc2hw.looking.traces",
    "Report": "ltc2hw.looking.reports",
    "Task": "ltc2hw.looking.tasks",
    "Split": "ltc2hw.looking.tasks",
    "LazySplit": "ltc2hw.looking.tasks",
    "Learned": "ltc2hw.looking.learning",
    "Learning": "ltc2hw.looking.learning",
    "TrainingResult": "ltc2hw.looking.training",
}
"""Module of each class that can be shown; its function ``view`` makes the tables."""


class Shown:
    """Base of classes that have tables in a notebook."""

    def _repr_html_(self) -> str:
        """The tables as HTML."""
        text: str = view_of(self).to_html()
        return text


def view_of(value: Any) -> Any:
    """The :class:`~ltc2hw.looking.view.View` of an object of one of the classes.

    >>> from ltc2hw.graph.network import Input, Network
    >>> from ltc2hw.graph.neurons import Neurons
    >>> view_of(Network((Input("input", 2), Neurons("out", 1, "lif")), (), "out")).title
    'float network: input (2), out (1 lif); 0 projections, 0 synapses'
    """
    return import_module(VIEWS[type(value).__name__]).view(value)


def listed(names: list[str], most: int = 6) -> str:
    """Names in a row; of many the first ones.

    >>> listed(list("abcdefgh"), 3)
    'a, b, c and 5 more'
    """
    if len(names) <= most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
