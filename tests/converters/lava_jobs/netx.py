"""Runs netx files in Lava the way lava-dl does it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source


def in_lavas_order(x: npt.NDArray[np.int64], shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Samples (T, N), channel by channel, as (N, T) or as an image (W, H, C, T)."""
    return x.reshape(len(x), *shape[::-1]).T


def run(folder: Path) -> None:
    """For every ``k.h5`` and samples ``k.npz`` (x (T, N), message bits) write spikes ``k.npy``."""
    from lava.lib.dl.netx.hdf5 import Network

    for path in sorted(folder.glob("*.h5")):
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as samples:
            x, bits = samples["x"], int(samples["bits"])
        network = Network(net_config=str(path), input_message_bits=bits)
        source = Source(data=in_lavas_order(x, network.inp.shape).astype(np.int32))
        sink = Sink(shape=network.out.shape, buffer=len(x))
        source.s_out.connect(network.inp)
        network.out.connect(sink.a_in)
        network.run(
            condition=RunSteps(num_steps=len(x)), run_cfg=Loihi2SimCfg(select_tag="fixed_pt")
        )
        spikes = sink.data.get().T.reshape(len(x), -1)
        network.stop()
        np.save(path.with_suffix(".npy"), spikes.astype(np.int64))
