"""Compare a float network with its integers: accuracy, exactness, and why something was lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ltc2hw.comparison.account import Account
from ltc2hw.comparison.drift import Drift
from ltc2hw.comparison.drifting import FORCED, Measuring, usual_samples
from ltc2hw.comparison.excerpt import (
    Verdicts,
    make_excerpts,
    real_outputs,
    spiking_populations,
)
from ltc2hw.comparison.explaining import FEWEST_RUNS, RUNS, Explanation, stage
from ltc2hw.comparison.ladder import Cause, Stage
from ltc2hw.comparison.mixtures import Outcome, distance
from ltc2hw.comparison.progress import Progress, silent
from ltc2hw.comparison.report import Report
from ltc2hw.comparison.samples import (
    PART,
    Samples,
    check_decision,
    fitting_labels,
    own_samples,
    suited_decision,
)
from ltc2hw.comparison.tally import (
    ExactTally,
    SpikeTally,
    StateTally,
    weight_histograms,
    weight_ranges,
)
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.decision import Decision
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.trace import ALL, Trace
from ltc2hw.numbers.fields import require_size
from ltc2hw.numbers.scalars import require_range, require_type
from ltc2hw.numbers.threads import in_threads
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.quantization.mixing import check_pair
from ltc2hw.quantization.rules import utilization
from ltc2hw.registry import ENGINES, FLOAT_ENGINES, find_target
from ltc2hw.simulate import simulate

FLOAT, SPECIFICATION, STAND_IN = "float64", "integer", "fast"
"""What is exact, whose bits the others must give, and who stands for it where it runs in part."""

DEFAULT_ENGINES = (SPECIFICATION, STAND_IN)
"""Engines that cost little; Lava takes a thousand times as long and runs where it is named."""

MOST_RUNS = 1 << 16
"""Of an account, by far more than its sets of parts are."""

MEMORY = 1 << 27
"""Bytes of one run's recorded states at a time; more samples are run in several batches."""


@dataclass(frozen=True)
class CompareOptions:
    """What to leave out where time is short; by default nothing.

    ``samples``: engines that run only the first so many samples (say ``{"lava": 100}``). Where
    ``integer`` is among them, ``fast`` runs all of them and stands for the integers; on the first
    ones it is compared with ``integer``.
    ``causes``: whether to measure every cause of lost accuracy alone, the account of the loss, and
    where and when the runs part.
    ``cause_samples``: how many samples ladder, causes and account are measured on, None for all.
    ``account_runs``: float runs of all of these samples that the account may cost.

    Raises:
        InvalidValueError: for numbers of samples below one, or fewer than ten runs.
    """

    samples: Mapping[str, int] = field(default_factory=dict)
    causes: bool = True
    cause_samples: int | None = None
    account_runs: int = RUNS

    def __post_init__(self) -> None:
        require_type("samples of engines", self.samples, Mapping)
        for engine, count in self.samples.items():
            require_size(f"samples of engine {engine}", count)
        if self.cause_samples is not None:
            require_size("cause_samples", self.cause_samples)
        require_range("runs of the account", self.account_runs, FEWEST_RUNS, MOST_RUNS)


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
    comparison.explanation.run(comparison.states.saturations(), tell)
    return Report(
        task=task,
        target=fixed.target,
        metric=samples.decision.metric,
        higher_is_better=bool(samples.decision.higher_is_better),
        reference=comparison.reference,
        scores=comparison.scores(),
        float_scores=comparison.float_scores(),
        samples=comparison.counts,
        explained=comparison.explanation.samples.count,
        exact={engine: tally.result() for engine, tally in comparison.exact.items()},
        spikes=comparison.spikes.agreements(),
        divergence=comparison.spikes.divergence(),
        saturations=comparison.states.saturations(),
        utilization=utilization(fixed, find_target(fixed.target)),
        weight_ranges=weight_ranges(fixed),
        state_ranges=comparison.states.ranges(),
        drift=comparison.drift(),
        ladder=comparison.ladder(),
        causes=comparison.causes(),
        account=comparison.account(),
        provenance={**network.provenance, **fixed.provenance},
        excerpts=make_excerpts(network, fixed, samples, comparison.told(), comparison.batch),
        weight_histograms=weight_histograms(network, fixed),
    )


