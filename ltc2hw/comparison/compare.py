"""Compare a float network with its integers: accuracy, exactness, and why something was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ltc2hw.comparison.excerpt import make_excerpt, real_outputs, spiking_populations
from ltc2hw.comparison.ladder import Account, Cause, Progress, Stage
from ltc2hw.comparison.report import Report
from ltc2hw.comparison.samples import (
    PART,
    Samples,
    check_decision,
    fitting_labels,
    suited_decision,
)
from ltc2hw.comparison.tally import ExactTally, SpikeTally, StateTally, weight_ranges
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.decision import Decision
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.samples import check_samples, plain_array
from ltc2hw.graph.sequences import sample_lengths, silent_after
from ltc2hw.graph.trace import ALL, Trace
from ltc2hw.numbers.fields import require_size
from ltc2hw.numbers.scalars import require_type
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.mixing import check_pair
from ltc2hw.quantization.rules import utilization
from ltc2hw.registry import ENGINES, FLOAT_ENGINES, find_target
from ltc2hw.simulate import simulate

FLOAT, SPECIFICATION, STAND_IN = "float64", "integer", "fast"
"""What is exact, whose bits the others must give, and who stands for it where it runs in part."""

DEFAULT_ENGINES = (SPECIFICATION, STAND_IN)
"""Engines that cost little; Lava takes a thousand times as long and runs where it is named."""

MEMORY = 1 << 27
"""Bytes of one run's recorded states at a time; more samples are run in several batches."""


@dataclass(frozen=True)
class CompareOptions:
    """What to leave out where time is short; by default nothing.

    ``samples``: engines that run only the first so many samples (say ``{"lava": 100}``). Where
    ``integer`` is among them, ``fast`` runs all of them and stands for the integers; on the first
    ones it is compared with ``integer``.
    ``causes``: whether to measure every cause of lost accuracy alone.
    ``cause_samples``: how many samples the ladder and the causes are measured on, None for all.

    Raises:
        InvalidValueError: for numbers of samples below one.
    """

    samples: Mapping[str, int] = field(default_factory=dict)
    causes: bool = True
    cause_samples: int | None = None

    def __post_init__(self) -> None:
        require_type("samples of engines", self.samples, Mapping)
        for engine, count in self.samples.items():
            require_size(f"samples of engine {engine}", count)
        if self.cause_samples is not None:
            require_size("cause_samples", self.cause_samples)


def compare(
    network: Network,
    fixed: FixedNetwork,
    x: object,
    labels: object,
    engines: Sequence[str] = DEFAULT_ENGINES,
    *,
    decision: Decision | None = None,
    task: str = "",
    options: CompareOptions | None = None,
    progress: Progress | None = None,
    lengths: object = None,
) -> Report:
    """Run samples x (T, B, N_in) through both networks and account for every difference.

    ``labels``: integers (B,) or one-hot integer rows for classes (the largest output of the last
    step decides, spiking outputs are counted over all steps), reals (B, N_out) for regression on
    the last step (:func:`~ltc2hw.graph.decision.decision_for`); with the steps as one more axis
    before, each labelled step is judged. Another ``decision`` judges as it likes: see
    :class:`~ltc2hw.graph.decision.Decision`. ``engines`` are compared with ``integer`` in every
    recorded integer; ``integer`` itself is always run. ``lengths`` (B,): the steps of samples that
    end before T; nothing that comes after an end counts.

    Raises:
        InvalidValueError: if ``fixed`` does not belong to ``network``, or a number is not finite.
        ShapeError: for samples, labels or lengths that do not fit.
        UnknownNameError: for an unknown engine.
        MissingExtraError: if an engine's optional component is not installed.
    """
    require_type("network", network, Network)
    require_type("fixed", fixed, FixedNetwork)
    chosen = options or CompareOptions()
    check_pair(network, fixed)
    check_engines(engines)
    for engine in chosen.samples:
        if engine not in (*engines, SPECIFICATION):
            raise UnknownNameError("engine with samples", engine, (*engines, SPECIFICATION))
    samples = _samples(network, x, labels, decision, lengths)
    tell = progress or silent
    comparison = _Comparison(network, fixed, samples, engines, chosen)
    comparison.run(tell)
    comparison.account.run(tell)
    return Report(
        task=task,
        target=fixed.target,
        metric=samples.decision.metric,
        higher_is_better=bool(samples.decision.higher_is_better),
        reference=comparison.reference,
        scores=comparison.scores(),
        float_scores=comparison.float_scores(),
        samples=comparison.counts,
        explained=comparison.account.samples.count,
        exact={engine: tally.result() for engine, tally in comparison.exact.items()},
        spikes=comparison.spikes.agreements(),
        divergence=comparison.spikes.divergence(),
        saturations=comparison.states.saturations(),
        utilization=utilization(fixed, find_target(fixed.target)),
        weight_ranges=weight_ranges(fixed),
        state_ranges=comparison.states.ranges(),
        ladder=comparison.ladder(),
        causes=comparison.causes(),
        provenance={**network.provenance, **fixed.provenance},
        excerpt=make_excerpt(network, fixed, samples, comparison.spikes.first_sample or 0),
    )


def _samples(
    network: Network, x: object, labels: object, decision: Decision | None, lengths: object
) -> Samples:
    """What is compared, checked; samples are zero after their ends.

    Raises:
        ShapeError, InvalidValueError: as :func:`compare`.
    """
    size, graded = network.input.size, network.input.graded
    given = plain_array("samples", x)
    if lengths is not None:
        if given.ndim != 3:
            check_samples(given, size, graded)
        given = silent_after(given, sample_lengths(lengths, *given.shape[:2]))
    values = check_samples(given, size, graded)
    steps, batch, _ = values.shape
    output = network.population(network.output)
    if decision is None:
        spiking = output.output_variable == "spikes"
        decision = suited_decision(labels, steps, batch, output.size, spiking=spiking)
    own = sample_lengths(lengths, steps, batch)
    check_decision(decision, own)
    return Samples(values, fitting_labels(labels, decision, steps, batch), own, decision)


