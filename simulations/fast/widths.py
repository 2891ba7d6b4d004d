"""Proofs that narrow integers are wide enough, worked out from a network's numbers alone.

Every bound here holds for any samples and any state that the network can reach. Where a bound
does not hold, the engine takes 64-bit integers, the type of the specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ltc2hw.dynamics.bridge import FixedNeurons
from ltc2hw.dynamics.operations import COUNTED, TABULATED, Operation
from ltc2hw.fixed import FixedInput, FixedNetwork, FixedProjection, Message
from ltc2hw.fixed_state import Range
from ltc2hw.integer_limits import largest
from ltc2hw.integer_limits import magnitude as word_magnitude
from ltc2hw.nonlinearity import TABLE_SPAN_BITS
from ltc2hw.simulations.fast.intervals import magnitude, within
from ltc2hw.simulations.fast.simplify import Step
from ltc2hw.simulations.fast.tables import TARGET_BITS, WEIGHT_BITS
from ltc2hw.words import Word

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

SPLIT_BITS = 15
"""Products of 32 bits are added up from two pieces, which divide a value at this bit."""

Population = FixedInput | FixedNeurons
_SUMS = (Operation.ADD, Operation.SUBTRACT)
_SHIFTS = (Operation.SHIFT_LEFT, Operation.SHIFT_RIGHT, Operation.SHIFT_TOWARD_ZERO)


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


class Needed:
    """Values that a step's results and counts need, with what their widths depend on."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.values = step.values
        self.intervals = step.intervals
        self.words = [i for i, v in enumerate(self.values) if v.operation in COUNTED]
        self.order = sorted(self.behind((*step.results.values(), *self.words)))
        self.uses = [0] * len(self.values)
        for index in self.order:
            for argument in self.values[index].arguments:
                self.uses[argument] += 1
        for index in step.results.values():
            self.uses[index] += 1

    def behind(self, results: Iterable[int]) -> set[int]:
        """Values that some are made of, and these."""
        wanted = set(results)
        for index in range(len(self.values) - 1, -1, -1):
            if index in wanted:
                wanted.update(self.values[index].arguments)
        return wanted

    def fused(self, index: int) -> tuple[int, int, int] | None:
        """Both factors and bits of ``rsz(a b, bits)`` of which nothing else needs the product."""
        value = self.values[index]
        if value.operation is not Operation.SHIFT_TOWARD_ZERO:
            return None
        inner = self.values[value.arguments[0]]
        if inner.operation is not Operation.MULTIPLY or self.uses[value.arguments[0]] > 1:
            return None
        return *inner.arguments, int(value.numbers[0])  # type: ignore[return-value]

    def products(self) -> set[int]:
        """Products that exist only within :meth:`fused` ones."""
        return {self.values[i].arguments[0] for i in self.order if self.fused(i) is not None}

    def magnitude(self, index: int) -> int:
        """Largest magnitude of a value."""
        return magnitude(self.intervals[index])

    def numbers(self, index: int) -> list[int]:
        """Numbers of a value."""
        return [int(number) for number in self.values[index].numbers]


def fits_narrow_step(step: Step) -> bool:
    """Whether doubles hold everything, and words neither wrap nor leave their registers."""
    needed = Needed(step)
    if any(needed.magnitude(index) > EXACT for index in needed.order):
        return False
    return all(map(fits_tables, [needed] * len(needed.order), needed.order)) and all(
        saturates(needed, index) for index in needed.order
    )


def saturates(needed: Needed, index: int) -> bool:
    """Whether a value is no word that wraps in floats, which do not."""
    value = needed.values[index]
    if value.operation is Operation.WRAP:
        return False
    if value.operation is Operation.WRAP_ONCE:
        half = 1 << needed.numbers(index)[1] - 1
        return within(needed.intervals[value.arguments[0]], -half, half - 1)
    return True


def fits_tables(needed: Needed, index: int) -> bool:
    """Whether the rest of an interpolation has at most 31 bits."""
    value = needed.values[index]
    if value.operation not in TABULATED:
        return True
    fraction, index_bits = needed.numbers(index)
    shift = fraction + TABLE_SPAN_BITS - index_bits
    return shift <= 31 and largest(needed.step.neurons.tables[value.name]) <= INT32


