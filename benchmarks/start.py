"""How long the first call of a process takes: with compiled kernels in the cache, and without."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks.report import ResultTable

SCRIPT = """
import time
begin = time.perf_counter()
from benchmarks.networks import recurrent_ltc
from ltc2hw.simulations import fast
imported = time.perf_counter()
work = recurrent_ltc(128, 10, 2)
ready = time.perf_counter()
fast.simulate(work.network, work.x)
first = time.perf_counter()
fast.simulate(work.network, work.x)
print(imported - begin, first - ready, time.perf_counter() - first)
"""


def run() -> ResultTable:
    """Seconds of import, first and second call."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [("empty", *seconds(folder)), ("filled", *seconds(folder))]
    return ResultTable(
        "Start of a process, by the state of the cache of compiled kernels",
        ("cache", "import", "first call", "second call"),
        tuple(rows),
    )


def seconds(cache: str) -> tuple[str, ...]:
    """Times of a fresh process."""
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
    ).stdout
    return tuple(f"{float(value):.3g} s" for value in output.split())
