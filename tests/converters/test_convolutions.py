"""Layers of other tools as operators: pooling, padding by name, and padding made even."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from ltc2hw.converters.convolutions import per_channel, pooling, same_padding, symmetric
from ltc2hw.errors import ShapeError, TooLargeError
from ltc2hw.numbers.convolution import Conv
from tests.converters.test_products import random_convolution


def test_pooling_sums_windows() -> None:
    image = np.arange(2 * 4 * 6, dtype=float).reshape(2, 4, 6)
    windows = image.reshape(2, 2, 2, 2, 3)
    pool = pooling((2, 4, 6), (2, 3), (2, 3), mean=False)
    assert pool.targets == (2, 2, 2)
    assert np.allclose(pool.apply(image.reshape(1, -1)), windows.sum((2, 4)).ravel())
    pool = pooling((2, 4, 6), (2, 3), (2, 3), mean=True)
    assert np.allclose(pool.apply(image.reshape(1, -1)), windows.mean((2, 4)).ravel())


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_padding_by_name_is_that_of_torch(width: int, dilation: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(width)
    kernel, image = rng.normal(size=(2, 1, width, 3)), rng.normal(size=(1, 1, 15, 9))
    padding = same_padding((width, 3), (dilation, 1))
    found = Conv(kernel, (1, 15, 9), 1, padding, (dilation, 1))
    assert found.targets == (2, 15, 9)
    expected = torch.nn.functional.conv2d(
        torch.tensor(image), torch.tensor(kernel), None, 1, "same", (dilation, 1)
    )
    assert np.allclose(found.apply(image.reshape(1, -1)), expected.numpy().reshape(1, -1))


@pytest.mark.parametrize("seed", range(30))
def test_even_padding_gives_the_same_sums(seed: int) -> None:
    given = random_convolution(np.random.default_rng(seed), ((3, 13), (2, 8, 9))[seed % 2])
    found = symmetric(given)
    assert all(before == after for before, after in found.padding)
    assert found.targets == given.targets
    assert np.array_equal(found.to_array(), given.to_array())
    assert symmetric(found) == found


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ShapeError, match="channels, height, width"):
        pooling((9,), (3, 3), (3, 3), mean=True)
    with pytest.raises(ShapeError, match="fits in"):
        pooling((1, 2, 2), (3, 3), (1, 1), mean=True)
    with pytest.raises(ShapeError, match="numbers per channel"):
        per_channel(np.ones(3), (2, 4, 4))


@pytest.mark.parametrize(
    ("shape", "size", "padding"),
    [
        ((2, 4, 4), (20_000, 20_000), (10_000, 10_000)),
        ((1, 8, 8), (1 << 30, 1 << 30), (1 << 30, 1 << 30)),
        ((1 << 20, 2, 2), (300, 300), (150, 150)),
        ((1 << 30, 1 << 30, 1 << 30), (2, 2), (0, 0)),
        ((1, 8, 8), (2, 2), (1 << 20, 1 << 20)),
    ],
)
def test_too_large_is_refused_before_it_is_made(
    shape: tuple[int, ...], size: tuple[int, ...], padding: tuple[int, ...]
) -> None:
    """A file of 30 kB asked for windows of 20,000 x 20,000."""
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            pooling(shape, size, (1, 1), padding, mean=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