def fits_short_step(step: Step) -> bool:
    """Whether all sums, and products before their shift or in pieces, fit 32 bits."""
    needed = Needed(step)
    inside = needed.products()
    for index in needed.order:
        if index not in inside and needed.magnitude(index) > INT32:
            return False
        numbers, operation = needed.numbers(index), needed.values[index].operation
        if operation in _SHIFTS and numbers[0] > LARGEST_SHIFT:
            return False
        if operation is Operation.WRAP_ONCE and numbers[0] > LARGEST_SHIFT:
            return False
        if operation is Operation.PLAN and numbers[0] + TABLE_SPAN_BITS > LARGEST_SHIFT:
            return False
        if operation in TABULATED and not fits_short_table(needed, index):
            return False
        fused = needed.fused(index)
        if fused is not None and short_product(needed, *fused) is None:
            return False
    return True


def fits_short_table(needed: Needed, index: int) -> bool:
    """Whether offsets, entries and interpolation fit 32 bits."""
    fraction, index_bits = needed.numbers(index)
    if fraction + TABLE_SPAN_BITS > LARGEST_SHIFT:
        return False
    table = needed.step.neurons.tables[needed.values[index].name]
    if needed.values[index].operation is Operation.LOOK_UP:
        return largest(table) <= INT32
    shift = fraction + TABLE_SPAN_BITS - index_bits
    return largest(table) <= INT16 and largest(np.diff(table)) << shift <= INT32


def short_product(needed: Needed, a: int, b: int, bits: int) -> tuple[int, int, bool] | None:
    """Factor and value of a product in 32 bits, and whether it fits before its shift.

    None where it does not fit even in pieces.
    """
    first, second = needed.magnitude(a), needed.magnitude(b)
    if first * second <= INT32:
        return a, b, True
    for factor, value, magnitudes in ((a, b, (first, second)), (b, a, (second, first))):
        if fits_product(*magnitudes, bits):
            return factor, value, False
    return None


def fits_product(factor: int, value: int, bits: int) -> bool:
    """Whether 32 bits hold every step of a product in pieces.

    ``factor`` and ``value`` are magnitudes; a piece of a negative value can be one further from
    zero than the piece of its magnitude.
    """
    split = min(bits, SPLIT_BITS)
    lower = (factor << split) + (1 << bits)
    higher = factor * ((value >> split) + 1)
    return bits <= LARGEST_SHIFT and lower <= INT32 and higher + (lower >> split) <= INT32


def fits_single_step(step: Step) -> bool:
    """Whether floats of 32 bits hold what neurons compute, up to what words clip."""
    needed = Needed(step)
    exempt = needed.products()
    for index in needed.order:
        if needed.values[index].operation is Operation.SATURATE:
            exempt |= clipped_sums(needed, index)
    for index in needed.order:
        value = needed.values[index]
        if index not in exempt and needed.magnitude(index) > SINGLE:
            return False
        if not saturates(needed, index):
            return False
        if needed.fused(index) is not None and needed.magnitude(index) >= SINGLE:
            return False
        if value.operation is Operation.WRAP_ONCE and 1 << needed.numbers(index)[0] > SINGLE:
            return False
    return True


def clipped_sums(needed: Needed, index: int) -> set[int]:
    """Sums, and what arrives, that may be rounded before a word clips them.

    Terms are added one after the other. From the first sum that may be too large for an exact one
    on, what is still added must not lead back into the word.
    """
    low, high = needed.numbers(index)
    room = SINGLE - magnitude((low, high))
    node, spine = needed.values[index].arguments[0], []
    while needed.values[node].operation in _SUMS and needed.uses[node] == 1:
        spine.append(node)
        node = needed.values[node].arguments[0]
    exempt: set[int] = set()
    later = 0
    for place in spine:  # the last sum first
        right = needed.values[place].arguments[1]
        if later >= room:
            return exempt
        exempt.add(place)
        if needed.values[right].operation is Operation.PORT and needed.magnitude(right) > SINGLE:
            before = needed.magnitude(needed.values[place].arguments[0])
            if later + before < room and needed.uses[right] == 1:
                exempt.add(right)
            return exempt
        later += needed.magnitude(right)
    if needed.values[node].operation is Operation.PORT and needed.uses[node] == 1 and later < room:
        exempt.add(node)
    return exempt
