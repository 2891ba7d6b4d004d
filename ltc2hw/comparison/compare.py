"""Compare a float network with its integers: accuracy, exactness, and why something was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ltc2hw.comparison.excerpt import make_excerpt, real_outputs, spiking_populations
from ltc2hw.comparison.ladder import (
    Cause,
    Stage,
    account_mixtures,
    ladder_mixtures,
    measure_causes,
    measure_stages,
)
from ltc2hw.comparison.report import Report
from ltc2hw.comparison.tally import ExactTally, SpikeTally, StateTally, weight_ranges
from ltc2hw.errors import UnknownNameError
from ltc2hw.graph.decision import Decision, decision_for
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.labels import Labels, one_per_sample
from ltc2hw.graph.network import Network
from ltc2hw.graph.samples import check_samples
from ltc2hw.graph.trace import ALL
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.mixing import check_pair
from ltc2hw.quantization.rules import utilization
from ltc2hw.registry import ENGINES, FLOAT_ENGINES, find_target
from ltc2hw.simulate import simulate

MEMORY = 1 << 27
"""Bytes of one run's recorded states at a time; more samples are run in several batches."""

Progress = Callable[[str, int, int], None]
"""Called with what is running, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class CompareOptions:
    """What to leave out where time is short; by default nothing.

    ``samples``: engines that run only the first so many samples (say ``{"lava": 100}``).
    ``causes``: whether to measure every cause of lost accuracy alone.
    ``cause_samples``: how many samples the ladder and the causes are measured on, None for all.
    """

    samples: Mapping[str, int] = field(default_factory=dict)
    causes: bool = True
    cause_samples: int | None = None


def compare(
    network: Network,
    fixed: FixedNetwork,
    x: object,
    labels: object,
    engines: Sequence[str] = ("integer", "fast", "lava"),
    *,
    decision: Decision | None = None,
    task: str = "",
    options: CompareOptions | None = None,
    progress: Progress | None = None,
) -> Report:
    """Run samples x (T, B, N_in) through both networks and account for every difference.

    ``labels``: integers (B,) or one-hot integer rows for classes (the largest output of the last
    step decides, spiking outputs are counted over all steps), reals (B, N_out) for regression on
    the last step (:func:`~ltc2hw.graph.decision.decision_for`); another ``decision`` judges as
    it likes. ``engine`` runs are compared with ``integer`` in every recorded integer; ``integer``
    itself is always run.

    Raises:
        InvalidValueError: if ``fixed`` does not belong to ``network``, or a number is not finite.
        ShapeError: for samples or labels that do not fit.
        UnknownNameError: for an unknown engine.
        MissingExtraError: if an engine's optional component is not installed.
    """
    chosen = options or CompareOptions()
    check_pair(network, fixed)
    check_engines((*engines, *chosen.samples))
    samples = check_samples(x, network.input.size, network.input.graded)
    steps, batch, _ = samples.shape
    targets = one_per_sample(labels, batch, steps)
    output = network.population(network.output)
    spiking = output.output_variable == "spikes"
    judge = decision or decision_for(targets, batch, output.size, spiking=spiking)
    tell = progress or silent
    comparison = _Comparison(network, fixed, samples, targets, judge, engines, chosen)
    comparison.run(tell)
    return Report(
        task=task,
        target=fixed.target,
        metric=judge.metric,
        scores=comparison.scores(),
        samples=comparison.counts,
        exact={engine: tally.result() for engine, tally in comparison.exact.items()},
        spikes=comparison.spikes.agreements(),
        divergence=comparison.spikes.divergence(),
        saturations=comparison.states.saturations(),
        utilization=utilization(fixed, find_target(fixed.target)),
        weight_ranges=weight_ranges(fixed),
        state_ranges=comparison.states.ranges(),
        ladder=comparison.ladder(tell),
        causes=comparison.causes(tell),
        provenance={**network.provenance, **fixed.provenance},
        excerpt=make_excerpt(network, fixed, samples, comparison.spikes.first_sample or 0),
    )


class _Comparison:
    """Both networks on all samples, one batch at a time, then what explains the difference."""

    def __init__(
        self,
        network: Network,
        fixed: FixedNetwork,
        x: FloatArray,
        labels: Labels,
        decision: Decision,
        engines: Sequence[str],
        options: CompareOptions,
    ) -> None:
        self.network = network
        self.fixed = fixed
        self.x = x
        self.labels = labels
        self.decision = decision
        self.options = options
        steps, batch, _ = x.shape
        others = [engine for engine in engines if engine != REFERENCE]
        self.counts = {"float64": batch, REFERENCE: batch} | {
            engine: min(options.samples.get(engine, batch), batch) for engine in others
        }
        self.judged: dict[str, list[FloatArray]] = {engine: [] for engine in self.counts}
        self.exact = {engine: ExactTally() for engine in others}
        self.spikes = SpikeTally(steps)
        self.states = StateTally(fixed)

    def run(self, progress: Progress) -> None:
        """Run every engine on every batch and take the results in."""
        names = spiking_populations(self.network)
        for part in self.batches():
            progress("float64 and integer", part.start, self.x.shape[1])
            x = self.x[:, part]
            real = simulate(self.network, x, "float64", ALL)
            integer = simulate(self.fixed, x, REFERENCE, ALL)
            self.judge("float64", real.outputs, part)
            self.judge(REFERENCE, real_outputs(self.fixed, integer), part)
            self.spikes.add(real, integer, names, part.start)
            self.states.add(integer)
            progress("float64 and integer", part.stop, self.x.shape[1])
            for engine, tally in self.exact.items():
                count = min(self.counts[engine] - part.start, x.shape[1])
                if count > 0:
                    progress(engine, part.start, self.counts[engine])
                    trace = simulate(self.fixed, x[:, :count], engine, ALL)
                    tally.add(integer, trace, part.start)
                    self.judge(engine, real_outputs(self.fixed, trace), part)
                    progress(engine, part.start + count, self.counts[engine])

    def batches(self) -> Iterator[slice]:
        """Slices of samples whose recorded states fit :data:`MEMORY`."""
        steps, batch, _ = self.x.shape
        numbers = steps * sum(p.size * len(p.recordable) for p in self.network.populations)
        size = max(1, MEMORY // (numbers * np.dtype(np.float64).itemsize))
        return (slice(start, min(start + size, batch)) for start in range(0, batch, size))

    def judge(self, engine: str, outputs: FloatArray, part: slice) -> None:
        """Keep the verdict on each sample of a batch, or on its first ones."""
        labels = self.labels[part.start : part.start + outputs.shape[1]]
        self.judged[engine].append(self.decision.judge(outputs, labels))

    def scores(self) -> dict[str, float]:
        """Mean verdict of each engine."""
        return {engine: float(np.mean(np.concatenate(v))) for engine, v in self.judged.items()}

    def ladder(self, progress: Progress) -> tuple[Stage, ...]:
        """Stages from float to integer, all on the same samples."""
        count = self.explained
        x, labels = self.x[:, :count], self.labels[:count]
        stages = []
        number = len(ladder_mixtures(self.fixed))
        for stage in measure_stages(self.network, self.fixed, x, labels, self.decision):
            stages.append(stage)
            progress("ladder", len(stages), number)
        integer = np.concatenate(self.judged[REFERENCE])[:count]
        return (*stages, Stage(REFERENCE, float(integer.mean())))

    def causes(self, progress: Progress) -> tuple[Cause, ...]:
        """Every cause alone, worst first: by the score lost, then by the change of the outputs.

        A loss of less than a thousandth of the score is none.
        """
        if not self.options.causes:
            return ()
        count = self.explained
        x, labels = self.x[:, :count], self.labels[:count]
        causes = []
        number = len(account_mixtures(self.network, self.fixed))
        for cause in measure_causes(self.network, self.fixed, x, labels, self.decision):
            causes.append(cause)
            progress("causes", len(causes), number)
        score = float(np.mean(np.concatenate(self.judged["float64"])[:count]))
        sign = 1 if self.decision.metric == "accuracy" else -1

        def damage(cause: Cause) -> tuple[float, float]:
            lost = sign * (score - cause.score) / (score or 1.0)
            return max(round(lost, 3), 0.0), cause.output_error

        return tuple(sorted(causes, key=damage, reverse=True))

    @property
    def explained(self) -> int:
        """Samples on which ladder and causes are measured."""
        batch = self.x.shape[1]
        return batch if self.options.cause_samples is None else self.options.cause_samples


REFERENCE = "integer"
"""Engine whose bits the others must give."""


def check_engines(engines: Sequence[str]) -> None:
    """Raise unless every engine exists and runs integer networks.

    Raises:
        UnknownNameError: naming the first that does not.
    """
    known = tuple(engine for engine in ENGINES if engine not in FLOAT_ENGINES)
    for engine in engines:
        if engine not in known:
            raise UnknownNameError("engine to compare", engine, known)


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
