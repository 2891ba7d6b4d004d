"""The Lava side: a job for :func:`ltc2hw.converters.lava.runner.run_job`.

Lava's full runtime and the fast engine take turns over the same network, the same samples and the
same number of steps. Building and starting the Lava processes is not counted.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIF
from lava.utils.weightutils import SignMode

from benchmarks.fast_turns import HIDDEN, STEPS, FastTurns
from benchmarks.measure import seconds_of
from benchmarks.networks import recurrent_lif, recurrent_ltc
from ltc2hw.converters.lava.assembly import Feed, build_network
from ltc2hw.converters.populations import FixedLIF
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations import fast

ROUNDS = 7


def lif(folder: Path) -> None:
    """Recurrent LIF neurons from Lava's own processes alone."""
    work = recurrent_lif(HIDDEN, STEPS, 1)
    process = lava_lif(work.network, work.x)
    config = Loihi2SimCfg(select_tag="fixed_pt")
    process.run(RunSteps(STEPS), config)
    state = fast.simulate(work.network, work.x, ()).state
    # The ring buffer's sample t arrives at the neurons one step later, so Lava's last step of the
    # first run has seen all samples but the last one.
    before = fast.simulate(work.network, work.x[:-1], ()).state
    found = process.v.get()
    same = any(np.array_equal(found, s["hidden"]["membrane"][0]) for s in (state, before))
    write(folder, "lif", process, config, same)


def lava_lif(network: FixedNetwork, x: FloatArray) -> LIF:
    """Source, feed-forward Dense, LIF, recurrent Dense."""
    population = network.population("hidden")
    assert isinstance(population, FixedLIF)
    inward, recurrent = (
        Dense(
            weights=p.weights.to_array() << 1,
            weight_exp=p.exponent - 1,
            num_weight_bits=8,
            sign_mode=SignMode.MIXED,
        )
        for p in network.projections
    )
    neurons = LIF(
        shape=(population.size,),
        du=int(population.current_decay[0]) - 1,
        dv=int(population.membrane_decay[0]),
        vth=int(population.threshold[0]),
        bias_mant=0,
    )
    source = RingBuffer(data=x[:, 0].T.astype(np.int32))
    source.s_out.connect(inward.s_in)
    inward.a_out.connect(neurons.a_in)
    neurons.s_out.connect(recurrent.s_in)
    recurrent.a_out.connect(neurons.a_in)
    return neurons


def ltc(folder: Path) -> None:
    """Our export of event-gated LTC neurons with readouts."""
    work = recurrent_ltc(HIDDEN, STEPS, 1)
    samples = np.rint(work.x * 2**7).astype(np.int64)
    lava = build_network(work.network, Feed(np.tile(samples, (ROUNDS + 3, 1, 1))))
    process = lava.populations["hidden"]
    config = lava.run_config()
    process.run(RunSteps(STEPS), config)
    write(folder, "ltc", process, config, None)


def write(
    folder: Path, workload: str, process: AbstractProcess, config: Loihi2SimCfg, same: bool | None
) -> None:
    """Measure, stop Lava, and leave the seconds in ``result.json``."""
    seconds: dict[str, list[float]] = {"lava": [], "fast": []}
    with FastTurns(workload) as turns:
        turns.seconds()
        for _ in range(ROUNDS):
            seconds["lava"].append(seconds_of(lambda: process.run(RunSteps(STEPS), config)))
            seconds["fast"].append(turns.seconds())
    process.stop()
    result = {"seconds": seconds, "same": same}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
