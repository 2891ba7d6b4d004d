"""From a loop to LLVM's vector instructions: a table from what lines do to how.

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

from ltc2hw.llvm import PROCESSOR, emit, spread
from ltc2hw.simulations.fast.kinds import Types
from ltc2hw.simulations.fast.loops import Do, Line, Loop
from ltc2hw.simulations.fast.widths import SPLIT_BITS

BLOCK_BITS = 6
"""Tables of up to this many index bits fit four vectors of 16 lanes."""

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


def write(loop: Loop, types: Types, module: Any, name: str) -> None:
    """Add the function of a loop to a module of LLVM's."""
    _Writer(loop, types, module, name).write()


class _Writer:
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

    def write(self) -> None:
        """The whole function."""
        body = self.body
        self.index = body.phi(WORD)
        first_counts = [body.phi(self.integer) for _ in range(self.loop.counters)]
        self.counts = list(first_counts)
        for line in self.loop.lines:
            arguments = [self.values[argument] for argument in line.arguments]
            self.values.append(MEANING[line.do](self, line, *arguments))
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


Meaning = Callable[..., Any]


def _constant(w: _Writer, line: Line) -> Any:
    return w.load(w.row("constants", line.slots[0], "reach"), w.scalar)


def _port(w: _Writer, line: Line) -> Any:
    element = TYPES[w.types.arrival]
    value = w.load(w.row("ports", line.slots[0], "reach"), element)
    return w.body.sitofp(value, w.number) if w.floats and element != w.scalar else value


def _state(w: _Writer, line: Line) -> Any:
    return w.load(w.row("state", line.slots[0], "span"), w.scalar)


def _spiked(w: _Writer, line: Line) -> Any:
    spikes = w.load(w.given["spikes"], BYTE)
    return w.body.icmp_unsigned("!=", spikes, spikes.type(None))


def _number(w: _Writer, line: Line) -> Any:
    return w.spread_number(line.slots[0])


def _arithmetic(floating: str, integer: str) -> Meaning:
    def meaning(w: _Writer, line: Line, a: Any, b: Any) -> Any:
        a, b = w.numeric(a), w.numeric(b)
        return getattr(w.body, floating if w.floats else integer)(a, b)

    return meaning


def _extreme(how: str) -> Meaning:
    def meaning(w: _Writer, line: Line, a: Any, b: Any) -> Any:
        a, b = w.numeric(a), w.numeric(b)
        return w.body.select(w.compare(how, a, b), a, b)

    return meaning


def _greater(w: _Writer, line: Line, a: Any, b: Any) -> Any:
    return w.compare(">", w.numeric(a), w.numeric(b))


def _select(w: _Writer, line: Line, condition: Any, a: Any, b: Any) -> Any:
    return w.body.select(w.truth(condition), w.numeric(a), w.numeric(b))


def _shift_left(w: _Writer, line: Line, a: Any) -> Any:
    if w.floats:
        return w.body.fmul(w.numeric(a), w.spread_number(line.slots[0]))
    return w.body.shl(w.numeric(a), w.spread_bits(line.slots[0]))


def _shift_right(w: _Writer, line: Line, a: Any) -> Any:
    return w.back(w.body.ashr(w.integral(a), w.spread_bits(line.slots[0])))


def _shift_toward_zero(w: _Writer, line: Line, a: Any) -> Any:
    if w.floats:
        return w.truncated(w.body.fmul(w.numeric(a), w.spread_number(line.slots[0])))
    return w.toward_zero(w.numeric(a), line.slots[0])


def _scaled_product(w: _Writer, line: Line, factor: Any, value: Any) -> Any:
    return w.truncated(w.body.fmul(factor, w.numeric(value)))


def _product(w: _Writer, line: Line, factor: Any, value: Any) -> Any:
    """Of 32 bits: ``(factor·high + (factor·low + c >> k)) >> (bits - k)``.

    With ``k = min(bits, SPLIT_BITS)`` and ``value = high·2^k + low``, where ``c = 2^bits - 1`` for
    negative products turns floor into rounding toward zero.
    """
    factor, value = w.numeric(factor), w.numeric(value)
    place, before, body = line.slots[0], w.before, w.body
    bits, most = w.entry("bits", place), w.scalar_integer(SPLIT_BITS)
    split = before.select(before.icmp_signed("<", bits, most), bits, most)
    one = w.scalar_integer(1)
    low_mask = w.spread_integer("low", place, before.sub(before.shl(one, split), one))
    first = w.spread_integer("first", place, split)
    second = w.spread_integer("second", place, before.sub(bits, split))
    sign = body.ashr(body.xor(factor, value), w.same(w.width_bits - 1))
    correction = body.and_(sign, w.mask(place))
    lower = body.mul(factor, body.and_(value, low_mask))
    lower = body.ashr(body.add(lower, correction), first)
    higher = body.mul(factor, body.ashr(value, first))
    return body.ashr(body.add(higher, lower), second)


