"""The function that adds what a convolution brings: its kernel, and loops that find the places."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ltc2hw.converters.c.text import IntegerType, literal
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.operators import times
from ltc2hw.numbers.words import IntArray


def kernel_table(conv: Conv) -> IntArray:
    """The kernel by source channel, place in the window, and target channel of the group.

    >>> import numpy as np
    >>> kernel_table(Conv(np.arange(6).reshape(3, 1, 2), (1, 4))).tolist()
    [0, 2, 4, 1, 3, 5]
    """
    outputs, inputs, *window = conv.kernel.shape
    split = conv.kernel.reshape(conv.groups, outputs // conv.groups, inputs, math.prod(window))
    table: IntArray = split.transpose(0, 2, 3, 1).ravel()
    return table


def convolution_function(conv: Conv, types: Mapping[str, IntegerType]) -> tuple[str, str]:
    """A comment, and all of the function that follows its name.

    ``types``: ``t`` of sums, ``w`` of weights, ``m`` of messages. Sources that send 0 cost one
    comparison. Nothing is divided, because not every processor can: with a stride above 1, the
    places that a source reaches are counted along with the sources.
    """
    printer = _Printer(conv, {letter: kind.name for letter, kind in types.items()})
    return printer.comment, "\n".join([*printer.lines(), ""])


class _Axis(NamedTuple):
    """One dimension: names in the loops, and sizes."""

    source: str
    offset: str
    place: str
    sources: int
    offsets: int
    places: int
    stride: int
    before: int
    dilation: int


class _Printer:
    """Writes one function."""

    def __init__(self, conv: Conv, types: Mapping[str, str]) -> None:
        self.conv, self.types = conv, types
        names = (("y", "i", "row"), ("x", "j", "column"))[-len(conv.stride) :]
        sizes = zip(
            conv.sources[1:], conv.kernel.shape[2:], conv.targets[1:], conv.stride,
            [before for before, _ in conv.padding], conv.dilation, strict=True,
        )  # fmt: skip
        self.axes = [_Axis(*name, *size) for name, size in zip(names, sizes, strict=True)]
        self.outputs = conv.kernel.shape[0] // conv.groups
        self.places = math.prod(conv.targets[1:])

    @property
    def comment(self) -> str:
        """The geometry in words."""
        conv = self.conv
        padding = ", ".join(f"{before} and {after}" for before, after in conv.padding)
        parts = (
            f"{times(conv.sources)} to {times(conv.targets)}",
            f"window {times(conv.kernel.shape[2:])}", f"stride {times(conv.stride)}",
            f"padding {padding}", f"dilation {times(conv.dilation)}", f"groups {conv.groups}",
        )  # fmt: skip
        return "; ".join(parts)

    def lines(self) -> Iterator[str]:
        """From the parameters on."""
        t, w, m = (self.types[letter] for letter in "twm")
        names = [name for axis in self.axes for name in (axis.source, axis.offset)]
        inputs = self.conv.kernel.shape[1]
        weights = math.prod(self.conv.kernel.shape[2:]) * self.outputs
        yield f"    {t} *sum, const {w} *weight, const {m} *message, {t} scale)"
        yield "{"
        yield f"    int32_t group, channel, {', '.join(names)}, c;"
        yield f"    for (group = 0; group < {literal(self.conv.groups)}; group++) {{"
        yield f"        for (channel = 0; channel < {literal(inputs)}; channel++) {{"
        yield from self._sources(self.axes, 3)
        yield f"            weight += {literal(weights)};"
        yield "        }"
        yield f"        sum += {literal(self.outputs * self.places)};"
        yield "    }"
        yield "}"

    def _sources(self, left: Sequence[_Axis], depth: int) -> Iterator[str]:
        """Loops over an image of messages."""
        tab = "    " * depth
        if not left:
            t = self.types["t"]
            yield f"{tab}if (*message != 0) {{"
            yield f"{tab}    const {t} sent = ({t})*message * scale;"
            yield from self._offsets(self.axes, depth + 1)
            yield f"{tab}}}"
            yield f"{tab}message++;"
            return
        axis = left[0]
        first, rest = f"{axis.place}_first", f"{axis.place}_rest"
        if axis.stride > 1:
            whole, part = divmod(axis.before, axis.stride)
            yield f"{tab}int32_t {first} = {literal(whole)}, {rest} = {literal(part)};"
        end = literal(axis.sources)
        yield f"{tab}for ({axis.source} = 0; {axis.source} < {end}; {axis.source}++) {{"
        yield from self._sources(left[1:], depth + 1)
        if axis.stride > 1:
            yield f"{tab}    {rest}++;"
            yield f"{tab}    if ({rest} == {literal(axis.stride)}) {{"
            yield f"{tab}        {rest} = 0;"
            yield f"{tab}        {first}++;"
            yield f"{tab}    }}"
        yield f"{tab}}}"

    def _offsets(self, left: Sequence[_Axis], depth: int) -> Iterator[str]:
        """Loops over the window, and the targets that a source reaches through a place of it."""
        tab = "    " * depth
        if not left:
            yield from self._additions(tab)
            return
        axis = left[0]
        place, over, end = axis.place, f"{axis.place}_over", literal(axis.offsets)
        within = f"{place} >= 0 && {place} < {literal(axis.places)}"
        loop = f"{tab}for ({axis.offset} = 0; {axis.offset} < {end}; {axis.offset}++) {{"
        if axis.stride == 1:
            back = f"{literal(axis.dilation)} * {axis.offset}"
            yield loop
            yield (
                f"{tab}    const int32_t {place} = {axis.source} + {literal(axis.before)} - {back};"
            )
        else:
            kind = "int32_t" if axis.dilation % axis.stride else "const int32_t"
            yield f"{tab}int32_t {place} = {place}_first;"
            yield f"{tab}{kind} {over} = {place}_rest;"
            yield loop
            within = f"{over} == 0 && {within}"
        yield f"{tab}    if ({within}) {{"
        yield from self._offsets(left[1:], depth + 2)
        yield f"{tab}    }}"
        if axis.stride > 1:
            whole, part = divmod(axis.dilation, axis.stride)
            if whole:
                yield f"{tab}    {place} -= {literal(whole)};"
            if part:
                yield f"{tab}    {over} -= {literal(part)};"
                yield f"{tab}    if ({over} < 0) {{"
                yield f"{tab}        {over} += {literal(axis.stride)};"
                yield f"{tab}        {place}--;"
                yield f"{tab}    }}"
        yield f"{tab}}}"

    def _additions(self, tab: str) -> Iterator[str]:
        """One place of the window reaches one place of every target channel of the group."""
        t, w = self.types["t"], self.types["w"]
        place, offset = self.axes[0].place, self.axes[0].offset
        for axis in self.axes[1:]:
            place = f"{place} * {literal(axis.places)} + {axis.place}"
            offset = f"({offset} * {literal(axis.offsets)} + {axis.offset})"
        outputs = literal(self.outputs)
        yield f"{tab}{t} *const at = sum + {place};"
        yield f"{tab}const {w} *const one = weight + {offset} * {outputs};"
        yield f"{tab}for (c = 0; c < {outputs}; c++) {{"
        yield f"{tab}    at[c * {literal(self.places)}] += ({t})one[c] * sent;"
        yield f"{tab}}}"
