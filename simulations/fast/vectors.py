"""Inner loops that keep their sums in vector registers, where LLVM would not by itself.

Vectors are LLVM's portable ones. Products are the exception: weights of two sources lie side by
side, so that an instruction can multiply both with their messages and add the two products
(``pmaddwd`` on x86; elsewhere LLVM finds what there is).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ltc2hw.compilation.llvm import PROCESSOR, element_pointer, emit, shuffled, spread
from ltc2hw.simulations.fast.tables import FAN_LANES

INT8, INT16, INT32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)


LANES = PROCESSOR.vector_bytes // 4
"""32-bit lanes of a vector."""
VECTORS = 2 if PROCESSOR.vector_bytes == 32 else 4
"""Vectors of a block of sums, which leaves some registers free."""
BYTES, HALVES = ir.VectorType(INT8, 2 * LANES), ir.VectorType(INT16, 2 * LANES)
SUMS = ir.VectorType(INT32, LANES)
REST = 16
"""Lanes of the pieces of vectors of any length."""


def broadcast(builder: Any, word: Any) -> Any:
    """A 32-bit word, two messages, in all lanes."""
    return builder.bitcast(spread(builder, word, LANES), HALVES)


def products(builder: Any, weights: Any, messages: Any) -> Any:
    """Sums of the two products of every lane."""
    if PROCESSOR.multiply_pairs is not None:
        form = ir.FunctionType(SUMS, (HALVES, HALVES))
        function = emit.get_or_insert_function(builder.module, form, PROCESSOR.multiply_pairs)
        return builder.call(function, (weights, messages))
    halves = [
        builder.mul(
            builder.sext(shuffled(builder, weights, range(half, 2 * LANES, 2)), SUMS),
            builder.sext(shuffled(builder, messages, range(half, 2 * LANES, 2)), SUMS),
        )
        for half in (0, 1)
    ]
    return builder.add(*halves)


def pointer(context: Any, builder: Any, array: tuple[Any, Any], index: Any, kind: Any) -> Any:
    """Address of a place in an array, as a pointer to ``kind``."""
    place = element_pointer(context, builder, *array, index)
    return builder.bitcast(place, kind.as_pointer())


def _list_bits(
    typing_context: Any, events: Any, start: Any, table: Any, first: Any, base: Any
) -> Any:
    """``events[start + i] = table[first + i] + base`` for eight 32-bit integers."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, start, source, first, base = zip(signature.args, arguments, strict=True)
        eight = ir.VectorType(INT32, 8)
        listed = builder.load(pointer(context, builder, source, first[1], eight), align=4)
        entries = builder.add(listed, spread(builder, base[1], 8))
        address = pointer(context, builder, target, start[1], eight)
        builder.store(entries, address, align=4)
        return context.get_dummy_value()

    place = types.uint64
    return types.void(events, place, table, place, types.int32), codegen