def _saturate(w: _Writer, line: Line, a: Any) -> Any:
    low, high, *counter = line.slots
    value = w.numeric(a)
    fitted = w.clamped(value, w.spread_number(low), w.spread_number(high), w.compare)
    w.count(counter, fitted, value)
    return fitted


def _wrap(w: _Writer, line: Line, a: Any) -> Any:
    value, cut = w.numeric(a), w.spread_bits(line.slots[0])
    wrapped = w.body.ashr(w.body.shl(value, cut), cut)
    w.count(line.slots[1:], wrapped, value)
    return wrapped


def _wrap_unsigned(w: _Writer, line: Line, a: Any) -> Any:
    value = w.numeric(a)
    wrapped = w.body.and_(value, w.spread_bits(line.slots[0]))
    w.count(line.slots[1:], wrapped, value)
    return wrapped


def _wrap_once(w: _Writer, line: Line, held: Any, total: Any) -> Any:
    place, *counter = line.slots
    body, before = w.body, w.before
    half = w.entry("numbers", place)
    double, negative = ("fadd", "fneg") if w.floats else ("add", "neg")
    full = w.spread_integer("full", place, getattr(before, double)(half, half))
    low = w.spread_integer("minus half", place, getattr(before, negative)(half))
    high = w.spread_number(place)
    plus, minus = (body.fadd, body.fsub) if w.floats else (body.add, body.sub)
    over = body.select(w.compare(">", held, high), minus(held, full), held)
    wrapped = body.select(w.compare("<=", over, low), plus(over, full), over)
    w.count(counter, wrapped, w.numeric(total))
    return wrapped


def _plan(w: _Writer, line: Line, a: Any) -> Any:
    body, places = w.body, range(line.slots[0], line.slots[0] + 10)
    five, two, unity, outer, middle, inner, *offsets, one = map(w.spread_bits, places)
    argument = w.integral(a)
    zero = argument.type(None)
    negative = body.icmp_signed("<", argument, zero)
    magnitude = body.select(negative, body.neg(argument), argument)
    y = one
    for end, slope, offset in zip((five, two, unity), (outer, middle, inner), offsets, strict=True):
        on_line = body.add(body.ashr(magnitude, slope), offset)
        y = body.select(body.icmp_signed("<", magnitude, end), on_line, y)
    return w.back(body.select(negative, body.sub(one, y), y))


def _cells(w: _Writer, line: Line, a: Any) -> tuple[Any, Any]:
    """Cells of arguments, and the offsets in the span of the table."""
    place = line.slots[0]
    half = w.entry("bits", place + 1)
    low = w.spread_integer("low of span", place, w.before.neg(half))
    last = w.spread_integer("last of span", place, w.before.sub(half, w.scalar_integer(1)))
    value = w.clamped(w.integral(a), low, last, w.body.icmp_signed)
    offset = w.body.add(value, w.spread_bits(place + 1))
    return w.body.lshr(offset, w.spread_bits(place)), offset


def _table(w: _Writer, line: Line) -> Any:
    """Pointer to a table, before the loop."""
    place = line.slots[0] + 2
    start = w.entry("bits", place)
    if w.width_bits < WORD.width:
        start = w.before.zext(start, WORD)
    return w.once(("table", place), lambda: w.before.gep(w.given["entries"], [start]))


def _gathered(w: _Writer, line: Line, cells: Any) -> Any:
    """Entries of a table, lane by lane."""
    table, body = _table(w, line), w.body
    found = ir.Constant(w.integer, ir.Undefined)
    for lane in range(w.lanes):
        place = ir.IntType(32)(lane)
        cell = (
            body.zext(body.extract_element(cells, place), WORD)
            if (w.width_bits < WORD.width)
            else body.extract_element(cells, place)
        )
        found = body.insert_element(found, body.load(body.gep(table, [cell])), place)
    return found


