"""Tuning: remedies tried one after the other on validation samples; what helps is kept."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ltc2hw.comparison.progress import Progress, silent
from ltc2hw.errors import HardwareRuleError, UnknownNameError
from ltc2hw.files.hdf5 import digest
from ltc2hw.files.schema import encode
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.target import Target
from ltc2hw.numbers.fields import require_size
from ltc2hw.numbers.scalars import require_type
from ltc2hw.quantization.history import options_text
from ltc2hw.quantization.mixing import parts
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.registry import find_target
from ltc2hw.tasks import Task
from ltc2hw.tuning.bench import Bench, Standing
from ltc2hw.tuning.candidate import Candidate, Quantized
from ltc2hw.tuning.judging import Judge
from ltc2hw.tuning.losses import MOST_SAMPLES, Loss, accounted, losses_of
from ltc2hw.tuning.material import MOST_CHOOSING, Material
from ltc2hw.tuning.noise import LOST
from ltc2hw.tuning.remedies import REMEDIES, Change, offered
from ltc2hw.tuning.situation import Situation
from ltc2hw.tuning.trail import Trail, Trial

START = "as quantized"
"""What the first trial is called: nothing is changed yet."""


@dataclass(frozen=True)
class TuneOptions:
    """How to tune.

    ``budget``: most trials, the first of which is the plain quantization; ``choosing``: most
    validation samples; ``wider``: words may be made wider than the options of quantization ask
    for; ``remedies``: names of those that are tried; ``seed`` draws validation samples.

    Raises:
        InvalidValueError: for numbers below one.
        UnknownNameError: for a remedy that there is not.
    """

    budget: int = 60
    choosing: int = MOST_CHOOSING
    wider: bool = False
    remedies: Collection[str] = tuple(REMEDIES)
    seed: int = 0

    def __post_init__(self) -> None:
        require_size("budget of a tuning", self.budget)
        require_size("validation samples of a tuning", self.choosing)
        for name in self.remedies:
            if name not in REMEDIES:
                raise UnknownNameError("remedy", str(name), tuple(REMEDIES))


@dataclass(frozen=True, eq=False)
class Tuned:
    """What a tuning came to.

    ``candidate`` has the float network and the options that ``fixed`` was made from. ``scores`` of
    ``float``, ``plain`` and ``tuned`` on the validation samples, ``tested`` the same on the test
    samples, which nothing was chosen on; empty without any. ``ended`` says why nothing more was
    tried.
    """

    candidate: Candidate
    fixed: FixedNetwork
    trials: tuple[Trial, ...]
    metric: str
    scores: Mapping[str, float]
    tested: Mapping[str, float] = field(default_factory=dict)
    ended: str = ""

    @property
    def network(self) -> Network:
        """The float network, which some remedies change."""
        return self.candidate.network

    @property
    def kept(self) -> tuple[Trial, ...]:
        """The trials whose change was kept."""
        return tuple(trial for trial in self.trials[1:] if trial.kept)


def tune(
    network: Network,
    target: str | Target,
    samples: Task | Material,
    options: QuantizeOptions | None = None,
    tuning: TuneOptions | None = None,
    *,
    trail: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Tuned:
    """Win back what a network loses as integers, without training.

    Remedies are tried in order of promise on validation samples: first those that cost nothing,
    then those that cost bytes. One that costs is kept if the score rises beyond the noise of paired
    samples; one that costs nothing also if the outputs come closer to float and the score does not
    fall. ``trail`` is a file that keeps every trial, and that a stopped tuning goes on from.

    Raises:
        HardwareRuleError: if the target cannot hold the network, whatever is tried.
        InvalidValueError: for a trail of another network, target, task or other options.
        DamagedFileError: for a trail that is none.
    """
    require_type("network", network, Network)
    chip, chosen = find_target(target), tuning or TuneOptions()
    asked = options or QuantizeOptions()
    material = samples
    if isinstance(material, Task):
        material = Material.of_task(material, choosing=chosen.choosing, seed=chosen.seed)
    plan = plan_of(network, chip, material, asked, chosen)
    bench = Bench(network, chip, material, Trail(trail, plan), chosen.budget, progress or silent)
    return Tuner(bench, asked, chosen).run()


def plan_of(
    network: Network,
    chip: Target,
    material: Material,
    options: QuantizeOptions,
    tuning: TuneOptions,
) -> dict[str, object]:
    """What decides the trials, as JSON types: a trail goes on where all of it is the same.

    A larger budget only adds trials.
    """
    return {
        "task": material.name,
        "target": chip.name,
        "network": digest(encode(network)),
        "samples": material.digest,
        "calibration samples": material.calibration.used,
        "options": options_text(options),
        "wider": tuning.wider,
        "remedies": list(tuning.remedies),
        "seed": tuning.seed,
    }


class Tuner:
    """One tuning: the best candidate so far, and what has been tried."""

    def __init__(self, bench: Bench, options: QuantizeOptions, tuning: TuneOptions) -> None:
        self.bench = bench
        self.tuning = tuning
        start = Candidate(bench.network, options, bench.material.calibration)
        self.best = self.plain = bench.measured(start)
        self.tries: dict[str, int] = {}

    def run(self) -> Tuned:
        """Try until nothing is lost, nothing helps, or the budget is spent."""
        bench, plain = self.bench, self.plain
        bench.trial(START, "", plain.candidate, lambda standing: True, plain.judged)
        ended = self.end()
        while not ended:
            ended = self.end() if self.pass_through() else self.end() or "nothing more helps"
        require_allowed(self.best.quantized, bench.chip)
        judged = {"float": bench.judge.real, "plain": plain.judged, "tuned": self.best.judged}
        return Tuned(
            self.best.candidate,
            self.best.quantized.fixed,
            tuple(bench.trail.trials),
            bench.material.validation.decision.metric,
            {name: bench.judge.score(own) for name, own in judged.items()},
            bench.tested(plain.quantized, self.best.quantized),
            ended,
        )

    def end(self) -> str:
        """Why nothing more is to be tried; empty if something is."""
        if not self.best.quantized.over and not self.best.lost.is_beyond(LOST):
            return "nothing is lost beyond noise"
        return "" if self.bench.left > 0 else "the budget is spent"

    def pass_through(self) -> bool:
        """Try what is offered for the best candidate; whether anything was kept."""
        kept = False
        for change in self.ordered():
            if self.end():
                break
            self.tries[change.what] = self.tries.get(change.what, 0) + 1
            if self.tries[change.what] <= TRIES:
                kept |= self.attempt(change)
        return kept

    def ordered(self) -> list[Change]:
        """Changes by promise: those that cost nothing first, of equal ones the cheaper."""
        found: dict[str, tuple[tuple[float, float], Change]] = {}
        situation = self.situation()
        for loss in self.losses():
            for change in offered(situation, loss.part):
                if change.remedy in self.tuning.remedies:
                    before = found.get(change.what, ((0.0, 0.0), change))[0]
                    share, promise = change.share, loss.promise
                    total = before[0] + share * promise[0], before[1] + share * promise[1]
                    found[change.what] = total, change
        return [change for _, change in sorted(found.values(), key=lambda pair: rank(*pair))]

    def losses(self) -> tuple[Loss, ...]:
        """What the parts of the best candidate cost, the dearest first."""
        own, fixed = self.best.candidate.network, self.best.quantized.fixed
        samples = self.bench.material.validation.first(MOST_SAMPLES)
        integers, saturations = Judge(own, samples).outcome(fixed)
        account = accounted(own, fixed, samples, integers, saturations, self.bench.progress)
        return () if account is None else losses_of(account, parts(own, fixed))

    def situation(self) -> Situation:
        """What remedies are chosen from."""
        own = self.best.candidate
        return Situation(
            own.network,
            self.best.quantized.fixed,
            own.options,
            self.bench.chip,
            self.bench.material.validation.x,
            not own.calibration.is_whole,
            self.tuning.wider,
            own.changes,
            self.bench.material.validation.decision,
        )

    def attempt(self, change: Change) -> bool:
        """Try a change; whether it was kept."""
        candidate, before = change.apply(self.best.candidate), self.best
        trial, standing = self.bench.trial(
            change.what,
            change.remedy,
            candidate,
            lambda found: helps(change, found, before),
            before.judged,
        )
        if trial.kept:
            self.best = standing or self.bench.measured(candidate)
        return trial.kept


def require_allowed(found: Quantized, chip: Target) -> None:
    """Raise for limits that even the best candidate exceeds.

    Raises:
        HardwareRuleError: with all of them.
    """
    if found.broken:
        raise HardwareRuleError(chip.name, found.broken)


def rank(promise: tuple[float, float], change: Change) -> tuple[bool, float, float, int]:
    """What changes are sorted by: smaller ones come first."""
    return not change.is_free, -promise[0], -promise[1], change.added


NEARER = 0.02
"""Part of the outputs' error that a change must take away where the score stays."""

TRIES = 2
"""How often a change is tried that was not kept; others were kept between."""


def helps(change: Change, now: Standing, before: Standing) -> bool:
    """Whether a change is kept."""
    gain, closer = now.judged.gain(before.judged), now.judged.closer(before.judged)
    limits, earlier = len(now.quantized.over), len(before.quantized.over)
    if limits != earlier:
        return limits < earlier and not gain.is_below(LOST)
    if gain.is_beyond():
        return True
    if not change.is_free:
        return False
    nearer = closer.is_beyond() and closer.mean > NEARER * float(before.judged.errors.mean())
    return (nearer and not gain.is_below(LOST)) or (gain.mean > 0 and not closer.is_below())
