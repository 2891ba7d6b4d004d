"""What the machine can do at most, and how much of it the kernels use."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from benchmarks.measure import Spread, seconds_of
from benchmarks.networks import driven_lif
from benchmarks.report import ResultTable
from ltc2hw.simulations import fast
from ltc2hw.simulations.fast.vectors import add_rows

ROUNDS = 7
RATE = 0.2
FAR = 1 << 28
"""Bytes of an array in memory."""


def run() -> ResultTable:
    """Adds and bytes per second of plain loops, beside those of event-driven fan-out."""
    adds = Spread.of([additions() for _ in range(ROUNDS)])
    far = Spread.of([reading() for _ in range(ROUNDS)])
    rows = [
        ("16-bit adds of 8-bit numbers in the first cache", f"{adds.scaled(1e-9)} G/s"),
        ("bytes read from memory", f"{far.scaled(1e-9)} GB/s"),
    ]
    for size, limit, name in ((128, adds, "adds"), (1024, adds, "adds"), (8192, far, "memory")):
        speed = Spread.of([synaptic_adds(size) for _ in range(3)])
        share = speed.median / limit.median
        rows.append(
            (f"`fast`, {size} x {size} weights", f"{speed.scaled(1e-9)} G/s, {share:.0%} of {name}")
        )
    return ResultTable(
        f"The machine's limits, one thread, and synaptic adds at a rate of {RATE:.0%}",
        ("what", "measured"),
        tuple(rows),
        "A synaptic add reads one byte. The engine's time includes neurons, encoding and outputs.",
    )


@numba.njit
def _add(
    sums: npt.NDArray[Any], weights: npt.NDArray[Any], rows: npt.NDArray[Any], repeats: int
) -> None:
    zero = np.uint64(0)
    for _ in range(repeats):
        add_rows(sums, zero, weights, zero, np.uint64(256), rows, zero, np.uint64(rows.size), 256)


def additions() -> float:
    """Adds per second: rows of bytes onto 16-bit sums, all in the first cache."""
    sums, weights = np.zeros(256, np.int16), np.ones(32 * 256, np.int8)
    rows = np.arange(32, dtype=np.int32)
    _add(sums, weights, rows, 1)
    return 1000 * weights.size / seconds_of(lambda: _add(sums, weights, rows, 1000), 0.01)


def reading() -> float:
    """Bytes per second of reading an array that no cache holds."""
    values = np.ones(FAR // 8, np.int64)
    return FAR / seconds_of(values.max, 0.05)


def synaptic_adds(size: int) -> float:
    """Weights added per second by a network of ``size`` inputs and neurons."""
    steps = max(2, (1 << 22) // (size * 16))
    work = driven_lif(size, steps, 16, RATE)
    fast.simulate(work.network, work.x, (), threads=1)
    seconds = seconds_of(lambda: fast.simulate(work.network, work.x, (), threads=1), 0.02)
    return float(work.x.sum()) * size / seconds
