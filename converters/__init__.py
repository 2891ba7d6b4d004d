"""Converters: networks in and out of other tools, one module per format.

``ltc2hw.converters.torch`` and its neighbours are imported when they are first named, because
each needs the tool that it is named after.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

FORMATS = ("lava", "netx", "nir", "norse", "torch")


def __getattr__(name: str) -> ModuleType:
    """Import a converter when it is first named."""
    if name in FORMATS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
