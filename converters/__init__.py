"""Converters: networks in and out of other tools, one module per format.

``ltc2hw.converters.torch`` and its neighbours are imported when they are first named, because
each needs the tool that it is named after.
"""

from __future__ import annotations

from types import ModuleType

from ltc2hw.lazy import part

FORMATS = ("c", "lava", "netx", "nir", "norse", "sfptt", "torch")


def __getattr__(name: str) -> ModuleType:
    """Import a converter when it is first named.

    Raises:
        MissingExtraError: if the package that it converts is not installed.
    """
    if name in FORMATS:
        return part(__name__, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *FORMATS})
