"""Parts of a package that are imported when they are first named."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ltc2hw.errors import MissingExtraError

EXTRAS = {"norse": "norse", "sklearn": "torch", "torch": "torch"}
"""Packages that a whole part may need, each with the extra that brings it."""


def part(package: str, name: str) -> ModuleType:
    """Import ``package.name``.

    Raises:
        MissingExtraError: if it needs a package of an extra that is not installed.

    >>> part("ltc2hw", "targets").__name__
    'ltc2hw.targets'
    """
    whole = f"{package}.{name}"
    try:
        return import_module(whole)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRAS:
            raise
        raise MissingExtraError(EXTRAS[missing], whole) from error
