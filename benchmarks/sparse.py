"""Large sparse networks: time against neurons at a fixed fan-in and rate."""

from __future__ import annotations

from functools import partial

from benchmarks.measure import Spread, Timed, paired
from benchmarks.networks import sparse_lif
from benchmarks.report import ResultTable
from ltc2hw.simulations import fast

FAN_IN, RATE, STEPS, ROUNDS = 100, 0.05, 50, 15
SIZES = (3_125, 6_250, 12_500, 25_000, 50_000, 100_000, 200_000)


def run() -> ResultTable:
    """Milliseconds per step of one sample on one thread; neighbouring sizes take turns."""
    rows: list[tuple[str, ...]] = []
    half = candidate(SIZES[0])
    for size in SIZES[1:]:
        whole = candidate(size)
        times = paired({"half": half, "whole": whole}, ROUNDS)
        if not rows:
            rows.append(row(SIZES[0], times.spread("half"), ""))
        rows.append(row(size, times.spread("whole"), f"{times.ratio('whole', 'half')}"))
        half = whole  # only two networks are in memory at a time
    return ResultTable(
        f"Sparse LIF networks, fan-in {FAN_IN} twice, {RATE:.0%} of the inputs active, one sample",
        ("neurons", "per step", "times half the neurons, in turns", "synaptic events/s"),
        tuple(rows),
        f"T = {STEPS}, one thread; ratios are taken round by round, {ROUNDS} rounds.",
    )


def candidate(size: int) -> Timed:
    """A run of a network of that size."""
    work = sparse_lif(size, FAN_IN, STEPS, RATE)
    return partial(fast.simulate, work.network, work.x.astype(bool), (), threads=1)


def row(size: int, seconds: Spread, growth: str) -> tuple[str, ...]:
    """One size."""
    step = seconds.scaled(1e3 / STEPS)
    events = size * FAN_IN * RATE / step.median * 1e3
    return f"{size:,}", f"{step} ms", growth, f"{events / 1e6:.3g} million"
