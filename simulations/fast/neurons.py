"""From a neuron's step to the loops that compute it, and the numbers that they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ltc2hw.compilation.llvm import PROCESSOR
from ltc2hw.dynamics.model import SPIKES
from ltc2hw.dynamics.operations import COUNTED, TABULATED, Operation
from ltc2hw.dynamics.program import Value
from ltc2hw.numbers.nonlinearity import PLAN_SEGMENTS, TABLE_SPAN_BITS
from ltc2hw.simulations.fast.intervals import within
from ltc2hw.simulations.fast.layout import ALIVE, Layout
from ltc2hw.simulations.fast.loops import Do, Line, Loop
from ltc2hw.simulations.fast.proofs import INT32, Needed, short_product
from ltc2hw.simulations.fast.vectorized import BLOCK_BITS

PLAIN: Mapping[Operation, Do] = {
    Operation.ADD: Do.ADD,
    Operation.SUBTRACT: Do.SUBTRACT,
    Operation.MULTIPLY: Do.MULTIPLY,
    Operation.MINIMUM: Do.MINIMUM,
    Operation.MAXIMUM: Do.MAXIMUM,
    Operation.GREATER: Do.GREATER,
    Operation.SELECT: Do.SELECT,
}
"""Operations without numbers."""


@dataclass(frozen=True)
class Compiled:
    """A loop and the numbers that it is given."""

    loop: Loop
    numbers: tuple[float, ...]
    bits: tuple[int, ...]


def build(
    layout: Layout, stored: Sequence[str], known: Sequence[str] = (), *, early: bool = False
) -> Compiled:
    """The loop that stores some results; those that are known already are read from the state.

    It counts what does not fit any word, or with ``early`` those words that the results need.
    """
    builder = _Builder(layout, known)
    for name in stored:
        builder.store(name)
    if not early:
        for index in builder.needed.words:
            if index not in builder.counted:
                builder.place(index)
    for name in known:
        builder.carry(name)
    lines = (*builder.lines, *builder.stores)
    loop = Loop(lines, len(layout.counters), builder.alive_line)
    return Compiled(loop, tuple(builder.numbers), tuple(builder.bits))


class _Builder:
    """Writes lines for the values that are asked for."""

    def __init__(self, layout: Layout, known: Sequence[str]) -> None:
        self.layout = layout
        self.step = layout.step
        self.types = layout.types
        self.width = 8 * np.dtype(layout.types.integer).itemsize
        self.needed = Needed(layout.step)
        self.lines: list[Line] = []
        self.numbers: list[float] = []
        self.bits: list[int] = []
        self.places: dict[int, int] = {}
        self.shared: dict[Line, int] = {}
        self.runs: dict[tuple[int, ...], int] = {}
        self.stores: list[Line] = []
        self.alive_line = (
            self.line(Do.CONSTANT, slots=(layout.constant(ALIVE, 0),)) if layout.alive else None
        )
        self.counted = self.needed.behind(self.step.results[name] for name in known)
        for name in known:
            row = layout.row_of_sent(name)
            self.places[self.step.results[name]] = self.line(Do.STATE, slots=(row,))

    def line(self, do: Do, *arguments: int, slots: tuple[int, ...] = ()) -> int:
        """Place of a line, written unless it is there."""
        line = Line(do, arguments, slots)
        if line not in self.shared:
            self.shared[line] = len(self.lines)
            self.lines.append(line)
        return self.shared[line]

    def number(self, value: float) -> int:
        """Place among the numbers."""
        if value not in self.numbers:
            self.numbers.append(value)
        return self.numbers.index(value)

    def integers(self, *values: int) -> int:
        """First place of a run of integers."""
        if values not in self.runs:
            self.runs[values] = len(self.bits)
            self.bits += values
        return self.runs[values]

    def store(self, name: str) -> None:
        """Store a result; states are overwritten, so that everything is read before."""
        self.stored(name, self.place(self.step.results[name]))

    def carry(self, name: str) -> None:
        """Let a known result that is a state become its next value."""
        fresh = self.layout.fresh.get(name)
        if fresh is not None:
            value = self.line(Do.STATE, slots=(fresh,))
            self.stored(name, value, self.layout.rows[name])

    def stored(self, name: str, place: int, row: int | None = None) -> None:
        """Note what is stored at the end."""
        alive = self.alive_line
        zeroed = alive is not None and name in self.kept
        arguments = (place, alive) if zeroed and alive is not None else (place,)
        if name == SPIKES:
            self.stores.append(Line(Do.SPIKE_ALIVE if zeroed else Do.SPIKE, arguments))
            return
        if row is None:
            row = self.layout.row_of_sent(name)
        self.stores.append(Line(Do.STORE_ALIVE if zeroed else Do.STORE, arguments, (row,)))

    @property
    def kept(self) -> set[str]:
        """Results that have to be 0 in padding: those that are sent or read by the next step."""
        neurons = self.step.neurons
        return {*neurons.model.states, *neurons.variables, SPIKES}

    def place(self, index: int) -> int:
        """Line of a value; the values that it needs are written before it."""
        wanted = {index}
        for earlier in range(index, -1, -1):
            if earlier in wanted and earlier not in self.places:
                fused = self.needed.fused(earlier)
                wanted.update(self.step.values[earlier].arguments if fused is None else fused[:2])
        for earlier in sorted(wanted):
            if earlier not in self.places:
                self.places[earlier] = self.write(earlier)
        return self.places[index]

    def write(self, index: int) -> int:
        """Write the line of a value whose arguments have theirs."""
        value = self.step.values[index]
        operation, name = value.operation, value.name
        numbers = self.needed.numbers(index)
        fused = self.needed.fused(index)
        if fused is not None:
            return self.product(*fused)
        arguments = [self.places[argument] for argument in value.arguments]
        if operation in PLAIN:
            return self.line(PLAIN[operation], *arguments)
        if operation is Operation.NUMBER:
            return self.line(Do.NUMBER, slots=(self.number(numbers[0]),))
        if operation is Operation.PARAMETER:
            return self.line(Do.CONSTANT, slots=(self.layout.constant(name, 0),))
        if operation is Operation.PORT:
            return self.line(Do.PORT, slots=(self.layout.ports[name],))
        if operation is Operation.STATE:
            if name == SPIKES:
                return self.line(Do.SPIKED)
            return self.line(Do.STATE, slots=(self.layout.rows[name],))
        if operation in COUNTED:
            counter = () if index in self.counted else (self.layout.counters[name],)
            return WRITE_WORD[operation](self, value, counter, *arguments)
        return WRITE[operation](self, value, numbers, *arguments)

    def product(self, a: int, b: int, bits: int) -> int:
        """``rsz(a b, bits)``."""
        if not self.types.floats:
            return self.integer_product(a, b, bits)
        for factor, other in ((a, b), (b, a)):
            value = self.step.values[factor]
            if value.operation is Operation.PARAMETER:
                row = self.layout.constant(value.name, bits)
                scaled = self.line(Do.CONSTANT, slots=(row,))
                return self.line(Do.SCALED_PRODUCT, scaled, self.places[other])
        unit = self.line(Do.NUMBER, slots=(self.number(2.0**-bits),))
        scaled = self.line(Do.MULTIPLY, self.places[a], unit)
        return self.line(Do.SCALED_PRODUCT, scaled, self.places[b])

    def integer_product(self, a: int, b: int, bits: int) -> int:
        """The same of integers, in pieces where 32 bits are too few for the product."""
        place = self.integers(bits)
        if self.types.number is np.int32:
            found = short_product(self.needed, a, b, bits)
            assert found is not None
            factor, value, small = found
            if not small:
                arguments = self.places[factor], self.places[value]
                return self.line(Do.PRODUCT, *arguments, slots=(place,))
        whole = self.line(Do.MULTIPLY, self.places[a], self.places[b])
        return self.line(Do.SHIFT_TOWARD_ZERO, whole, slots=(place,))

    def power(self, bits: int) -> int:
        """Place of a shift: floats are multiplied by its power of two."""
        return self.number(2.0**bits) if self.types.floats else self.integers(abs(bits))

    def end(self, value: int) -> int:
        """Place of the end of a word; 32 bits hold all that can reach it."""
        if self.types.number is np.int32:
            value = min(max(value, -INT32 - 1), INT32)
        return self.number(value)


Numbers = list[int]
Counter = tuple[int, ...]


def _shift_left(b: _Builder, value: Value, numbers: Numbers, argument: int) -> int:
    return b.line(Do.SHIFT_LEFT, argument, slots=(b.power(numbers[0]),))


def _shift_right(b: _Builder, value: Value, numbers: Numbers, argument: int) -> int:
    return b.line(Do.SHIFT_RIGHT, argument, slots=(b.integers(numbers[0]),))


def _shift_toward_zero(b: _Builder, value: Value, numbers: Numbers, argument: int) -> int:
    return b.line(Do.SHIFT_TOWARD_ZERO, argument, slots=(b.power(-numbers[0]),))


def _saturate(b: _Builder, value: Value, counter: Counter, argument: int) -> int:
    ends = (b.end(int(number)) for number in value.numbers)
    return b.line(Do.SATURATE, argument, slots=(*ends, *counter))


def _wrap(b: _Builder, value: Value, counter: Counter, argument: int) -> int:
    bits, signed = (int(number) for number in value.numbers)
    if not signed:
        slots = (b.integers((1 << bits) - 1), *counter)
        return b.line(Do.WRAP_UNSIGNED, argument, slots=slots)
    return b.line(Do.WRAP, argument, slots=(b.integers(b.width - bits), *counter))


def _wrap_once(b: _Builder, value: Value, counter: Counter, argument: int) -> int:
    bits, register_bits = (int(number) for number in value.numbers)
    half = 1 << (register_bits - 1)
    held = argument
    if not within(b.step.intervals[value.arguments[0]], -half, half - 1):
        held = b.line(Do.WRAP, argument, slots=(b.integers(b.width - register_bits),))
    return b.line(Do.WRAP_ONCE, held, argument, slots=(b.number(1 << (bits - 1)), *counter))


def _plan(b: _Builder, value: Value, numbers: Numbers, argument: int) -> int:
    fraction, result = numbers
    segments = PLAN_SEGMENTS[::-1]
    ends = [eighths << (fraction - 3) for eighths, *_ in segments]
    slopes = [slope + fraction - result for _, slope, *_ in segments]
    offsets = [numerator << (result - bits) for *_, numerator, bits in segments]
    place = b.integers(*ends, *slopes, *offsets, 1 << result)
    return b.line(Do.PLAN, argument, slots=(place,))


def _table(b: _Builder, value: Value, numbers: Numbers, argument: int) -> int:
    start = b.layout.table(value.name, value.operation)
    if value.operation is Operation.ENTRY:
        last = b.step.neurons.tables[value.name].size - 1
        return b.line(Do.ENTRY, argument, slots=(b.integers(0, last, start),))
    fraction, index_bits = numbers
    shift = fraction + TABLE_SPAN_BITS - index_bits
    slots = (b.integers(shift, 1 << (fraction + TABLE_SPAN_BITS - 1), start),)
    if value.operation is Operation.LOOK_UP:
        return b.line(Do.LOOK_UP, argument, slots=slots)
    short = b.types.integer is np.int32 and index_bits <= BLOCK_BITS
    in_registers = short and PROCESSOR.permute is not None
    return b.line(Do.INTERPOLATE_BLOCK if in_registers else Do.INTERPOLATE, argument, slots=slots)


WRITE: Mapping[Operation, Callable[..., int]] = {
    Operation.SHIFT_LEFT: _shift_left,
    Operation.SHIFT_RIGHT: _shift_right,
    Operation.SHIFT_TOWARD_ZERO: _shift_toward_zero,
    Operation.PLAN: _plan,
    **dict.fromkeys(TABULATED, _table),
}
"""Lines of operations with numbers of their own."""

WRITE_WORD: Mapping[Operation, Callable[..., int]] = {
    Operation.SATURATE: _saturate,
    Operation.WRAP: _wrap,
    Operation.WRAP_ONCE: _wrap_once,
}
"""Lines of words, with the counter of what does not fit, if it counts here."""
