"""A strip of a matrix product, its sums in vector registers, where LLVM would not keep them.

Vectors are LLVM's portable ones, as wide as this processor's.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ltc2hw.compilation.llvm import PROCESSOR, element_pointer, emit, spread

BYTES, ROWS = PROCESSOR.vector_bytes, 4
VECTORS = 4 if BYTES == 64 else 2
"""Vectors of each row of a block, which leaves some registers free."""


class _Strip:
    """Emits the code of one call."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context, self.builder = context, builder
        self.typed = list(zip(signature.args, arguments, strict=True))
        self.vectors = signature.args[-1].literal_value
        real = signature.args[0].dtype
        self.lanes = BYTES * 8 // real.bitwidth
        self.vector = ir.VectorType(context.get_value_type(real), self.lanes)

    def address(self, array: tuple[Any, Any], index: Any) -> Any:
        """Address of a number, counted in memory whatever the array's shape."""
        return element_pointer(self.context, self.builder, *array, index)

    def row(self, array: tuple[Any, Any], index: Any) -> list[Any]:
        """Addresses of the vectors of a row."""
        pointer, addresses = self.vector.as_pointer(), []
        for part in range(self.vectors):
            place = self.builder.add(index, ir.Constant(index.type, part * self.lanes))
            addresses.append(self.builder.bitcast(self.address(array, place), pointer))
        return addresses

    def add_rows(self, done: Any, rows: int) -> None:
        """Add the products of ``rows`` rows, after those that are done."""
        builder = self.builder
        left, first, down, along, right, begin, length, depth, sums, total, width, *_ = self.typed
        place = builder.add(total[1], builder.mul(done, width[1]))
        block = []
        for _ in range(rows):
            addresses = self.row(sums, place)
            kept = [
                emit.alloca_once_value(builder, builder.load(address, align=1))
                for address in addresses
            ]
            block.append(list(zip(kept, addresses, strict=True)))
            place = builder.add(place, width[1])
        start = builder.add(first[1], builder.mul(done, down[1]))
        with emit.for_range(builder, depth[1]) as loop:
            place = builder.add(begin[1], builder.mul(loop.index, length[1]))
            columns = [builder.load(address, align=1) for address in self.row(right, place)]
            place = builder.add(start, builder.mul(loop.index, along[1]))
            for row in block:
                factor = spread(builder, builder.load(self.address(left, place)), self.lanes)
                for (kept, _), column in zip(row, columns, strict=True):
                    product = builder.fmul(factor, column, flags=("contract",))
                    added = builder.fadd(builder.load(kept), product, flags=("contract",))
                    builder.store(added, kept)
                place = builder.add(place, down[1])
        for row in block:
            for kept, address in row:
                builder.store(builder.load(kept), address, align=1)

    def add_all(self) -> None:
        """Add all rows: whole blocks, then one by one."""
        builder, count = self.builder, self.typed[-2][1]
        size = ir.Constant(count.type, ROWS)
        blocks = builder.sdiv(count, size)
        with emit.for_range(builder, blocks) as loop:
            self.add_rows(builder.mul(loop.index, size), ROWS)
        with emit.for_range(builder, count, start=builder.mul(blocks, size)) as loop:
            self.add_rows(loop.index, 1)


def _add_strip(
    typing_context: Any,
    left: Any,
    first: Any,
    down: Any,
    along: Any,
    right: Any,
    begin: Any,
    length: Any,
    depth: Any,
    sums: Any,
    total: Any,
    width: Any,
    count: Any,
    vectors: Any,
) -> Any:
    """Add the products of all rows with some columns to their sums.

    ``sums[total + r·width + c] += Σ_k left[first + r·down + k·along] right[begin + k·length + c]``,
    r < count, k < depth, for as many columns as ``vectors`` (a literal) registers hold. Places are
    counted in memory, whatever the shapes.
    """
    if not isinstance(vectors, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _Strip(context, builder, signature, arguments).add_all()
        return context.get_dummy_value()

    place = types.int64
    signature = types.void(
        *(left, place, place, place),
        *(right, place, place, place),
        *(sums, place, place),
        *(place, vectors),
    )
    return signature, codegen


add_strip: Any = intrinsic(prefer_literal=True)(_add_strip)
