"""The fast engine beside the float model in torch: the same network, the same batch."""

from __future__ import annotations

import numpy as np
import torch

import ltc2hw
from benchmarks.measure import paired
from benchmarks.report import ResultTable
from ltc2hw.converters.torch import from_module
from ltc2hw.neurons import LTCCell, ReadoutCell, SpikingNetwork
from ltc2hw.neurons.gate import GateKind
from ltc2hw.simulations import fast

HIDDEN = 128
STEPS = 100
GATES: tuple[GateKind, ...] = ("event", "dense")


def run() -> ResultTable:
    """Event and dense gates, several batch sizes, as many threads for both."""
    rows = [
        measure(gate, batch, threads)
        for gate in GATES
        for batch, threads in ((1, 1), (64, 1), (512, 1), (512, 2))
    ]
    return ResultTable(
        f"Against the float model in torch {torch.__version__}, H = {HIDDEN}, evaluation mode",
        (
            "gates",
            "samples",
            "threads",
            "firing rate",
            "torch, per sample-step",
            "`fast`",
            "ratio",
        ),
        tuple(rows),
        f"One graded input, ten readouts, T = {STEPS}, float32 under `torch.inference_mode`.",
    )


def measure(gate: GateKind, batch: int, threads: int) -> tuple[str, ...]:
    """One row."""
    generator = torch.Generator().manual_seed(0)
    cell = LTCCell(1, HIDDEN, gate=gate, gain=3.0, generator=generator)
    module = SpikingNetwork([cell], ReadoutCell(HIDDEN, 10, generator=generator)).eval()
    x = np.random.default_rng(0).random((STEPS, batch, 1))
    tensor = torch.from_numpy(x).float()
    fixed = ltc2hw.quantize(from_module(module), "loihi2", x)

    def run_torch() -> None:
        with torch.inference_mode():
            module(tensor)

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        times = paired(
            {"torch": run_torch, "fast": lambda: fast.simulate(fixed, x, (), threads=threads)}, 7
        )
    finally:
        torch.set_num_threads(before)
    hidden = fixed.populations[1].name
    rate = fast.simulate(fixed, x, "spikes").spikes[hidden].mean()
    per_step = 1e6 / (STEPS * batch)
    return (
        gate,
        str(batch),
        str(threads),
        f"{rate:.1%}",
        f"{times.spread('torch').scaled(per_step)} µs",
        f"{times.spread('fast').scaled(per_step)} µs",
        f"{times.ratio('torch', 'fast')}",
    )
