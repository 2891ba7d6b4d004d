"""Peak memory of whole calls, each measured in a process of its own; needs Linux."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.report import ResultTable

CASES = (
    ("import alone", "1"),
    ("LTC, H = 128, T = 784, 256 samples", "recurrent_ltc(128, 784, 256)"),
    ("the same, T = 3136", "recurrent_ltc(128, 3136, 256)"),
    ("LIF, full 4096 x 4096 matrix, 16 samples", "driven_lif(4096, 20, 16, 0.1)"),
    ("LIF, 100,000 neurons, fan-in 100 twice", "sparse_lif(100_000, 100, 20, 0.05)"),
)

SCRIPT = """
from benchmarks.measure import peak_megabytes
from benchmarks.networks import *
from ltc2hw.simulations import fast
work = {case}
before = peak_megabytes()
if isinstance(work, Workload):
    fast.simulate(work.network, work.x, (), threads=2)
print(before, peak_megabytes())
"""


def run() -> ResultTable:
    """Megabytes before the call (network and samples are there) and at its peak."""
    rows = []
    for name, case in CASES:
        output = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(case=case)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        before, peak = (float(value) for value in output.split())
        rows.append((name, f"{before:.0f}", f"{peak:.0f}", f"{peak - before:.0f}"))
    return ResultTable(
        "Peak memory in MB, two threads, only outputs recorded",
        ("network", "before the call", "peak", "the call's own"),
        tuple(rows),
        "Outputs, four bytes each, are part of the call's own.",
    )
