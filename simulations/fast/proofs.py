"""Proofs that numbers of some kind hold everything that a neuron's step computes.

They are worked out from intervals, so that they hold for any samples and any state.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ltc2hw.dynamics.operations import COUNTED, TABULATED, Operation
from ltc2hw.numbers.integer_limits import largest
from ltc2hw.numbers.nonlinearity import TABLE_SPAN_BITS
from ltc2hw.simulations.fast.intervals import magnitude, within
from ltc2hw.simulations.fast.simplify import Step

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

_SUMS = (Operation.ADD, Operation.SUBTRACT)
_SHIFTS = (Operation.SHIFT_LEFT, Operation.SHIFT_RIGHT, Operation.SHIFT_TOWARD_ZERO)


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
    if value.operation is Operation.ENTRY:
        return largest(needed.step.neurons.tables[value.name]) <= INT32
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
    table = needed.step.neurons.tables[needed.values[index].name]
    if needed.values[index].operation is Operation.ENTRY:
        return largest(table) <= INT32
    fraction, index_bits = needed.numbers(index)
    if fraction + TABLE_SPAN_BITS > LARGEST_SHIFT:
        return False
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
