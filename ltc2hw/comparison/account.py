"""An account of a loss that adds up: what each part costs, alone, in its turn, and last.

Shares are Shapley values (:mod:`ltc2hw.comparison.shapley`), so they sum to the loss. They are
means over samples of what is linear in the verdicts of mixtures; their intervals hold both what
other samples could have shown, by the normal approximation to such means, and how far off the
values of sets may be that were not measured. The same is told of the mean squared change of the
outputs, which shows what rounding does where no verdict changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ltc2hw.comparison.intervals import NORMAL, answers, change, mcnemar, spread
from ltc2hw.comparison.mixtures import FLOAT, Mixture, Outcome, Outcomes
from ltc2hw.comparison.screening import Player
from ltc2hw.comparison.shapley import Estimate, Guess, chosen_sets, pair_weights
from ltc2hw.numbers.words import FloatArray

PAIR_NORMAL = 3.1
"""As :data:`~ltc2hw.comparison.intervals.NORMAL`, for the two dozen pairs of an account at once."""

MOST_INTERACTIONS = 5

OTHER = "other"
"""The row of what all parts together leave of the loss: 0 for integers that were made from them."""


@dataclass(frozen=True)
class Amount:
    """What a part has of a loss: its ``share``, between ``low`` and ``high`` in 95 % of cases.

    ``alone``: the loss with this part alone; ``removed``: what is won back where everything but
    this part stays.

    >>> Amount(0.02, 0.01, 0.03, 0.05, 0.0).beyond_noise
    True
    """

    share: float
    low: float
    high: float
    alone: float
    removed: float

    @property
    def beyond_noise(self) -> bool:
        """Whether no share at all lies outside of the interval."""
        return not self.low <= 0.0 <= self.high


@dataclass(frozen=True)
class Share:
    """A row of an account: a part, or several that hardly matter, by name.

    ``score``: of the loss of the score, positive where it becomes worse; ``error``: of the mean
    squared change of the outputs, relative to their mean square.
    """

    name: str
    parts: tuple[str, ...]
    score: Amount
    error: Amount


@dataclass(frozen=True)
class Interaction:
    """Two parts that together do other than the sum of both, in the loss of the score.

    ``loss``: what both add to the sum of each; negative where they lose the same, so that mending
    one of them brings little.
    """

    first: str
    second: str
    loss: float
    low: float
    high: float


@dataclass(frozen=True)
class Account:
    """The loss from float to integers on some samples, and every part's share of it.

    ``loss`` is positive where the integers are worse, with its interval; ``chance``: how likely as
    large a change of answers is by chance (McNemar's exact test), None for other scores.
    ``error``: mean squared change of the outputs relative to their mean square. ``shares`` sum to
    both, the worst first: by the score where that is beyond noise, else by the error.
    ``evaluations``: how many runs of all samples it took. ``seed``: of the loss's interval for
    scores that are not answers; nothing else is drawn.
    """

    samples: int
    loss: float
    low: float
    high: float
    chance: float | None
    error: float
    shares: tuple[Share, ...]
    interactions: tuple[Interaction, ...]
    evaluations: float
    seed: int

    @property
    def beyond_noise(self) -> bool:
        """Whether the loss, or gain, is more than other samples could have shown by chance."""
        if self.chance is not None:
            return self.chance < 0.05
        return not self.low <= 0.0 <= self.high

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        shares = [{**asdict(row), "parts": list(row.parts)} for row in self.shares]
        interactions = [asdict(pair) for pair in self.interactions]
        return {**asdict(self), "shares": shares, "interactions": interactions}


@dataclass(frozen=True, eq=False)
class Design:
    """Which sets of players are run, as numbers of one bit each and as mixtures."""

    players: tuple[Player, ...]
    sets: tuple[int, ...]

    @classmethod
    def of(cls, players: tuple[Player, ...], most: int) -> Design:
        """At most so many sets of these, the float network and all parts among them."""
        return cls(players, chosen_sets(np.array([p.strength for p in players]), most))

    def mixture(self, chosen: int) -> Mixture:
        """The parts of the players of a set."""
        taken = (p.parts for index, p in enumerate(self.players) if chosen >> index & 1)
        return frozenset(part for parts in taken for part in parts)

    @property
    def mixtures(self) -> tuple[Mixture, ...]:
        """Those of all sets, in their order."""
        return tuple(map(self.mixture, self.sets))


def make_account(
    design: Design,
    found: Outcomes,
    integers: Outcome,
    evaluations: float,
    *,
    higher_is_better: bool,
    seed: int = 0,
) -> Account:
    """The account of measured mixtures; ``integers`` is what the integer network itself gave."""
    sign = -1.0 if higher_is_better else 1.0
    before, square = found.of[FLOAT].verdicts, found.square or 1.0
    runs = [found.of[mixture] for mixture in design.mixtures]
    losses = np.stack([sign * (run.verdicts - before) for run in runs], axis=1)
    errors = np.stack([run.moved / square for run in runs], axis=1)
    scores, errored = _Game(design, losses), _Game(design, errors)
    rows = [
        Share(player.name, tuple(map(str, player.parts)), score, error)
        for player, score, error in zip(
            design.players, scores.amounts(), errored.amounts(), strict=True
        )
    ]
    whole = design.sets.index((1 << len(design.players)) - 1)
    left = (
        sign * (integers.verdicts - before) - losses[:, whole],
        integers.moved / square - errors[:, whole],
    )
    others = [row for row in rows if len(row.parts) > 1]
    ranked = sorted((row for row in rows if len(row.parts) == 1), key=rank, reverse=True)
    if any(np.any(differences) for differences in left):
        others.append(Share(OTHER, (), *map(remainder, left)))
    after = integers.verdicts
    lost = change(before, after, seed)
    low, high = sorted((sign * lost.low, sign * lost.high))
    return Account(
        samples=len(before),
        loss=sign * lost.mean,
        low=low,
        high=high,
        chance=mcnemar(before, after) if answers(before) and answers(after) else None,
        error=float(np.mean(integers.moved)) / square,
        shares=(*ranked, *others),
        interactions=scores.interactions(),
        evaluations=evaluations,
        seed=seed,
    )


def rank(row: Share) -> tuple[float, float]:
    """What rows are sorted by: a share of the score that is no noise, then that of the error."""
    return (row.score.share if row.score.low > 0.0 else 0.0, row.error.share)


def remainder(differences: FloatArray) -> Amount:
    """What no part explains, of losses (B,)."""
    mean = float(np.mean(differences))
    half = NORMAL * float(spread(differences[:, None], float(np.abs(differences).max()))[0])
    return Amount(mean, mean - half, mean + half, mean, mean)


class _Game:
    """What sets of players lose on each sample, (B, m), and what follows for each of them."""

    def __init__(self, design: Design, losses: FloatArray) -> None:
        self.design = design
        self.losses = losses
        self.count = len(design.players)
        self.largest = float(np.abs(losses).max())
        self.values = losses.mean(axis=0)
        self.places = {chosen: index for index, chosen in enumerate(design.sets)}
        self.guess = Guess(self.count, design.sets, self.values)

    def amounts(self) -> list[Amount]:
        """What each player has of the loss."""
        everyone = (1 << self.count) - 1
        ends = self.between(self.guess.shares(), NORMAL)
        return [
            Amount(
                *ends[player],
                float(self.values[self.places[1 << player]]),
                float(
                    self.values[self.places[everyone]]
                    - self.values[self.places[everyone ^ 1 << player]]
                ),
            )
            for player in range(self.count)
        ]

    def between(
        self, estimates: Sequence[Estimate], deviations: float
    ) -> list[tuple[float, float, float]]:
        """Values of linear functions, and between what they lie."""
        weights = np.stack([estimate.weights for estimate in estimates], axis=1)
        each = self.losses @ weights
        own = spread(each, self.largest)
        half = deviations * np.hypot(own, [estimate.error for estimate in estimates])
        means = self.values @ weights
        return [(float(m), float(m - h), float(m + h)) for m, h in zip(means, half, strict=True)]

    def interactions(self) -> tuple[Interaction, ...]:
        """Pairs of parts whose interaction is beyond noise, the strongest first."""
        named = [i for i, player in enumerate(self.design.players) if len(player.parts) == 1]
        pairs = list(combinations(named, 2))
        if not pairs:
            return ()
        names = [player.name for player in self.design.players]
        made = [self.guess.estimate(pair_weights(self.count, *pair)) for pair in pairs]
        found = [
            Interaction(names[first], names[second], *values)
            for (first, second), values in zip(pairs, self.between(made, PAIR_NORMAL), strict=True)
        ]
        sure = [pair for pair in found if not pair.low <= 0.0 <= pair.high]
        return tuple(sorted(sure, key=lambda pair: -abs(pair.loss))[:MOST_INTERACTIONS])
