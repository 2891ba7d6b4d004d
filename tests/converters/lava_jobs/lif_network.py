"""A recurrent LIF network from nothing but Lava's own processes, for comparison with ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF
from lava.proc.monitor.process import Monitor
from lava.utils.weightutils import SignMode


def run(folder: Path) -> None:
    """Read ``input.npz``, write u, v and s (steps, neurons) of one sample to ``result.npz``."""
    with np.load(folder / "input.npz", allow_pickle=False) as stored:
        given = dict(stored)
    steps = given["spikes"].shape[1]
    options = {"num_weight_bits": 8, "sign_mode": SignMode.MIXED}
    source = Source(data=given["spikes"])
    forward = Dense(weights=given["forward"], weight_exp=int(given["forward_exp"]), **options)
    backward = Dense(weights=given["backward"], weight_exp=int(given["backward_exp"]), **options)
    lif = LIF(
        shape=(len(given["forward"]),),
        du=given["du"],
        dv=given["dv"],
        vth=given["vth"],
        bias_mant=given["bias_mant"],
        bias_exp=int(given["bias_exp"]),
    )
    source.s_out.connect(forward.s_in)
    forward.a_out.connect(lif.a_in)
    lif.s_out.connect(backward.s_in)
    backward.a_out.connect(lif.a_in)
    monitors = {"u": Monitor(), "v": Monitor(), "s_out": Monitor()}
    for name, monitor in monitors.items():
        monitor.probe(getattr(lif, name), steps)
    lif.run(RunSteps(steps), Loihi2SimCfg(select_tag="fixed_pt"))
    result = {name: monitor.get_data()[lif.name][name] for name, monitor in monitors.items()}
    np.savez(folder / "result.npz", **{name: np.rint(v).astype(int) for name, v in result.items()})
    lif.stop()
