"""Large sparse networks: time against neurons at a fixed fan-in and rate."""

from __future__ import annotations

from functools import partial

from benchmarks.measure import Spread, seconds_of
from benchmarks.networks import sparse_lif
from benchmarks.report import ResultTable
from ltc2hw.simulations import fast

FAN_IN, RATE, STEPS, ROUNDS = 100, 0.05, 50, 5
SIZES = (3_125, 6_250, 12_500, 25_000, 50_000, 100_000, 200_000)


def run() -> ResultTable:
    """Milliseconds per step of one sample on one thread, and growth from row to row."""
    rows = []
    before = 0.0
    for size in SIZES:
        work = sparse_lif(size, FAN_IN, STEPS, RATE)
        network, x = work.network, work.x.astype(bool)
        fast.simulate(network, x, ())
        simulate = partial(fast.simulate, network, x, (), threads=1)
        seconds = [seconds_of(simulate) for _ in range(ROUNDS)]
        step = Spread.of(seconds).scaled(1e3 / STEPS)
        growth = f"{step.median / before:.2f}" if before else ""
        before = step.median
        events = size * FAN_IN * RATE / step.median * 1e3
        rows.append((f"{size:,}", f"{step} ms", growth, f"{events / 1e6:.3g} million"))
    return ResultTable(
        f"Sparse LIF networks, fan-in {FAN_IN} twice, {RATE:.0%} of the inputs active, one sample",
        ("neurons", "per step", "times the row above", "synaptic events/s"),
        tuple(rows),
        f"T = {STEPS}, one thread.",
    )
