"""Convolutions that older files hold written out are found again, or left as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import ltc2hw
from ltc2hw.converters.kernels import find_kernel, with_kernels
from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Sparse
from tests.converters.test_products import random_convolution


def network(weights: Sparse | Conv, noted: str = "{}") -> Network:
    ends: tuple[Any, ...] = (
        Input("input", weights.shape[1]),
        Neurons("a", weights.shape[0], "lif", {"current_decay": 1.0, "membrane_decay": 0.5}),
    )
    if isinstance(weights, Conv):
        shapes = (weights.sources, weights.targets)
        ends = tuple(replace(end, shape=shape) for end, shape in zip(ends, shapes, strict=True))
    projection = Projection("input", "spikes", "a", "current", weights)
    return Network(ends, (projection,), "a", {"images": noted})


@pytest.mark.parametrize("seed", range(12))
def test_kernels_are_found_in_their_matrices(seed: int) -> None:
    """Any kernel but those of which places never meet the image: the matrix does not tell."""
    rng = np.random.default_rng(seed)
    sources = ((4, 9, 11), (2, 3, 14))[seed % 2]
    given = random_convolution(rng, sources)
    while np.unique(given.to_sparse().data).size < given.kernel.size:
        given = random_convolution(rng, sources)
    found = find_kernel(given.to_sparse(), given.sources, given.targets)
    assert found is not None
    assert found.to_sparse() == given.to_sparse()
    assert found.kernel.size <= given.kernel.size


def test_networks_get_their_kernels_back() -> None:
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 2, 3, 3))
    for weights, noted in (
        (Conv(kernel, (2, 6, 7), 2, 1), '{"input": [2, 6, 7], "a": [3, 3, 4]}'),
        (Conv(kernel[:, :, 0], (2, 9)), '{"input": [2, 9], "a": [3, 7]}'),
    ):
        given = network(weights)
        # Shapes of the populations, and what older imports noted of those that had none.
        assert with_kernels(without_kernels(given)) == given
        found = with_kernels(network(weights.to_sparse(), noted))
        assert found.populations == given.populations
        assert found.projections == given.projections
        assert with_kernels(given) is given
    x = (rng.random((5, 2, 18)) < 0.4).astype(float)
    fixed = ltc2hw.quantize(given, "loihi2", x)
    assert with_kernels(without_kernels(fixed)) == fixed


def test_what_is_no_convolution_stays() -> None:
    """Wrong notes of shapes, or a matrix of any other kind."""
    weights = Conv(np.ones((1, 1, 2, 2)), (1, 4, 4)).to_sparse()
    odd = weights.with_values(np.arange(1.0, weights.data.size + 1))
    right = '{"input": [1, 4, 4], "a": [1, 3, 3]}'
    assert isinstance(with_kernels(network(weights, right)).projections[0].weights, Conv)
    for given, noted in (
        (odd, right),
        (weights, '{"input": [1, 4, 4], "a": [9, 1, 1]}'),
        (weights, '{"input": [2, 2, 4], "a": [1, 3, 3]}'),
        (weights, '{"input": [1, 4, 5], "a": [1, 3, 3]}'),
        (weights, '{"input": [1, 4, 4]}'),
        (weights, '{"input": [1, -4, -4], "a": "x"}'),
        (weights, "[" * 9999),
        (weights, "7"),
    ):
        unrolled = network(given, noted)
        assert with_kernels(unrolled) is unrolled


def test_long_images_cost_what_their_weights_do() -> None:
    """Neither places times pixels nor channels times channels are ever held."""
    for before, kernel, groups in (
        ((1, 1, 400_000), (1, 1, 1, 3), 1),
        ((4000, 1, 100), (4000, 1, 1, 1), 4000),
    ):
        given = Conv(np.ones(kernel), before, groups=groups)
        assert find_kernel(given.to_sparse(), before, given.targets) == given
        rng = np.random.default_rng(0)
        ends = (rng.integers(0, 100_000, 200_000), rng.integers(0, 400_000, 200_000))
        mixed = sparse.csr_matrix((np.ones(200_000), ends), (100_000, 400_000))
        assert find_kernel(Sparse.from_scipy(mixed), before, (1, 1, 100_000)) is None
        empty = Sparse.from_scipy(sparse.csr_matrix((100_000, 400_000)))
        assert find_kernel(empty, before, (1, 1, 100_000)) is None
