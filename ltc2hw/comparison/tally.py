"""Running sums of a comparison, fed one batch of samples at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ltc2hw.comparison.marks import Histogram, binned
from ltc2hw.comparison.report import Agreement, Divergence, Exactness, Place, Range
from ltc2hw.dynamics.bounds import bounds, register_ranges
from ltc2hw.dynamics.operations import Operation
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedPopulation
from ltc2hw.graph.network import Network
from ltc2hw.graph.sequences import Mask
from ltc2hw.graph.trace import Array, Trace
from ltc2hw.numbers.integer_limits import EXACT_BITS
from ltc2hw.numbers.words import FloatArray, IntArray, Word
from ltc2hw.quantization.mixing import tensor_of


class ExactTally:
    """Integers of an engine that differ from those of ``integer``."""

    def __init__(self) -> None:
        self.compared = 0
        self.mismatches = 0
        self.first: Place | None = None

    def add(
        self, expected: Trace, found: Trace, first_sample: int, lengths: IntArray | None = None
    ) -> None:
        """Compare every recorded array of the samples that both hold, from the first one on.

        ``lengths`` (B,): their steps. After a sample's end both are zero and count as nothing.
        """
        others = found.recorded()
        for key, array in expected.recorded().items():
            count = min(array.shape[1], others[key].shape[1])
            wanted, other = array[:, :count], others[key][:, :count]
            steps = count * len(array) if lengths is None else int(lengths[:count].sum())
            self.compared += steps * array.shape[2]
            different = wanted != other
            count = int(np.count_nonzero(different))
            self.mismatches += count
            if count:
                self.note(key, different, wanted, other, first_sample)

    def note(
        self, key: tuple[str, str], different: Array, wanted: Array, other: Array, first: int
    ) -> None:
        """Keep the difference of the earliest step: later ones often follow from it."""
        step, sample, neuron = (int(index) for index in np.argwhere(different)[0])
        if self.first is None or step < self.first.step:
            values = (int(array[step, sample, neuron]) for array in (wanted, other))
            self.first = Place(*key, step, first + sample, neuron, *values)

    def result(self) -> Exactness:
        """What was compared so far."""
        return Exactness(self.compared, self.mismatches, self.first)


class FirstSteps:
    """Samples by the step in which they first differ.

    >>> first = FirstSteps(3)
    >>> first.add(np.array([[False, False], [True, False], [True, False]])).tolist()
    [True, False]
    >>> first.result()
    Divergence(first_step=(0, 1, 0), never=1)
    """

    def __init__(self, steps: int) -> None:
        self.counts = np.zeros(steps, dtype=np.int64)
        self.never = 0

    def add(self, differs: Mask) -> Mask:
        """Take in where samples differ, (T, B); whether they do, (B,)."""
        parted = np.asarray(differs.any(axis=0))
        self.never += int(np.count_nonzero(~parted))
        steps = np.argmax(differs[:, parted], axis=0)
        self.counts += np.bincount(steps, minlength=len(self.counts))
        return parted

    def result(self) -> Divergence:
        """What was taken in so far."""
        return Divergence(tuple(self.counts.tolist()), self.never)


class SpikeTally:
    """Spikes of float against integer, by population and step, and where they first differ."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.samples = np.zeros(steps, dtype=np.int64)
        self.entries: dict[str, int] = {}
        self.equal: dict[str, int] = {}
        self.common: dict[str, int] = {}
        self.float_spikes: dict[str, FloatArray] = {}
        self.integer_spikes: dict[str, FloatArray] = {}
        self.first_steps = FirstSteps(steps)
        self.parted: list[Mask] = []

    def add(self, real: Trace, integer: Trace, populations: tuple[str, ...], own: Mask) -> None:
        """Take in the next batch of samples; only their own steps (T, B) count."""
        differs = np.zeros(own.shape, dtype=bool)
        self.samples += own.sum(axis=1)
        for name in populations:
            first, second = real.spikes[name], integer.spikes[name]
            unequal = first != second
            differs |= unequal.any(axis=2)
            entries = int(np.count_nonzero(own)) * first.shape[2]
            for total, number in (
                (self.entries, entries),
                (self.equal, entries - int(np.count_nonzero(unequal))),
                (self.common, int(np.count_nonzero(first & second))),
            ):
                total[name] = total.get(name, 0) + number
            for sums, spikes in ((self.float_spikes, first), (self.integer_spikes, second)):
                sums[name] = sums.get(name, np.zeros(self.steps)) + spikes.sum(axis=(1, 2))
        self.parted.append(self.first_steps.add(differs))

    def differing(self) -> Mask:
        """Whether any spike of a sample differs, (B,)."""
        return np.concatenate(self.parted)

    def agreements(self) -> dict[str, Agreement]:
        """Agreement of each population."""
        return {name: self.agreement(name) for name in self.entries}

    def agreement(self, name: str) -> Agreement:
        """Agreement of one population; two silent populations overlap fully."""
        float_spikes, integer_spikes = self.float_spikes[name], self.integer_spikes[name]
        both = float(float_spikes.sum() + integer_spikes.sum())
        entries = self.entries[name]
        # Where all samples have ended, there is nothing to spike.
        per_step = np.maximum(self.samples * (entries // self.samples.sum()), 1)
        return Agreement(
            agreement=self.equal[name] / entries,
            overlap=2 * self.common[name] / both if both else 1.0,
            float_rate=tuple((float_spikes / per_step).tolist()),
            integer_rate=tuple((integer_spikes / per_step).tolist()),
            float_mean=float(float_spikes.sum()) / entries,
            integer_mean=float(integer_spikes.sum()) / entries,
        )

    def divergence(self) -> Divergence:
        """Samples by the step of their first difference."""
        return self.first_steps.result()


class StateTally:
    """Smallest and largest integer of every state, and how many values saturated."""

    def __init__(self, network: FixedNetwork) -> None:
        self.network = network
        self.low: dict[tuple[str, str], int] = {}
        self.high: dict[tuple[str, str], int] = {}
        self.counts: dict[str, dict[str, int]] = {p.name: {} for p in network.populations}

    def add(self, trace: Trace, own: Mask) -> None:
        """Take in a batch of the integer engine; only own steps (T, B) count."""
        whole = bool(own.all())
        for key, array in trace.recorded().items():
            if key[1] == "spikes":
                continue
            values = array if whole else array[own]
            low, high = int(values.min()), int(values.max())
            self.low[key] = min(self.low.get(key, low), low)
            self.high[key] = max(self.high.get(key, high), high)
        for name, counts in trace.saturations.items():
            for variable, number in counts.items():
                self.counts[name][variable] = self.counts[name].get(variable, 0) + number

    def ranges(self) -> tuple[Range, ...]:
        """What occurred, and what the register holds."""
        return tuple(
            Range(f"{name}.{variable}", self.low[name, variable], high, *limits)
            for (name, variable), high in self.high.items()
            for limits in [register_limits(self.network.population(name), variable)]
        )

    def saturations(self) -> Mapping[str, Mapping[str, int]]:
        """Values that did not fit, by population and variable."""
        return {name: dict(counts) for name, counts in self.counts.items()}


def register_limits(population: FixedPopulation, variable: str) -> tuple[int, int]:
    """Smallest and largest integer of a recorded variable.

    Gates lie in ``0 .. 2^output_fraction``, registers in their word, other values where the
    program keeps them.
    """
    if isinstance(population, FixedInput):
        return population.word.minimum, population.word.maximum
    held = population.formats.held.get(variable)
    gate = population.formats.gates.get(variable)
    if gate is not None:
        return 0, 1 << gate.output_fraction
    if held is not None and held.overflow is Operation.SATURATE:
        return held.numbers[0], held.numbers[1]
    whatever = dict.fromkeys(population.ports, 1 << EXACT_BITS)
    low, high = bounds(population, whatever, register_ranges(population)).results[variable]
    return low, high


def weight_ranges(network: FixedNetwork) -> tuple[Range, ...]:
    """Mantissas of every projection that has any, against their width."""
    return tuple(
        Range(
            tensor_of(projection).owner,
            int(projection.weights.values.min()),
            int(projection.weights.values.max()),
            Word(projection.bits).minimum,
            Word(projection.bits).maximum,
        )
        for projection in network.projections
        if projection.weights.values.size
    )


def weight_histograms(network: Network, fixed: FixedNetwork) -> tuple[Histogram, ...]:
    """Float weights of every projection, and the grid of those that it has in integers."""
    return tuple(
        binned(str(tensor_of(projection)), real.weights.values, step, *ends)
        for real, projection in zip(network.projections, fixed.projections, strict=True)
        for step in [float(np.ldexp(1.0, -projection.weight_fraction))]
        for ends in [(Word(projection.bits).minimum * step, Word(projection.bits).maximum * step)]
        if projection.weights.values.size
    )
