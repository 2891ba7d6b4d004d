"""A factor of its own for each neuron or channel, moved through numbers that scale together.

Weights of one projection share one scale, so one neuron with large weights takes the bits of all
others. A spiking neuron may be multiplied by any factor c as a whole
(:mod:`~ltc2hw.quantization.remedies.symmetry`): its weights, bias and threshold times c, whatever
scales the other way divided by c. A neuron that sends graded values sends c times as much then, and
the weights that read it are divided by c, so that scale moves from one layer to the next.

The network computes the same: to the last bit where factors are powers of two, and up to the
rounding of doubles otherwise.

Source: for graded neurons Nagel et al. 2019, arXiv 1906.04721, cross-layer equalisation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.network import FloatPopulation, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.scalars import require_range
from ltc2hw.numbers.words import FloatArray, IntArray, Width, Word, weight_word
from ltc2hw.quantization.mixing import worked_out
from ltc2hw.quantization.remedies.symmetry import Symmetry, holds, scaled, symmetry
from ltc2hw.quantization.scaling import weight_fraction

REACH = 8
"""Octaves up and down that are tried for a neuron's factor."""

ROUNDS = 4
"""Times that factors are chosen anew for the scale that they have led to."""


def equalise(
    network: Network, width: Width = 8, *, per_octave: int = 1, only: tuple[str, ...] = ()
) -> Network:
    """The same network with the factor of each neuron at which its weights are rounded least.

    ``width`` is that of the weights; ``per_octave`` is how many factors there are from one power of
    two to the next; ``only`` names populations, by default all that :func:`equalisable` tells of.
    Neurons of a population that a convolution leads to, or graded values to a convolution, have one
    factor a channel.

    Raises:
        InvalidValueError: for a population whose neurons have no such factor, or a number of
            factors that is none.

    >>> from ltc2hw.graph.network import Input
    >>> from ltc2hw.numbers.weights import Dense
    >>> link = Projection("in", "spikes", "cells", "current", Dense([[0.9, 0.7], [90.0, 70.0]]))
    >>> out = Projection("cells", "spikes", "out", "current", Dense([[1.0, 1.0]]))
    >>> cells, readout = Neurons("cells", 2, "lif"), Neurons("out", 1, "readout")
    >>> net = Network((Input("in", 2), cells, readout), (link, out), "out")
    >>> equalise(net, 4).projections[0].weights.to_array().tolist()
    [[115.2, 89.6], [90.0, 70.0]]
    """
    require_range("factors per octave", per_octave, 1, 64)
    network = worked_out(network)
    possible = equalisable(network)
    for name in only:
        if name not in possible:
            raise InvalidValueError(
                f"population {name} to equalise", "without a factor that changes nothing",
                f"one of {', '.join(possible) or 'none'}",
            )  # fmt: skip
    word = weight_word(width)
    for name in only or tuple(possible):
        found = possible[name]
        factors = _factors(network, name, found, word, per_octave)
        network = with_factors(network, name, found, factors)
    return network


def equalisable(network: Network) -> Mapping[str, Symmetry]:
    """Populations whose neurons may have a factor without changing what the network computes.

    Not those of a model without that symmetry, nor an output that would be multiplied.
    """
    found: dict[str, Symmetry] = {}
    for population in worked_out(network).populations:
        if not isinstance(population, Neurons):
            continue
        moved = symmetry(population.model)
        if moved is None or not holds(population, moved):
            continue
        read = moved.results[population.output_variable]
        if population.name != network.output or not read:
            found[population.name] = moved
    return found


def with_factors(network: Network, name: str, found: Symmetry, factors: FloatArray) -> Network:
    """The network with a population's numbers times their powers of each neuron's factor (N,)."""

    def population(held: FloatPopulation) -> FloatPopulation:
        if held.name != name or not isinstance(held, Neurons):
            return held
        return held.with_constants(scaled(held.constants, found.constants, factors))

    def projection(held: Projection) -> Projection:
        weights = held.weights
        if held.target == name and found.ports.get(held.port, 0):
            weights = multiplied(weights, rows=factors ** found.ports[held.port])
        if held.source == name and found.results.get(held.variable, 0):
            weights = multiplied(weights, columns=factors ** -found.results[held.variable])
        return replace(held, weights=weights)

    return replace(
        network,
        populations=tuple(map(population, network.populations)),
        projections=tuple(map(projection, network.projections)),
    )


def multiplied(
    weights: Weights, rows: FloatArray | None = None, columns: FloatArray | None = None
) -> Weights:
    """Weights with each target's times ``rows`` (N_target,), each source's times ``columns``.

    Of a convolution, neurons of one channel have the same factor.
    """
    values = weights.values
    if rows is not None:
        own = rows
        if isinstance(weights, Conv):
            own = rows.reshape(weights.targets[0], -1)[:, 0]
        values = values * own[weights.rows]
    if columns is not None:
        own = columns
        if isinstance(weights, Conv):
            own = columns.reshape(weights.sources[0], -1)[:, 0]
        values = values * own[sources_of(weights)]
    return weights.with_values(values)


def sources_of(weights: Weights) -> IntArray:
    """Source of every value, of a convolution the channel of its sources."""
    if not isinstance(weights, Conv):
        return weights.coordinates[1]
    outputs, inputs, *size = weights.kernel.shape
    first = np.arange(outputs) // (outputs // weights.groups) * inputs
    channels = first[:, None] + np.arange(inputs)
    return np.repeat(channels.ravel(), math.prod(size))


