"""How kernels are compiled: once per machine, kept where it can be, without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba

from ltc2hw.compilation.caching import cached

F = TypeVar("F", bound=Callable[..., Any])


# Numba's stubs do not know `_nrt`. The kernels allocate nothing, and without its runtime Numba does
# not count references whenever an array is passed on.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
_njit: Any = partial(numba.njit, **OPTIONS)


def entry(function: F) -> F:
    """Compile a function that Python calls; machine code is kept between processes if it can be."""
    return cached(function, **OPTIONS)


def kernel(function: F) -> F:
    """Compile a function that entry points call."""
    return cast(F, _njit()(function))


def inlined(function: F) -> F:
    """Compile a small function into the kernels that call it."""
    return cast(F, _njit(forceinline=True)(function))
