"""The fast engine beside lava-dl's slayer: the same quantized CUBA network, spike for spike."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from lava.lib.dl import slayer

from benchmarks.measure import paired
from benchmarks.report import ResultTable
from ltc2hw.converters.netx import Block, from_module
from ltc2hw.simulations import fast

INPUTS, HIDDEN, STEPS = 32, 128, 100
NEURON = {"threshold": 1.0, "current_decay": 0.25, "voltage_decay": 0.06}


def run() -> ResultTable:
    """A dense and a recurrent block, one thread."""
    rows = []
    for name, kind in (
        ("dense CUBA", slayer.block.cuba.Dense),
        ("recurrent CUBA", slayer.block.cuba.Recurrent),
    ):
        torch.manual_seed(0)
        block = kind(NEURON, INPUTS, HIDDEN).eval()
        for batch in (1, 64, 256):
            rows.append((name, str(batch), *measure(block, batch)))
    return ResultTable(
        f"Against slayer (lava-dl), H = {HIDDEN}, one thread",
        ("block", "samples", "slayer, per sample-step", "`fast`", "ratio", "spikes"),
        tuple(rows),
        f"T = {STEPS}, {INPUTS} spiking inputs at 10 %, no gradients.",
    )


def measure(block: torch.nn.Module, batch: int) -> tuple[str, ...]:
    """Times, ratio, and whether the spikes are the same."""
    rng = np.random.default_rng(0)
    x = (rng.random((STEPS, batch, INPUTS)) < 0.1).astype(np.float64)
    tensor = torch.from_numpy(np.ascontiguousarray(x.transpose(1, 2, 0))).float()

    def run_slayer() -> torch.Tensor:
        with torch.inference_mode():
            spikes: torch.Tensor = block(tensor)
            return spikes

    spikes = run_slayer().numpy().transpose(2, 0, 1)
    fixed = from_module([cast(Block, block)])
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = paired(
            {"slayer": run_slayer, "fast": lambda: fast.simulate(fixed, x, (), threads=1)}, 7
        )
    finally:
        torch.set_num_threads(before)
    # A block of slayer answers one step late, as Lava's Dense does.
    equal = np.array_equal(fast.simulate(fixed, x, ()).outputs[:-1], spikes[1:])
    per_step = 1e6 / (STEPS * batch)
    return (
        f"{times.spread('slayer').scaled(per_step)} µs",
        f"{times.spread('fast').scaled(per_step)} µs",
        f"{times.ratio('slayer', 'fast')}",
        "equal" if equal else "DIFFERENT",
    )
