"""Memory that one step frees and the next one takes again."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Of glibc's ``mallopt``: what is given back to the system, and what is taken from it apart."""

MOST_KEPT = (1 << 31) - 1


def keep_freed_memory() -> bool:
    """Keep memory that is freed within this process, where its C library can; whether it can.

    Training by autograd makes and frees the same planes in every step; asking the system for them
    each time, page by page, takes up to a quarter of it. For programs whose process is their own.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(name, MOST_KEPT) for name in (TRIM_THRESHOLD, MMAP_THRESHOLD))
