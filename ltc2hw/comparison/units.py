"""Numbers of a float run in an integer network's formats, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ltc2hw.dynamics.bounds import register_ranges
from ltc2hw.dynamics.intervals import Interval
from ltc2hw.dynamics.model import SPIKES
from ltc2hw.dynamics.roles import signals, thresholds
from ltc2hw.graph.fixed import FixedNetwork, message_fraction, message_word, variable_fraction
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.trace import Array
from ltc2hw.numbers.words import FloatArray, IntArray

Recorded = Mapping[tuple[str, str], Array]
"""What a run recorded, (T, B, N) each, by population and variable."""

OTHER = 2.0
"""Ratio from which on thresholds and weights together mean another unit, no rounding."""

ALIKE = 1.25
"""Largest ratio of two neurons' thresholds, over that in float, in a population of one unit."""


@dataclass(frozen=True)
class Units:
    """Factors by which a population's numbers are larger in an integer network, where they are.

    Foreign integer networks have units of their own: a threshold of 1 in float may be 64 there.
    """

    network: FixedNetwork
    factors: dict[str, float]

    @classmethod
    def of(cls, network: Network, fixed: FixedNetwork) -> Units:
        """Find the populations whose thresholds and weights are larger or smaller throughout."""
        found = {}
        for population in fixed.populations:
            if isinstance(population, FixedNeurons):
                found[population.name] = unit_factor(network, fixed, population)
        return cls(fixed, found)

    def factor(self, name: str, variable: str) -> float:
        """The factor of a variable: gates and spikes have none."""
        population = self.network.population(name)
        if isinstance(population, FixedNeurons) and variable in signals(population.model):
            return self.factors[name]
        return 1.0

    def real(self, name: str, variable: str, values: Array) -> FloatArray:
        """Recorded integers in the float network's unit."""
        fraction = variable_fraction(self.network.population(name), variable)
        reals = np.ldexp(values.astype(np.float64), -fraction)
        return reals / self.factor(name, variable)

    def unit(self, name: str, variable: str) -> float:
        """One integer in the float network's unit."""
        return float(self.real(name, variable, np.ones(())))

    def messages(self, recorded: Recorded) -> dict[tuple[str, str], IntArray]:
        """What a float run sends, (T, B, N), rounded to nearest and fit into the messages' words.

        What the input sends is there even if nobody hears it.
        """
        entry = self.network.input
        sent = {(p.source, p.variable): None for p in self.network.projections}
        sent[entry.name, entry.variables[0]] = None
        return {key: self.message(*key, recorded[key]) for key in sent}

    def message(self, name: str, variable: str, values: Array) -> IntArray:
        """One variable as it is sent."""
        population = self.network.population(name)
        word, fraction = message_word(population, variable), message_fraction(population, variable)
        return word.encode(values * self.factor(name, variable), fraction)[0]

    def registers(self, recorded: Recorded) -> dict[str, dict[str, IntArray]]:
        """Registers before every step of a float run, (T, B, N): zeros, then those of the last.

        They are rounded to nearest and clipped at what the register can hold.
        """
        found: dict[str, dict[str, IntArray]] = {}
        for population in self.network.populations:
            if isinstance(population, FixedNeurons):
                name, ends = population.name, register_ranges(population)
                found[name] = {
                    register: self.register(
                        name, register, delayed(recorded[name, register]), ends[register]
                    )
                    for register in population.registers
                }
        return found

    def register(self, name: str, register: str, values: Array, ends: Interval) -> IntArray:
        """One register's numbers as integers."""
        fraction = variable_fraction(self.network.population(name), register)
        with np.errstate(over="ignore"):  # what becomes infinite is clipped
            scaled = np.ldexp(values * self.factor(name, register), fraction)
        integers: IntArray = np.clip(np.rint(scaled), ends[0], ends[1]).astype(np.int64)
        return integers


def delayed(values: Array) -> Array:
    """Values (T, B, N) one step later, zeros first.

    >>> delayed(np.array([1, 2, 3])).tolist()
    [0, 1, 2]
    """
    later: Array = np.concatenate([np.zeros_like(values[:1]), values[:-1]])
    return later


def unit_factor(network: Network, fixed: FixedNetwork, population: FixedNeurons) -> float:
    """How many times larger thresholds are in an integer network, if weights say so as well.

    1 where a ratio is below :data:`OTHER`, or neurons disagree: that is an error, not a unit.
    """
    source = network.population(population.name)
    assert isinstance(source, Neurons)
    asked, got = source.worked_out().constants, population.formats.constants
    ratios = [
        ratio_of(np.ldexp(population.constants[name].astype(np.float64), -got[name]), asked[name])
        for name in thresholds(population.model)
    ]
    found = np.concatenate([np.zeros(0), *ratios])
    if not found.size or found.min() <= 0 or found.max() > ALIKE * found.min():
        return 1.0
    factor = float(np.median(found))
    weights = [
        ratio_of(
            np.ldexp(b.weights.values.astype(np.float64), -b.weight_fraction), a.weights.values
        )
        for a, b in zip(network.projections, fixed.projections, strict=True)
        if a.target == population.name and a.variable == SPIKES
    ]
    heard = np.concatenate([np.zeros(0), *weights])
    agrees = heard.size > 0 and 1 / OTHER < float(np.median(heard)) / factor < OTHER
    return factor if agrees and not 1 / OTHER < factor < OTHER else 1.0


def ratio_of(got: FloatArray, asked: FloatArray) -> FloatArray:
    """Ratios of what is there to what was asked for, where both are something.

    >>> ratio_of(np.array([2.0, 0.0, 3.0]), np.array([1.0, 1.0, 0.0])).tolist()
    [2.0]
    """
    both = (asked != 0) & (got != 0)
    ratios: FloatArray = got[both] / asked[both]
    return ratios