def _samples(
    network: Network, x: object, labels: object, decision: Decision | None, lengths: object
) -> Samples:
    """What is compared, checked; samples are zero after their ends.

    Raises:
        ShapeError, InvalidValueError: as :func:`compare`.
    """
    values, own = own_samples(x, lengths, network.input.size, graded=network.input.graded)
    steps, batch, _ = values.shape
    output = network.population(network.output)
    if decision is None:
        spiking = output.output_variable == "spikes"
        decision = suited_decision(labels, steps, batch, output.size, spiking=spiking)
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
        self.answers: dict[str, list[IntArray]] = {engine: [] for engine in self.counts}
        self.exact = {engine: ExactTally() for engine in others}
        self.spikes = SpikeTally(steps)
        self.states = StateTally(fixed)
        explained = min(options.cause_samples or batch, batch)
        self.drifting: Measuring | None = None
        if options.causes:
            most = min(usual_samples(steps), explained, self.counts[SPECIFICATION])
            self.drifting = Measuring(network, fixed, steps, most)
        self.moved: list[FloatArray] = []
        self.explanation = Explanation(
            network,
            fixed,
            samples.first(explained),
            causes=options.causes,
            runs=options.account_runs,
        )

    def run(self, progress: Progress) -> None:
        """Run every engine on every batch and take the results in."""
        names = spiking_populations(self.network)
        forced = len(FORCED) * self.drifting.samples if self.drifting is not None else 0
        total, done = sum(self.counts.values()) + forced, 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            progress(RUNNING, done, total)

        tell(0)
        for part in self.samples.parts(self.batch):
            samples = self.samples.take(part)
            traces = self.traces(part, samples, tell)
            real, integers = traces[FLOAT], traces[self.reference]
            self.moved.append(distance(real_outputs(self.fixed, integers), real.outputs))
            self.spikes.add(real, integers, names, samples.own)
            self.states.add(integers, samples.own)
            if self.drifting is not None and SPECIFICATION in traces:
                free = traces[SPECIFICATION]
                own = samples.own[:, : free.outputs.shape[1]]
                # What nothing needs any more is let go of.
                del traces, integers
                self.drifting.take(real, free, own, tell)

    def traces(
        self, part: slice, samples: Samples, tell: Callable[[int], None]
    ) -> dict[str, Trace]:
        """Runs of all engines that have a part of the samples; verdicts on them are kept."""
        shares = {
            engine: samples.first(min(count - part.start, samples.count))
            for engine, count in self.counts.items()
            if count > part.start
        }

        def run(engine: str) -> Trace:
            network = self.network if engine == FLOAT else self.fixed
            own = shares[engine]
            return simulate(network, own.x, engine, ALL, lengths=own.lengths)

        # Both of these have one thread each; others have as many as they like.
        readable = [engine for engine in (FLOAT, SPECIFICATION) if engine in shares]
        beside = dict(zip(readable, in_threads(run, readable, lambda: None), strict=True))
        traces: dict[str, Trace] = {}
        for engine, own in shares.items():
            traces[engine] = beside[engine] if engine in beside else run(engine)
            self.judge(engine, own, traces[engine])
            tell(own.count)
            self.compare(engine, traces, part.start, samples)
        return traces

    def judge(self, engine: str, samples: Samples, trace: Trace) -> None:
        """Keep the verdicts on an engine's run."""
        outputs = trace.outputs if engine == FLOAT else real_outputs(self.fixed, trace)
        self.judged[engine].append(samples.judge(outputs))
        if (answers := samples.answers(outputs)) is not None:
            self.answers[engine].append(answers)

    def compare(
        self, engine: str, traces: Mapping[str, Trace], start: int, samples: Samples
    ) -> None:
        """Hold an engine's integers against those of ``integer``, where both ran."""
        if engine in self.exact and SPECIFICATION in traces:
            expected, found = traces[SPECIFICATION], traces[engine]
            self.exact[engine].add(expected, found, start, samples.lengths)

    def drift(self) -> Drift | None:
        """Where and when the runs part, on a few samples; None without causes."""
        return None if self.drifting is None else self.drifting.result()

    @property
    def batch(self) -> int:
        """Samples whose recorded states fit :data:`MEMORY`."""
        steps = len(self.samples.x)
        numbers = steps * sum(p.size * len(p.recordable) for p in self.network.populations)
        return max(1, min(PART, MEMORY // (numbers * np.dtype(np.float64).itemsize)))

    def verdicts(self, engine: str) -> FloatArray:
        """Verdicts on all samples that an engine ran."""
        return np.concatenate(self.judged[engine])

    def told(self) -> Verdicts:
        """What float and integers made of every sample."""
        real, integer = (
            np.concatenate(parts) if parts else None
            for parts in (self.answers[FLOAT], self.answers[self.reference])
        )
        return Verdicts(
            self.verdicts(FLOAT),
            self.verdicts(self.reference),
            real,
            integer,
            spikes_differ=self.spikes.differing(),
            higher_is_better=bool(self.samples.decision.higher_is_better),
        )

    def scores(self) -> dict[str, float]:
        """Mean verdict of each engine."""
        return {engine: float(np.mean(self.verdicts(engine))) for engine in self.counts}

    def float_scores(self) -> dict[str, float]:
        """Mean verdict of ``float64`` on the samples of each engine."""
        verdicts = self.verdicts(FLOAT)
        return {engine: float(np.mean(verdicts[:count])) for engine, count in self.counts.items()}

    def integers(self) -> Outcome:
        """Verdicts of the integers on the explained samples, and how far their outputs moved."""
        count = self.explanation.samples.count
        moved = np.concatenate(self.moved)[:count]
        return Outcome(self.verdicts(self.reference)[:count], moved)

    def ladder(self) -> tuple[Stage, ...]:
        """Stages from float to integer, all on the same samples."""
        before = self.verdicts(FLOAT)[: self.explanation.samples.count]
        return (*self.explanation.stages(), stage(self.reference, before, self.integers()))

    def account(self) -> Account | None:
        """What every part has of the loss; None where it was left out."""
        return self.explanation.account(self.integers())

    def causes(self) -> tuple[Cause, ...]:
        """Every cause alone, worst first: by the score lost, then by the change of the outputs.

        A loss of less than a thousandth of the score is none.
        """
        score = float(np.mean(self.verdicts(FLOAT)[: self.explanation.samples.count]))
        sign = 1 if self.samples.decision.higher_is_better else -1

        def damage(cause: Cause) -> tuple[float, float]:
            lost = sign * (score - cause.score) / (abs(score) or 1.0)
            return max(round(lost, 3), 0.0), cause.output_error

        return tuple(sorted(self.explanation.causes(), key=damage, reverse=True))


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
