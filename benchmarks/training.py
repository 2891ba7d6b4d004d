"""Training steps beside the authors' way: autograd, one Python loop over steps and parameters.

The loop is written anew from the pseudo-code of Yin, Corradi, Bohte (arXiv 2112.11231) and Kag,
Saligrama (ICML 2021): every parameter has a running mean and a gradient memory of its own, the
regularizer is part of the loss, and the state is detached after each update.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import torch
from torch import Tensor

from benchmarks.measure import paired
from benchmarks.report import ResultTable
from ltc2hw.neurons import GateKind, LTCCell, NetworkState, ReadoutCell, SpikingNetwork
from ltc2hw.training import TrainingOptions
from ltc2hw.training.compiled import CompiledLearner

HIDDEN, BATCH, STEPS, INPUTS, OUTPUTS = 128, 128, 20, 2, 1
ALPHA, BETA, RATE, CLIP = 0.1, 0.5, 3e-3, 1.0
ROUNDS = 7
GATES: tuple[GateKind, ...] = ("event", "dense", "static")


class AuthorsLoop:
    """FPTT with dictionaries of parameters, by autograd through single steps."""

    def __init__(self, module: SpikingNetwork, updates: int) -> None:
        self.module, self.updates = module, updates
        self.optimizer = torch.optim.Adam(module.parameters(), lr=RATE)
        self.named = {
            name: (p, p.detach().clone(), torch.zeros_like(p.detach()))
            for name, p in module.named_parameters()
        }

    def regularizer(self) -> Tensor:
        """-⟨λ, Φ⟩ + α/2 ‖Φ - Φ̄‖², added up over parameters."""
        total = torch.zeros(())
        for parameter, mean, memory in self.named.values():
            total = total - (memory * parameter).sum()
            total = total + 0.5 * ALPHA * (parameter - mean).square().sum()
        return total

    @torch.no_grad()
    def after_update(self) -> None:
        """First λ, then Φ̄, of each parameter."""
        for parameter, mean, memory in self.named.values():
            memory.add_(parameter - mean, alpha=-ALPHA)
            mean.mul_(1.0 - BETA).add_(BETA * parameter - (BETA / ALPHA) * memory)

    def learn(self, x: Tensor, labels: Tensor) -> None:
        """One sequence."""
        steps = len(x)
        edges = [round(index * steps / self.updates) for index in range(self.updates + 1)]
        state: NetworkState | None = None
        for start, end in pairwise(edges):
            self.optimizer.zero_grad()
            loss = torch.zeros(())
            for t in range(start, end):
                output, state = self.module.step(x[t], state)
                loss = loss + (t + 1) / steps * (output - labels).square().mean()
            total = loss / (end - start) + self.regularizer()
            torch.autograd.backward(total)
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), CLIP)
            self.optimizer.step()
            self.after_update()
            assert state is not None
            state = state.detach()


def network(gate: GateKind) -> SpikingNetwork:
    """One hidden layer, and a readout that sees its spikes."""
    generator = torch.Generator().manual_seed(0)
    cell = LTCCell(INPUTS, HIDDEN, gate=gate, nonlinearity="plan", generator=generator)
    return SpikingNetwork([cell], ReadoutCell(HIDDEN, OUTPUTS, generator=generator))


def compiled(module: SpikingNetwork, steps: int, updates: int, threads: int = 1) -> CompiledLearner:
    """The fast way with the same constants."""
    options = TrainingOptions(updates=updates, alpha=ALPHA, beta=BETA, clip=CLIP, threads=threads)
    return CompiledLearner(module, "regression", options, steps)


def run() -> ResultTable:
    """All gates, one update per step and one per ten, one thread; then K = T on all cores."""
    rows = [measure(gate, updates, 1) for gate in GATES for updates in (STEPS, STEPS // 10)]
    cores = os.cpu_count() or 1
    if cores > 1:
        rows += [measure(gate, STEPS, cores) for gate in GATES]
    rows.append(memory_row())
    return ResultTable(
        f"A training step, H = {HIDDEN}, batch {BATCH}",
        ("gates", "steps per update", "threads", "authors' loop, per step", "compiled", "ratio"),
        tuple(rows),
        "Forward, gradient, clip, Adam and FPTT's memories. The last row is the peak memory of "
        "processes that learn one sequence of T = 100 and of T = 10,000, fed in pieces of 100 "
        "steps, K = T.",
    )


def measure(gate: GateKind, updates: int, threads: int) -> tuple[str, ...]:
    """One row; torch may use as many threads."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(STEPS, BATCH, INPUTS, generator=generator)
    labels = torch.rand(BATCH, OUTPUTS, generator=generator)
    authors = AuthorsLoop(network(gate), updates)
    ours = compiled(network(gate), STEPS, updates, threads)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        candidates: dict[str, Callable[[], object]] = {
            "authors": lambda: authors.learn(x, labels),
            "compiled": lambda: ours.learn(x, labels, RATE),
        }
        times = paired(candidates, ROUNDS)
    finally:
        torch.set_num_threads(before)
    per_step = 1e3 / STEPS
    return (
        gate,
        str(STEPS // updates),
        str(threads),
        f"{times.spread('authors').scaled(per_step)} ms",
        f"{times.spread('compiled').scaled(per_step)} ms",
        f"{times.ratio('authors', 'compiled')}",
    )


MEMORY_SCRIPT = """
import sys
import torch
from benchmarks.measure import peak_megabytes
from benchmarks.training import BATCH, INPUTS, RATE, compiled, network
torch.set_num_threads(1)
steps, piece = int(sys.argv[1]), 100
learner = compiled(network("event"), steps, steps)
labels = torch.rand(BATCH, 1)
for start in range(0, steps, piece):
    learner.learn_part(torch.rand(piece, BATCH, INPUTS), labels, RATE, start)
print(peak_megabytes())
"""


def peak_memory(steps: int) -> float:
    """Peak MB of a process that learns one sequence; the median of three."""
    command = [sys.executable, "-c", MEMORY_SCRIPT, str(steps)]
    return median(
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    )


def memory_row() -> tuple[str, ...]:
    """Peak memory at T = 100 and T = 10,000."""
    short, long = peak_memory(100), peak_memory(10_000)
    return (
        "event",
        "1",
        "1",
        f"{short:.0f} MB at T = 100",
        f"{long:.0f} MB at T = 10,000",
        f"{long / short:.3f}",
    )