class _Comparison:
    """Both networks on all samples, one batch at a time, then what explains the difference."""

    def __init__(
        self,
        network: Network,
        fixed: FixedNetwork,
        samples: Samples,
        engines: Sequence[str],
        options: CompareOptions,
    ) -> None:
        self.network = network
        self.fixed = fixed
        self.samples = samples
        self.options = options
        steps, batch, _ = samples.x.shape
        limits = options.samples
        whole = limits.get(SPECIFICATION, batch) >= batch
        self.reference = SPECIFICATION if whole else STAND_IN
        others = dict.fromkeys(engine for engine in engines if engine != SPECIFICATION)
        if not whole:
            others[STAND_IN] = None
            limits = {**limits, STAND_IN: batch}
        self.counts = {FLOAT: batch} | {
            engine: min(limits.get(engine, batch), batch) for engine in (SPECIFICATION, *others)
        }
        self.judged: dict[str, list[FloatArray]] = {engine: [] for engine in self.counts}
        self.exact = {engine: ExactTally() for engine in others}
        self.spikes = SpikeTally(steps)
        self.states = StateTally(fixed)
        explained = min(options.cause_samples or batch, batch)
        self.account = Account(network, fixed, samples.first(explained), causes=options.causes)

    def run(self, progress: Progress) -> None:
        """Run every engine on every batch and take the results in."""
        names = spiking_populations(self.network)
        total, done = sum(self.counts.values()), 0
        progress(RUNNING, done, total)
        for part in self.samples.parts(self.batch):
            samples, traces = self.samples.take(part), dict[str, Trace]()
            for engine, count in self.counts.items():
                left = min(count - part.start, samples.count)
                if left > 0:
                    traces[engine] = self.trace(engine, samples.first(left))
                    done += left
                    progress(RUNNING, done, total)
                    self.compare(engine, traces, part.start, samples)
            real, integers = traces[FLOAT], traces[self.reference]
            self.spikes.add(real, integers, names, part.start, samples.own)
            self.states.add(integers, samples.own)

    def trace(self, engine: str, samples: Samples) -> Trace:
        """Run an engine, and keep its verdicts."""
        network = self.network if engine == FLOAT else self.fixed
        trace = simulate(network, samples.x, engine, ALL, lengths=samples.lengths)
        outputs = trace.outputs if engine == FLOAT else real_outputs(self.fixed, trace)
        self.judged[engine].append(samples.judge(outputs))
        return trace

    def compare(
        self, engine: str, traces: Mapping[str, Trace], start: int, samples: Samples
    ) -> None:
        """Hold an engine's integers against those of ``integer``, where both ran."""
        if engine in self.exact and SPECIFICATION in traces:
            expected, found = traces[SPECIFICATION], traces[engine]
            self.exact[engine].add(expected, found, start, samples.lengths)

    @property
    def batch(self) -> int:
        """Samples whose recorded states fit :data:`MEMORY`."""
        steps = len(self.samples.x)
        numbers = steps * sum(p.size * len(p.recordable) for p in self.network.populations)
        return max(1, min(PART, MEMORY // (numbers * np.dtype(np.float64).itemsize)))

    def verdicts(self, engine: str) -> FloatArray:
        """Verdicts on all samples that an engine ran."""
        return np.concatenate(self.judged[engine])

    def scores(self) -> dict[str, float]:
        """Mean verdict of each engine."""
        return {engine: float(np.mean(self.verdicts(engine))) for engine in self.counts}

    def float_scores(self) -> dict[str, float]:
        """Mean verdict of ``float64`` on the samples of each engine."""
        verdicts = self.verdicts(FLOAT)
        return {engine: float(np.mean(verdicts[:count])) for engine, count in self.counts.items()}

    def ladder(self) -> tuple[Stage, ...]:
        """Stages from float to integer, all on the same samples."""
        integers = self.verdicts(self.reference)[: self.account.samples.count]
        return (*self.account.stages(), Stage(self.reference, float(integers.mean())))

    def causes(self) -> tuple[Cause, ...]:
        """Every cause alone, worst first: by the score lost, then by the change of the outputs.

        A loss of less than a thousandth of the score is none.
        """
        score = float(np.mean(self.verdicts(FLOAT)[: self.account.samples.count]))
        sign = 1 if self.samples.decision.higher_is_better else -1

        def damage(cause: Cause) -> tuple[float, float]:
            lost = sign * (score - cause.score) / (abs(score) or 1.0)
            return max(round(lost, 3), 0.0), cause.output_error

        return tuple(sorted(self.account.causes(), key=damage, reverse=True))


RUNNING = "samples"
"""What progress calls the runs of all engines together."""


def check_engines(engines: Sequence[str]) -> None:
    """Raise unless every engine exists and runs integer networks.

    Raises:
        UnknownNameError: naming the first that does not.
        InvalidValueError: for a single name in place of several.
    """
    if isinstance(engines, str):
        raise InvalidValueError("engines", repr(engines), f"a sequence such as ({engines!r},)")
    known = tuple(engine for engine in ENGINES if engine not in FLOAT_ENGINES)
    for engine in engines:
        if engine not in known:
            raise UnknownNameError("engine to compare", engine, known)


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
