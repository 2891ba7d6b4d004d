"""Convolution as a weight operator: one kernel, shared by all places of an image or a row.

Neurons are numbered channel by channel: the neuron at channel c, row y, column x of an image
(C, H, W) is number ``(c H + y) W + x``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.fields import ArrayFields, set_field
from ltc2hw.numbers.matrix_product import matrix_product
from ltc2hw.numbers.scalars import COUNTABLE, is_integer, require_range, shown
from ltc2hw.numbers.weights import (
    EXACT_INTEGER,
    Numbers,
    Sparse,
    checked_limits,
    checked_messages,
    magnitude_of,
    other_values,
    weight_numbers,
)

Shape = tuple[int, ...]
"""(channels, height, width) or (channels, length)."""

EXACT_SINGLE = 1 << 24
"""Single precision holds every integer up to this."""

CACHED = 1 << 17
"""Numbers that a processor's cache holds about."""


@dataclass(frozen=True, eq=False)
class Conv(ArrayFields):
    """Cross-correlation in one or two dimensions, as torch's and NIR's convolutions.

    ``y[c, p] = Σ_{d, k} kernel[c, d, k] x[g(c) C_in/groups + d, stride p + dilation k - before]``
    with the group ``g(c) = c // (C_out / groups)`` and x = 0 outside. ``kernel`` has the shape
    (C_out, C_in / groups, kH, kW) or (C_out, C_in / groups, k), ``sources`` is (C_in, H, W) or
    (C_in, L). ``stride``, ``padding`` and ``dilation`` are one number, or one per dimension;
    ``padding`` may also be a pair (before, after) per dimension.

    Raises:
        ShapeError: for a kernel of no such shape, or larger than the padded image.
        InvalidValueError: for a stride, dilation or number of groups below 1, a padding below 0,
            channels that groups do not divide, or a weight that is NaN or infinite.
        TooLargeError: for more neurons than a population can have, or a padded image of more
            numbers than that.

    >>> blur = Conv(np.ones((1, 1, 2, 2)), (1, 3, 3))
    >>> blur.targets
    (1, 2, 2)
    >>> blur.apply(np.arange(9.0)[None])
    array([[ 8., 12., 20., 24.]])
    """

    kernel: Numbers
    sources: Shape
    stride: Shape = (1,)
    padding: tuple[tuple[int, int], ...] = ((0, 0),)
    dilation: Shape = (1,)
    groups: int = 1

    def __init__(
        self,
        kernel: npt.ArrayLike,
        sources: Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | Sequence[Sequence[int]] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
    ) -> None:
        numbers = weight_numbers("kernel", kernel)
        if numbers.ndim not in (3, 4) or 0 in numbers.shape:
            raise ShapeError(
                "shape of a kernel",
                numbers.shape,
                "(C_out, C_in / groups, kH, kW) or (C_out, C_in / groups, k), all >= 1",
            )
        dimensions = numbers.ndim - 2
        set_field(self, "kernel", numbers)
        set_field(self, "sources", image_shape("sources of a convolution", sources, dimensions))
        set_field(self, "stride", _each("stride", stride, dimensions, 1))
        set_field(self, "padding", _pairs(padding, dimensions))
        set_field(self, "dilation", _each("dilation", dilation, dimensions, 1))
        if not is_integer(groups):
            raise InvalidValueError("groups of a convolution", shown(groups), "an integer >= 1")
        require_range("groups of a convolution", int(groups), 1, COUNTABLE)
        set_field(self, "groups", int(groups))
        self._check()

    def _check(self) -> None:
        outputs, inputs = self.kernel.shape[:2]
        channels = self.sources[0]
        if channels != inputs * self.groups:
            raise ShapeError(
                "input channels of a kernel",
                inputs,
                f"channels / groups = {channels} / {self.groups}",
            )
        if outputs % self.groups:
            raise InvalidValueError(
                "output channels of a kernel", outputs, f"a multiple of its {self.groups} groups"
            )
        if min(self.targets) < 1:
            raise ShapeError(
                "shape of a kernel",
                self.kernel.shape[2:],
                f"one that fits in {self.sources[1:]} with padding {self.padding}",
            )
        require_capacity("targets of a convolution", math.prod(self.targets))
        padded = (s + sum(pad) for s, pad in zip(self.sources[1:], self.padding, strict=True))
        require_capacity("padded image of a convolution", channels * math.prod(padded))

    @property
    def targets(self) -> Shape:
        """(C_out, H_out, W_out) or (C_out, L_out): what the sums are an image of."""
        return (
            self.kernel.shape[0],
            *(
                (size + sum(pad) - dilation * (width - 1) - 1) // stride + 1
                for size, width, stride, pad, dilation in zip(
                    self.sources[1:],
                    self.kernel.shape[2:],
                    self.stride,
                    self.padding,
                    self.dilation,
                    strict=True,
                )
            ),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(N_target, N_source)."""
        return math.prod(self.targets), math.prod(self.sources)

    @property
    def values(self) -> Numbers:
        """The stored weights, which are the kernel's, as one vector."""
        return self.kernel.ravel()

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Output channel of every value, in the order of :attr:`values`."""
        outputs = self.kernel.shape[0]
        return np.repeat(np.arange(outputs), self.kernel.size // outputs)

    @cached_property
    def synapses(self) -> int:
        """Connections of the expansion: a value counts once for every place within the image."""
        places = math.prod(
            sum(max(0, last - first) for first, last, _ in self._reach(axis))
            for axis in range(len(self.stride))
        )
        return int(self.kernel.shape[0] * self.kernel.shape[1] * places)

    def with_values(self, values: Numbers) -> Conv:
        """Return the same structure holding another kernel (in the order of :attr:`values`).

        Raises:
            ShapeError, InvalidValueError: unless there is one number for each of the kernel's.
        """
        kernel = other_values(values, self.kernel.shape)
        return Conv(kernel, self.sources, self.stride, self.padding, self.dilation, self.groups)

    def apply(self, messages: Numbers) -> Numbers:
        """Messages of shape (B, N_source) to sums of shape (B, N_target).

        Integers are summed in the shortest floating-point format that holds every partial sum:
        none, in whatever order, exceeds the largest message times the largest weight times the
        weights of one target. They stay integers where no format does.

        Raises:
            ShapeError, InvalidValueError: unless there is one number for each source.
        """
        messages = checked_messages(messages, self.shape[1])
        count, groups = messages.shape[0], self.groups
        outputs, high, *wide = self.targets
        sums = np.empty(
            (count, groups, outputs // groups, high, math.prod(wide)),
            np.result_type(self.kernel, messages),
        )
        kernel = self.kernel.astype(self._exact_type(messages)).reshape(*sums.shape[1:3], -1)
        # Copies of what each target sees are made for so many rows at a time.
        rows = max(1, CACHED // (groups * kernel.shape[2] * sums.shape[4]))
        several = max(1, rows // high)
        seen = self._seen(messages.astype(kernel.dtype))
        for sample in range(0, count, several):
            some = slice(sample, sample + several)
            for row in range(0, high, rows):
                part = sums[some, :, :, row : row + rows]
                columns = seen[some, ..., row : row + rows, :]
                columns = columns.reshape(part.shape[0], groups, kernel.shape[2], -1)
                part[...] = matrix_product(kernel, columns).reshape(part.shape)
        return sums.reshape(count, -1)

    def row_magnitudes(self, source_limits: Numbers) -> Numbers:
        """``Σ_i |w_ji| limit_i`` for each target j: no message within the limits exceeds it.

        Raises:
            ShapeError, InvalidValueError: unless there is one limit (N_source,) for each source.
        """
        positive = self.with_values(np.abs(self.values))
        return np.asarray(positive.apply(checked_limits(source_limits, self.shape[1])[None])[0])

    def to_array(self) -> Numbers:
        """Return the full matrix of shape (N_target, N_source)."""
        return self.to_sparse().to_array()

    def to_sparse(self) -> Sparse:
        """The expansion: one synapse for every value at every place; this is what it means.

        Values that are 0 are kept, those that would read outside the image are not.

        Raises:
            TooLargeError: for more synapses than can be held.
        """
        require_capacity("synapses of a convolution", self.synapses)
        outputs, inputs = self.kernel.shape[:2]
        # A kernel that lies in the padding alone has no synapse.
        rows, columns = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        data = [self.kernel.ravel()[:0]]
        target = np.arange(self.shape[0]).reshape(self.targets)
        source = np.arange(self.shape[1]).reshape(self.sources)
        for c, d in product(range(outputs), range(inputs)):
            channel = c // (outputs // self.groups) * inputs + d
            for offset, to, back in self._offsets():
                reached = target[c][to].ravel()
                rows.append(reached)
                columns.append(source[channel][back].ravel())
                data.append(np.full(reached.size, self.kernel[c, d][offset]))
        # Not by way of SciPy's coordinates, which would take doubles for integers beyond 2^53.
        row, column = np.concatenate(rows), np.concatenate(columns)
        order = np.lexsort((column, row))
        starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=self.shape[0]))])
        return Sparse(starts, column[order], np.concatenate(data)[order], self.shape[1])

    def _seen(self, messages: Numbers) -> Numbers:
        """What each target sees, as a view (B, groups, C_in / groups, ...kernel, H_out, W_out).

        A row has the width 1.
        """
        inputs, axes = self.kernel.shape[1], range(3, 3 + len(self.stride))
        image = messages.reshape(-1, self.groups, inputs, *self.sources[1:])
        seen = self._padded(image)
        for axis, width, dilation in zip(axes, self.kernel.shape[2:], self.dilation, strict=True):
            seen = sliding_window_view(seen, dilation * (width - 1) + 1, axis)
        steps = (slice(None, None, step) for step in (*self.stride, *self.dilation))
        seen = seen[(slice(None),) * 3 + tuple(steps)]
        seen = np.moveaxis(seen, tuple(axes), tuple(range(-len(axes), 0)))
        return seen if len(axes) == 2 else seen[..., None]

    def _padded(self, image: Numbers) -> Numbers:
        """The image (B, groups, C, ...size) with its zeros around it."""
        if not any(map(any, self.padding)):
            return image
        sides = list(zip(self.sources[1:], self.padding, strict=True))
        wide = (size + before + after for size, (before, after) in sides)
        padded = np.zeros((*image.shape[:3], *wide), image.dtype)
        inside = tuple(slice(before, before + size) for size, (before, _) in sides)
        padded[(slice(None),) * 3 + inside] = image
        return padded

    def patches(self, messages: Numbers) -> Numbers:
        """What the values of a kernel multiply at each place, of messages (N_source,).

        Of shape (groups, values of one output channel, places).
        """
        seen = self._seen(messages[None])[0]
        return np.asarray(seen.reshape(self.groups, self.kernel[0].size, -1))

    def _offsets(self) -> Iterator[tuple[Shape, tuple[slice, ...], tuple[slice, ...]]]:
        """Every place of the kernel that meets the image, with the targets and sources it joins."""
        reach = [list(enumerate(self._reach(axis))) for axis in range(len(self.stride))]
        for places in product(*reach):
            if all(first < last for _, (first, last, _) in places):
                offset = tuple(index for index, _ in places)
                to = tuple(slice(first, last) for _, (first, last, _) in places)
                back = tuple(
                    slice(first * stride + shift, (last - 1) * stride + shift + 1, stride)
                    for (_, (first, last, shift)), stride in zip(places, self.stride, strict=True)
                )
                yield offset, to, back

    def _reach(self, axis: int) -> Iterator[tuple[int, int, int]]:
        """First and last (not included) target that each offset serves, and its shift in x."""
        size, stride = self.sources[1 + axis], self.stride[axis]
        for k in range(self.kernel.shape[2 + axis]):
            shift = k * self.dilation[axis] - self.padding[axis][0]
            first = max(0, -(shift // stride))
            last = min(self.targets[1 + axis], (size - 1 - shift) // stride + 1)
            yield first, last, shift

    def _exact_type(self, messages: Numbers) -> np.dtype[Any]:
        """Type in which sums are exact, or as good as the numbers given."""
        dtype = np.result_type(self.kernel, messages)
        if dtype.kind != "i" or not messages.size:
            return dtype
        top = magnitude_of(messages) * magnitude_of(self.kernel) * self.kernel[0].size
        held = {EXACT_SINGLE: np.float32, EXACT_INTEGER: np.float64}
        return next((np.dtype(real) for limit, real in held.items() if top <= limit), dtype)


def sum_pool(
    sources: Sequence[int],
    size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    weight: float = 1.0,
) -> Conv:
    """Sums over windows, channel by channel: a convolution whose weights are all ``weight``.

    ``stride`` is the window's size if left out. An average has the weight 1 / (window's places).

    Raises:
        ShapeError, InvalidValueError: as :class:`Conv`.

    >>> sum_pool((1, 2, 4), 2).apply(np.arange(8.0)[None])
    array([[10., 18.]])
    """
    shape = image_shape("sources of pooling", sources)
    window = _each("size of pooling", size, len(shape) - 1, 1)
    require_capacity("window of pooling", math.prod(window))
    kernel = np.full((shape[0], 1, *window), weight)
    return Conv(kernel, shape, window if stride is None else stride, padding, 1, shape[0])


def average_pool(
    sources: Sequence[int],
    size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
) -> Conv:
    """Averages over windows, channel by channel; zeros of the padding are counted.

    Raises:
        ShapeError, InvalidValueError: as :class:`Conv`.

    >>> average_pool((1, 2, 4), 2).apply(np.arange(8.0)[None])
    array([[2.5, 4.5]])
    """
    shape = image_shape("sources of pooling", sources)
    window = _each("size of pooling", size, len(shape) - 1, 1)
    return sum_pool(shape, window, stride, padding, 1 / math.prod(window))


def image_shape(name: str, value: Any, dimensions: int | None = None) -> Shape:
    """Return (channels, height, width) or (channels, length) as integers.

    Raises:
        ShapeError: for another number of dimensions.
        InvalidValueError: for anything but integers >= 1.
        TooLargeError: for more neurons than a population can have.
    """
    wanted = (1, 2) if dimensions is None else (dimensions,)
    texts = {1: "(channels, length)", 2: "(channels, height, width)"}
    expected = " or ".join(texts[count] for count in wanted)
    if is_integer(value):
        raise ShapeError(name, value, expected)
    shape = integers(name, value, 1)
    if len(shape) - 1 not in wanted:
        raise ShapeError(name, shape, expected)
    require_capacity(name, math.prod(shape))
    return shape


def integers(name: str, value: Any, smallest: int) -> Shape:
    """Return a sequence of integers of at least ``smallest`` as a tuple.

    Raises:
        InvalidValueError: for anything else.
    """
    listed = _listed(name, value, smallest)
    for number in listed:
        if not is_integer(number):
            raise InvalidValueError(name, shown(value), f"integers >= {smallest}")
        require_range(name, int(number), smallest, COUNTABLE)
    return tuple(int(number) for number in listed)


def _each(name: str, value: Any, dimensions: int, smallest: int) -> Shape:
    """One number for every dimension."""
    name = f"{name} of a convolution"
    numbers = integers(name, (value,) * dimensions if is_integer(value) else value, smallest)
    if len(numbers) == 1:
        numbers *= dimensions
    if len(numbers) != dimensions:
        raise ShapeError(name, numbers, f"one number, or {dimensions}")
    return numbers


def _pairs(value: Any, dimensions: int) -> tuple[tuple[int, int], ...]:
    """Padding before and after, for every dimension."""
    name = "padding of a convolution"
    if is_integer(value):
        value = (value,)
    remedy = "same is half of dilation (width - 1) on each side, valid is 0"
    listed = _listed(name, value, 0, remedy if isinstance(value, str) else "")
    if all(is_integer(number) for number in listed):
        return tuple((pad, pad) for pad in _each("padding", listed, dimensions, 0))
    pairs = tuple(integers(name, pair, 0) for pair in listed)
    if len(pairs) == 1:
        pairs *= dimensions
    if len(pairs) != dimensions or any(len(pair) != 2 for pair in pairs):
        raise ShapeError(name, pairs, f"one number, {dimensions}, or a pair for each")
    return tuple((pair[0], pair[1]) for pair in pairs)


def _listed(name: str, value: Any, smallest: int, remedy: str = "") -> tuple[Any, ...]:
    """What a value holds, in order, read once.

    Raises:
        InvalidValueError: for a single thing, a text, and what has no order or holds more.
    """
    try:
        if not isinstance(value, (str, bytes, bytearray, Mapping, Set)):
            return tuple(value)
    except TypeError:
        pass
    raise InvalidValueError(name, shown(value), f"integers >= {smallest}", remedy)
