"""Proofs that narrow integers are wide enough, worked out from a network's numbers alone.

Every bound here holds for any samples and any state that the network can reach. Where a bound
does not hold, the engine takes 64-bit integers, the type of the specification.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ltc2hw.fixed import (
    FixedInput,
    FixedLIF,
    FixedLTC,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    FixedReadout,
    message_word,
)
from ltc2hw.graph import Port
from ltc2hw.words import IntArray, Word

INT16 = (1 << 15) - 1
INT32 = (1 << 31) - 1


def largest_sum(network: FixedNetwork, projection: FixedProjection) -> int:
    """Largest magnitude of ``mantissas @ message``, before the exponent's shift."""
    source = network.population(projection.source)
    word = message_word(source, projection.variable)
    limits = np.full(source.size, magnitude(word), dtype=np.int64)
    return int(projection.weights.row_magnitudes(limits).max())


def fits_narrow(network: FixedNetwork, sums: Sequence[int]) -> bool:
    """Whether 32-bit registers and accumulators give the same bits as 64-bit ones.

    ``sums`` are the :func:`largest_sum` of the network's projections, in order. Products are
    always 64-bit; what has to fit 32 bits is everything that is stored.
    """
    arrivals: dict[tuple[str, Port], int] = {}
    for projection, largest in zip(network.projections, sums, strict=True):
        port = (projection.target, projection.port)
        arrivals[port] = arrivals.get(port, 0) + (largest << projection.exponent)
        if projection.bits > 16:
            return False
    if any(largest > INT32 for largest in arrivals.values()):
        return False
    return all(
        stored_magnitude(population, arrivals.get((population.name, "current"), 0)) <= INT32
        for population in network.populations
    )


def stored_magnitude(population: FixedPopulation, arriving: int) -> int:
    """Largest magnitude of anything that is stored for a population (2^31 counts as beyond)."""
    if isinstance(population, FixedInput):
        return magnitude(population.word)
    stored = [magnitude(population.state) - int(population.state.signed)]
    if isinstance(population, FixedLIF):
        stored += [
            largest_lif_current(population, arriving),
            largest(population.threshold) << population.alignment,
            largest(population.bias_mantissa) << population.bias_exponent,
        ]
        return max(stored)
    gates = [population.tau_mem]
    stored += [largest(population.bias_current)]
    stored += [magnitude(message.word) for message in population.messages]
    if isinstance(population, FixedLTC):
        gates.append(population.tau_adp)
        stored += [
            largest(population.threshold),
            largest(population.adaptation_strength.values),
            1 << population.adaptation_fraction,
        ]
    for gate in gates:
        stored += [
            largest(gate.bias),
            largest(gate.from_state.values),
            largest(gate.from_current.values),
            largest(gate.table),
        ]
    return max(stored)


def largest_lif_current(population: FixedLIF, arriving: int) -> int:
    """Largest magnitude that the once-wrapped current of a LIF neuron can reach.

    With ``h = 2^(bits-1)`` and at most A arriving, ``|i'| <= max(h, k |i| + A - 2h)`` where k < 1
    is the part that decay leaves: h, or the fixed point of the second term where A exceeds 2h.
    """
    half = 1 << (population.state.bits - 1)
    excess = (arriving << population.alignment) - 2 * half
    if excess <= 0:
        return half
    full = 1 << population.decay_fraction
    decay = int(population.current_decay.min())
    return max(half, -(-excess * full // decay))


def register_limits(
    population: FixedLTC | FixedLIF | FixedReadout, register: str, arriving: int
) -> tuple[int, int]:
    """Smallest and largest value that a register can ever hold."""
    if register == "spikes":
        return 0, 1
    if register == "adaptation":
        assert isinstance(population, FixedLTC)
        return 0, 1 << population.adaptation_fraction
    if isinstance(population, FixedLIF):
        bound = population.state.maximum
        if register == "current":
            bound = largest_lif_current(population, arriving)
        return -bound, bound
    return population.state.minimum, population.state.maximum


def magnitude(word: Word) -> int:
    """Largest magnitude of a word."""
    return max(word.maximum, -word.minimum)


def largest(values: IntArray) -> int:
    """Largest magnitude of an array, 0 if it is empty."""
    return max(int(values.max()), -int(values.min())) if values.size else 0
