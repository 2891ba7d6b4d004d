"""Products of matrices, each with as many threads as it is worth.

Libraries wake their threads for products of some microseconds already. Where a run makes thousands
of these, and above all where another program uses the cores, the wait for the last thread takes
longer than the products.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

FEWEST, WORTH_THREADS = 1 << 16, 1 << 23
"""Multiplications of a product that libraries may share between threads, and from which on they
should: some 0.3 ms of one core."""


def matrix_product(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``left @ right``; each product below WORTH_THREADS multiplications takes one thread.

    Larger ones take as many as NumPy's library of matrix products is set to. That setting, which
    belongs to the process, is afterwards what it was.

    >>> matrix_product(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    multiplications = math.prod(left.shape[-2:]) * right.shape[-1]
    # Integers are multiplied by NumPy itself, which has no threads.
    reals = "f" in (left.dtype.kind, right.dtype.kind)
    small = reals and FEWEST <= multiplications < WORTH_THREADS
    with one_thread() if small else nullcontext():
        return np.asarray(left @ right)


_HOLDER = Lock()


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for every product within; products that begin meanwhile elsewhere have it, too.

    Around many products it costs once what each would cost. Within another it does nothing.

    >>> with one_thread():
    ...     matrix_product(np.array([[2.0]]), np.array([[3.0]]))
    array([[6.]])
    """
    if not _HOLDER.acquire(blocking=False):
        yield
        return
    try:
        with _libraries().limit(limits=1):
            yield
    finally:
        _HOLDER.release()


@lru_cache(maxsize=1)
def _libraries() -> Any:
    """Control of the libraries of matrix products; NumPy's is loaded from its import on."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
