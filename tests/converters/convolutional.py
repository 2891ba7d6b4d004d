"""Integer networks of convolutions that converters have to print, and samples for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import ltc2hw
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import FloatArray
from tests.convolution.random_conv_networks import conv_samples, random_fixed_conv_network
from tests.convolution.test_networks import events, gated_network

Sampled = tuple[FixedNetwork, FloatArray]


def gated() -> Sampled:
    """Event gates, recurrence, two delays at once, a dense readout."""
    x = events()
    return ltc2hw.quantize(gated_network(), "loihi2", calibration=x), x


def strided(*, graded: bool) -> Sampled:
    """Strides 3, which no shift divides by, uneven padding, dilation and groups at once."""
    rng = np.random.default_rng(2)
    image = (4, 11, 10)
    first = Conv(rng.normal(size=(6, 2, 3, 4)), image, (3, 2), ((2, 1), (0, 3)), (2, 3), 2)
    second = Conv(rng.normal(size=(5, 6, 2, 1)), first.targets, 1, 1)
    network = Network(
        (
            Input("input", 440, graded, shape=image),
            Neurons("one", first.shape[0], "ltc", {"threshold": 0.3}, shape=first.targets),
            Neurons("two", second.shape[0], "ltc", {"threshold": 0.2}, shape=second.targets),
        ),
        (
            Projection("input", "value" if graded else "spikes", "one", "current", first, 2),
            Projection("one", "spikes", "two", "current", second),
            Projection("one", "membrane", "two", "tau_mem", second, 1),
        ),
        "two",
    )
    x = conv_samples(rng, network, 8, 2)
    return ltc2hw.quantize(network, "loihi2", calibration=x), x


def convolutional(count: int) -> Iterator[Sampled]:
    """The ones above, and as many random ones."""
    yield gated()
    yield strided(graded=True)
    yield strided(graded=False)
    for seed in range(count):
        rng = np.random.default_rng(seed)
        network = random_fixed_conv_network(rng, extreme=seed % 2 == 0)
        yield network, conv_samples(rng, network, 6, 2, loudest=2.0)
