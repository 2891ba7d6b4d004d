"""Which parts an account tells apart: those that matter on a few samples; all others together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ltc2hw.comparison.mixtures import FLOAT, Mixture, Outcomes
from ltc2hw.comparison.samples import Samples
from ltc2hw.comparison.shapley import relative_strengths
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.mixing import Kind, Part

MOST_PLAYERS = 8
"""Of an account, the parts that are taken together among them: 2^8 sets are quickly guessed."""

NEGLIGIBLE = 0.02
"""What parts that are taken together may matter, of what all do."""

SCREENING = 6
"""One in so many runs is for the screening."""


@dataclass(frozen=True, eq=False)
class Player:
    """What an account tells apart: a part, or several that hardly matter together.

    ``strength``: how much it moves, as :func:`~ltc2hw.comparison.shapley.relative_strengths`.
    """

    parts: tuple[Part, ...]
    strength: float

    @property
    def mixture(self) -> Mixture:
        """Its parts as a set."""
        return frozenset(self.parts)

    @property
    def name(self) -> str:
        """Name of its part, or how many there are."""
        if len(self.parts) == 1:
            return str(self.parts[0])
        return f"others ({len(self.parts)} parts)"


def screening_mixtures(parts: Sequence[Part], idle: Collection[Part]) -> frozenset[Mixture]:
    """Each part alone, and all but each; without the ``idle`` ones all do what they do with them.

    >>> part = Part(Kind.CONSTANT, "hidden", "threshold")
    >>> sorted(map(len, screening_mixtures((part,), ())))
    [0, 1]
    """
    everything = frozenset(parts)
    alone = {frozenset({part}) for part in parts}
    last = {everything - {part} for part in parts if part not in idle}
    return frozenset({FLOAT, everything, *alone, *last})


def screened(samples: Samples, mixtures: int, runs: int) -> Samples:
    """As many samples, far apart, as so many mixtures may run on in a part of all runs."""
    count = max(1, min(samples.count, runs * samples.count // (SCREENING * max(mixtures, 1))))
    return samples.take(slice(0, None, -(-samples.count // count)))


def idle_parts(parts: Sequence[Part], counts: Mapping[str, Mapping[str, int]]) -> frozenset[Part]:
    """Saturations that never happened in the integer run, by its counts.

    >>> part = Part(Kind.SATURATION, "hidden", "current")
    >>> idle_parts((part,), {"hidden": {"current": 3}}), len(idle_parts((part,), {}))
    (frozenset(), 1)
    """
    return frozenset(
        part
        for part in parts
        if part.kind is Kind.SATURATION and not counts.get(part.owner, {}).get(part.name, 0)
    )


def chosen_players(
    parts: Sequence[Part], idle: Collection[Part], found: Outcomes, most: int = MOST_PLAYERS
) -> tuple[Player, ...]:
    """The parts that matter, in the order of the network, then the others together.

    What a part matters is the mean of what it does alone and last, half of it by how far the
    outputs move and half by the verdicts.
    """
    importance = {
        part: 0.0 if part in idle else float(value)
        for part, value in zip(parts, _importance(parts, found), strict=True)
    }
    by_rank = sorted(parts, key=lambda part: -importance[part])
    total = sum(importance.values())
    kept: list[Part] = []
    for part in by_rank:
        left = total - sum(importance[k] for k in kept)
        if part in idle or left <= NEGLIGIBLE * total or len(kept) + 1 >= most:
            break
        kept.append(part)
    others = tuple(part for part in parts if part not in kept)
    groups = [*((part,) for part in parts if part in kept), *([others] if others else [])]
    effects = np.array([sum(importance[part] for part in group) for group in groups])
    strengths = relative_strengths(effects)
    return tuple(Player(g, float(s)) for g, s in zip(groups, strengths, strict=True))


def _importance(parts: Sequence[Part], found: Outcomes) -> FloatArray:
    """How much each part matters, (P,), of what all do: moved outputs and changed verdicts."""
    everything, total = frozenset(parts), np.zeros(len(parts))
    for moved in (True, False):
        effects = np.zeros(len(parts))
        for index, part in enumerate(parts):
            alone = _effect(found, frozenset({part}), FLOAT, moved)
            last = _effect(found, everything, everything - {part}, moved)
            effects[index] = alone + last
        total += effects / (effects.sum() or 1.0) / 2
    return total


def _effect(found: Outcomes, one: Mixture, other: Mixture, moved: bool) -> float:
    """How far two mixtures are apart; one that was not measured is as all parts are."""
    if other not in found.of:
        return 0.0
    first, second = found.of[one], found.of[other]
    if moved:
        return abs(float(np.mean(first.moved - second.moved)))
    return float(np.mean(np.abs(first.verdicts - second.verdicts)))
