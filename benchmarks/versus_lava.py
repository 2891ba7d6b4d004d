"""The fast engine beside Lava's full runtime, on the same network."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.fast_turns import HIDDEN, STEPS, WORKLOADS
from benchmarks.measure import Paired, paired
from benchmarks.report import ResultTable
from ltc2hw.converters.lava.runner import run_job
from ltc2hw.simulations import fast

BATCH = 1024

CASES = {
    "recurrent LIF, Lava's own processes": "lif",
    "event-gated LTC, our export to Lava": "ltc",
}


def run() -> ResultTable:
    """One sample on one core in turns with Lava; a batch on two threads beside Lava's time."""
    rows = []
    for name, job in CASES.items():
        times, checked = lava_times(job)
        work = WORKLOADS[job](HIDDEN, 100, BATCH)
        batch = paired({"fast": partial(fast.simulate, work.network, work.x, (), threads=2)}, 5)
        lava = times.spread("lava").scaled(1e6 / STEPS)
        single = times.spread("fast").scaled(1e6 / STEPS)
        many = batch.spread("fast").scaled(1e6 / work.sample_steps)
        rows.append(
            (
                name + checked,
                f"{lava} µs",
                f"{single} µs",
                f"{times.ratio('lava', 'fast')}",
                f"{many} µs",
                f"{lava.median / many.median:.3g}",
            )
        )
    return ResultTable(
        f"Against Lava's runtime, H = {HIDDEN}",
        (
            "network",
            "Lava, per step",
            "`fast`, one sample, one thread",
            "ratio",
            f"`fast`, {BATCH} samples, two threads, per sample-step",
            "ratio",
        ),
        tuple(rows),
        f"T = {STEPS}; Lava's start is not counted. Lava has no batch: its time per sample-step is"
        " that of one sample.",
    )


def lava_times(job: str) -> tuple[Paired, str]:
    """Seconds of Lava and of the fast engine, and whether their membranes were compared."""
    with tempfile.TemporaryDirectory() as folder:
        run_job(f"benchmarks.lava_job:{job}", Path(folder))
        result = json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))
    checked = {True: " (final membranes equal)", False: " (MEMBRANES DIFFER)", None: ""}
    return Paired(result["seconds"]), checked[result["same"]]
