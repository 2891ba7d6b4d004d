"""What each part of an integer network costs: what is won back when it alone is exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ltc2hw.comparison.samples import Samples
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.quantization.mixing import Kind, Part, partly_fixed, parts, rounded_samples
from ltc2hw.simulate import simulate
from ltc2hw.tuning.judging import Judge
from ltc2hw.tuning.noise import Paired

MOST_SAMPLES = 256
"""Samples that say what parts cost: they order remedies, which are then judged on all."""


@dataclass(frozen=True)
class Loss:
    """A part, what is won back of the score when it is exact, and of the distance from float."""

    part: Part
    gain: Paired
    closer: Paired

    @property
    def promise(self) -> tuple[float, float]:
        """What to order by: gains within noise count as none, then the outputs decide."""
        sure = self.gain.mean if self.gain.is_beyond(1.0) else 0.0
        return sure, self.closer.mean


Progress = Callable[[str, int, int], None]
"""Called with what is running, how much of it is done, and how much there is."""


def losses(
    network: Network, fixed: FixedNetwork, samples: Samples, progress: Progress
) -> tuple[Loss, ...]:
    """Every part with what it costs, the dearest first."""
    few = samples.first(MOST_SAMPLES)
    judge = Judge(network, few)
    everything = parts(network, fixed)
    whole = judge.judge(fixed)
    found = []
    progress(WEIGHING, 0, len(everything))
    for number, part in enumerate(everything):
        others = frozenset(everything) - {part}
        inputs = any(p.kind is Kind.INPUT for p in others)
        x = rounded_samples(fixed, few.x) if inputs else few.x
        mixed = partly_fixed(network, fixed, others)
        run = simulate(mixed, x, "float64", (), lengths=few.lengths)
        exact = judge.judge_outputs(run.outputs)
        found.append(Loss(part, exact.gain(whole), exact.closer(whole)))
        progress(WEIGHING, number + 1, len(everything))
    return tuple(sorted(found, key=lambda loss: loss.promise, reverse=True))


WEIGHING = "what each part costs"
"""What progress calls the float runs that say which part to mend first."""
