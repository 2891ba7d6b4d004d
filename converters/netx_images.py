"""Convolutions between our networks and netx's layers: which of them a layer holds, and as what."""

from __future__ import annotations

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
    others = list(_unheld(network, names, hops))
    for projection in network.projections:
        if isinstance(projection.weights, Conv):
            rows = len(projection.weights.stride) == 1
            name = connection_name(projection)
            conversion.meet("convolution-1d" if rows else "convolution", name)
            if projection in others:
                conversion.meet("convolution-other", name)
                targets, sources = projection.weights.shape
                require_capacity(f"written out {name}", targets * sources)
    if not others:
        return network
    projections = (
        replace(p, weights=expanded(p.weights)) if p in others else p for p in network.projections
    )
    return replace(network, projections=tuple(projections))


def _unheld(
    network: FixedNetwork, names: Sequence[str], hops: Mapping[str, int]
) -> Iterator[FixedProjection]:
    image = True
    for name in names:
        arriving = [p for p in network.projections if p.target == name]
        convolutions = [p for p in arriving if isinstance(p.weights, Conv)]
        population = network.population(name)
        assert isinstance(population, FixedNeurons)
        image = (
            image
            and len(arriving) == len(convolutions) == 1
            and arriving[0].delay == hops[name]
            and _holds(convolutions[0].weights, population)
        )
        if not image:
            yield from convolutions


def _holds(conv: object, population: FixedNeurons) -> bool:
    """Whether a layer of netx is this convolution and these neurons."""
    assert isinstance(conv, Conv)
    sizes = (*conv.kernel.shape[2:], *conv.stride, *conv.dilation, conv.groups)
    pads = [pad for pair in conv.padding for pad in pair]
    return (
        max(*sizes, *pads) <= LARGEST_SIZE
        and all(before == after for before, after in conv.padding)
        and all(
            per_channel(population.constants[name], conv.targets[0]) is not None
            for name in ("current_decay", "membrane_decay", "threshold", "bias")
        )
    )
