"""Order of a population's neurons in memory, which is not always that of their numbers.

The sums of a convolution are vectors of output channels, one for each pixel. Populations at which
they arrive lie in memory in the same order, channels last, so that nothing has to be transposed
from step to step; what goes in and out of the engine is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.numbers.convolution import Conv
from ltc2hw.simulations.fast.tables import Table


@dataclass(frozen=True)
class Order:
    """All channels of a pixel before the next pixel; the neurons' numbers go channel by channel.

    >>> order = Order(channels=2, pixels=3)
    >>> order.placed(np.arange(6)).tolist()
    [0, 3, 1, 4, 2, 5]
    >>> order.numbered(order.placed(np.arange(6))).tolist()
    [0, 1, 2, 3, 4, 5]
    """

    channels: int = 1
    """1: neurons lie in the order of their numbers."""
    pixels: int = 1

    def placed(self, values: Table) -> Table:
        """Values (..., N) by number, in the order of memory."""
        return values if self.channels == 1 else _swapped(values, self.channels, self.pixels)

    def numbered(self, values: Table) -> Table:
        """Values (..., N) in the order of memory, by number."""
        return values if self.channels == 1 else _swapped(values, self.pixels, self.channels)

    def numbers(self, size: int) -> Table:
        """Numbers of the neurons in the order of memory."""
        return self.placed(np.arange(size))


def _swapped(values: Table, first: int, second: int) -> Table:
    parts = values.reshape(*values.shape[:-1], first, second)
    return parts.swapaxes(-1, -2).reshape(values.shape)


def orders_of(network: FixedNetwork) -> dict[str, Order]:
    """Order of every population: channels last where convolutions arrive."""
    orders = {p.name: Order() for p in network.populations}
    for projection in network.projections:
        if isinstance(projection.weights, Conv):
            channels, *rest = projection.weights.targets
            pixels = int(np.prod(rest))
            if pixels > 1:
                orders[projection.target] = Order(channels, pixels)
    return orders
