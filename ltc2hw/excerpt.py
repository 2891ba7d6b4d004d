"""One sample of a comparison, kept in real units for the pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ltc2hw.fixed import FixedInput, FixedLIF, FixedNetwork, variable_fraction
from ltc2hw.network import LIF, Network
from ltc2hw.report import Excerpt, Membrane
from ltc2hw.trace import Trace
from ltc2hw.words import FloatArray

PICTURED_NEURONS = 3
"""Membranes kept of each spiking population: those of the neurons that spike most."""


def real_outputs(network: FixedNetwork, trace: Trace) -> FloatArray:
    """Outputs (T, B, N_out) of an integer run in real units."""
    population = network.population(network.output)
    fraction = variable_fraction(population, population.output_variable)
    return np.ldexp(trace.outputs.astype(np.float64), -fraction)


def spiking_populations(network: Network | FixedNetwork) -> tuple[str, ...]:
    """Names of the populations of spiking neurons."""
    return tuple(p.name for p in network.populations if p.output_variable == "spikes")


def make_excerpt(
    network: Network, fixed: FixedNetwork, real: Trace, integer: Trace, sample: int = 0
) -> Excerpt:
    """Keep one sample of two runs in which everything was recorded."""
    names = spiking_populations(network)
    return Excerpt(
        sample=sample,
        float_spikes={name: real.spikes[name][:, sample] for name in names},
        integer_spikes={name: integer.spikes[name][:, sample] for name in names},
        membranes=tuple(
            membrane(network, fixed, real, integer, sample, name, neuron)
            for name in names
            for neuron in busiest(real.spikes[name][:, sample])
        ),
        float_outputs=real.outputs[:, sample],
        integer_outputs=real_outputs(fixed, integer)[:, sample],
    )


def busiest(spikes: FloatArray) -> Sequence[int]:
    """The neurons with most spikes (T, N), first ones first."""
    order = np.argsort(-spikes.sum(axis=0), kind="stable")
    return [int(neuron) for neuron in order[:PICTURED_NEURONS]]


def membrane(
    network: Network,
    fixed: FixedNetwork,
    real: Trace,
    integer: Trace,
    sample: int,
    name: str,
    neuron: int,
) -> Membrane:
    """One neuron's membranes and thresholds, (T,) each."""
    chip = fixed.population(name)
    population = network.population(name)
    place = (slice(None), sample, neuron)
    fraction = variable_fraction(chip, "membrane")
    if isinstance(population, LIF) and isinstance(chip, FixedLIF):
        steps = real.outputs.shape[0]
        chip_level = np.ldexp(float(chip.threshold[neuron]), chip.alignment - fraction)
        float_threshold: FloatArray = np.full(steps, population.threshold[neuron])
        integer_threshold: FloatArray = np.full(steps, chip_level)
    else:
        assert not isinstance(chip, FixedInput)
        float_threshold = real.states[name]["threshold"][place]
        integer_threshold = np.ldexp(
            integer.states[name]["threshold"][place].astype(np.float64), -fraction
        )
    return Membrane(
        population=name,
        neuron=neuron,
        float_membrane=real.states[name]["membrane"][place],
        integer_membrane=np.ldexp(
            integer.states[name]["membrane"][place].astype(np.float64), -fraction
        ),
        float_threshold=float_threshold,
        integer_threshold=integer_threshold,
    )
