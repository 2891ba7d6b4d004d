"""Sample-steps per second over neurons, batch, rate and threads, in a full square matrix."""

from __future__ import annotations

from benchmarks.measure import Spread, seconds_of
from benchmarks.networks import Workload, driven_lif
from benchmarks.report import ResultTable
from ltc2hw.simulations import fast

ROUNDS = 5
LARGEST_SAMPLES = 1 << 23
"""Values of x at most, so that large cases take fewer steps."""


def run() -> ResultTable:
    """Vary one of neurons, batch and rate at a time, with one and two threads."""
    cases = [(size, 16, 0.1) for size in (32, 128, 512, 2048, 8192)]
    cases += [(128, batch, 0.1) for batch in (1, 4, 64, 256, 1024)]
    cases += [(512, 16, rate) for rate in (0.01, 0.02, 0.05, 0.2, 0.5)]
    rows = [measure(*case) for case in cases]
    return ResultTable(
        "Sample-steps per second: N inputs at an exact rate, a full N x N matrix, N LIF neurons",
        ("N", "samples", "rate", "one thread", "two threads", "synaptic events/s, one thread"),
        tuple(rows),
    )


def measure(size: int, batch: int, rate: float) -> tuple[str, ...]:
    """One row."""
    steps = max(2, min(200, LARGEST_SAMPLES // (size * batch)))
    work = driven_lif(size, steps, batch, rate)
    one, two = (speed(work, threads) for threads in (1, 2))
    events = one.scaled(size * size * rate)
    return (
        str(size),
        str(batch),
        f"{rate:.0%}",
        f"{one}",
        f"{two}",
        f"{events.scaled(1e-9).median:.3g} G",
    )


def speed(work: Workload, threads: int) -> Spread:
    """Sample-steps per second."""

    def simulate() -> object:
        return fast.simulate(work.network, work.x, (), threads=threads)

    simulate()
    return Spread.of([work.sample_steps / seconds_of(simulate, 0.02) for _ in range(ROUNDS)])
