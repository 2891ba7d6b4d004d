"""Candidates judged on validation samples: the verdicts, and how far the outputs are from float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.comparison.mixtures import Outcome, distance
from ltc2hw.comparison.samples import Samples
from ltc2hw.dynamics.model import SPIKES
from ltc2hw.graph.decision import decided_by
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulate import simulate
from ltc2hw.tuning.cost import sent_variables, synaptic_operations
from ltc2hw.tuning.noise import Paired

ENGINE = "fast"
"""Engine that runs candidates: the bits of ``integer``."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What samples say of a network: verdicts (B,), higher is better, and output errors (B,).

    ``errors``: squared distance of what decides from that of float, relative to its mean square
    (:func:`~ltc2hw.graph.decision.decided_by`).
    """

    verdicts: FloatArray
    errors: FloatArray

    def gain(self, before: Judged) -> Paired:
        """How much better the verdicts are than those of another."""
        return Paired.of(self.verdicts, before.verdicts)

    def closer(self, before: Judged) -> Paired:
        """How much smaller the errors are."""
        return Paired.of(before.errors, self.errors)


class Judge:
    """Holds networks against one float network on the same samples.

    Where lower is better, verdicts are turned over.
    """

    def __init__(self, network: Network, samples: Samples) -> None:
        self.samples = samples
        self.sign = 1.0 if samples.decision.higher_is_better else -1.0
        self.spiking = network.population(network.output).output_variable == SPIKES
        outputs = simulate(network, samples.x, "float64", (), lengths=samples.lengths).outputs
        self.outputs = np.asarray(outputs, dtype=np.float64)
        self.reference = self._heard(outputs)
        self.size = float(np.mean(self.reference**2)) or 1.0
        self.real = Judged(self._verdicts(outputs), np.zeros(samples.count))

    def judge(self, fixed: FixedNetwork) -> Judged:
        """Run an integer network and judge it."""
        return self.judge_outputs(real_outputs(fixed, self._run(fixed, ())))

    def judged(self, fixed: FixedNetwork) -> tuple[Judged, float]:
        """The same, and the synaptic operations of a sample."""
        trace = self._run(fixed, sent_variables(fixed))
        steps = self.samples.own.astype(np.float64)
        operations = synaptic_operations(fixed, trace, steps)
        return self.judge_outputs(real_outputs(fixed, trace)), operations

    def _run(self, fixed: FixedNetwork, record: tuple[str, ...]) -> Trace:
        return simulate(fixed, self.samples.x, ENGINE, record, lengths=self.samples.lengths)

    def judge_outputs(self, outputs: FloatArray) -> Judged:
        """Judge outputs (T, B, N_out) in real units."""
        moved = (self._heard(outputs) - self.reference) ** 2
        return Judged(self._verdicts(outputs), moved.mean(axis=(0, 2)) / self.size)

    def outcome(self, fixed: FixedNetwork) -> tuple[Outcome, Mapping[str, Mapping[str, int]]]:
        """What an integer network gives, as accounts need it, and how often registers were full."""
        trace = self._run(fixed, ())
        outputs = real_outputs(fixed, trace)
        found = Outcome(self.samples.judge(outputs), distance(outputs, self.outputs))
        return found, trace.saturations

    def score(self, judged: Judged) -> float:
        """The mean verdict as the decision calls it."""
        return self.sign * float(judged.verdicts.mean())

    def lost(self, judged: Judged) -> Paired:
        """How much worse than float."""
        return Paired.of(self.real.verdicts, judged.verdicts)

    def _verdicts(self, outputs: FloatArray) -> FloatArray:
        return self.sign * self.samples.judge(np.asarray(outputs, dtype=np.float64))

    def _heard(self, outputs: FloatArray) -> FloatArray:
        """What decides; of all steps, own ones, and spikes as their sums so far."""
        own = np.where(self.samples.own[:, :, None], outputs, 0.0)
        found = decided_by(self.samples.decision, own, self.samples.lengths)
        return np.cumsum(found, axis=0) if self.spiking else found