def _look_up(w: _Writer, line: Line, a: Any) -> Any:
    cells, _ = _cells(w, line, a)
    return w.back(_gathered(w, line, cells))


def _interpolate(w: _Writer, line: Line, a: Any) -> Any:
    cells, offset = _cells(w, line, a)
    return _on_line(w, line, _gathered(w, line, cells), cells, offset)


def _on_line(w: _Writer, line: Line, found: Any, cells: Any, offset: Any) -> Any:
    """``knot + (rise·rest >> shift)``; an entry is the rise above the knot in half of its bits."""
    body, shift = w.body, w.spread_bits(line.slots[0])
    rest = body.sub(offset, body.shl(cells, shift))
    half = w.width_bits // 2
    knots = body.and_(found, w.same((1 << half) - 1))
    rises = body.ashr(found, w.same(half))
    if w.types.number is np.float64:
        # They have 32 bits with their sign, whose products are single instructions.
        short = ir.VectorType(ir.IntType(32), w.lanes)
        rises, rest = (body.sext(body.trunc(x, short), w.integer) for x in (rises, rest))
    return w.back(body.add(knots, body.ashr(body.mul(rises, rest), shift)))


def _interpolate_block(w: _Writer, line: Line, a: Any) -> Any:
    cells, offset = _cells(w, line, a)
    table, before, body = _table(w, line), w.before, w.body
    pieces = []
    for first in range(0, 1 << BLOCK_BITS, w.lanes):
        place = before.gep(table, [WORD(first)])
        piece = before.load(before.bitcast(place, w.integer.as_pointer()), align=1)
        pieces.append(piece)
    form = ir.FunctionType(w.integer, (w.integer,) * 3)
    permute = emit.get_or_insert_function(w.module, form, PROCESSOR.permute)
    halves = [body.call(permute, (pieces[i], cells, pieces[i + 1])) for i in (0, 2)]
    upper = body.icmp_unsigned(">=", cells, w.same(2 * w.lanes))
    return _on_line(w, line, body.select(upper, halves[1], halves[0]), cells, offset)


def _store(w: _Writer, line: Line, a: Any, *alive: Any) -> None:
    value = w.numeric(a)
    for mask in alive:
        value = w.body.select(w.truth(mask), value, value.type(None))
    pointer = w.address(w.row("state", line.slots[0], "span"), w.scalar)
    w.body.store(value, pointer, align=1)


def _spike(w: _Writer, line: Line, a: Any, *alive: Any) -> None:
    value = w.truth(a)
    for mask in alive:
        value = w.body.and_(value, w.truth(mask))
    spikes = w.body.zext(value, ir.VectorType(BYTE, w.lanes))
    w.body.store(spikes, w.address(w.given["spikes"], BYTE), align=1)


MEANING: Mapping[Do, Meaning] = {
    Do.CONSTANT: _constant,
    Do.PORT: _port,
    Do.STATE: _state,
    Do.SPIKED: _spiked,
    Do.NUMBER: _number,
    Do.ADD: _arithmetic("fadd", "add"),
    Do.SUBTRACT: _arithmetic("fsub", "sub"),
    Do.MULTIPLY: _arithmetic("fmul", "mul"),
    Do.MINIMUM: _extreme("<"),
    Do.MAXIMUM: _extreme(">"),
    Do.GREATER: _greater,
    Do.SELECT: _select,
    Do.SHIFT_LEFT: _shift_left,
    Do.SHIFT_RIGHT: _shift_right,
    Do.SHIFT_TOWARD_ZERO: _shift_toward_zero,
    Do.PRODUCT: _product,
    Do.SCALED_PRODUCT: _scaled_product,
    Do.SATURATE: _saturate,
    Do.WRAP: _wrap,
    Do.WRAP_UNSIGNED: _wrap_unsigned,
    Do.WRAP_ONCE: _wrap_once,
    Do.PLAN: _plan,
    Do.LOOK_UP: _look_up,
    Do.INTERPOLATE: _interpolate,
    Do.INTERPOLATE_BLOCK: _interpolate_block,
    Do.STORE: _store,
    Do.SPIKE: _spike,
    Do.STORE_ALIVE: _store,
    Do.SPIKE_ALIVE: _spike,
}
"""What every line does, as instructions; ``w`` is the writer."""
