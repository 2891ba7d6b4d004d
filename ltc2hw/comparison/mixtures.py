"""Float runs that hold sets of parts of the integers, each reusing what the one before sent.

Sets are run in an order in which neighbours agree on as many early parts as possible: where two
differ in a late layer alone, the layers before it are not run again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from itertools import pairwise
from threading import Lock

import numpy as np

from ltc2hw.comparison.replay import Replay, replay
from ltc2hw.comparison.samples import PART, Samples
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import FloatPopulation, Network, Projection
from ltc2hw.numbers.threads import in_threads
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.mixing import (
    Kind,
    Part,
    partly_fixed,
    parts,
    rounded_samples,
    tensor_of,
)
from ltc2hw.simulate import simulate

Mixture = frozenset[Part]
"""Which parts of the integer network a float run has."""

FLOAT: Mixture = frozenset()
"""The float network itself."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a mixture gave: a verdict on each sample, (B,), and how far its outputs moved.

    ``moved`` (B,): mean over steps and outputs of the squared distance from the float outputs.
    """

    verdicts: FloatArray
    moved: FloatArray


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Outcomes of mixtures on the same samples.

    ``square``: mean square of the float outputs, to which distances are compared.
    """

    of: Mapping[Mixture, Outcome]
    square: float


class Mixtures:
    """The mixtures of one pair of networks; equal populations and weights are made once."""

    def __init__(self, network: Network, fixed: FixedNetwork) -> None:
        self.network = network
        self.fixed = fixed
        self.parts = parts(network, fixed)
        self._populations: dict[tuple[str, Mixture], FloatPopulation] = {}
        self._projections: dict[tuple[int, Mixture], Projection] = {}

    def networks(self, mixture: Mixture) -> Network:
        """The float network with the parts of a mixture."""
        made = partly_fixed(self.network, self.fixed, mixture)
        populations = tuple(
            self._populations.setdefault(
                (population.name, frozenset(p for p in mixture if p.owner == population.name)),
                population,
            )
            for population in made.populations
        )
        projections = tuple(
            self._projections.setdefault(
                (index, frozenset(p for p in mixture if heard(p, projection))), projection
            )
            for index, projection in enumerate(made.projections)
        )
        return replace(made, populations=populations, projections=projections)

    def touched(self, chosen: Iterable[Part]) -> frozenset[str]:
        """Populations that compute or hear otherwise where some parts are taken or left."""
        found: set[str] = set()
        for part in chosen:
            hearing = {p.target for p in self.network.projections if heard(part, p)}
            found |= hearing or {part.owner}
        return frozenset(found)

    def ordered(self, mixtures: Collection[Mixture]) -> list[Mixture]:
        """Float first, then so that neighbours share what comes early in the network."""

        def key(mixture: Mixture) -> tuple[bool, ...]:
            return tuple(part in mixture for part in self.parts)

        return sorted({FLOAT, *mixtures}, key=key)

    def run(
        self, mixtures: Collection[Mixture], samples: Samples, tell: Callable[[int], None]
    ) -> Outcomes:
        """Outcomes of mixtures on samples, the float network among them.

        ``tell`` is called with the number of samples after each run.
        """
        ordered = self.ordered(mixtures)
        replays = [
            replay(self.networks(mixture), self.touched(mixture ^ before))
            for before, mixture in pairwise(ordered)
        ]
        parts = tuple(samples.parts(part_size(self.network, len(samples.x), samples.count)))

        telling = _Telling(tell)

        def one(part: slice) -> tuple[list[Outcome], float]:
            return self._run_part(ordered, replays, samples.take(part), telling)

        found = in_threads(one, parts, telling.stop)
        of = {
            mixture: Outcome(
                np.concatenate([outcomes[index].verdicts for outcomes, _ in found]),
                np.concatenate([outcomes[index].moved for outcomes, _ in found]),
            )
            for index, mixture in enumerate(ordered)
        }
        square = sum(total for _, total in found) / samples.count
        return Outcomes(of, square)

    def _run_part(
        self,
        ordered: list[Mixture],
        replays: list[Replay],
        samples: Samples,
        tell: Callable[[int], None],
    ) -> tuple[list[Outcome], float]:
        """Outcomes of some samples, and the sum of their mean squares of float outputs."""
        record = tuple({r.source[1] for r in replays if r.source is not None})
        reference = simulate(self.network, samples.x, "float64", record, lengths=samples.lengths)
        own = reference.outputs
        sent = dict(reference.recorded())
        outcomes = [Outcome(samples.judge(own), np.zeros(samples.count))]
        tell(samples.count)
        for mixture, rest in zip(ordered[1:], replays, strict=True):
            x = samples.x if rest.source is None else np.asarray(sent[rest.source], np.float64)
            if rest.source is None and any(part.kind is Kind.INPUT for part in mixture):
                x = rounded_samples(self.fixed, x)
            # A model of one's own may be left out of the rest, and its variables with it.
            there = {name for p in rest.network.populations for name in p.recordable}
            names = tuple(there.intersection(record))
            trace = simulate(rest.network, x, "float64", names, lengths=samples.lengths)
            sent |= trace.recorded()
            outcomes.append(Outcome(samples.judge(trace.outputs), distance(trace.outputs, own)))
            tell(samples.count)
        return outcomes, float(np.sum(distance(own, np.zeros_like(own))))


class _Telling:
    """Tells of progress from several threads, one after the other, until it is stopped."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self.tell = tell
        self.lock = Lock()
        self.stopped = False

    def __call__(self, count: int) -> None:
        with self.lock:
            if self.stopped:
                raise CancelledError
            self.tell(count)

    def stop(self) -> None:
        """End what still runs where it next tells of itself."""
        self.stopped = True


def distance(outputs: FloatArray, others: FloatArray) -> FloatArray:
    """Mean squared distance of outputs (T, B, N) of each sample, (B,).

    >>> distance(np.array([[[1.0, 3.0]]]), np.array([[[1.0, 1.0]]]))
    array([2.])
    """
    squares: FloatArray = np.mean((outputs - others) ** 2, axis=(0, 2))
    return squares


def heard(part: Part, projection: Projection) -> bool:
    """Whether a projection is another one with this part: its weights or what it is sent."""
    if part.kind is Kind.WEIGHTS:
        return part.owner == tensor_of(projection).owner
    sent = (projection.source, projection.variable)
    return part.kind is Kind.MESSAGE and sent == (part.owner, part.name)


CACHED = 1 << 18
"""Numbers of one variable of a population, over the samples that run together: two megabytes."""


RECORDED = 1 << 24
"""Numbers that a population sends in all steps of the samples that run together: 128 megabytes."""


TOGETHER = 256
"""Samples that run together at most: with more, threads would have nothing to share."""


def part_size(network: Network, steps: int, samples: int) -> int:
    """Samples to run together, so that what a step works on stays in the processor's cache.

    Parts are equally large, and their number is even, for the threads of two processors; few
    samples make one part, where steps take the time of Python's own that no thread shares.
    """
    largest = max(population.size for population in network.populations)
    most = max(1, min(TOGETHER, CACHED // largest, RECORDED // (largest * steps)))
    if samples <= min(most, PART):
        return samples
    pairs = -(-samples // (2 * most))
    return -(-samples // (2 * pairs))
