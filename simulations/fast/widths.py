"""Proofs that narrow integers are wide enough, worked out from a network's numbers alone.

Every bound here holds for any samples and any state that the network can reach. Where a bound
does not hold, the engine takes 64-bit integers, the type of the specification.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ltc2hw.converters.populations import FixedGate, FixedLIF, FixedLTC, FixedReadout
from ltc2hw.graph.fixed import (
    FixedInput,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    message_word,
)
from ltc2hw.graph.fixed_state import Range
from ltc2hw.graph.fixed_state import register_range as word_range
from ltc2hw.graph.neurons import Message
from ltc2hw.graph.structure import PORTS, Port
from ltc2hw.numbers.integer_limits import largest, magnitude
from ltc2hw.numbers.nonlinearity import TABLE_SPAN_BITS, table_index_bits
from ltc2hw.numbers.words import Overflow
from ltc2hw.simulations.fast.arithmetic import SPLIT_BITS
from ltc2hw.simulations.fast.tables import TARGET_BITS, WEIGHT_BITS

INT8 = (1 << 7) - 1
INT16 = (1 << 15) - 1
INT32 = (1 << 31) - 1
LARGEST_SHIFT = 30
"""Largest shift of short numbers, for which ``2^shift`` is one, too."""
SINGLE = 1 << 24
"""Floats of 32 bits hold every integer up to this."""

EXACT = 1 << 51
"""Products of two numbers up to this, and the sum of two and of four 32-bit numbers, are exact in
doubles, which hold every integer up to 2^53."""


def largest_sum(network: FixedNetwork, projection: FixedProjection) -> int:
    """Largest magnitude of ``mantissas @ message``, before the exponent's shift."""
    source = network.population(projection.source)
    word = message_word(source, projection.variable)
    limits = np.full(source.size, magnitude(word), dtype=np.int64)
    return int(projection.weights.row_magnitudes(limits).max())


def fits_narrow(network: FixedNetwork, sums: Sequence[int]) -> bool:
    """Whether registers and products in doubles give the same bits as 64-bit integers.

    ``sums`` are the :func:`largest_sum` of the network's projections, in order.
    """
    arrivals = largest_arrivals(network, sums)
    if any(projection.bits > WEIGHT_BITS for projection in network.projections):
        return False
    if any(population.size > 1 << TARGET_BITS for population in network.populations):
        return False
    if any(arriving > INT32 for arriving in arrivals.values()):
        return False
    for population in network.populations:
        arriving = arrivals.get((population.name, "current"), 0)
        if stored_magnitude(population, arriving) > INT32:
            return False
        if isinstance(population, FixedLIF) and not stays_in_register(population, arriving):
            return False
        if largest_product(population, arriving) > EXACT or not shifts_narrow(population):
            return False
    return True


def fits_short(network: FixedNetwork, sums: Sequence[int]) -> bool:
    """Whether 32-bit integers give the same bits, where :func:`fits_narrow` already holds."""
    arrivals = largest_arrivals(network, sums)
    if any(projection.exponent > LARGEST_SHIFT for projection in network.projections):
        return False
    if any(message.shift > LARGEST_SHIFT for message in messages_of(network)):
        return False
    return all(
        fits_short_population(population, {p: arrivals.get((population.name, p), 0) for p in PORTS})
        for population in network.populations
    )


def messages_of(network: FixedNetwork) -> Iterator[Message]:
    """Formats of all graded messages."""
    for population in network.populations:
        if isinstance(population, (FixedLTC, FixedReadout)):
            yield from population.messages


def fits_single(network: FixedNetwork, sums: Sequence[int]) -> bool:
    """Whether integers in floats of 32 bits give the same bits, where :func:`fits_short` holds.

    Sums and shifted products of up to 2^24 are exact. Larger sums occur only where a word clips
    them: they are rounded to no less than 2^24, and what is added after that does not lead back
    into the word.
    """
    arrivals = largest_arrivals(network, sums)
    return all(
        fits_single_population(population, arrivals.get((population.name, "current"), 0))
        for population in network.populations
    )


