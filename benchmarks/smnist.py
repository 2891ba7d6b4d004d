"""The evaluation that used to take hours: 10,000 samples of 784 steps, event-gated, H = 128."""

from __future__ import annotations

import time

from benchmarks.measure import Spread
from benchmarks.networks import recurrent_ltc
from benchmarks.report import ResultTable
from ltc2hw.simulations import fast

HIDDEN, STEPS, SAMPLES = 128, 784, 10_000
ROUNDS = 3


def run() -> ResultTable:
    """Seconds of the whole call with one and two threads, outputs recorded."""
    work = recurrent_ltc(HIDDEN, STEPS, SAMPLES)
    short = work.x[:, :256]
    rate = fast.simulate(work.network, short, "spikes").spikes["hidden"].mean()
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for threads, values in seconds.items():
            begin = time.perf_counter()
            fast.simulate(work.network, work.x, (), threads=threads)
            values.append(time.perf_counter() - begin)
    rows = []
    for threads, values in seconds.items():
        spread = Spread.of(values)
        each = spread.scaled(1e6 / work.sample_steps)
        rows.append((str(threads), f"{spread} s", f"{each} µs", f"{1 / each.median:.3g} million/s"))
    return ResultTable(
        f"{SAMPLES:,} samples of {STEPS} steps, event-gated LTC, H = {HIDDEN}",
        ("threads", "seconds", "per sample-step", "sample-steps"),
        tuple(rows),
        f"One graded input, ten readouts, firing rate {rate:.1%}.",
    )
