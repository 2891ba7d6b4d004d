"""Learning a stream piece by piece, on integers or in floats, judged in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from experiments.on_chip_float import FloatMemory, learn_float
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
    steps = (
        _on_integers(network, pieces, words)
        if isinstance(network, FixedNetwork)
        else _in_floats(network, pieces)
    )
    curve, lost, forgotten = [], 0, 0
    for after, saturations in steps:
        network = after
        curve.append(accuracy(network, judged))
        lost += sum(saturations.values())
        forgotten += saturations.get("eligibility", 0)
    return Followed(network, curve, lost, forgotten)


def _on_integers(
    network: FixedNetwork, pieces: Pieces, words: PlasticWords
) -> Iterator[tuple[FixedNetwork, dict[str, int]]]:
    """The compiled integer rule, and its saturations by the name of the word."""
    learning: Learning | None = None
    for rule, samples in pieces:
        done = learn(network, samples.x, samples.labels, rule, words, "fast", learning)
        learning = done.learning
        counts: dict[str, int] = {}
        for own in done.saturations.values():
            for name, count in own.items():
                counts[name] = counts.get(name, 0) + count
        yield done.network, counts


def _in_floats(network: Network, pieces: Pieces) -> Iterator[tuple[Network, dict[str, int]]]:
    """The compiled float rule where it knows the rule, the readable one elsewhere."""
    memory: FloatMemory | None = None
    learning: Learning | None = None
    for rule, samples in pieces:
        if rule.descent == "instantaneous":
            network, memory = learn_float(network, samples.x, samples.labels, rule, memory)
        else:
            done = learn(network, samples.x, samples.labels, rule, learning=learning)
            network, learning = done.network, done.learning
        yield network, {}


@cache
def words_kept(descent: Descent) -> int:
    """Words of eligibility that a synapse of an event-gated neuron keeps.

    >>> words_kept("instantaneous")
    0
    """
    rule = FPTTRule(descent=descent)
    done = learn(untrained(1, 0, 1, 2), np.zeros((1, 1, 1)), np.zeros(1, np.int64), rule)
    return max((len(own) for own in done.learning.eligibility.values()), default=0)
