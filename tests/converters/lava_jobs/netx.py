"""Runs netx files in Lava the way lava-dl does it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source


def run(folder: Path) -> None:
    """For every ``k.h5`` and samples ``k.npz`` (x (T, N), message bits) write spikes ``k.npy``."""
    from lava.lib.dl.netx.hdf5 import Network

    for path in sorted(folder.glob("*.h5")):
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as samples:
            x, bits = samples["x"], int(samples["bits"])
        network = Network(net_config=str(path), input_message_bits=bits)
        source = Source(data=x.T.astype(np.int32))
        sink = Sink(shape=network.out.shape, buffer=len(x))
        source.s_out.connect(network.inp)
        network.out.connect(sink.a_in)
        network.run(
            condition=RunSteps(num_steps=len(x)), run_cfg=Loihi2SimCfg(select_tag="fixed_pt")
        )
        spikes = sink.data.get().T
        network.stop()
        np.save(path.with_suffix(".npy"), spikes.astype(np.int64))
