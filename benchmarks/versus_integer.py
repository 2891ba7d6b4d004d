"""The fast engine beside the readable one."""

from __future__ import annotations

from functools import partial

from benchmarks.measure import paired
from benchmarks.networks import Workload, recurrent_lif, recurrent_ltc
from benchmarks.report import ResultTable
from ltc2hw.simulations import fast, integer


def run() -> ResultTable:
    """Ratios on one core, single stream and batch."""
    cases: tuple[tuple[str, Workload], ...] = (
        ("LTC, H = 128, T = 1000, one sample", recurrent_ltc(128, 1000, 1)),
        ("LTC, H = 128, T = 100, 256 samples", recurrent_ltc(128, 100, 256)),
        ("LIF, H = 128, T = 1000, one sample", recurrent_lif(128, 1000, 1)),
        ("LIF, H = 128, T = 100, 256 samples", recurrent_lif(128, 100, 256)),
    )
    rows = []
    for name, work in cases:
        network, x = work.network, work.x
        times = paired(
            {
                "integer": partial(integer.simulate, network, x, ()),
                "fast": partial(fast.simulate, network, x, (), threads=1),
            },
            rounds=5,
        )
        step = times.spread("fast").scaled(1e6 / work.sample_steps)
        rows.append((name, f"{step} µs", f"{times.ratio('integer', 'fast')}"))
    return ResultTable(
        "Against the `integer` engine, one thread",
        ("network", "`fast`, per sample-step", "times faster than `integer`"),
        tuple(rows),
    )
