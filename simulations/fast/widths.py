"""Proofs that narrow integers are wide enough, worked out from a network's numbers alone.

Every bound here holds for any samples and any state that the network can reach. Where a bound
does not hold, the engine takes 64-bit integers, the type of the specification.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedProjection
from ltc2hw.graph.fixed_state import Range
from ltc2hw.graph.neurons import FixedNeurons, Message
from ltc2hw.numbers.integer_limits import magnitude as word_magnitude
from ltc2hw.numbers.words import Word
from ltc2hw.simulations.fast.proofs import (
    INT32,
    LARGEST_SHIFT,
    SINGLE,
    fits_narrow_step,
    fits_short_step,
    fits_single_step,
)
from ltc2hw.simulations.fast.simplify import Step
from ltc2hw.simulations.fast.tables import TARGET_BITS, WEIGHT_BITS

INT8 = (1 << 7) - 1

Population = FixedInput | FixedNeurons


@dataclass(frozen=True)
class Facts:
    """What is known of a network: its neurons' steps, and what its projections carry."""

    network: FixedNetwork
    populations: Mapping[str, Population]
    steps: Mapping[str, Step]
    sums: Sequence[int]
    """:func:`largest_sum` of every projection."""
    arrivals: Mapping[tuple[str, str], int]


def sent_word(population: Population, variable: str) -> Word:
    """Word of what a projection from this variable carries (one unsigned bit for spikes)."""
    if isinstance(population, FixedInput):
        return population.word
    message = message_of(population, variable)
    return Word(1, signed=False) if message is None else message.word


def message_of(population: Population, variable: str) -> Message | None:
    """Format of a graded message, or None where the variable is sent as it is."""
    if isinstance(population, FixedInput):
        return None
    return next((m for m in population.messages if m.variable == variable), None)


def largest_sum(population: Population, projection: FixedProjection) -> int:
    """Largest magnitude of ``mantissas @ message``, before the exponent's shift."""
    word = sent_word(population, projection.variable)
    limits = np.full(population.size, word_magnitude(word), dtype=np.int64)
    return int(projection.weights.row_magnitudes(limits).max())


def largest_arrivals(network: FixedNetwork, sums: Sequence[int]) -> dict[tuple[str, str], int]:
    """Largest magnitude that can arrive at each port, from :func:`largest_sum` of projections."""
    arrivals: dict[tuple[str, str], int] = {}
    for projection, total in zip(network.projections, sums, strict=True):
        port = (projection.target, projection.port)
        arrivals[port] = arrivals.get(port, 0) + (total << projection.exponent)
    return arrivals


def register_limits(facts: Facts) -> dict[tuple[str, str], Range]:
    """Smallest and largest value of every register and past message, by population and name."""
    limits: dict[tuple[str, str], Range] = {}
    for name, population in facts.populations.items():
        for variable in population.variables:
            word = sent_word(population, variable)
            limits[name, f"sent:{variable}"] = word.minimum, word.maximum
    for name, step in facts.steps.items():
        limits |= {(name, state): interval for state, interval in step.states.items()}
    return limits


def fits_narrow(facts: Facts) -> bool:
    """Whether registers and products in doubles give the same bits as 64-bit integers."""
    network = facts.network
    if any(projection.bits > WEIGHT_BITS for projection in network.projections):
        return False
    if any(population.size > 1 << TARGET_BITS for population in facts.populations.values()):
        return False
    if any(arriving > INT32 for arriving in facts.arrivals.values()):
        return False
    if any(_most(word) > INT32 for word in _words(facts)):
        return False
    return all(map(fits_narrow_step, facts.steps.values()))


def fits_short(facts: Facts) -> bool:
    """Whether 32-bit integers give the same bits, where :func:`fits_narrow` already holds."""
    if any(projection.exponent > LARGEST_SHIFT for projection in facts.network.projections):
        return False
    if any(message.shift > LARGEST_SHIFT for message in _messages(facts)):
        return False
    return all(map(fits_short_step, facts.steps.values()))


def fits_single(facts: Facts) -> bool:
    """Whether integers in floats of 32 bits give the same bits, where :func:`fits_short` holds.

    Sums and shifted products of up to 2^24 are exact. Larger sums occur only where a word clips
    them: they are rounded to no less than 2^24, and what is added after that does not lead back
    into the word.
    """
    inputs = (p for p in facts.populations.values() if isinstance(p, FixedInput))
    if any(word_magnitude(population.word) > SINGLE for population in inputs):
        return False
    return all(map(fits_single_step, facts.steps.values()))


def _messages(facts: Facts) -> Iterator[Message]:
    for step in facts.steps.values():
        yield from step.neurons.messages


def _words(facts: Facts) -> Iterator[Word]:
    yield from (p.word for p in facts.populations.values() if isinstance(p, FixedInput))
    yield from (message.word for message in _messages(facts))


def _most(word: Word) -> int:
    """Largest magnitude, where that of -2^31 is not beyond 32 bits."""
    return word_magnitude(word) - int(word.signed)
