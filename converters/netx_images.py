"""Convolutions between our networks and netx's layers: which of them a layer holds, and as what."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ltc2hw.converters.conversion import Conversion
from ltc2hw.graph.fixed import FixedNetwork, FixedProjection
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.operators import expanded
from ltc2hw.numbers.words import IntArray

LARGEST_SIZE = 127
"""Lava's ``Conv`` holds sizes in 8 bits."""


def as_image(conv: Conv) -> Conv:
    """The convolution in two dimensions: a row is an image of height 1.

    >>> as_image(Conv(np.ones((1, 1, 3)), (1, 5), padding=1)).targets
    (1, 1, 5)
    """
    if len(conv.stride) > 1:
        return conv
    return Conv(
        conv.kernel[:, :, None],
        (conv.sources[0], 1, conv.sources[1]),
        (1, *conv.stride),
        ((0, 0), *conv.padding),
        (1, *conv.dilation),
        conv.groups,
    )


def as_row(conv: Conv) -> Conv:
    """An image of height 1 as the row that :func:`as_image` made it of.

    Raises:
        ShapeError: for any other image.
    """
    return Conv(
        conv.kernel.reshape(*conv.kernel.shape[:2], -1),
        (conv.sources[0], conv.sources[2]),
        conv.stride[1:],
        conv.padding[1:],
        conv.dilation[1:],
        conv.groups,
    )


def per_channel(values: IntArray, channels: int) -> IntArray | None:
    """One number for each channel; None where neurons of a channel differ.

    >>> per_channel(np.array([3, 3, 5, 5]), 2), per_channel(np.array([3, 4]), 1)
    (array([3, 5]), None)
    """
    table = values.reshape(channels, -1)
    return table[:, 0] if np.all(table == table[:, :1]) else None


def with_kernels_that_netx_holds(
    network: FixedNetwork, names: Sequence[str], hops: Mapping[str, int], conversion: Conversion
) -> FixedNetwork:
    """Write out the convolutions that netx's own layer cannot hold, where that is allowed.

    ``names`` is the chain, ``hops`` the steps into each population.

    Raises:
        UnsupportedError: naming a convolution that netx cannot hold.
        TooLargeError: for one of more numbers, written out, than can be held.
    """
    others = dict(_unheld(network, names, hops))
    kept = []
    for index, projection in enumerate(network.projections):
        weights = projection.weights
        if isinstance(weights, Conv):
            name = connection_name(projection)
            conversion.meet("convolution-1d" if len(weights.stride) == 1 else "convolution", name)
            if index in others:
                conversion.meet("convolution-other", f"{name} with {others[index]}")
                require_capacity(f"written out {name}", math.prod(weights.shape))
                weights = expanded(weights)
        kept.append(replace(projection, weights=weights))
    return replace(network, projections=tuple(kept)) if others else network


def _unheld(
    network: FixedNetwork, names: Sequence[str], hops: Mapping[str, int]
) -> Iterator[tuple[int, str]]:
    """Number of each convolution that no layer of netx holds, and why."""
    image = True
    for name in names:
        arriving = [i for i, p in enumerate(network.projections) if p.target == name]
        kernels = [i for i in arriving if isinstance(network.projections[i].weights, Conv)]
        reason = "a layer before it that is no image"
        if image:
            reason = "another projection beside it"
        if image and len(arriving) == len(kernels) == 1:
            reason = _departure(network, network.projections[kernels[0]], hops[name])
        image = bool(kernels) and not reason
        if reason:
            yield from ((index, reason) for index in kernels)


def _departure(network: FixedNetwork, projection: FixedProjection, hop: int) -> str:
    """What a layer of netx does not hold of a convolution and its neurons; nothing if it does."""
    conv, population = projection.weights, network.population(projection.target)
    assert isinstance(conv, Conv)
    assert isinstance(population, FixedNeurons)
    pads = [pad for pair in conv.padding for pad in pair]
    sizes = (*conv.kernel.shape[2:], *conv.stride, *conv.dilation, conv.groups, *pads)
    differing = [
        name
        for name in ("current_decay", "membrane_decay", "threshold", "bias")
        if per_channel(population.constants[name], conv.targets[0]) is None
    ]
    if projection.delay != hop:
        return "a delay"
    if any(before != after for before, after in conv.padding):
        return "uneven padding"
    if max(sizes) > LARGEST_SIZE:
        return f"a size of {max(sizes)}, more than {LARGEST_SIZE}"
    return f"{differing[0]} that differs within a channel" if differing else ""
