"""Some samples of a comparison, kept in real units for the pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltc2hw.comparison.report import Excerpt, Membrane
from ltc2hw.comparison.samples import Samples
from ltc2hw.dynamics.roles import charging, thresholds
from ltc2hw.graph.fixed import FixedNetwork, variable_fraction
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.sequences import Mask
from ltc2hw.graph.trace import ALL, Array, Trace
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.simulate import simulate

MOST_EXCERPTS = 8
"""Samples that are kept."""

PICTURED_NEURONS = 2
"""Membranes that are kept at least of each spiking population, for each sample."""

MEMBRANES = 90_000
"""Steps of neurons whose membranes are kept of all samples together, unless these are more."""


def real_outputs(network: FixedNetwork, trace: Trace) -> FloatArray:
    """Outputs (T, B, N_out) of an integer run in real units."""
    population = network.population(network.output)
    return in_real_units(trace.outputs, variable_fraction(population, population.output_variable))


def spiking_populations(network: Network | FixedNetwork) -> tuple[str, ...]:
    """Names of the populations of spiking neurons."""
    return tuple(p.name for p in network.populations if p.output_variable == "spikes")


@dataclass(frozen=True)
class Verdicts:
    """What float and integer runs made of every sample, (B,) each; answers are classes or None."""

    float_verdicts: FloatArray
    integer_verdicts: FloatArray
    float_answers: IntArray | None
    integer_answers: IntArray | None
    spikes_differ: Mask
    higher_is_better: bool

    @property
    def losses(self) -> FloatArray:
        """How much worse each sample became."""
        change = self.float_verdicts - self.integer_verdicts
        return change if self.higher_is_better else -change

    def most_telling(self, count: int) -> list[int]:
        """Samples that say most of what was lost, most telling first.

        First come those that became worse, worst first, then those that became better, whose answer
        changed otherwise, whose spikes alone differ, and the others; equals in their order. Some
        room is kept for samples that did not become worse, to compare with.

        >>> right, wrong = np.array([1.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.0, 1.0, 1.0])
        >>> differ = np.array([False, True, True, True])
        >>> Verdicts(right, wrong, None, None, differ, higher_is_better=True).most_telling(3)
        [1, 2, 3]
        """
        order, kinds = self.ranked()
        room = {0: max(1, count - count // 4 - count // 8), 1: max(1, count // 4)}
        kept = [
            sample
            for kind in range(5)
            for sample in order[kinds[order] == kind][: room.get(kind)].tolist()
        ]
        others = [sample for sample in order.tolist() if sample not in set(kept)]
        chosen = set([*kept, *others][:count])
        return [sample for sample in order.tolist() if sample in chosen]

    def ranked(self) -> tuple[IntArray, IntArray]:
        """Samples from the one that became worst on, and the kind of each, 0 to 4."""
        losses = self.losses
        changed = np.zeros(len(losses), dtype=bool)
        if self.float_answers is not None and self.integer_answers is not None:
            changed = self.float_answers != self.integer_answers
        kinds = np.select([losses > 0, losses < 0, changed, self.spikes_differ], [0, 1, 2, 3], 4)
        return np.lexsort((-np.abs(losses), kinds)), kinds


def room_for(network: Network, steps: int, batch: int) -> tuple[int, int]:
    """How many samples to keep, and membranes of how many neurons of each population.

    >>> from ltc2hw.graph.network import Input, Projection
    >>> from ltc2hw.numbers.weights import Dense
    >>> wire = Projection("x", "spikes", "out", "current", Dense([[1.0]]))
    >>> net = Network((Input("x", 1), Neurons("out", 1, "lif")), (wire,), "out")
    >>> room_for(net, 28, 100), room_for(net, 784, 100), room_for(net, 10**6, 100)
    ((8, 401), (8, 14), (1, 2))
    """
    populations = max(1, len(spiking_populations(network)))
    samples = min(MOST_EXCERPTS, batch, MEMBRANES // (PICTURED_NEURONS * populations * steps))
    samples = max(1, samples)
    return samples, max(PICTURED_NEURONS, MEMBRANES // (samples * populations * steps))


def make_excerpts(
    network: Network, fixed: FixedNetwork, samples: Samples, verdicts: Verdicts, most: int
) -> tuple[Excerpt, ...]:
    """Run the most telling samples in float and in integers, and keep what pictures show.

    At most so many run, together, each for its own steps.
    """
    steps, batch, _ = samples.x.shape
    count, neurons = room_for(network, steps, min(batch, most))
    chosen = verdicts.most_telling(count)
    lengths = None if samples.lengths is None else samples.lengths[chosen]
    ends = [steps] * count if lengths is None else lengths.tolist()
    x = samples.x[: max(ends), chosen]
    real = simulate(network, x, "float64", ALL, lengths=lengths)
    integer = simulate(fixed, x, "integer", ALL, lengths=lengths)
    return tuple(
        excerpt_of(
            Pair(network, fixed, real, integer, place, end), samples, sample, verdicts, neurons
        )
        for place, (sample, end) in enumerate(zip(chosen, ends, strict=True))
    )


@dataclass(frozen=True)
class Pair:
    """A sample of a float and an integer run: its place in them, and its steps."""

    network: Network
    fixed: FixedNetwork
    real: Trace
    integer: Trace
    place: int
    steps: int

    def spikes(self, trace: Trace) -> dict[str, Array]:
        """Spikes (T, N) of each spiking population, without what runs beside."""
        names = spiking_populations(self.network)
        return {name: trace.spikes[name][: self.steps, self.place].copy() for name in names}

    def outputs(self) -> tuple[FloatArray, FloatArray]:
        """Outputs (T, N_out) in float and in integers, in real units."""
        integer = real_outputs(self.fixed, self.integer)
        own = slice(0, self.steps), self.place
        return self.real.outputs[own].astype(np.float64), integer[own].copy()


def excerpt_of(
    pair: Pair, samples: Samples, sample: int, verdicts: Verdicts, neurons: int
) -> Excerpt:
    """What is kept of a sample."""
    float_spikes, integer_spikes = pair.spikes(pair.real), pair.spikes(pair.integer)
    float_outputs, integer_outputs = pair.outputs()
    return Excerpt(
        sample=sample,
        float_spikes=float_spikes,
        integer_spikes=integer_spikes,
        membranes=tuple(
            membrane(pair, name, variable, neuron)
            for name in float_spikes
            if (variable := charging(neurons_of(pair.fixed, name).model)) is not None
            for neuron in worth_seeing(float_spikes[name], integer_spikes[name])[:neurons]
        ),
        float_outputs=float_outputs,
        integer_outputs=integer_outputs,
        float_verdict=float(verdicts.float_verdicts[sample]),
        integer_verdict=float(verdicts.integer_verdicts[sample]),
        label=samples.class_of(sample),
        float_answer=answer_to(verdicts.float_answers, sample),
        integer_answer=answer_to(verdicts.integer_answers, sample),
    )


def answer_to(answers: IntArray | None, sample: int) -> int | None:
    """The answer to one sample, if there are answers."""
    return None if answers is None else int(answers[sample])


def worth_seeing(first: Array, second: Array) -> list[int]:
    """Neurons by how much their spikes (T, N) differ; of equals those first that spike most.

    >>> worth_seeing(np.array([[0, 1, 1], [0, 1, 0]]), np.array([[0, 1, 0], [0, 1, 0]]))
    [2, 1, 0]
    """
    differing = np.count_nonzero(first != second, axis=0)
    spikes = first.sum(axis=0, dtype=np.int64)
    return [int(neuron) for neuron in np.lexsort((-spikes, -differing))]


def neurons_of(fixed: FixedNetwork, name: str) -> FixedNeurons:
    """A population of spiking neurons."""
    chip = fixed.population(name)
    assert isinstance(chip, FixedNeurons)
    return chip


THRESHOLD = "threshold"
"""The variable that spikes are compared with, where a model has one of that name."""


def constant_threshold(population: Neurons | FixedNeurons, neuron: int) -> float:
    """What a neuron's constants add to its threshold, in real units."""
    total = 0.0
    for name in thresholds(population.model):
        shift = 0 if isinstance(population, Neurons) else population.formats.constants[name]
        total += float(np.ldexp(float(population.constants[name][neuron]), -shift))
    return total


