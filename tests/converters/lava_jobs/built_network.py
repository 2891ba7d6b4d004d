"""Runs what `converters.lava.build` returns the way any Lava user would: own source, own sinks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

import ltc2hw.converters.lava
from ltc2hw.files.bundle import load
from ltc2hw.graph.fixed import FixedNetwork


def run(folder: Path) -> None:
    """Read ``network.h5`` and ``input.npz``, write what the output and ``hidden0`` sent."""
    network = load(folder / "network.h5")
    assert isinstance(network, FixedNetwork)
    with np.load(folder / "input.npz", allow_pickle=False) as stored:
        messages = stored["messages"]
    built = ltc2hw.converters.lava.build(network)
    source = Source(data=messages.T.astype(np.int32))
    built.connect_input(source.s_out)
    ports = {"output": built.output, "hidden": built.out_port("hidden0", "spikes")}
    sinks = {name: Sink(shape=port.shape, buffer=len(messages)) for name, port in ports.items()}
    for name, port in ports.items():
        port.connect(sinks[name].a_in)
    source.run(condition=RunSteps(num_steps=len(messages)), run_cfg=built.run_config())
    received = {name: sink.data.get().T.astype(np.int64) for name, sink in sinks.items()}
    np.savez(folder / "result.npz", **received)
    source.stop()
