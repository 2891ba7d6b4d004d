"""Products and sums of maps: convolutions stay such, and are the product of what they expand to."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from ltc2hw.converters.products import (
    Matrix,
    apply,
    composed,
    inner_image,
    is_identity,
    matrix_of,
    product,
    row_sizes,
    same,
    together,
    total,
    weights,
)
from ltc2hw.errors import TooLargeError
from ltc2hw.numbers.convolution import Conv, Shape, average_pool, sum_pool
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray

SEEDS = range(40)


def array(matrix: Matrix) -> FloatArray:
    return np.asarray(weights(matrix).to_array(), dtype=np.float64)


def some(rng: np.random.Generator, low: int, high: int, axes: int) -> tuple[int, ...]:
    return tuple(int(number) for number in rng.integers(low, high, axes))


def random_convolution(rng: np.random.Generator, sources: Shape) -> Conv:
    """Any convolution that fits on an image."""
    axes = len(sources) - 1
    divisors = [n for n in range(1, sources[0] + 1) if sources[0] % n == 0]
    groups = int(rng.choice(divisors))
    outputs = groups * int(rng.integers(1, 3))
    while True:
        kernel = rng.normal(size=(outputs, sources[0] // groups, *some(rng, 1, 4, axes)))
        padding = [(int(a), int(b)) for a, b in rng.integers(0, 3, (axes, 2))]
        stride, dilation = some(rng, 1, 4, axes), some(rng, 1, 4, axes)
        reaches = zip(sources[1:], kernel.shape[2:], padding, dilation, strict=True)
        if all(size + sum(pad) > d * (width - 1) for size, width, pad, d in reaches):
            return Conv(kernel, sources, stride, padding, dilation, groups)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_two_in_a_row_are_their_product(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sources: Shape = ((2, 11), (2, 9, 8), (4, 7, 10))[seed % 3]
    first = random_convolution(rng, sources)
    second = random_convolution(rng, first.targets)
    np.testing.assert_allclose(
        array(product(second, first)), second.to_array() @ first.to_array(), atol=1e-12
    )


def test_many_pairs_have_one_kernel() -> None:
    """How often random pairs fold, and always where nothing is read around the middle image."""
    folded = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        first = random_convolution(rng, (2, 9, 8))
        second = random_convolution(rng, first.targets)
        folded += composed(second, first) is not None
        plain = (
            Conv(second.kernel, second.sources, 1, 0, 1, second.groups)
            if all(
                size >= width
                for size, width in zip(second.sources[1:], second.kernel.shape[2:], strict=True)
            )
            else second
        )
        if not np.any(plain.padding):
            assert composed(plain, first) is not None
    assert folded > 5


@pytest.mark.parametrize("size", [1, 2, 3, (2, 3)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1])
def test_pooling_before_a_convolution_is_one_kernel(
    size: int | tuple[int, int], stride: int, padding: int
) -> None:
    """p (k - 1) + p wide, with a stride of p s, and the weights of the one repeated p times."""
    rng = np.random.default_rng(0)
    pool = sum_pool((2, 12, 12), size)
    kernel = rng.normal(size=(3, 2, 3, 2))
    second = Conv(kernel, pool.targets, stride, padding)
    found = product(second, pool)
    assert isinstance(found, Conv)
    p, q = (size, size) if isinstance(size, int) else size
    assert found.stride == (p * stride, q * stride)
    assert found.kernel.shape == (3, 2, 3 * p, 2 * q)
    assert np.array_equal(found.kernel, kernel.repeat(p, axis=2).repeat(q, axis=3))
    assert found.targets == second.targets
    np.testing.assert_allclose(
        found.to_array(), second.to_array() @ pool.to_array(), rtol=0, atol=1e-13
    )


def test_pooling_behind_a_convolution_is_one_kernel() -> None:
    rng = np.random.default_rng(1)
    first = Conv(rng.normal(size=(4, 2, 3, 3)), (2, 10, 10), 1, 1)
    pool = average_pool(first.targets, 2)
    found = product(pool, first)
    assert isinstance(found, Conv)
    assert (found.kernel.shape, found.stride, found.groups) == ((4, 2, 4, 4), (2, 2), 1)
    np.testing.assert_allclose(found.to_array(), pool.to_array() @ first.to_array(), atol=1e-12)


def test_where_a_border_tells_the_difference_the_product_is_written_out() -> None:
    """A pool of 2 on 9 leaves a column out; a kernel that starts beside the image would see it."""
    pool = sum_pool((1, 9, 9), 2)
    second = Conv(np.ones((1, 1, 3, 3)), pool.targets, 1, 1)
    assert composed(second, pool) is None
    assert isinstance(composed(second, sum_pool((1, 8, 8), 2)), Conv)
    found = product(second, pool)
    assert sparse.issparse(found)
    assert np.array_equal(array(found), second.to_array() @ pool.to_array())
    # A padded convolution gives something around its image, where a padded one behind reads zeros.
    padded = Conv(np.ones((1, 1, 3, 3)), (1, 8, 8), 1, 1)
    assert composed(padded, padded) is None
    assert np.array_equal(array(product(padded, padded)), padded.to_array() @ padded.to_array())


def test_factors_of_channels_go_into_the_kernel() -> None:
    rng = np.random.default_rng(2)
    weights = Conv(rng.normal(size=(4, 3, 3, 2)), (6, 7, 8), 2, 1, 1, 2)
    outputs, inputs = rng.normal(size=4), rng.normal(size=6)
    before = sparse.diags(inputs.repeat(56), format="csr")
    places = int(np.prod(weights.targets[1:]))
    after = sparse.diags(outputs.repeat(places), format="csr")
    scaled = product(product(after, weights), before)
    assert isinstance(scaled, Conv)
    assert scaled.kernel.shape == weights.kernel.shape
    np.testing.assert_allclose(
        scaled.to_array(), after @ weights.to_array() @ before.toarray(), atol=1e-13
    )
    # Factors within a channel have no kernel; channels that nothing passes are kernels of zeros.
    uneven = sparse.diags(rng.normal(size=weights.shape[0]), format="csr")
    found = product(uneven, weights)
    assert sparse.issparse(found)
    np.testing.assert_allclose(array(found), uneven @ weights.to_array(), atol=1e-13)
    only = sparse.diags(np.array([0.0, 1.0, 0.0, 1.0]).repeat(places), format="csr")
    kept = product(only, weights)
    assert isinstance(kept, Conv)
    assert np.array_equal(kept.to_array(), only @ weights.to_array())


def moved_alike(convolution: Conv, like: Conv) -> Conv:
    """With the strides of another one, and, if it fits, as many places."""
    pads = [
        (before, max(0, (n - 1) * stride + d * (width - 1) + 1 - size - before))
        for (before, _), n, stride, d, width, size in zip(
            convolution.padding, like.targets[1:], like.stride, convolution.dilation,
            convolution.kernel.shape[2:], like.sources[1:], strict=True,
        )
    ]  # fmt: skip
    return Conv(
        convolution.kernel, like.sources, like.stride, pads, convolution.dilation,
        convolution.groups,
    )  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_any_sum_is_the_sum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sources = (2, 9, 8)
    first = random_convolution(rng, sources)
    second = moved_alike(random_convolution(rng, sources), first)
    while second.targets != first.targets:
        second = moved_alike(random_convolution(rng, sources), first)
    expected = first.to_array() + second.to_array()
    np.testing.assert_allclose(array(total(first, second)), expected, atol=1e-13)
    kept = together(first, second)
    if kept is not None:
        assert kept.targets == first.targets
        np.testing.assert_allclose(kept.to_array(), expected, atol=1e-13)


def test_a_shortcut_around_a_convolution_is_in_its_kernel() -> None:
    weights = Conv(np.ones((2, 2, 3, 3)), (2, 5, 5), 1, 1)
    around = sparse.identity(50, format="csr")
    for found in (total(weights, around), total(around, weights)):
        assert isinstance(found, Conv)
        assert found.kernel.shape == weights.kernel.shape
        assert found.padding == weights.padding
        assert np.array_equal(found.to_array(), weights.to_array() + np.eye(50))
    assert total(weights, weights) == Conv(2 * weights.kernel, (2, 5, 5), 1, 1)
    # Other strides, and matrices of any kind, have none.
    other = Conv(np.ones((2, 2, 3, 3)), (2, 5, 5), 2, 1)
    assert together(weights, other) is None
    dense = np.arange(2500.0).reshape(50, 50)
    assert np.array_equal(array(total(weights, dense)), weights.to_array() + dense)


def test_identities_of_every_kind_change_nothing() -> None:
    rng = np.random.default_rng(3)
    weights = Conv(rng.normal(size=(2, 2, 3, 3)), (2, 4, 4), 1, 1)
    pool = sum_pool((2, 4, 4), 1)
    for identity in (pool, sparse.identity(32, format="csr"), np.eye(32)):
        assert is_identity(identity)
        assert product(weights, identity) is weights
        assert product(identity, weights) is weights
    assert not is_identity(sum_pool((2, 4, 4), 1, weight=2.0))
    assert not is_identity(weights)
    assert not is_identity(Conv(np.ones((2, 2, 1, 1)), (2, 4, 4)))
    assert same(weights, Conv(weights.kernel, (2, 4, 4), 1, 1))
    assert not same(weights, weights.to_sparse().to_scipy())
    assert matrix_of(weights) is weights
    assert weights == product(weights, pool)


def test_columns_and_row_sizes_are_those_of_the_expansion() -> None:
    rng = np.random.default_rng(4)
    weights = random_convolution(rng, (4, 7, 6))
    column = rng.normal(size=(weights.shape[1], 1))
    np.testing.assert_allclose(apply(weights, column), weights.to_array() @ column, atol=1e-13)
    np.testing.assert_allclose(row_sizes(weights), abs(weights.to_array()).sum(1), atol=1e-13)
    dense = Dense(rng.normal(size=(3, weights.shape[0])))
    np.testing.assert_allclose(
        array(product(dense.matrix, weights)), dense.matrix @ weights.to_array(), atol=1e-12
    )


def test_too_large_is_refused_before_it_is_made() -> None:
    padded = Conv(np.ones((4, 4, 3, 3)), (4, 300, 300), 1, 1)
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match=r"written-out convolution.*put neurons between"):
            product(padded, padded)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    # A kernel of more numbers than the product has is none.
    far = Conv(np.ones((1, 1, 2)), (1, 400), 1, ((399, 0),), 399)
    assert composed(Conv(np.ones((1, 1, 400)), far.targets), far) is None


def test_inner_images_are_what_is_read() -> None:
    """A cut and a kernel of the rest, in any geometry of what leaves something out."""
    found = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        sources = (int(rng.integers(8, 17)), *some(rng, 7, 14, 2))
        first = sum_pool(sources, some(rng, 1, 4, 2), some(rng, 1, 4, 2))
        kernel = rng.normal(size=(24, sources[0], *some(rng, 1, 4, 2)))
        second = Conv(kernel, first.targets, some(rng, 1, 3, 2), 1)
        parts = inner_image(second, first)
        if parts is None:
            continue
        found += 1
        cut, inner = parts
        assert composed(second, first) is None
        assert composed(second, inner) is not None
        assert set(np.unique(cut.to_array())) <= {0.0, 1.0}
        assert np.array_equal(cut.to_array().sum(1), np.ones(cut.shape[0]))
        assert np.array_equal(inner.to_array() @ cut.to_array(), first.to_array())
    assert found > 10
    assert inner_image(np.eye(4), sum_pool((1, 2, 2), 1)) is None
