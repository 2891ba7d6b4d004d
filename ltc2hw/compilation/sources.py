"""A digest of sources, for caches of compiled code.

All entry points take the same one: Numba tells omitted arguments apart by type, not by value, and
with several defaults in a process all but the first would take its slow way, 2 ms per call.
"""

from __future__ import annotations

import hashlib
from pathlib import Path


def sources_digest(*folders: Path) -> int:
    """Digest of the Python sources of some folders, as a non-negative 62-bit integer.

    Numba's cache notices changes of the file of the entry point alone. Entry points therefore take
    this digest as a default argument, which is part of their signature in the cache.

    >>> sources_digest(Path(__file__).parent) < 2**62
    True
    """
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:8], "big") >> 2


COMPILED = (
    ".",
    "compilation",
    "graph",
    "learning",
    "numbers",
    "quantization",
    "neurons",
    "training",
    "vectors",
    "simulations",
    "simulations/fast",
    "simulations/learning_engine",
    "simulations/plasticity",
)
"""Folders whose sources are compiled, or hold constants and words to LLVM that are."""

SOURCES = sources_digest(*(Path(__file__).parents[1] / folder for folder in COMPILED))
