"""Convolutions in the fast engine beside the same networks written out, and on real events."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.measure import paired
from benchmarks.networks import GESTURE, NMNIST, convolutional, events
from benchmarks.report import ResultTable
from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.simulations import fast

STEPS, SAMPLES, RATE, ROUNDS = 50, 8, 0.05, 9
IMAGE, SENSOR = (2, 34, 34), (2, 128, 128)
THRESHOLDS = (680, 1250, 4500)
"""For which some 5 % of the neurons of every layer spike."""
GESTURE_THRESHOLDS = (700, 1200, 1200)
STEP_MICROSECONDS = 10_000
MEMORY = """
from benchmarks.convolution import IMAGE, NMNIST, SAMPLES, STEPS, THRESHOLDS, RATE
from benchmarks.measure import peak_megabytes
from benchmarks.networks import convolutional, events
from ltc2hw.simulations import fast
network = convolutional(IMAGE, NMNIST, THRESHOLDS)
fast.simulate(network, events(IMAGE, STEPS, SAMPLES, RATE), (), threads=2)
print(peak_megabytes())
"""


def run() -> ResultTable:
    """Ratios on one thread, and the peak memory of a process of its own."""
    network = convolutional(IMAGE, NMNIST, THRESHOLDS)
    x = events(IMAGE, STEPS, SAMPLES, RATE)
    rows = [row(network, x, record) for record in ((), ("spikes",), ("spikes", "membrane"))]
    peak = subprocess.run(
        [sys.executable, "-c", MEMORY], check=True, capture_output=True, text=True
    ).stdout
    spikes = fast.simulate(network, x, "spikes", threads=1).spikes
    rates = ", ".join(f"{100 * values.mean():.1f} %" for values in spikes.values())
    clips = gesture_clips()
    if clips is not None:
        rows.append(on_clips(clips))
    return ResultTable(
        "Three convolutions of 16, 32 and 32 channels on 2x34x34, against the network written out",
        ("recorded", "written out, per sample-step", "convolved", "ratio"),
        tuple(rows),
        f"{SAMPLES} samples of {STEPS} steps, one thread; spikes of the populations: {rates}. "
        f"Peak memory of a process that runs it: {float(peak):.0f} MB.",
    )


def row(
    network: FixedNetwork, x: npt.NDArray[np.bool_], record: tuple[str, ...]
) -> tuple[str, ...]:
    """Both, with some variables recorded."""
    times = paired(
        {
            "old": partial(fast.simulate, without_kernels(network), x, record, threads=1),
            "new": partial(fast.simulate, network, x, record, threads=1),
        },
        ROUNDS,
    )
    scale = 1e6 / STEPS / SAMPLES
    return (
        " and ".join(record) or "outputs alone",
        f"{times.spread('old').scaled(scale)} µs",
        f"{times.spread('new').scaled(scale)} µs",
        f"{times.ratio('old', 'new')}",
    )


def on_clips(x: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    """The larger network on real events."""
    network = convolutional(SENSOR, GESTURE, GESTURE_THRESHOLDS)
    times = paired({"new": partial(fast.simulate, network, x, (), threads=1)}, ROUNDS)
    step = times.spread("new").scaled(1e6 / x.shape[0] / x.shape[1])
    name = f"16, 32 and 64 channels on 2x128x128, DVS128 clips, {100 * x.mean():.2f} % spikes"
    return name, "", f"{step} µs", ""


def gesture_clips() -> npt.NDArray[np.bool_] | None:
    """The ten clips (T, B, N) in steps of 10 ms, if they are there."""
    shared = os.environ.get("LTC2HW_SHARED") or Path(__file__).parents[2] / "shared"
    path = Path(shared, "data", "dvs-gesture", "ten-clips.npz")
    return binned(path) if path.exists() else None


def binned(path: Path) -> npt.NDArray[np.bool_]:
    """Events of clips as spikes of both polarities: at least one event in a step is one spike."""
    with np.load(path) as clips:
        offsets = clips["offsets"]
        clip = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
        step = clips["t_us"].astype(np.int64) // STEP_MICROSECONDS
        place = (clips["p"].astype(np.int64) * 128 + clips["y"]) * 128 + clips["x"]
    x = np.zeros((int(step.max()) + 1, offsets.size - 1, 2 * 128 * 128), dtype=np.bool_)
    x[step, clip, place] = True
    return x