def _add_rows(
    typing_context: Any,
    sums: Any,
    total: Any,
    weights: Any,
    first: Any,
    width: Any,
    events: Any,
    start: Any,
    count: Any,
    lanes: Any,
) -> Any:
    """``sums[total + j] = Σ_k weights[first + events[start + k]·width + j]``, k < count.

    For ``lanes`` (a literal) sums; the rows of weights are added in the type of the sums.
    """
    if not isinstance(lanes, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, total, weights, first, width, events, start, count, _ = zip(
            signature.args, arguments, strict=True
        )
        length = lanes.literal_value
        row = ir.VectorType(ir.IntType(weights[0].dtype.bitwidth), length)
        wide = ir.VectorType(ir.IntType(sums[0].dtype.bitwidth), length)
        accumulator = emit.alloca_once_value(builder, wide(None))
        with emit.for_range(builder, count[1]) as loop:
            place = builder.add(start[1], loop.index)
            event = builder.load(pointer(context, builder, events, place, INT32))
            offset = builder.mul(builder.zext(event, width[1].type), width[1])
            place = builder.add(first[1], offset)
            added = builder.load(pointer(context, builder, weights, place, row), align=1)
            if row != wide:
                added = builder.sext(added, wide)
            builder.store(builder.add(builder.load(accumulator), added), accumulator)
        address = pointer(context, builder, sums, total[1], wide)
        builder.store(builder.load(accumulator), address, align=1)
        return context.get_dummy_value()

    place = types.uint64
    signature = types.void(sums, place, weights, place, place, events, place, place, lanes)
    return signature, codegen


class _Loop:
    """A loop over places, its blocks written here so that LLVM can be told not to unroll it.

    It takes at least one turn; its few turns would be lost in code for many.
    """

    def __init__(self, builder: Any, starts: Sequence[Any]) -> None:
        self.builder = builder
        before = builder.block
        self.body = builder.append_basic_block("turn")
        builder.branch(self.body)
        builder.position_at_end(self.body)
        self.places = [builder.phi(start.type) for start in starts]
        for place, start in zip(self.places, starts, strict=True):
            place.add_incoming(start, before)

    def again(self, following: Sequence[Any], more: Any) -> None:
        """End a turn: the next one has these places, if there is more."""
        builder = self.builder
        after = builder.append_basic_block("after")
        for place, value in zip(self.places, following, strict=True):
            place.add_incoming(value, builder.block)
        branch = builder.cbranch(more, self.body, after)
        module = builder.module
        rolled = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
        identity = module.add_metadata([rolled])
        identity.operands = (identity, rolled)  # LLVM tells loops apart by themselves
        branch.set_metadata("llvm.loop", identity)
        builder.position_at_end(after)


class _Block:
    """Emits the code of one call of :func:`_add_block`."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context = context
        self.builder = builder
        self.typed = tuple(zip(signature.args, arguments, strict=True))
        self.sums, _, _, self.weights, *_, self.factor, lanes = self.typed
        self.lanes: int = lanes[0].literal_value

    def emit(self) -> None:
        """Rows, if there are any."""
        builder = self.builder
        _, total, sums_row, _, first, weights_row, rows, length, _, _ = self.typed
        nothing = ir.Constant(rows[1].type, 0)
        some = builder.and_(
            builder.icmp_unsigned("!=", rows[1], nothing),
            builder.icmp_unsigned("!=", length[1], nothing),
        )
        with builder.if_then(some):
            loop = _Loop(builder, (total[1], first[1], rows[1]))
            to, back, left = loop.places
            self.row(to, back, length[1])
            left = builder.sub(left, ir.Constant(left.type, 1))
            following = builder.add(to, sums_row[1]), builder.add(back, weights_row[1]), left
            loop.again(following, builder.icmp_unsigned("!=", left, nothing))

    def row(self, to: Any, back: Any, length: Any) -> None:
        """One vector: in pieces of the lanes, or of any length."""
        builder = self.builder
        if self.lanes:
            self.pieces(to, back, length, self.lanes)
            return
        whole = builder.and_(length, ir.Constant(length.type, -REST))
        with builder.if_then(builder.icmp_unsigned("!=", whole, ir.Constant(length.type, 0))):
            self.pieces(to, back, whole, REST)
        to, back = builder.add(to, whole), builder.add(back, whole)
        lanes = REST // 2
        while lanes:
            piece = builder.and_(length, ir.Constant(length.type, lanes))
            with builder.if_then(builder.icmp_unsigned("!=", piece, ir.Constant(piece.type, 0))):
                self.add(to, back, lanes)
            to, back = builder.add(to, piece), builder.add(back, piece)
            lanes //= 2

    def pieces(self, to: Any, back: Any, length: Any, lanes: int) -> None:
        """A whole number of pieces."""
        builder = self.builder
        step = ir.Constant(length.type, lanes)
        loop = _Loop(builder, (ir.Constant(length.type, 0),))
        (done,) = loop.places
        self.add(builder.add(to, done), builder.add(back, done), lanes)
        done = builder.add(done, step)
        loop.again((done,), builder.icmp_unsigned("<", done, length))

    def add(self, to: Any, back: Any, lanes: int) -> None:
        """``sums[to + j] += weights[back + j] factor``."""
        context, builder, (factor, value) = self.context, self.builder, self.factor
        row = ir.VectorType(ir.IntType(self.weights[0].dtype.bitwidth), lanes)
        wide = ir.VectorType(ir.IntType(self.sums[0].dtype.bitwidth), lanes)
        added = builder.load(pointer(context, builder, self.weights, back, row), align=1)
        if row != wide:
            added = builder.sext(added, wide)
        if not isinstance(factor, types.IntegerLiteral):
            cast = context.cast(builder, value, factor, self.sums[0].dtype)
            added = builder.mul(added, spread(builder, cast, lanes))
        address = pointer(context, builder, self.sums, to, wide)
        found = builder.add(builder.load(address, align=1), added)
        builder.store(found, address, align=1)


def _add_block(
    typing_context: Any,
    sums: Any,
    total: Any,
    sums_row: Any,
    weights: Any,
    first: Any,
    weights_row: Any,
    rows: Any,
    length: Any,
    factor: Any,
    lanes: Any,
) -> Any:
    """``sums[total + r·sums_row + j] += weights[first + r·weights_row + j] factor``, j < length.

    For r < rows, in the type of the sums; a factor that is the literal 1 is not multiplied.
    ``lanes`` (a literal) divides the length, or is 0.
    """
    if not isinstance(lanes, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _Block(context, builder, signature, arguments).emit()
        return context.get_dummy_value()

    place = types.uint64
    arguments = (sums, place, place, weights, place, place, place, place, factor, lanes)
    return types.void(*arguments), codegen


class _Kernel:
    """Emits the code of one call: sums of FAN_LANES columns for some samples."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context = context
        self.builder = builder
        self.typed = tuple(zip(signature.args, arguments, strict=True))

    def address(self, array: tuple[Any, Any], index: Any, kind: Any) -> Any:
        """Address of a place in an array, as a pointer to ``kind``."""
        return pointer(self.context, self.builder, array, index, kind)

    def later(self, index: Any, places: int) -> Any:
        """An index some places on."""
        return self.builder.add(index, ir.Constant(index.type, places))

    def add_products(self, rows: Sequence[Any], lane: int) -> None:
        """Loop over the pairs of sources, adding to the accumulators of every row."""
        _, _, _, weights, block, messages, first, pairs, _ = self.typed
        builder = self.builder
        with emit.for_range(builder, pairs[1]) as loop:
            length = ir.Constant(loop.index.type, 2 * FAN_LANES)
            start = builder.add(block[1], builder.mul(loop.index, length))
            columns = []
            for vector in range(VECTORS):
                place = self.later(start, 2 * (lane + vector * LANES))
                column = builder.load(self.address(weights, place, BYTES), align=1)
                columns.append(builder.sext(column, HALVES))
            place = builder.add(first[1], loop.index)
            for row in rows:
                pair = broadcast(builder, builder.load(self.address(messages, place, INT32)))
                for accumulator, column in zip(row, columns, strict=True):
                    added = products(builder, column, pair)
                    builder.store(builder.add(builder.load(accumulator), added), accumulator)
                place = builder.add(place, pairs[1])

    def store(self, rows: Sequence[Any], lane: int) -> None:
        """Write the accumulators where they belong."""
        sums, total, width, *_ = self.typed
        out = self.later(total[1], lane)
        for row in rows:
            for vector, accumulator in enumerate(row):
                address = self.address(sums, self.later(out, vector * LANES), SUMS)
                self.builder.store(self.builder.load(accumulator), address, align=1)
            out = self.builder.add(out, width[1])


def _multiply(
    typing_context: Any,
    sums: Any,
    total: Any,
    width: Any,
    weights: Any,
    block: Any,
    messages: Any,
    first: Any,
    pairs: Any,
    rows: Any,
) -> Any:
    """Write FAN_LANES sums of each of ``rows`` (a literal) samples.

    ``sums[total + r·width + j] = Σ_p w[p, j, 0] lower(m[r, p]) + w[p, j, 1] upper(m[r, p])`` with
    32-bit sums, 8-bit weights (pairs, FAN_LANES, 2) from ``block`` on, and the messages of two
    sources in each 32-bit word (rows, pairs) from ``first`` on. Sums must be provably narrow
    enough; arrays of other types compile, too, but must never be given.
    """
    if not isinstance(rows, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kernel = _Kernel(context, builder, signature, arguments)
        for lane in range(0, FAN_LANES, LANES * VECTORS):
            accumulators = [
                [emit.alloca_once_value(builder, SUMS(None)) for _ in range(VECTORS)]
                for _ in range(rows.literal_value)
            ]
            kernel.add_products(accumulators, lane)
            kernel.store(accumulators, lane)
        return context.get_dummy_value()

    place = types.uint64
    return types.void(sums, place, place, weights, place, messages, place, place, rows), codegen


list_bits: Any = intrinsic(_list_bits)
add_block: Any = intrinsic(prefer_literal=True)(_add_block)
add_rows: Any = intrinsic(prefer_literal=True)(_add_rows)
multiply: Any = intrinsic(prefer_literal=True)(_multiply)
