"""On-chip learning: every word of Φ, Φ̄, λ after every piece of a stream, and what goes with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import ltc2hw
from tests.golden.drawing import Floats, integers, samples
from tests.golden.files import opened, read, table
from tests.golden.fixed import add_registers, add_trace
from tests.golden.sums import Record, Sums

# The one name below that `ltc2hw` itself does not export: the reader of kept states of learning.
from ltc2hw.files.learning_file import load_learning  # isort: skip

PREFIX_PIECES = 2

ALLOW = ("partial-learning",)


@dataclass(frozen=True)
class Case:
    """A network, a stream, a rule, and the checksums of what was learned.

    ``network`` names a file of the folder ``learning``; ``targets`` is ``labels``, or the fraction
    of real targets. ``resume`` is the number of the piece after which the committed state
    ``learning/NAME.state`` was kept, 0 for none.
    """

    name: str
    network: str
    drawn: Mapping[str, Any]
    steps: int
    piece: int
    pieces: int
    outputs: int
    targets: Any
    rule: Mapping[str, Any]
    words: Mapping[str, Any]
    reset: bool
    engines: Sequence[str]
    resume: int
    learned: int
    """Words of Φ, Φ̄ and λ hashed by the whole."""
    integers: Mapping[str, int]
    sums: Mapping[str, Sums]

    def stream(self) -> tuple[Floats, Any]:
        """All samples (T, S, N_in) with their labels (S,) or targets (S, N_out)."""
        count = self.piece * self.pieces
        seed = int(self.drawn["seed"]) + 1
        if self.targets == "labels":
            labels: Any = integers(seed, 0, self.outputs - 1, (count,))
        else:
            reach = 2 << self.targets
            labels = np.ldexp(
                integers(seed, -reach, reach, (count, self.outputs)).astype(np.float64),
                -self.targets,
            )
        return samples(self.drawn, self.steps, count), labels

    def run(self, engine: str, part: str) -> Record:
        """Learn the ``prefix`` (two pieces), the ``whole``, or what is left from the ``state``."""
        first, last = 0, PREFIX_PIECES if part == "prefix" else self.pieces
        network, learning = opened("learning", self.network), None
        if part == "state":
            first = self.resume
            learning = read("learning", f"{self.name}.state", load_learning)
        return learned(self, network, engine, learning, range(first, last))


def cases() -> list[Case]:
    """All cases, in the order of the table."""
    return [Case(**case) for case in table("learning")]


def learned(case: Case, network: Any, engine: str, learning: Any, pieces: range) -> Record:
    """Learn pieces of a case's stream, one call each, and hash all that comes of it.

    At the end the adapted network is run on the first piece, so that every weight and constant
    that it computes with is seen.
    """
    record, adapted = Record(), network
    rule = ltc2hw.FPTTRule(**case.rule)
    words = ltc2hw.PlasticWords(**case.words)
    x, wanted = case.stream()
    for index in pieces:
        part = slice(index * case.piece, (index + 1) * case.piece)
        result = ltc2hw.learn(
            network,
            x[:, part],
            wanted[part],
            rule,
            words,
            engine,
            learning,
            reset=case.reset,
            allow=ALLOW,
        )
        learning, adapted = result.learning, result.network
        add_words(record, learning, "")
        record.add("outputs", result.outputs)
        record.count(result.saturations)
    add_words(record, learning, "final ")
    record.add("updates", np.array([learning.step]))
    add_registers(record, learning.registers)
    add_trace(record, ltc2hw.simulate(adapted, x[:, : case.piece], engine, "all"))
    return record


def add_words(record: Record, learning: Any, when: str) -> None:
    """Append the three words of every parameter."""
    for parameter, memory in learning.memories.items():
        place = parameter.term if parameter.projection is None else parameter.projection
        name = f"{when}{parameter.population}.{parameter.port}.{place}"
        for word, values in zip(("value", "mean", "gradient"), memory, strict=True):
            record.add(f"{name} {word}", values)
