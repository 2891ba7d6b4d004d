"""Why accuracy was lost: stages from float to integer, and every cause alone.

The ladder adds the integer network's properties one after another to the float network; the
account adds each alone, tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ltc2hw.comparison.replay import changed, replay
from ltc2hw.comparison.samples import PART, Samples
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.mixing import (
    Kind,
    Part,
    partly_fixed,
    parts,
    rounded_samples,
)
from ltc2hw.simulate import simulate


@dataclass(frozen=True)
class Mixture:
    """Which parts of the integer network a float run has."""

    name: str
    parts: Collection[Part] = ()

    def network(self, network: Network, fixed: FixedNetwork) -> Network:
        """The float network with these parts."""
        return partly_fixed(network, fixed, self.parts)

    def inputs_of(self, fixed: FixedNetwork, x: FloatArray) -> FloatArray:
        """Samples as that network is given them."""
        return rounded_samples(fixed, x) if self.rounded_inputs else x

    @property
    def rounded_inputs(self) -> frozenset[str]:
        """Name of the input where its samples are rounded."""
        return frozenset(part.owner for part in self.parts if part.kind is Kind.INPUT)


@dataclass(frozen=True)
class Stage:
    """A rung of the ladder: its name and the score with everything up to it."""

    name: str
    score: float


@dataclass(frozen=True)
class Cause:
    """One property alone: the score with it, and how far it moves the outputs.

    ``output_error`` is the root mean square change of the outputs, relative to the root mean
    square of the float outputs.
    """

    name: str
    score: float
    output_error: float


LADDER: Mapping[Kind, str] = {
    Kind.WEIGHTS: "+ weights",
    Kind.CONSTANT: "+ constants",
    Kind.INPUT: "+ inputs",
    Kind.FUNCTION: "+ gate function",
    Kind.MESSAGE: "+ messages",
    Kind.WORD: "+ words",
    Kind.SATURATION: "+ saturation",
}
"""Name of the stage that adds all parts of a kind, in the order of the stages."""


def ladder_mixtures(network: Network, fixed: FixedNetwork) -> tuple[Mixture, ...]:
    """Stages between float and integer, each with all parts of the one before.

    The last has all parts, so it is the integer network itself.
    """
    everything = parts(network, fixed)
    stages, taken = [Mixture("float64")], tuple[Part, ...]()
    for kind, name in LADDER.items():
        own = tuple(part for part in everything if part.kind is kind)
        if own:
            taken += own
            stages.append(Mixture(name, taken))
    return tuple(stages)


def account_mixtures(network: Network, fixed: FixedNetwork) -> tuple[Mixture, ...]:
    """Every part alone."""
    return tuple(Mixture(str(part), (part,)) for part in parts(network, fixed))


class Account:
    """Stages and causes on the same samples, all against one float run.

    Samples run in parts, each through everything, so that what is kept does not grow with them.
    """

    def __init__(
        self, network: Network, fixed: FixedNetwork, samples: Samples, *, causes: bool = True
    ) -> None:
        self.network = network
        self.fixed = fixed
        self.samples = samples
        self.mixtures = ladder_mixtures(network, fixed)
        self.alone = account_mixtures(network, fixed) if causes else ()
        self.tallies = [_Tally() for _ in (*self.mixtures, *self.alone)]

    def run(self, progress: Progress) -> None:
        """Run every stage and every cause; ``integer`` itself is not run."""
        whole, *others = (
            mixture.network(self.network, self.fixed) for mixture in (*self.mixtures, *self.alone)
        )
        replays = [
            replay(network, changed(whole, network) | mixture.rounded_inputs)
            for network, mixture in zip(others, (*self.mixtures, *self.alone)[1:], strict=True)
        ]
        record = tuple({r.source[1] for r in replays if r.source is not None})
        parts = tuple(self.samples.parts(part_size(self.network)))
        total, done = len(parts) * len(self.tallies), 0
        progress(EXPLAINING, done, total)
        for part in parts:
            samples = self.samples.take(part)
            reference = simulate(whole, samples.x, "float64", record, lengths=samples.lengths)
            self.tallies[0].add(reference.outputs, reference.outputs, samples)
            done += 1
            progress(EXPLAINING, done, total)
            for tally, mixture, rest in zip(
                self.tallies[1:], (*self.mixtures[1:], *self.alone), replays, strict=True
            ):
                x = rest.samples(mixture.inputs_of(self.fixed, samples.x), reference)
                found = simulate(rest.network, x, "float64", (), lengths=samples.lengths)
                tally.add(found.outputs, reference.outputs, samples)
                done += 1
                progress(EXPLAINING, done, total)

    def stages(self) -> tuple[Stage, ...]:
        """Score of every stage from float on, in order."""
        return tuple(
            Stage(mixture.name, tally.score)
            for mixture, tally in zip(self.mixtures, self.tallies, strict=False)
        )

    def causes(self) -> tuple[Cause, ...]:
        """Score and output error of every cause alone, in the order of the network."""
        scale = self.tallies[0].size or 1.0
        own = self.tallies[len(self.mixtures) :]
        return tuple(
            Cause(mixture.name, tally.score, tally.moved / scale)
            for mixture, tally in zip(self.alone, own, strict=True)
        )


EXPLAINING = "ladder and causes"
"""What progress calls the float runs that explain a loss."""

Progress = Callable[[str, int, int], None]
"""Called with what is running, how much of it is done, and how much there is."""


class _Tally:
    """Verdicts on outputs, their squares, and those of their distance from the float outputs."""

    def __init__(self) -> None:
        self.verdicts: list[FloatArray] = []
        self.squares = np.zeros(2)
        self.numbers = 0

    def add(self, outputs: FloatArray, reference: FloatArray, samples: Samples) -> None:
        """Take in outputs (T, B, N_out) of some samples."""
        self.verdicts.append(samples.judge(outputs))
        self.squares += [np.sum(outputs**2), np.sum((outputs - reference) ** 2)]
        self.numbers += outputs.size

    @property
    def score(self) -> float:
        """Mean verdict."""
        return float(np.mean(np.concatenate(self.verdicts)))

    @property
    def size(self) -> float:
        """Root mean square of the outputs."""
        return float(np.sqrt(self.squares[0] / self.numbers))

    @property
    def moved(self) -> float:
        """Root mean square of their distance from the float outputs."""
        return float(np.sqrt(self.squares[1] / self.numbers))


CACHED = 1 << 18
"""Numbers of one variable of a population, over the samples that run together: two megabytes."""


def part_size(network: Network) -> int:
    """Samples to run together, so that what a step works on stays in the processor's cache."""
    return max(1, min(PART, CACHED // max(p.size for p in network.populations)))