def membrane(pair: Pair, name: str, variable: str, neuron: int) -> Membrane:
    """One neuron of a sample; ``variable`` is what charges."""
    chip = neurons_of(pair.fixed, name)
    population = pair.network.population(name)
    assert isinstance(population, Neurons)
    place = slice(0, pair.steps), pair.place, neuron
    real, integer = pair.real, pair.integer
    fraction = variable_fraction(chip, variable)
    if THRESHOLD in chip.recordable:
        shift = variable_fraction(chip, THRESHOLD)
        float_threshold: FloatArray = real.states[name][THRESHOLD][place].copy()
        integer_threshold = in_real_units(integer.states[name][THRESHOLD][place], shift)
    else:
        # One number, seen as one of every step.
        float_threshold = np.broadcast_to(constant_threshold(population, neuron), pair.steps)
        integer_threshold = np.broadcast_to(constant_threshold(chip, neuron), pair.steps)
    return Membrane(
        population=name,
        neuron=neuron,
        float_spikes=real.spikes[name][place].copy(),
        integer_spikes=integer.spikes[name][place].copy(),
        float_membrane=real.states[name][variable][place].copy(),
        integer_membrane=in_real_units(integer.states[name][variable][place], fraction),
        float_threshold=float_threshold,
        integer_threshold=integer_threshold,
        fraction=fraction,
    )


def in_real_units(integers: Array, fraction: int) -> FloatArray:
    """Integers over ``2^fraction``."""
    return np.ldexp(integers.astype(np.float64), -fraction)
