"""One sample of a comparison, kept in real units for the pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ltc2hw.comparison.report import Excerpt, Membrane
from ltc2hw.comparison.samples import Samples
from ltc2hw.dynamics.roles import charging, thresholds
from ltc2hw.graph.fixed import FixedNetwork, variable_fraction
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.trace import ALL, Trace
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulate import simulate

PICTURED_NEURONS = 2
"""Membranes kept of each spiking population."""


def real_outputs(network: FixedNetwork, trace: Trace) -> FloatArray:
    """Outputs (T, B, N_out) of an integer run in real units."""
    population = network.population(network.output)
    fraction = variable_fraction(population, population.output_variable)
    return np.ldexp(trace.outputs.astype(np.float64), -fraction)


def spiking_populations(network: Network | FixedNetwork) -> tuple[str, ...]:
    """Names of the populations of spiking neurons."""
    return tuple(p.name for p in network.populations if p.output_variable == "spikes")


def make_excerpt(network: Network, fixed: FixedNetwork, samples: Samples, sample: int) -> Excerpt:
    """Run one sample in float and in integers for its own steps; keep what pictures show."""
    end = None if samples.lengths is None else samples.lengths[sample]
    part = samples.x[:end, sample : sample + 1]
    real = simulate(network, part, "float64", ALL)
    integer = simulate(fixed, part, "integer", ALL)
    names = spiking_populations(network)
    return Excerpt(
        sample=sample,
        float_spikes={name: real.spikes[name][:, 0] for name in names},
        integer_spikes={name: integer.spikes[name][:, 0] for name in names},
        membranes=tuple(
            membrane(network, fixed, real, integer, name, variable, neuron)
            for name in names
            if (variable := charging(neurons_of(fixed, name).model)) is not None
            for neuron in worth_seeing(real.spikes[name][:, 0], integer.spikes[name][:, 0])
        ),
        float_outputs=real.outputs[:, 0],
        integer_outputs=real_outputs(fixed, integer)[:, 0],
    )


def worth_seeing(first: FloatArray, second: FloatArray) -> Sequence[int]:
    """The neurons whose spikes (T, N) differ most; of equals those that spike most."""
    differing = np.count_nonzero(first != second, axis=0)
    spikes = first.sum(axis=0, dtype=np.int64)
    order = np.lexsort((-spikes, -differing))
    return [int(neuron) for neuron in order[:PICTURED_NEURONS]]


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


def membrane(
    network: Network,
    fixed: FixedNetwork,
    real: Trace,
    integer: Trace,
    name: str,
    variable: str,
    neuron: int,
) -> Membrane:
    """One neuron of two runs of a single sample; ``variable`` is what charges."""
    chip = neurons_of(fixed, name)
    population = network.population(name)
    place = (slice(None), 0, neuron)
    fraction = variable_fraction(chip, variable)
    assert isinstance(population, Neurons)
    if THRESHOLD in chip.recordable:
        shift = variable_fraction(chip, THRESHOLD)
        float_threshold: FloatArray = real.states[name][THRESHOLD][place]
        integer_threshold: FloatArray = np.ldexp(
            integer.states[name][THRESHOLD][place].astype(np.float64), -shift
        )
    else:
        steps = real.outputs.shape[0]
        float_threshold = np.full(steps, constant_threshold(population, neuron))
        integer_threshold = np.full(steps, constant_threshold(chip, neuron))
    return Membrane(
        population=name,
        neuron=neuron,
        float_spikes=real.spikes[name][place],
        integer_spikes=integer.spikes[name][place],
        float_membrane=real.states[name][variable][place],
        integer_membrane=np.ldexp(
            integer.states[name][variable][place].astype(np.float64), -fraction
        ),
        float_threshold=float_threshold,
        integer_threshold=integer_threshold,
    )
