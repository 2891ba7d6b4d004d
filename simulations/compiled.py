"""How kernels are compiled: once per machine, cached beside the sources, without the GIL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def sources_digest(folder: Path) -> int:
    """Digest of the Python sources of a folder, as a non-negative 62-bit integer.

    Numba's cache notices changes of the file of the entry point alone. Entry points therefore take
    this digest as a default argument, which is part of their signature in the cache.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:8], "big") >> 2


# Numba's stubs do not know `_nrt`. The kernels allocate nothing, and without its runtime Numba does
# not count references whenever an array is passed on.
_njit: Any = partial(numba.njit, nogil=True, error_model="numpy", _nrt=False)


def entry(function: F) -> F:
    """Compile a function that Python calls; machine code is kept between processes."""
    return cast(F, _njit(cache=True)(function))


def kernel(function: F) -> F:
    """Compile a function that entry points call."""
    return cast(F, _njit()(function))


def inlined(function: F) -> F:
    """Compile a small function into the kernels that call it."""
    return cast(F, _njit(forceinline=True)(function))
