"""Float networks: engine ``float64`` and learning in real numbers, within 1e-12 and 1e-9."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import ltc2hw
from tests.golden.drawing import integers, samples
from tests.golden.files import opened, table

Numbers = dict[str, list[float]]

RELATIVE = 1e-12
"""Difference allowed in a variable, relative to its largest number."""

LEARNED = 1e-9
"""Difference allowed in what was learned, relative to the largest number of the same array."""


@dataclass(frozen=True)
class Case:
    """A float network, its samples, and every recorded number of the last steps.

    ``rule`` is that of a stream that the network learns as well, None for networks that cannot.
    """

    name: str
    drawn: Mapping[str, Any]
    steps: int
    samples: int
    outputs: int
    rule: Mapping[str, Any] | None
    numbers: Numbers
    learned: Numbers

    def run(self) -> Numbers:
        """Outputs of all steps, the last step of everything else, spikes counted."""
        x = samples(self.drawn, self.steps, self.samples)
        trace = ltc2hw.simulate(opened("float", self.name), x, "float64", "all")
        found = {"outputs": trace.outputs.sum(axis=1)}
        for name, values in trace.spikes.items():
            found[f"{name}.spikes"] = values.sum(axis=(0, 1))
        for name, variables in trace.states.items():
            found |= {f"{name}.{v}": values[-1, 0] for v, values in variables.items()}
        return plain(found)

    def learn(self) -> Numbers:
        """Values, means and gradients after the stream: the sum and the ends of each array."""
        if self.rule is None:
            return {}
        x = samples(self.drawn, self.steps, self.samples)
        labels = integers(int(self.drawn["seed"]) + 1, 0, self.outputs - 1, (self.samples,))
        rule = ltc2hw.FPTTRule(**self.rule)
        network = opened("float", self.name)
        learning = ltc2hw.learn(network, x, labels, rule, engine="float64").learning
        found = {}
        for parameter, memory in learning.memories.items():
            place = parameter.term if parameter.projection is None else parameter.projection
            name = f"{parameter.population}.{parameter.port}.{place}"
            for word, values in zip(("value", "mean", "gradient"), memory, strict=True):
                flat = np.ravel(values)
                found[f"{name} {word}"] = np.array([flat.sum(), *flat[:2], *flat[-2:]])
        return plain(found)


def plain(arrays: Mapping[str, Any]) -> Numbers:
    """Arrays as JSON keeps them, every bit of them."""
    return {name: np.ravel(values).astype(float).tolist() for name, values in arrays.items()}


def cases() -> list[Case]:
    """All cases, in the order of the table."""
    return [Case(**case) for case in table("float")]


def distant(found: Numbers, expected: Numbers, allowed: float) -> list[str]:
    """Variables that differ by more than is allowed, or that only one of the two has."""
    return [
        name
        for name in dict.fromkeys((*expected, *found))
        if not near(found.get(name), expected.get(name), allowed)
    ]


def near(found: list[float] | None, expected: list[float] | None, allowed: float) -> bool:
    """Whether two arrays are one, but for rounding."""
    if found is None or expected is None or len(found) != len(expected):
        return False
    scale = float(np.max(np.abs(expected), initial=0.0))
    return bool(np.max(np.abs(np.subtract(found, expected)), initial=0.0) <= allowed * scale)
