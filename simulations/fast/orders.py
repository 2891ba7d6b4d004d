"""Order of a population's neurons in memory, which is not always that of their numbers.

The sums of a convolution are vectors of output channels, one for each pixel. Populations at which
they arrive lie in memory in the same order, channels last, so that nothing has to be transposed
from step to step; what goes in and out of the engine is.
"""

from __future__ import annotations

import numpy as np

from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import IntArray

Order = slice | IntArray
"""Indexes an array of values by neurons' numbers, and gives them in the order of memory."""

UNCHANGED = slice(None)


def orders_of(network: FixedNetwork) -> dict[str, Order]:
    """Order of every population: channels last where convolutions arrive."""
    orders: dict[str, Order] = {p.name: UNCHANGED for p in network.populations}
    for projection in network.projections:
        if isinstance(projection.weights, Conv):
            orders[projection.target] = channels_last(projection.weights.targets)
    return orders


def channels_last(shape: tuple[int, ...]) -> Order:
    """Numbers of the neurons of an image, all channels of a pixel before the next pixel.

    >>> channels_last((2, 1, 3)).tolist()
    [0, 3, 1, 4, 2, 5]
    >>> channels_last((1, 2, 3))
    slice(None, None, None)
    """
    channels = shape[0]
    if channels == 1 or int(np.prod(shape[1:])) == 1:
        return UNCHANGED
    return np.arange(np.prod(shape), dtype=np.int64).reshape(channels, -1).T.ravel()
