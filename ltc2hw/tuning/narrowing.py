"""The smallest network that keeps an accuracy: widths of weights, messages, tables and states.

Every word is made narrower alone, which says how far each width moves the outputs. Then one bound
on that error gives all words their widths at once, and the largest bound at which the accuracy
holds is found by halving. What is left of the budget narrows one word after the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ltc2hw.comparison.progress import Progress, silent
from ltc2hw.dynamics.model import LIF_WORDS
from ltc2hw.dynamics.roles import binary_states
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork, message_format
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.graph.target import Target
from ltc2hw.numbers.scalars import require_type
from ltc2hw.numbers.words import Width
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.quantization.widths import INPUT, message_name, state_name, table_name
from ltc2hw.registry import find_target
from ltc2hw.tasks import Task
from ltc2hw.tuning.bench import Bench, Standing
from ltc2hw.tuning.candidate import Candidate
from ltc2hw.tuning.material import Material
from ltc2hw.tuning.pareto import Tradeoff, front
from ltc2hw.tuning.trail import Trail, Trial
from ltc2hw.tuning.tune import START, TuneOptions, plan_of, require_allowed

NARROWEST = 2
"""Fewest bits that are tried of any word."""

STATES = (20, 16, 14, 12, 10, 8)
"""Widths of states that are tried."""


@dataclass(frozen=True, eq=False)
class Narrowed:
    """What a search of widths came to.

    ``options`` has the widths of ``fixed``; ``points`` are all networks that were tried, ``front``
    those of them that no other beats in score, bytes and operations at once. ``lost``: mean loss on
    validation samples, and its standard error. ``scores`` and ``tested`` as in
    :class:`~ltc2hw.tuning.tune.Tuned`.
    """

    options: QuantizeOptions
    fixed: FixedNetwork
    trials: tuple[Trial, ...]
    points: tuple[Tradeoff, ...]
    chosen: Tradeoff
    metric: str
    scores: Mapping[str, float]
    tested: Mapping[str, float] = field(default_factory=dict)

    @property
    def front(self) -> tuple[Tradeoff, ...]:
        """The points that no other beats, the smallest first."""
        return front(self.points)


def narrow(
    network: Network,
    target: str | Target,
    samples: Task | Material,
    drop: float,
    options: QuantizeOptions | None = None,
    tuning: TuneOptions | None = None,
    *,
    trail: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Narrowed:
    """Find the fewest bytes with which the score is worse than float's by at most ``drop``.

    ``drop`` is in the score's own unit (0.01 are a point of accuracy), on validation samples.

    Raises:
        InvalidValueError: for a drop below 0, or one that not even the first network keeps.
        HardwareRuleError: if the target cannot hold the network.
        DamagedFileError, InvalidValueError: for a trail that is none, or of something else.
    """
    require_type("network", network, Network)
    require_type("drop", drop, float, int)
    if not 0 <= drop < float("inf"):
        raise InvalidValueError("score that may be lost", drop, "a finite number, 0 or more")
    chip, chosen = find_target(target), tuning or TuneOptions()
    material = samples
    if isinstance(material, Task):
        material = Material.of_task(material, choosing=chosen.choosing, seed=chosen.seed)
    asked = options or QuantizeOptions()
    plan = {**plan_of(network, chip, material, asked, chosen), "remedies": ["widths"]}
    plan["drop"], plan["budget"] = float(drop), chosen.budget
    kept = Trail(trail, plan)
    bench = Bench(network, chip, material, kept, chosen.budget, progress or silent)
    return Search(bench, asked, float(drop)).run()


def widths_of(
    network: Network, fixed: FixedNetwork, chip: Target, options: QuantizeOptions
) -> dict[str, tuple[int, ...]]:
    """Every word that can be narrower, with its width and then what is tried, wide to narrow."""
    found: dict[str, tuple[int, ...]] = {}
    for projection in fixed.projections:
        name, least = connection_name(projection), max(NARROWEST, chip.words.weight_minimum)
        found[name] = _down(projection.bits, least)
    if fixed.input.graded:
        found[INPUT] = _down(fixed.input.word.bits, NARROWEST)
    for population in fixed.populations:
        if isinstance(population, FixedNeurons):
            found |= _own_widths(population, chip, options)
            sent = {p.variable for p in fixed.projections if p.source == population.name}
            for variable in sorted(sent):
                message = message_format(population, variable)
                if message is not None:
                    name = message_name(population.name, variable)
                    found[name] = _down(message.word.bits, NARROWEST)
    return {name: widths for name, widths in found.items() if len(widths) > 1}


def _down(bits: int, least: int) -> tuple[int, ...]:
    return tuple(range(bits, least - 1, -1))


def _own_widths(
    population: FixedNeurons, chip: Target, options: QuantizeOptions
) -> dict[str, tuple[int, ...]]:
    """Tables and states of a population."""
    model = population.model
    found = {
        table_name(population.name, gate): _down(form.index_bits, NARROWEST)
        for gate, form in population.formats.gates.items()
        if form.index_bits
    }
    if model.words == LIF_WORDS:
        return found
    for word in model.states:
        unit = word in model.unit
        if word in binary_states(model) or word in model.gates:
            continue
        name = state_name(population.name, word)
        widest = chip.words.adaptation if unit else chip.words.state
        first = int(options.bits.get(name, widest))
        least = chip.words.gate if unit else NARROWEST
        found[name] = (first, *(bits for bits in STATES if least <= bits < first))
    return found


class Search:
    """One search: how far each width moves the outputs, and the best network so far."""

    def __init__(self, bench: Bench, options: QuantizeOptions, drop: float) -> None:
        self.bench = bench
        self.drop = drop
        self.start = Candidate(bench.network, options, bench.material.calibration)
        self.plain = bench.measured(self.start)
        self.widths = widths_of(bench.network, self.plain.quantized.fixed, bench.chip, options)
        self.tried: dict[tuple[tuple[str, int], ...], Trial] = {}
        self.bits: dict[str, dict[str, int]] = {}

    def run(self) -> Narrowed:
        """Search until the budget is spent."""
        bench = self.bench
        require_allowed(self.plain.quantized, bench.chip)
        first = self.attempt({})
        if not first.kept:
            self.refuse(first)
        errors = self.alone()
        best = self.halved(errors)
        best = self.refined(best, errors)
        candidate = self.start.widened(best)
        found = self.bench.measured(candidate)
        return self.result(candidate, found)

    def attempt(self, bits: Mapping[str, int]) -> Trial:
        """Try a network of some widths, once; kept is one that loses no more than it may."""
        own = {name: width for name, width in bits.items() if width != self.widths[name][0]}
        key = tuple(sorted(own.items()))
        if key not in self.tried:
            what = ", ".join(f"{name}={width}" for name, width in key) or START
            trial, _ = self.bench.trial(what, "widths", self.start.widened(own), self.keeps)
            self.tried[key] = trial
            self.bits[what] = own
        return self.tried[key]

    def keeps(self, standing: Standing) -> bool:
        """Whether a network loses no more than it may, and may be given out."""
        return not standing.quantized.over and standing.lost.mean <= self.drop + TINY

    def refuse(self, first: Trial) -> None:
        """Raise because even the widest words lose too much.

        Raises:
            InvalidValueError: with what they lose.
        """
        assert first.lost is not None
        raise InvalidValueError(
            "score lost on validation samples", f"{first.lost.mean:.4g} as quantized",
            f"at most {self.drop:g}, as asked for",
            "allow more, or win accuracy back first: ltc2hw tune without a bound",
        )  # fmt: skip

    def alone(self) -> dict[str, dict[int, float]]:
        """Errors of the outputs that each word adds at each width, the others as they are.

        Half of the budget at most; where that is too little, some widths are left out and are as
        bad as the next narrower one.
        """
        first = self.tried[()].error or 0.0
        levels = max(1, (self.bench.budget // 2) // max(len(self.widths), 1))
        found: dict[str, dict[int, float]] = {name: {} for name in self.widths}
        for rank in range(levels):
            for name, widths in self.widths.items():
                picked = spread(widths[1:], levels)
                if rank < len(picked) and self.bench.left > RESERVE:
                    trial = self.attempt({name: picked[rank]})
                    refused = trial.error is None or bool(trial.over)
                    added = float("inf") if refused else max((trial.error or 0.0) - first, 0.0)
                    found[name][picked[rank]] = added
        return {name: monotone(errors) for name, errors in found.items()}

    def halved(self, errors: Mapping[str, Mapping[int, float]]) -> dict[str, int]:
        """Widths under the largest bound on each word's error that keeps the score."""
        bounds = sorted({e for own in errors.values() for e in own.values() if e < float("inf")})
        low, high, best = 0, len(bounds), dict[str, int]()
        while low < high and self.bench.left > 0:
            middle = (low + high) // 2
            bits = self.under(bounds[middle], errors)
            if self.attempt(bits).kept:
                best, low = bits, middle + 1
            else:
                high = middle
        return best

    def under(self, bound: float, errors: Mapping[str, Mapping[int, float]]) -> dict[str, int]:
        """The narrowest width of each word whose own error is at most a bound."""
        found = {}
        for name, own in errors.items():
            fitting = [width for width, error in own.items() if error <= bound]
            found[name] = min(fitting, default=self.widths[name][0])
        return found

    def refined(
        self, best: dict[str, int], errors: Mapping[str, Mapping[int, float]]
    ) -> dict[str, int]:
        """Make one word after the other a step narrower while the score holds."""
        moved = True
        while moved and self.bench.left > 0:
            moved = False
            for name in self.by_next_error(best, errors):
                if self.bench.left <= 0:
                    break
                further = {**best, name: self.next(best, name)}
                if self.attempt(further).kept:
                    best, moved = further, True
        return best

    def by_next_error(
        self, bits: Mapping[str, int], errors: Mapping[str, Mapping[int, float]]
    ) -> Sequence[str]:
        """Words that can be narrower still, those first whose next width moves outputs least."""
        able = [name for name in self.widths if self.next(bits, name) != self.now(bits, name)]
        return sorted(able, key=lambda name: errors[name].get(self.next(bits, name), 0.0))

    def now(self, bits: Mapping[str, int], name: str) -> int:
        """The width of a word."""
        return bits.get(name, self.widths[name][0])

    def next(self, bits: Mapping[str, int], name: str) -> int:
        """The next narrower width of a word; the same for the narrowest."""
        narrower = [width for width in self.widths[name] if width < self.now(bits, name)]
        return max(narrower, default=self.now(bits, name))

    def result(self, candidate: Candidate, last: Standing) -> Narrowed:
        """The smallest network that keeps the score, among all that were tried."""
        points = tuple(self.points())
        chosen = min((p for p in points if p.kept), key=lambda p: (p.bytes, p.operations))
        if dict(chosen.bits) != self.own(candidate.options):
            candidate = self.start.widened(chosen.bits)
            last = self.bench.measured(candidate)
        judge, plain = self.bench.judge, self.plain
        judged = {"float": judge.real, "plain": plain.judged, "tuned": last.judged}
        return Narrowed(
            candidate.options,
            last.quantized.fixed,
            tuple(self.bench.trail.trials),
            points,
            chosen,
            self.bench.material.validation.decision.metric,
            {name: judge.score(own) for name, own in judged.items()},
            self.bench.tested(plain.quantized, last.quantized),
        )

    def own(self, options: QuantizeOptions) -> dict[str, Width]:
        """Widths that the search has chosen."""
        before = self.start.options.bits
        return {n: bits for n, bits in options.bits.items() if before.get(n) != bits}

    def points(self) -> Iterable[Tradeoff]:
        """Every network that could be measured."""
        for trial in self.tried.values():
            if trial.score is not None and trial.lost is not None and trial.bytes is not None:
                yield Tradeoff(
                    self.bits[trial.what],
                    trial.score,
                    trial.lost,
                    trial.bytes,
                    trial.operations or 0.0,
                    trial.kept,
                )


TINY = 1e-12
"""What binary fractions may be off."""

RESERVE = 8
"""Trials that halving needs in the end."""


def spread(widths: Sequence[int], count: int) -> tuple[int, ...]:
    """At most so many of some widths, the narrowest among them, evenly over all.

    >>> spread((7, 6, 5, 4, 3, 2), 3)
    (6, 4, 2)
    """
    if count >= len(widths):
        return tuple(widths)
    last = len(widths) - 1
    places = {last - round(k * len(widths) / count) for k in range(count)}
    return tuple(widths[place] for place in sorted(places) if place >= 0)


def monotone(errors: Mapping[int, float]) -> dict[int, float]:
    """Errors by width that do not fall where words become narrower.

    >>> monotone({4: 0.1, 3: 0.05, 2: 0.3})
    {4: 0.1, 3: 0.1, 2: 0.3}
    """
    found: dict[int, float] = {}
    worst = 0.0
    for width in sorted(errors, reverse=True):
        worst = max(worst, errors[width])
        found[width] = worst
    return found
