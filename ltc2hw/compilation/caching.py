"""Compiled functions whose machine code is kept between processes, where it can be."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import caching

from ltc2hw.compilation.telling import LOG, tell_compiling

F = TypeVar("F", bound=Callable[..., Any])

numba_caching: Any = caching  # without types of its own

UNREADABLE = (OSError, EOFError, ValueError, KeyError, ImportError, pickle.UnpicklingError)
"""What reading a damaged or foreign file of a cache can raise."""


class _Cache(numba_caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache, except that files which cannot be read or written only cost time."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Machine code for these types, or None; damaged files are begun anew."""
        kept = None
        try:
            kept = super().load_overload(sig, target_context)
        except UNREADABLE:
            with telling():
                self.flush()
        if kept is None:
            tell_compiling()
        return kept

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep machine code, if there is room."""
        with telling():
            super().save_overload(sig, data)


def cached(function: F, **options: Any) -> F:
    """Compile a function that Python calls, by ``numba.njit`` with these options.

    Its machine code is kept beside the sources, in the user's cache, or in ``NUMBA_CACHE_DIR``.
    Where none of them can be written, it is compiled anew by every process, which is logged once.
    """
    compiled: Any = njit(**options)(function)
    try:
        kept = _Cache(function)
    except RuntimeError:
        tell_uncached()
    else:
        compiled._cache = kept
    return cast(F, compiled)


@cache
def cache_folder() -> Path | None:
    """Where machine code that Numba does not keep by itself is kept, or None, which is logged."""
    try:
        return Path(_Cache(tell_uncached.__wrapped__)._cache_path)
    except RuntimeError:
        tell_uncached()
        return None


@contextmanager
def telling() -> Iterator[None]:
    """Log instead of raising that a file cannot be written."""
    try:
        yield
    except OSError:
        tell_uncached()


@cache
def tell_uncached() -> None:
    """Log that machine code is not kept; only the first call does anything."""
    LOG.warning(
        "compiled code cannot be kept here, so that every process compiles it again, which takes "
        "up to minutes (set NUMBA_CACHE_DIR to a folder that can be written)"
    )
