"""Runs that explain a loss: stages, causes, and the account, within a number of runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from ltc2hw.comparison.account import Account, Design, make_account
from ltc2hw.comparison.intervals import change
from ltc2hw.comparison.ladder import Cause, Stage, ladder_mixtures
from ltc2hw.comparison.mixtures import FLOAT, Mixture, Mixtures, Outcome, Outcomes
from ltc2hw.comparison.progress import Progress
from ltc2hw.comparison.samples import Samples
from ltc2hw.comparison.screening import (
    MOST_PLAYERS,
    chosen_players,
    idle_parts,
    screened,
    screening_mixtures,
)
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.numbers.words import FloatArray

RUNS = 30
"""What an account may cost, in float runs of all samples; the stages' own come on top."""

FEWEST_RUNS = 10
"""With fewer, no part could be told from the others."""

SCREENED, EXPLAINING = "parts alone", "ladder and account"
"""What progress calls the float runs that explain a loss."""


class Explanation:
    """Stages, causes and the account of one pair of networks on the same samples.

    ``causes``: whether there are causes and an account; ``runs``: what the account may cost.
    """

    def __init__(
        self,
        network: Network,
        fixed: FixedNetwork,
        samples: Samples,
        *,
        causes: bool = True,
        runs: int = RUNS,
    ) -> None:
        self.mixtures = Mixtures(network, fixed)
        self.samples = samples
        self.stage_mixtures = ladder_mixtures(self.mixtures.parts)
        self.with_causes = causes
        self.runs = runs
        self.design: Design | None = None

    def run(self, counts: Mapping[str, Mapping[str, int]], progress: Progress) -> None:
        """Run every mixture; ``integer`` itself is not run, ``counts`` are its saturations."""
        wanted: set[Mixture] = set(self.stage_mixtures.values())
        if self.with_causes and self.mixtures.parts:
            self.design = self.screen(counts, progress)
            wanted |= set(self.design.mixtures)
        self.found = self.measure(EXPLAINING, wanted, self.samples, progress)

    def screen(self, counts: Mapping[str, Mapping[str, int]], progress: Progress) -> Design:
        """What the account tells apart and which sets of it are run, by a few samples."""
        parts = self.mixtures.parts
        idle = idle_parts(parts, counts)
        mixtures = screening_mixtures(parts, idle)
        few = screened(self.samples, len(mixtures), self.runs)
        self.few = self.measure(SCREENED, mixtures, few, progress)
        self.screened = few.count
        left = int(self.runs - self.evaluations_of(mixtures))
        players = chosen_players(parts, idle, self.few, max(2, min(MOST_PLAYERS, left * 3 // 8)))
        return Design.of(players, left)

    def evaluations_of(self, mixtures: Collection[Mixture]) -> float:
        """Runs of all samples that runs of mixtures on the screened ones are worth."""
        return len(mixtures) * self.screened / self.samples.count

    def measure(
        self, what: str, mixtures: Collection[Mixture], samples: Samples, progress: Progress
    ) -> Outcomes:
        """Outcomes of mixtures, telling how many samples ran."""
        total, done = len({FLOAT, *mixtures}) * samples.count, 0
        progress(what, done, total)

        def tell(count: int) -> None:
            nonlocal done
            done += count
            progress(what, done, total)

        return self.mixtures.run(mixtures, samples, tell)

    def stages(self) -> tuple[Stage, ...]:
        """Score of every stage from float on, in order."""
        before = self.found.of[FLOAT].verdicts
        return tuple(
            stage(name, before, self.found.of[mixture])
            for name, mixture in self.stage_mixtures.items()
        )

    def causes(self) -> tuple[Cause, ...]:
        """Score and output error of every cause alone, in the order of the network."""
        if self.design is None:
            return ()
        score = float(np.mean(self.found.of[FLOAT].verdicts))
        causes = []
        for part in self.mixtures.parts:
            alone = frozenset({part})
            found = self.found if alone in self.found.of else self.few
            own, real = found.of[alone], found.of[FLOAT]
            moved = float(np.sqrt(np.mean(own.moved) / (found.square or 1.0)))
            changed = float(np.mean(own.verdicts - real.verdicts))
            causes.append(Cause(str(part), score + changed, moved, len(own.verdicts)))
        return tuple(causes)

    def account(self, integers: Outcome) -> Account | None:
        """The account, None without causes or where nothing is rounded.

        ``integers`` is what the integer network gave on the same samples.
        """
        if self.design is None:
            return None
        screening = screening_mixtures(self.mixtures.parts, ())
        evaluations = self.evaluations_of(screening & self.few.of.keys()) + len(self.design.sets)
        return make_account(
            self.design,
            self.found,
            integers,
            evaluations,
            higher_is_better=bool(self.samples.decision.higher_is_better),
        )


def stage(name: str, before: FloatArray, outcome: Outcome) -> Stage:
    """A stage with the interval of its difference to float verdicts."""
    score = float(np.mean(outcome.verdicts))
    if outcome.verdicts is before:
        return Stage(name, score)
    found = change(before, outcome.verdicts)
    return Stage(name, score, found.low, found.high)
