"""Learning a stream piece by piece, on integers or in floats, judged in between."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from experiments.on_chip_runs import accuracy, untrained
from ltc2hw import FixedNetwork, FPTTRule, Network, PlasticWords, learn
from ltc2hw.learning.learned import Learning
from ltc2hw.learning.rule import Descent
from ltc2hw.tasks import Split

Pieces = Iterable[tuple[FPTTRule, Split]]
"""The parts of a stream, each with the rule that learns it."""


class Followed(NamedTuple):
    """A stream that has been learned: the network at its end, and what was seen on the way."""

    network: Any
    curve: list[float]
    """Accuracy after every piece."""
    saturations: int
    """Values that did not fit their words, 0 in floats."""
    eligibility: int
    """Those among them that are words of eligibility."""


def follow(
    network: Network | FixedNetwork, pieces: Pieces, judged: Split, words: PlasticWords
) -> Followed:
    """Learn the pieces one after the other; ``words`` count for integers alone.

    >>> from ltc2hw.tasks import load_task
    >>> train = load_task("digits-rows").train.take(np.arange(2))
    >>> follow(untrained(4, 0), [(FPTTRule(), train)], train, PlasticWords()).saturations
    0
    """
    learning: Learning | None = None
    ends, curve, lost, forgotten = network, [], 0, 0
    for rule, samples in pieces:
        own = words if isinstance(network, FixedNetwork) else None
        done = learn(network, samples.x, samples.labels, rule, own, "fast", learning)
        learning, ends = done.learning, done.network
        curve.append(accuracy(ends, judged))
        lost += sum(sum(counts.values()) for counts in done.saturations.values())
        forgotten += sum(counts.get("eligibility", 0) for counts in done.saturations.values())
    return Followed(ends, curve, lost, forgotten)


@cache
def words_kept(descent: Descent) -> int:
    """Words of eligibility that a synapse of an event-gated neuron keeps.

    >>> words_kept("instantaneous")
    0
    """
    rule = FPTTRule(descent=descent)
    done = learn(untrained(1, 0, 1, 2), np.zeros((1, 1, 1)), np.zeros(1, np.int64), rule)
    return max((len(own) for own in done.learning.eligibility.values()), default=0)