def fits_single_population(population: FixedPopulation, arriving: int) -> bool:
    """Whether floats of 32 bits hold what a population computes, up to what words clip."""
    if isinstance(population, FixedInput):
        return magnitude(population.word) <= SINGLE
    if isinstance(population, FixedLIF):
        bits, one = population.decay_fraction, 1 << population.decay_fraction
        current, membrane = largest_lif_current(population, arriving), population.state.maximum
        decayed = (one - int(population.current_decay.min())) * current >> bits
        kept = (one - int(population.membrane_decay.min())) * membrane >> bits
        constants = (
            largest(population.bias_mantissa) << population.bias_exponent,
            largest(population.threshold) << population.alignment,
            one,
        )
        return (
            decayed + (arriving << population.alignment) <= SINGLE
            and kept + current <= SINGLE
            and 1 << population.state.bits <= SINGLE
            and max(constants) <= SINGLE
        )
    room = SINGLE - magnitude(population.state)
    membrane = largest_membrane(population, arriving)
    gates = [(population.tau_mem, membrane)]
    if isinstance(population, FixedLTC):
        eta, strength = 1 << population.adaptation_fraction, population.adaptation_strength
        gates.append((population.tau_adp, eta))
        factor = largest(strength.values)
        theta = largest(population.threshold) + (factor * eta >> strength.shift)
        if max(2 * eta, factor) > SINGLE or theta >= SINGLE:
            return False
    return (
        2 * membrane < SINGLE
        and largest(population.bias_current) < room
        and all(fits_single_gate(*gate, membrane, room) for gate in gates)
    )


def fits_single_gate(gate: FixedGate, steered: int, current: int, room: int) -> bool:
    """Whether all but what arrives at a gate's argument fits into ``room``."""
    total = largest(gate.bias)
    for factor, value in ((gate.from_state, steered), (gate.from_current, current)):
        if largest(factor.values) > SINGLE:
            return False
        total += largest(factor.values) * value >> factor.shift
    finest = max(gate.fraction + TABLE_SPAN_BITS, gate.output_fraction)
    return total < room and 1 << finest <= SINGLE


def fits_short_population(population: FixedPopulation, arriving: Mapping[Port, int]) -> bool:
    """Whether all sums and products of a population fit 32 bits."""
    if isinstance(population, FixedInput):
        return True
    if isinstance(population, FixedLIF):
        current = largest_lif_current(population, arriving["current"])
        bias = largest(population.bias_mantissa) << population.bias_exponent
        one, bits = 1 << population.decay_fraction, population.decay_fraction
        widest = max(current, population.state.maximum)
        return (
            widest + (arriving["current"] << population.alignment) <= INT32
            and 2 * widest + bias <= INT32
            and fits_product(one, widest, bits)
            and population.alignment <= LARGEST_SHIFT
        )
    membrane = largest_membrane(population, arriving["current"])
    gates = [(population.tau_mem, membrane, arriving["tau_mem"])]
    if isinstance(population, FixedLTC):
        eta, strength = 1 << population.adaptation_fraction, population.adaptation_strength
        gates.append((population.tau_adp, eta, arriving["tau_adp"]))
        factor = largest(strength.values)
        if (
            max(eta << population.tau_adp.output_fraction, factor * eta) > INT32
            or largest(population.threshold) + (factor * eta >> strength.shift) > INT32
            or max(strength.shift, population.tau_adp.output_fraction) > LARGEST_SHIFT
        ):
            return False
    return (
        arriving["current"] + largest(population.bias_current) <= INT32
        and fits_product(
            1 << population.tau_mem.output_fraction,
            2 * membrane,
            population.tau_mem.output_fraction,
        )
        and all(fits_short_gate(*gate, membrane) for gate in gates)
    )


def fits_short_gate(gate: FixedGate, steered: int, arriving: int, current: int) -> bool:
    """Whether a gate's argument, offset and interpolation fit 32 bits."""
    total = arriving + largest(gate.bias)
    for factor, value in ((gate.from_state, steered), (gate.from_current, current)):
        if not fits_product(largest(factor.values), value, factor.shift):
            return False
        total += largest(factor.values) * value >> factor.shift
    if total > INT32 or gate.fraction + TABLE_SPAN_BITS > LARGEST_SHIFT:
        return False
    if gate.function != "interpolated":
        return True
    shift = gate.fraction + TABLE_SPAN_BITS - table_index_bits(gate.table.size, gate.function)
    rise = largest(np.diff(gate.table))
    return largest(gate.table) <= INT16 and rise << shift <= INT32


def fits_product(factor: int, value: int, bits: int) -> bool:
    """Whether short numbers hold every step of :func:`~.arithmetic.product`.

    ``factor`` and ``value`` are magnitudes; a piece of a negative value can be one further from
    zero than the piece of its magnitude.
    """
    split = min(bits, SPLIT_BITS)
    lower = (factor << split) + (1 << bits)
    higher = factor * ((value >> split) + 1)
    return bits <= LARGEST_SHIFT and lower <= INT32 and higher + (lower >> split) <= INT32


