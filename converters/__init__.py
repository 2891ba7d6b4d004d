"""Converters: networks in and out of other tools, one module per format.

``ltc2hw.converters.torch`` and its neighbours are imported when they are first named, because
each needs the tool that it is named after.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ltc2hw.errors import MissingExtraError

FORMATS = ("c", "lava", "netx", "nir", "norse", "sfptt", "torch")

EXTRAS = ("norse", "torch")
"""Packages that a whole converter needs, each with an extra of its name."""


def __getattr__(name: str) -> ModuleType:
    """Import a converter when it is first named.

    Raises:
        MissingExtraError: if the package that it converts is not installed.
    """
    if name in FORMATS:
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in EXTRAS:
                raise
            raise MissingExtraError(missing, f"ltc2hw.converters.{name}") from error
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
