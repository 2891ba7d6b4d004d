"""A job for the runner: noise through a Dense connection into Lava's fixed-point LIF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF


def run(folder: Path) -> None:
    """Read ``input.npz``, write the spikes (neurons, steps) to ``result.npz``."""
    with np.load(folder / "input.npz", allow_pickle=False) as given:
        spikes, weights = given["spikes"], given["weights"]
        du, dv, vth = (int(given[name]) for name in ("du", "dv", "vth"))
    neurons, steps = len(weights), spikes.shape[1]
    source, dense = Source(data=spikes), Dense(weights=weights)
    lif, sink = LIF(shape=(neurons,), du=du, dv=dv, vth=vth), Sink(shape=(neurons,), buffer=steps)
    source.s_out.connect(dense.s_in)
    dense.a_out.connect(lif.a_in)
    lif.s_out.connect(sink.a_in)
    lif.run(RunSteps(steps), Loihi2SimCfg(select_tag="fixed_pt"))
    np.savez(folder / "result.npz", spikes=sink.data.get().astype(np.int64))
    lif.stop()
