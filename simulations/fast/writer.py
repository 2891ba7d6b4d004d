"""Functions of loops: what comes before a loop, its body on vectors, and what comes after.

Vectors are explicit, so that nothing depends on what LLVM's optimizer finds out. Rows of neurons
are padded to whole vectors. The kinds of numbers are those of
:mod:`~ltc2hw.simulations.fast.kinds`: integers in floats, whose products are rounded toward zero,
or integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from ltc2hw.compilation.llvm import PROCESSOR, emit, spread
from ltc2hw.simulations.fast.kinds import Types
from ltc2hw.simulations.fast.loops import Do, Loop

TYPES: Mapping[Any, Any] = {
    np.float32: ir.FloatType(),
    np.float64: ir.DoubleType(),
    np.int32: ir.IntType(32),
    np.int64: ir.IntType(64),
}

BYTE, WORD = ir.IntType(8), ir.IntType(64)

ARRAYS = ("state", "spikes", "ports", "constants", "numbers", "bits", "entries", "counts")
"""What a loop is given, as pointers: those by neuron to the first that it computes."""

LENGTHS = ("span", "reach", "width")
"""Then the lengths of a row of the state, and of a row of constants or ports, and the neurons."""


def prototype(types: Types) -> Any:
    """Form of the functions of loops."""
    number, integer = TYPES[types.number], TYPES[types.integer]
    elements = {
        "state": number,
        "spikes": BYTE,
        "ports": TYPES[types.arrival],
        "constants": number,
        "numbers": number,
        "bits": integer,
        "entries": TYPES[types.entries],
        "counts": WORD,
    }
    pointers = [elements[name].as_pointer() for name in ARRAYS]
    return ir.FunctionType(ir.VoidType(), [*pointers, *(WORD for _ in LENGTHS)])


class Writer:
    """Writes a function: what comes before the loop, its body, and what comes after."""

    def __init__(self, loop: Loop, types: Types, module: Any, name: str) -> None:
        self.loop = loop
        self.types = types
        self.module = module
        self.function = ir.Function(module, prototype(types), name)
        self.given = dict(zip((*ARRAYS, *LENGTHS), self.function.args, strict=True))
        # llvmlite's set of attributes only knows names without values, but prints what it holds.
        set.add(self.function.attributes, '"prefer-vector-width"="512"')
        before, body, after = (self.function.append_basic_block() for _ in range(3))
        self.before, self.body, self.after = map(ir.IRBuilder, (before, body, after))
        self.scalar, self.scalar_integer = TYPES[types.number], TYPES[types.integer]
        self.floats = types.number in (np.float32, np.float64)
        self.lanes = max(1, PROCESSOR.vector_bytes // np.dtype(types.number).itemsize)
        self.number = ir.VectorType(self.scalar, self.lanes)
        self.integer = ir.VectorType(self.scalar_integer, self.lanes)
        self.width_bits = self.scalar_integer.width
        self.values: list[Any] = []
        self.index: Any = None
        self.counts: list[Any] = []
        self.kept: dict[tuple[str, int], Any] = {}

    def write(self, meaning: Mapping[Do, Callable[..., Any]]) -> None:
        """The whole function; ``meaning`` is what every line does, as instructions."""
        body = self.body
        self.index = body.phi(WORD)
        first_counts = [body.phi(self.integer) for _ in range(self.loop.counters)]
        self.counts = list(first_counts)
        for line in self.loop.lines:
            arguments = [self.values[argument] for argument in line.arguments]
            self.values.append(meaning[line.do](self, line, *arguments))
        width = self.given["width"]
        following = body.add(self.index, WORD(self.lanes))
        again = body.icmp_unsigned("<", following, width)
        body.cbranch(again, body.block, self.after.block)
        some = self.before.icmp_unsigned("!=", width, WORD(0))
        nothing = self.before.block
        self.before.cbranch(some, body.block, self.after.block)
        self.index.add_incoming(WORD(0), nothing)
        self.index.add_incoming(following, body.block)
        for counter, (first, last) in enumerate(zip(first_counts, self.counts, strict=True)):
            first.add_incoming(self.integer(None), nothing)
            first.add_incoming(last, body.block)
            total = self.after.phi(self.integer)
            total.add_incoming(self.integer(None), nothing)
            total.add_incoming(last, body.block)
            self.counts[counter] = total
        for counter, total in enumerate(self.counts):
            self.add_count(counter, total)
        self.after.ret_void()

    def add_count(self, counter: int, total: Any) -> None:
        """Add the lanes of a counter to what is counted already."""
        name = f"llvm.vector.reduce.add.v{self.lanes}i{self.width_bits}"
        form = ir.FunctionType(self.scalar_integer, [self.integer])
        reduce = emit.get_or_insert_function(self.module, form, name)
        added = self.after.call(reduce, [total])
        if self.width_bits < WORD.width:
            added = self.after.zext(added, WORD)
        place = self.after.gep(self.given["counts"], [WORD(counter)])
        self.after.store(self.after.add(self.after.load(place), added), place)

    # Numbers that are the same for all neurons, before the loop.

    def once(self, key: tuple[str, int], make: Callable[[], Any]) -> Any:
        """What is worked out before the loop, once."""
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def entry(self, array: str, place: int) -> Any:
        """A number of an array before the loop."""
        pointer = self.given[array]
        return self.once(
            (array, place), lambda: self.before.load(self.before.gep(pointer, [WORD(place)]))
        )

    def spread_number(self, place: int) -> Any:
        """A number in all lanes."""
        return self.once(
            ("spread number", place),
            lambda: spread(self.before, self.entry("numbers", place), self.lanes),
        )

    def spread_bits(self, place: int) -> Any:
        """An integer in all lanes."""
        return self.spread_integer("bits", place, self.entry("bits", place))

    def spread_integer(self, name: str, place: int, value: Any) -> Any:
        """An integer that was worked out before the loop, in all lanes."""
        return self.once((f"spread {name}", place), lambda: spread(self.before, value, self.lanes))

    def same(self, value: int) -> Any:
        """An integer in all lanes."""
        return self.integer([value] * self.lanes)

    def mask(self, place: int) -> Any:
        """``2^bits - 1`` in all lanes."""
        one = self.scalar_integer(1)
        power = self.before.shl(one, self.entry("bits", place))
        return self.spread_integer("mask", place, self.before.sub(power, one))

    # Memory.

    def row(self, array: str, row: int, length: str) -> Any:
        """Pointer to a row of an array, before the loop."""
        return self.once(
            (f"row of {array}", row),
            lambda: self.before.gep(
                self.given[array], [self.before.mul(self.given[length], WORD(row))]
            ),
        )

    def address(self, pointer: Any, element: Any) -> Any:
        """Where the vector of this turn is, in a row."""
        vector = ir.VectorType(element, self.lanes)
        return self.body.bitcast(self.body.gep(pointer, [self.index]), vector.as_pointer())

    def load(self, pointer: Any, element: Any) -> Any:
        """The vector of this turn of a row."""
        return self.body.load(self.address(pointer, element), align=1)

    # Truth, numbers and integers.

    def numeric(self, value: Any) -> Any:
        """A value as numbers: truth becomes 0 or 1."""
        if not self.is_truth(value):
            return value
        if self.floats:
            return self.body.uitofp(value, self.number)
        return self.body.zext(value, self.number)

    def is_truth(self, value: Any) -> bool:
        """Whether a value is one bit for each lane."""
        return bool(value.type.element == ir.IntType(1))

    def truth(self, value: Any) -> Any:
        """Where a value is not 0."""
        if self.is_truth(value):
            return value
        return self.compare("!=", value, value.type(None))

    def compare(self, how: str, a: Any, b: Any) -> Any:
        """Comparison of numbers."""
        if self.floats:
            return (
                self.body.fcmp_unordered(how, a, b)
                if how == "!="
                else self.body.fcmp_ordered(how, a, b)
            )
        return self.body.icmp_signed(how, a, b)

    def integral(self, value: Any) -> Any:
        """Numbers as integers."""
        value = self.numeric(value)
        return self.body.fptosi(value, self.integer) if self.floats else value

    def back(self, value: Any) -> Any:
        """Integers as numbers."""
        return self.body.sitofp(value, self.number) if self.floats else value

    def clamped(self, value: Any, low: Any, high: Any, compare: Callable[..., Any]) -> Any:
        """``min(max(value, low), high)``."""
        value = self.body.select(compare(">", value, low), value, low)
        return self.body.select(compare("<", value, high), value, high)

    def count(self, counters: Sequence[int], fitted: Any, value: Any) -> None:
        """Count the lanes, but for padding, where a value did not fit."""
        wrong = self.compare("!=", fitted, value)
        if self.loop.alive is not None:
            wrong = self.body.and_(wrong, self.truth(self.values[self.loop.alive]))
        for counter in counters:
            ones = self.body.sext(wrong, self.integer)
            self.counts[counter] = self.body.sub(self.counts[counter], ones)

    def truncated(self, value: Any) -> Any:
        """Floats rounded toward zero."""
        name = f"llvm.trunc.v{self.lanes}f{64 if self.types.number is np.float64 else 32}"
        form = ir.FunctionType(self.number, [self.number])
        return self.body.call(emit.get_or_insert_function(self.module, form, name), [value])

    def toward_zero(self, value: Any, place: int) -> Any:
        """Shift of integers: ``2^bits - 1`` is added to negative ones first."""
        sign = self.body.ashr(value, self.same(self.width_bits - 1))
        value = self.body.add(value, self.body.and_(sign, self.mask(place)))
        return self.body.ashr(value, self.spread_bits(place))
