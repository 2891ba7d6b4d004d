"""From a loop to LLVM's vector instructions: a table from what lines do to how.

The kinds of numbers are those of :mod:`~ltc2hw.simulations.fast.kinds`: integers in floats, whose
products are rounded toward zero, or integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from llvmlite import ir

from ltc2hw.compilation.llvm import PROCESSOR, emit
from ltc2hw.simulations.fast.kinds import Types
from ltc2hw.simulations.fast.loops import Do, Line, Loop
from ltc2hw.simulations.fast.proofs import SPLIT_BITS
from ltc2hw.simulations.fast.writer import BYTE, TYPES, WORD, Writer

BLOCK_BITS = 6
"""Tables of up to this many index bits fit four vectors of 16 lanes."""


def write(loop: Loop, types: Types, module: Any, name: str) -> None:
    """Add the function of a loop to a module of LLVM's."""
    Writer(loop, types, module, name).write(MEANING)


Meaning = Callable[..., Any]


def _constant(w: Writer, line: Line) -> Any:
    return w.load(w.row("constants", line.slots[0], "reach"), w.scalar)


def _port(w: Writer, line: Line) -> Any:
    element = TYPES[w.types.arrival]
    value = w.load(w.row("ports", line.slots[0], "reach"), element)
    return w.body.sitofp(value, w.number) if w.floats and element != w.scalar else value


def _state(w: Writer, line: Line) -> Any:
    return w.load(w.row("state", line.slots[0], "span"), w.scalar)


def _spiked(w: Writer, line: Line) -> Any:
    spikes = w.load(w.given["spikes"], BYTE)
    return w.body.icmp_unsigned("!=", spikes, spikes.type(None))


def _number(w: Writer, line: Line) -> Any:
    return w.spread_number(line.slots[0])


def _arithmetic(floating: str, integer: str) -> Meaning:
    def meaning(w: Writer, line: Line, a: Any, b: Any) -> Any:
        a, b = w.numeric(a), w.numeric(b)
        return getattr(w.body, floating if w.floats else integer)(a, b)

    return meaning


def _extreme(how: str) -> Meaning:
    def meaning(w: Writer, line: Line, a: Any, b: Any) -> Any:
        a, b = w.numeric(a), w.numeric(b)
        return w.body.select(w.compare(how, a, b), a, b)

    return meaning


def _greater(w: Writer, line: Line, a: Any, b: Any) -> Any:
    return w.compare(">", w.numeric(a), w.numeric(b))


def _select(w: Writer, line: Line, condition: Any, a: Any, b: Any) -> Any:
    return w.body.select(w.truth(condition), w.numeric(a), w.numeric(b))


def _shift_left(w: Writer, line: Line, a: Any) -> Any:
    if w.floats:
        return w.body.fmul(w.numeric(a), w.spread_number(line.slots[0]))
    return w.body.shl(w.numeric(a), w.spread_bits(line.slots[0]))


def _shift_right(w: Writer, line: Line, a: Any) -> Any:
    return w.back(w.body.ashr(w.integral(a), w.spread_bits(line.slots[0])))


def _shift_toward_zero(w: Writer, line: Line, a: Any) -> Any:
    if w.floats:
        return w.truncated(w.body.fmul(w.numeric(a), w.spread_number(line.slots[0])))
    return w.toward_zero(w.numeric(a), line.slots[0])


def _scaled_product(w: Writer, line: Line, factor: Any, value: Any) -> Any:
    return w.truncated(w.body.fmul(factor, w.numeric(value)))


def _product(w: Writer, line: Line, factor: Any, value: Any) -> Any:
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


def _saturate(w: Writer, line: Line, a: Any) -> Any:
    low, high, *counter = line.slots
    value = w.numeric(a)
    fitted = w.clamped(value, w.spread_number(low), w.spread_number(high), w.compare)
    w.count(counter, fitted, value)
    return fitted


def _wrap(w: Writer, line: Line, a: Any) -> Any:
    value, cut = w.numeric(a), w.spread_bits(line.slots[0])
    wrapped = w.body.ashr(w.body.shl(value, cut), cut)
    w.count(line.slots[1:], wrapped, value)
    return wrapped


def _wrap_unsigned(w: Writer, line: Line, a: Any) -> Any:
    value = w.numeric(a)
    wrapped = w.body.and_(value, w.spread_bits(line.slots[0]))
    w.count(line.slots[1:], wrapped, value)
    return wrapped


def _wrap_once(w: Writer, line: Line, held: Any, total: Any) -> Any:
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


def _plan(w: Writer, line: Line, a: Any) -> Any:
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


def _cells(w: Writer, line: Line, a: Any) -> tuple[Any, Any]:
    """Cells of arguments, and the offsets in the span of the table."""
    place = line.slots[0]
    half = w.entry("bits", place + 1)
    low = w.spread_integer("low of span", place, w.before.neg(half))
    last = w.spread_integer("last of span", place, w.before.sub(half, w.scalar_integer(1)))
    value = w.clamped(w.integral(a), low, last, w.body.icmp_signed)
    offset = w.body.add(value, w.spread_bits(place + 1))
    return w.body.lshr(offset, w.spread_bits(place)), offset


def _table(w: Writer, line: Line) -> Any:
    """Pointer to a table, before the loop."""
    place = line.slots[0] + 2
    start = w.entry("bits", place)
    if w.width_bits < WORD.width:
        start = w.before.zext(start, WORD)
    return w.once(("table", place), lambda: w.before.gep(w.given["entries"], [start]))


def _gathered(w: Writer, line: Line, cells: Any) -> Any:
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


def _look_up(w: Writer, line: Line, a: Any) -> Any:
    cells, _ = _cells(w, line, a)
    return w.back(_gathered(w, line, cells))


def _entry(w: Writer, line: Line, a: Any) -> Any:
    first, last = (w.spread_bits(line.slots[0] + place) for place in (0, 1))
    return w.back(_gathered(w, line, w.clamped(w.integral(a), first, last, w.body.icmp_signed)))


def _interpolate(w: Writer, line: Line, a: Any) -> Any:
    cells, offset = _cells(w, line, a)
    return _on_line(w, line, _gathered(w, line, cells), cells, offset)


def _on_line(w: Writer, line: Line, found: Any, cells: Any, offset: Any) -> Any:
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


def _interpolate_block(w: Writer, line: Line, a: Any) -> Any:
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


def _store(w: Writer, line: Line, a: Any, *alive: Any) -> None:
    value = w.numeric(a)
    for mask in alive:
        value = w.body.select(w.truth(mask), value, value.type(None))
    pointer = w.address(w.row("state", line.slots[0], "span"), w.scalar)
    w.body.store(value, pointer, align=1)


def _spike(w: Writer, line: Line, a: Any, *alive: Any) -> None:
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
    Do.ENTRY: _entry,
    Do.INTERPOLATE: _interpolate,
    Do.INTERPOLATE_BLOCK: _interpolate_block,
    Do.STORE: _store,
    Do.SPIKE: _spike,
    Do.STORE_ALIVE: _store,
    Do.SPIKE_ALIVE: _spike,
}
"""What every line does, as instructions; ``w`` is the writer."""
