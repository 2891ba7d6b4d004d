"""Work on many items by several threads of Python: NumPy's operations leave each other alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ltc2hw.numbers.matrix_product import one_thread

Item = TypeVar("Item")
Result = TypeVar("Result")


def processors() -> int:
    """Processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], stop: Callable[[], None]
) -> list[Result]:
    """Results of work on every item, in their order, by a thread for each processor.

    Matrix products within have one thread each. What work raises is raised here, as is an interrupt
    of the caller's; ``stop`` is called then, so that work that goes on can end, and is waited for.

    >>> in_threads(abs, [-1, 2], stop=lambda: None)
    [1, 2]
    """
    count = min(len(items), processors())
    with one_thread():
        if count < 2:
            return [work(item) for item in items]
        pool = ThreadPoolExecutor(count)
        try:
            return list(pool.map(work, items))
        except BaseException:
            stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