def largest_membrane(population: FixedLTC | FixedReadout, arriving: int) -> int:
    """Largest magnitude of a current, and of a membrane, which lies between zero and currents."""
    return min(magnitude(population.state), arriving + largest(population.bias_current))


def largest_product(population: FixedPopulation, arriving: int) -> int:
    """Largest magnitude of any product of a population, before it is shifted."""
    if isinstance(population, FixedInput):
        return 0
    if isinstance(population, FixedLIF):
        current = max(largest_lif_current(population, arriving), population.state.maximum)
        return current << population.decay_fraction
    state = magnitude(population.state)
    gates = [(population.tau_mem, state)]
    products = [2 * state << population.tau_mem.output_fraction]
    if isinstance(population, FixedLTC):
        eta = 1 << population.adaptation_fraction
        gates.append((population.tau_adp, eta))
        products += [
            eta << population.tau_adp.output_fraction,
            largest(population.adaptation_strength.values) * eta,
        ]
    for gate, steered in gates:
        products.append(largest(gate.from_state.values) * steered)
        products.append(largest(gate.from_current.values) * state)
    return max(products)


def shifts_narrow(population: FixedPopulation) -> bool:
    """Whether words saturate (doubles do not wrap), and arguments and offsets in tables are exact.

    Interpolation needs at most 31 bits of rest.
    """
    if isinstance(population, (FixedInput, FixedLIF)):
        return True
    gates = [population.tau_mem]
    if isinstance(population, FixedLTC):
        gates.append(population.tau_adp)
    tables = [gate for gate in gates if gate.function != "plan"]
    shifts = [
        gate.fraction + TABLE_SPAN_BITS - table_index_bits(gate.table.size, gate.function)
        for gate in tables
    ]
    if any(1 << (gate.fraction + TABLE_SPAN_BITS) > EXACT for gate in tables):
        return False
    return population.state.overflow is Overflow.SATURATE and max(shifts, default=0) <= 31


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
    is the part that decay leaves: h, or the fixed point of the second term where A exceeds 2h. Its
    register, which wraps, has an end, too.
    """
    half = 1 << (population.state.bits - 1)
    excess = (arriving << population.alignment) - 2 * half
    if excess <= 0:
        return half
    full = 1 << population.decay_fraction
    decay = int(population.current_decay.min())
    _, end = word_range(population, "current")
    return min(max(half, -(-excess * full // decay)), end)


def stays_in_register(population: FixedLIF, arriving: int) -> bool:
    """Whether no sum of a LIF neuron's current leaves the register, so that only one wrap is left.

    ``k |i|`` is rounded up here.
    """
    full = 1 << population.decay_fraction
    kept = (full - int(population.current_decay.min())) * largest_lif_current(population, arriving)
    total = -(-kept // full) + (arriving << population.alignment)
    return total < 1 << (population.current_bits - 1)


def register_limits(network: FixedNetwork, sums: Sequence[int]) -> dict[tuple[str, str], Range]:
    """Smallest and largest value of every register and past message, by population and name."""
    arrivals = largest_arrivals(network, sums)
    limits: dict[tuple[str, str], Range] = {}
    for population in network.populations:
        name = population.name
        for variable in population.variables:
            word = message_word(population, variable)
            limits[name, f"sent:{variable}"] = word.minimum, word.maximum
        for register in population.registers:
            arriving = arrivals.get((name, "current"), 0)
            limits[name, register] = register_range(population, register, arriving)
    return limits


def register_range(population: FixedPopulation, register: str, arriving: int) -> Range:
    """Smallest and largest value that a register can ever hold."""
    low, high = word_range(population, register)
    if isinstance(population, FixedLIF) and register == "current":
        high = largest_lif_current(population, arriving)
        return -high, high
    if isinstance(population, (FixedLTC, FixedReadout)) and register == "membrane":
        bound = largest_membrane(population, arriving)
        return max(low, -bound), min(high, bound)
    return low, high


def largest_arrivals(network: FixedNetwork, sums: Sequence[int]) -> dict[tuple[str, Port], int]:
    """Largest magnitude that can arrive at each port, from :func:`largest_sum` of projections."""
    arrivals: dict[tuple[str, Port], int] = {}
    for projection, total in zip(network.projections, sums, strict=True):
        port = (projection.target, projection.port)
        arrivals[port] = arrivals.get(port, 0) + (total << projection.exponent)
    return arrivals
