"""Neurons of a model of the tests, in Lava's own runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from tests.converters.own_neurons import as_processes, chip_steps, random_wires, trading_neurons


def run(folder: Path) -> None:
    """Run ``input.npz``'s samples; the neurons of its seed write ``result.npz``."""
    with np.load(folder / "input.npz", allow_pickle=False) as stored:
        samples, seed, size = stored["samples"], int(stored["seed"]), int(stored["size"])
    rng = np.random.default_rng(seed)
    neurons = trading_neurons(rng, size)
    wires = random_wires(rng, neurons, samples.shape[2])
    process, _, _ = as_processes(neurons, wires, samples, str(folder / "result.npz"))
    process.run(RunSteps(chip_steps(samples)), Loihi2SimCfg(select_tag="fixed_pt"))
    np.savez(folder / "vars.npz", **{name: getattr(process, name).get() for name in VARS})
    process.stop()


VARS = ("membrane", "leak")
"""What a user of Lava reads out of the process after the run."""
