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

ROUNDS = 7
RATE = 0.2
NEAR, FAR = 1 << 14, 1 << 26
"""Bytes: an array in the first cache, one in memory."""


def run() -> ResultTable:
    """Adds and bytes per second of plain loops, beside those of event-driven fan-out."""
    adds = Spread.of([additions() for _ in range(ROUNDS)])
    near, far = (Spread.of([reading(size) for _ in range(ROUNDS)]) for size in (NEAR, FAR))
    rows = [
        ("16-bit adds of 8-bit numbers in the first cache", f"{adds.scaled(1e-9)} G/s"),
        ("bytes read from the first cache", f"{near.scaled(1e-9)} GB/s"),
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
def _add(sums: npt.NDArray[Any], weights: npt.NDArray[Any], repeats: int) -> None:
    for _ in range(repeats):
        for row in range(weights.shape[0]):
            for j in range(sums.size):
                sums[j] += weights[row, j]


@numba.njit
def _read(values: npt.NDArray[Any], repeats: int) -> int:
    total = 0
    for _ in range(repeats):
        for value in values:
            total ^= value
    return total


def additions() -> float:
    """Adds per second: rows of bytes onto 16-bit sums, all in the first cache."""
    sums, weights = np.zeros(512, np.int16), np.ones((32, 512), np.int8)
    _add(sums, weights, 1)
    return 200 * weights.size / seconds_of(lambda: _add(sums, weights, 200), 0.01)


def reading(size: int) -> float:
    """Bytes per second of reading an array again and again."""
    values = np.zeros(size // 8, np.int64)
    repeats = max(1, (1 << 24) // size)
    _read(values, 1)
    return repeats * size / seconds_of(lambda: _read(values, repeats), 0.01)


def synaptic_adds(size: int) -> float:
    """Weights added per second by a network of ``size`` inputs and neurons."""
    steps = max(2, (1 << 22) // (size * 16))
    work = driven_lif(size, steps, 16, RATE)
    fast.simulate(work.network, work.x, (), threads=1)
    seconds = seconds_of(lambda: fast.simulate(work.network, work.x, (), threads=1), 0.02)
    return float(work.x.sum()) * size / seconds
