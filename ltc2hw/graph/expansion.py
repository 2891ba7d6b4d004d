"""Networks whose convolutions are written out, for what knows matrices alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.operators import expanded

AnyNetwork = TypeVar("AnyNetwork", Network, FixedNetwork)


def without_kernels(network: AnyNetwork) -> AnyNetwork:
    """The same network with a number for every synapse; itself if it has no convolution.

    Raises:
        TooLargeError: for a convolution of more synapses than can be held.

    >>> from ltc2hw.graph.network import Input, Projection
    >>> from ltc2hw.graph.neurons import Neurons
    >>> image = Input("x", 9, shape=(1, 3, 3))
    >>> sums = Projection("x", "spikes", "out", "current", Conv([[[[1.0]]]], (1, 3, 3)))
    >>> net = Network((image, Neurons("out", 9, "lif", shape=(1, 3, 3))), (sums,), "out")
    >>> type(without_kernels(net).projections[0].weights).__name__
    'Sparse'
    """
    if not any(isinstance(projection.weights, Conv) for projection in network.projections):
        return network
    projections = [replace(p, weights=expanded(p.weights)) for p in network.projections]
    return replace(network, projections=tuple(projections))
