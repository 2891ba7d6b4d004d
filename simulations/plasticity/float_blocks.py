"""Updates of all synapses of a dense projection, in blocks of targets that fill a vector register.

What a step multiplies a target's kept numbers and messages with is loaded once for all sources.
Written as vector instructions, because a compiler that has to suspect every array of overlapping
every other makes none of such loops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ltc2hw.compilation.llvm import PROCESSOR, element_pointer, emit, spread
from ltc2hw.vectors.lanes import Lanes

MOST_WORDS = 4
"""Kept numbers of a value up to which there is a kernel for their number."""

KEEP, FPTT, PLAIN = range(3)
"""What a step does besides moving what is kept on: nothing, or an update."""

INT, REAL = ir.IntType(64), ir.DoubleType()
BYTES = 8

Update = Callable[..., int]


@dataclass(frozen=True)
class _Loop:
    """Arrays and numbers of a kernel, and how to load vectors of so many lanes."""

    context: Any
    builder: Any
    kinds: dict[str, Any]
    given: dict[str, Any]
    lanes: int

    def at(self, array: str, index: Any) -> Any:
        """Address of a vector that begins at an element of an array."""
        place = element_pointer(
            self.context, self.builder, self.kinds[array], self.given[array], index
        )
        return self.builder.bitcast(place, ir.VectorType(REAL, self.lanes).as_pointer())

    def vector(self, value: Any) -> Lanes:
        return Lanes(self.builder, value, ())

    def load(self, array: str, index: Any) -> Lanes:
        return self.vector(self.builder.load(self.at(array, index), align=BYTES))

    def store(self, value: Lanes, array: str, index: Any) -> None:
        self.builder.store(value.value, self.at(array, index), align=BYTES)

    def same(self, number: Any) -> Lanes:
        """A number in every lane."""
        return self.vector(spread(self.builder, number, self.lanes))

    def place(self, row: Any, column: Any) -> Any:
        """Cells of a term; those of nothing where there is none."""
        builder, given = self.builder, self.given
        index = builder.add(builder.mul(row, given["columns"]), column)
        place = builder.load(
            element_pointer(self.context, builder, self.kinds["places"], given["places"], index)
        )
        missing = builder.icmp_signed("<", place, INT(0))
        return builder.select(missing, given["nothing"], place)

    def sum(self, parts: Sequence[Lanes]) -> Lanes:
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


ARRAYS = ("cells", "kept", "values", "means", "gradients")
NUMBERS = (
    "columns", "nothing", "message", "sources", "targets", "first_kept", "size", "start", "mode",
)  # fmt: skip
RATES = ("rate", "alpha", "beta", "drift")
"""What a kernel takes beside the cells of the terms, each of these as a tuple."""


def block_kernel(words: int) -> Update:
    """A kernel for values that keep so many numbers; it returns whether any left the reals."""

    def write(target: Any, builder: Any, signature: Any, operands: Any) -> Any:
        kinds, given = {"places": signature.args[1]}, {"places": operands[1]}
        for names, at in ((ARRAYS, 0), (NUMBERS, 2), (RATES, 3)):
            kind, operand = signature.args[at], operands[at]
            kinds |= dict(zip(names, kind, strict=True))
            given |= dict(zip(names, emit.unpack_tuple(builder, operand), strict=True))
        lost = emit.alloca_once_value(builder, INT(0))
        many = PROCESSOR.vector_bytes // BYTES
        targets = given["targets"]
        whole = builder.mul(builder.udiv(targets, INT(many)), INT(many))
        for lanes, first, end in ((many, INT(0), whole), (1, whole, targets)):
            loop = _Loop(target, builder, kinds, given, lanes)
            with emit.for_range_slice(builder, first, end, INT(lanes), INT) as (j, _):
                _write_block(loop, words, j, lost)
        return builder.load(lost)

    def typed(context: Any, arrays: Any, places: Any, numbers: Any, rates: Any) -> Any:
        return types.int64(arrays, places, numbers, rates), write

    return cast(Update, intrinsic(typed))


def _write_block(loop: _Loop, words: int, j: Any, lost: Any) -> None:
    """All sources of a block of targets from the j-th on."""
    builder, given = loop.builder, loop.given
    entering, own = builder.sub(given["columns"], INT(1)), range(words)

    def term(row: int, column: Any) -> Lanes:
        return loop.load("cells", builder.add(loop.place(INT(row), column), j))

    factor, found = term(words, entering), [term(words, INT(k)) for k in own]
    follows = [[term(new, INT(k)) for k in own] for new in own]
    enters = [term(new, entering) for new in own]
    rates = [loop.same(given[name]) for name in ("rate", "alpha", "beta", "drift")]
    zero = factor.like(0.0)
    gone = emit.alloca_once_value(builder, zero.value)
    builder.store(zero.value, gone)
    fptt = builder.icmp_signed("==", given["mode"], INT(FPTT))
    plain = builder.icmp_signed("==", given["mode"], INT(PLAIN))
    with emit.for_range(builder, given["sources"]) as source:
        row = builder.add(builder.mul(source.index, given["targets"]), j)
        place = builder.add(given["message"], source.index)
        message = loop.same(
            builder.load(
                element_pointer(loop.context, builder, loop.kinds["cells"], given["cells"], place)
            )
        )
        first = builder.add(given["first_kept"], row)
        olds = [builder.add(first, builder.mul(INT(k), given["size"])) for k in own]
        before = [loop.load("kept", old) for old in olds]
        descent = loop.sum([factor * message, *(found[k] * before[k] for k in own)])
        for new in own:
            parts = [follows[new][k] * before[k] for k in own]
            after = loop.sum([*parts, enters[new] * message])
            loop.store(after, "kept", olds[new])
            _note(loop, gone, after)
        at = builder.add(given["start"], row)
        with builder.if_then(fptt):
            _note(loop, gone, _fptt(loop, at, descent, rates))
        with builder.if_then(plain):
            value = loop.load("values", at) + rates[0] * descent
            loop.store(value, "values", at)
            loop.store(value, "means", at)
            _note(loop, gone, value)
    # What left the reals is no number here, and nothing else is.
    total = loop.vector(builder.load(gone))
    wrong = total.compared("!=", total).value
    for lane in range(loop.lanes):
        bit = builder.zext(builder.extract_element(wrong, ir.IntType(32)(lane)), INT)
        builder.store(builder.or_(builder.load(lost), bit), lost)


def _note(loop: _Loop, gone: Any, value: Lanes) -> None:
    """Remember whether a value has left the reals: times 0 it is 0, or no number."""
    known = loop.vector(loop.builder.load(gone))
    loop.builder.store((known + value * 0.0).value, gone)


def _fptt(loop: _Loop, at: Any, descent: Lanes, rates: Sequence[Lanes]) -> Lanes:
    """One FPTT update of a vector of synapses; the new Φ̄, which is no number if any of them is."""
    rate, alpha, beta, drift = rates
    value, mean, gradient = (loop.load(name, at) for name in ("values", "means", "gradients"))
    pull = alpha * (value - mean) - (descent + gradient)
    value = value - rate * pull
    departure = value - mean
    remembered = gradient - alpha * departure
    mean = mean + beta * departure - drift * remembered
    for array, own in (("values", value), ("gradients", remembered), ("means", mean)):
        loop.store(own, array, at)
    return mean


none_kept, one_kept, two_kept, three_kept, four_kept = map(block_kernel, range(MOST_WORDS + 1))