def _factors(
    network: Network, name: str, found: Symmetry, word: Word, per_octave: int
) -> FloatArray:
    """The factor of each neuron, (N,)."""
    groups = channels(network, name, found)
    landing = [
        Landing.of(projection, found.ports[projection.port], groups)
        for projection in network.projections
        if projection.target == name
        and found.ports.get(projection.port, 0)
        # What a population sends itself would be multiplied on both sides.
        and not (projection.source == name and found.results.get(projection.variable, 0))
    ]
    leaving = [
        Landing.of(projection, -found.results[projection.variable], groups, source=True)
        for projection in network.projections
        if projection.source == name and found.results.get(projection.variable, 0)
    ]
    if leaving:
        return _between(landing, leaving, groups)
    return _rounded_least(landing, groups, word, per_octave)


def channels(network: Network, name: str, found: Symmetry) -> IntArray:
    """Numbers of the neurons that share a factor, (N,): of a channel, or each its own."""
    population = network.population(name)
    convolved = any(
        isinstance(projection.weights, Conv)
        for projection in network.projections
        if (projection.target == name and found.ports.get(projection.port, 0))
        or (projection.source == name and found.results.get(projection.variable, 0))
    )
    places = np.arange(population.size)
    if not convolved:
        return places
    return places // (population.size // population.shape[0])


@dataclass(frozen=True)
class Landing:
    """Weights, the group of each value, and the power of its factor by which they scale."""

    values: FloatArray
    group: IntArray
    power: int

    @classmethod
    def of(
        cls, projection: Projection, power: int, groups: IntArray, *, source: bool = False
    ) -> Landing:
        """Weights by the groups of their targets, or of their sources."""
        weights = projection.weights
        place = sources_of(weights) if source else weights.rows
        return cls(weights.values, place if isinstance(weights, Conv) else groups[place], power)

    def power_of(self, count: int) -> FloatArray:
        """Sum of squares of each group, (G,)."""
        return np.bincount(self.group, self.values**2, count).astype(np.float64)

    def largest(self, count: int) -> FloatArray:
        """Largest magnitude of each group, (G,)."""
        found = np.zeros(count)
        np.maximum.at(found, self.group, np.abs(self.values))
        return found


def _between(landing: list[Landing], leaving: list[Landing], groups: IntArray) -> FloatArray:
    """Powers of two at which what lands at graded neurons and what reads them have like ranges."""
    count = int(groups.max()) + 1
    into = np.max([part.largest(count) for part in landing], axis=0) if landing else np.ones(count)
    out = np.max([part.largest(count) for part in leaving], axis=0)
    used = (into > 0) & (out > 0)
    if not used.any():
        return np.ones(groups.size)
    octaves = np.zeros(count)
    octaves[used] = 0.5 * np.log2(out[used] / into[used])
    moved = np.clip(np.rint(octaves - np.median(octaves[used])), -REACH, REACH)
    return np.asarray(np.exp2(np.where(used, moved, 0.0))[groups])


def _rounded_least(
    landing: list[Landing], groups: IntArray, word: Word, per_octave: int
) -> FloatArray:
    """Factors at which the weights that land are rounded least, relative to their neuron's.

    Several projections share a neuron's factor while each has its own scale, so that choosing one
    after the other may stop early; it starts from the factors as they are, and from rows of like
    size.
    """
    count = int(groups.max()) + 1
    octaves = np.arange(-REACH * per_octave, REACH * per_octave + 1) / per_octave
    # Where several are as good, the one nearest to 1 is taken.
    candidates = np.exp2(octaves[np.argsort(np.abs(octaves), kind="stable")])
    power = sum((part.power_of(count) for part in landing), np.zeros(count))
    best: FloatArray = np.ones(count)
    least = np.inf
    for factors in (np.ones(count), _alike(landing, count)):
        for _ in range(ROUNDS):
            fractions = [
                weight_fraction(part.values * factors[part.group] ** part.power, word)
                for part in landing
            ]
            errors = _all_errors(landing, fractions, word, factors[None])[0]
            error = float(np.divide(errors, power, out=np.zeros(count), where=power > 0).sum())
            if error < least:
                best, least = factors, error
            every = np.repeat(candidates[:, None], count, axis=1)
            tried = _all_errors(landing, fractions, word, every)
            factors = candidates[np.argmin(tried, axis=0)]
    return np.asarray(best[groups])


def _alike(landing: list[Landing], count: int) -> FloatArray:
    """Powers of two that give each group's largest weight the usual size in its projection, (G,).

    Of several projections that with the largest for its size counts.
    """
    above: FloatArray = np.zeros(count)
    for part in landing:
        largest = part.largest(count)
        if largest.any():
            relative = largest / np.median(largest[largest > 0])
            above = np.maximum(above, relative ** (1.0 / part.power))
    octaves = np.log2(above, out=np.zeros(count), where=above > 0)
    return np.asarray(np.exp2(-np.clip(np.rint(octaves), -REACH, REACH)))


def _all_errors(
    landing: list[Landing], fractions: list[int], word: Word, factors: FloatArray
) -> FloatArray:
    """Squared rounding error of what lands at each group, for factors (F, G)."""
    found = np.zeros(factors.shape)
    for part, fraction in zip(landing, fractions, strict=True):
        found += _errors(part, fraction, word, factors)
    return found


def _errors(part: Landing, fraction: int, word: Word, factors: FloatArray) -> FloatArray:
    """Squared rounding error of each group's weights, in their own unit, for factors (F, G)."""
    found = np.zeros(factors.shape)
    for row, tried in zip(found, factors, strict=True):
        stretch = tried[part.group] ** part.power
        mantissas, _ = word.encode(part.values * stretch, fraction)
        off = part.values - np.ldexp(mantissas.astype(np.float64), -fraction) / stretch
        np.add.at(row, part.group, off * off)
    return found
