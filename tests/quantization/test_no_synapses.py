"""Projections of no synapses: sparse weights that were pruned away, kernels beside the image."""

from __future__ import annotations

import numpy as np

import ltc2hw
from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Sparse


def test_sparse_weights_without_a_synapse_are_quantized() -> None:
    none = Sparse.from_array(np.zeros((2, 3)))
    own = Sparse.from_array(np.diag([1.0, 0.0])[:, [0, 1, 1]])
    network = Network(
        (Input("x", 3), Neurons("out", 2, "lif", {"threshold": 0.3})),
        (
            Projection("x", "spikes", "out", "current", own),
            Projection("x", "spikes", "out", "current", none, 1),
        ),
        "out",
    )
    fixed = ltc2hw.quantize(network, "loihi2", np.ones((2, 1, 3)))
    assert fixed.projections[1].weights.synapses == 0
    assert ltc2hw.simulate(fixed, np.ones((2, 1, 3)), "integer").outputs[0, 0].tolist() == [1, 0]


def test_a_kernel_that_lies_in_the_padding_alone_is_quantized_as_written_out() -> None:
    kernel = Conv(np.ones((1, 1, 1, 1)), (1, 1, 1), 2, 1)
    assert kernel.synapses == 0
    network = Network(
        (
            Input("x", 1, shape=(1, 1, 1)),
            Neurons("out", 4, "lif", {"threshold": 0.3}, shape=kernel.targets),
        ),
        (Projection("x", "spikes", "out", "current", kernel),),
        "out",
    )
    x = np.ones((2, 1, 1))
    fixed = ltc2hw.quantize(network, "loihi2", x)
    written_out = ltc2hw.quantize(without_kernels(network), "loihi2", x)
    for each in (fixed, written_out):
        assert not ltc2hw.simulate(each, x, "integer").outputs.any()
