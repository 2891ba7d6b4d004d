"""A convolution in the terms of Lava's ``Conv``. Needs no Lava.

Lava's images are (W, H, C), its kernels (C_out, W, H, C_in / groups), and it mirrors them. Its
fixed-point model reads neither ``weight_exp`` nor ``num_weight_bits``, so the weights that it gets
are ``mantissa << exponent``; and it wraps sums into 24 bits, so it is used only where no sum can
reach beyond them. It knows one padding for both sides of an axis, so what is more on one side is
made up for by zeros in the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltc2hw.graph.fixed import FixedNetwork, FixedProjection, message_word
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.words import IntArray, Word

SUM = Word(24)
"""What ``lava/proc/conv/models.py`` wraps its sums into."""


@dataclass(frozen=True)
class LavaConvolution:
    """Arguments of Lava's ``Conv``; every pair is (along W, along H)."""

    weight: IntArray
    input_shape: Shape
    stride: Shape
    padding: Shape
    dilation: Shape
    groups: int


def in_lavas_order(conv: Conv, exponent: int = 0) -> LavaConvolution:
    """The same sums, shifted left by ``exponent``; a row is an image of height 1.

    >>> edge = Conv(np.array([[[1, -1]]]), (1, 5), padding=((2, 0),))
    >>> found = in_lavas_order(edge)
    >>> found.weight.ravel().tolist(), found.padding, found.input_shape
    ([0, 0, -1, 1], (2, 0), (5, 1, 1))
    """
    kernel, padding, dilation = conv.kernel << exponent, [], []
    for axis, (before, after) in enumerate(conv.padding):
        step = conv.dilation[axis]
        if before != after:
            kernel, step = _spread(kernel, 2 + axis, step), 1
        missing = [(0, 0)] * kernel.ndim
        missing[2 + axis] = (max(0, after - before), max(0, before - after))
        kernel = np.pad(kernel, missing)
        padding.append(max(before, after))
        dilation.append(step)
    sources, stride = conv.sources, list(conv.stride)
    if len(sources) == 2:
        kernel, sources = kernel[:, :, None], (sources[0], 1, sources[1])
        stride, padding, dilation = [1, *stride], [0, *padding], [1, *dilation]
    return LavaConvolution(
        np.ascontiguousarray(kernel[:, :, ::-1, ::-1].transpose(0, 3, 2, 1)),
        sources[::-1],
        tuple(stride[::-1]),
        tuple(padding[::-1]),
        tuple(dilation[::-1]),
        conv.groups,
    )


def _spread(kernel: IntArray, axis: int, dilation: int) -> IntArray:
    """A kernel with the zeros of its dilation written out along an axis."""
    shape = list(kernel.shape)
    shape[axis] = dilation * (shape[axis] - 1) + 1
    spread = np.zeros(shape, dtype=kernel.dtype)
    spread[(slice(None),) * axis + (slice(None, None, dilation),)] = kernel
    return spread


def stays_in_lavas_sums(network: FixedNetwork, projection: FixedProjection) -> bool:
    """Whether no message whatever makes Lava's ``Conv`` wrap."""
    word = message_word(network.population(projection.source), projection.variable)
    limits = np.full(projection.weights.shape[1], max(word.maximum, -word.minimum), dtype=np.int64)
    worst = int(projection.weights.row_magnitudes(limits).max()) << projection.exponent
    return worst <= SUM.maximum
