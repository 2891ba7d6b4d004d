"""Pooling that was folded into weights is found there, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from ltc2hw.converters.products import product
from ltc2hw.converters.unpooling import unpooled, unpooled_rows
from ltc2hw.numbers.convolution import Conv, average_pool, sum_pool


@pytest.mark.parametrize("window", [(2, 2), (3, 1), (1, 4), (2, 3)])
@pytest.mark.parametrize(("stride", "padding", "groups"), [(1, 0, 1), (2, 1, 1), (1, 1, 2)])
def test_folded_pooling_is_taken_out(
    window: tuple[int, int], stride: int, padding: int, groups: int
) -> None:
    rng = np.random.default_rng(0)
    for make in (sum_pool, average_pool):
        pool = make((4, 12, 12), window)
        second = Conv(
            rng.normal(size=(6, 4 // groups, 3, 3)), pool.targets, stride, padding, 1, groups
        )
        folded = product(second, pool)
        assert isinstance(folded, Conv)
        parts = unpooled(folded)
        assert parts is not None
        assert parts[0] == sum_pool((4, 12, 12), window)
        assert parts[1].kernel.shape == second.kernel.shape
        assert product(parts[1], parts[0]) == folded
        if make is sum_pool:
            assert parts[1] == second


def test_other_kernels_stay() -> None:
    rng = np.random.default_rng(0)
    image, kernel = (4, 12, 12), rng.normal(size=(6, 4, 4, 4))
    twice = kernel[:, :, :2, :2].repeat(2, 2).repeat(2, 3)
    assert unpooled(Conv(twice, image, 2)) is not None
    for other in (
        Conv(kernel, image, 2),
        Conv(twice, image, 1),
        Conv(twice, image, 2, 1),
        Conv(twice, image, 2, 0, 2),
        Conv(twice, (4, 13, 13), 2),
        Conv(kernel[:, :, :1, :1], image, 2),
        Conv(twice[:, :, 0], (4, 12), 2),
        sum_pool(image, 2),
        sum_pool(image, 2, weight=0.5),
    ):
        assert unpooled(other) is None
    assert unpooled_rows(rng.normal(size=(5, 36)), (1, 6, 6)) is None
    assert unpooled_rows(rng.normal(size=(5, 36)), (6, 6)) is None


def test_matrices_of_pooled_images_are_found() -> None:
    rng = np.random.default_rng(1)
    for pool in (sum_pool((3, 6, 8), 2), sum_pool((3, 6, 8), (3, 8)), sum_pool((3, 6, 8), (1, 4))):
        behind = rng.normal(size=(5, pool.shape[0]))
        folded = np.asarray(product(behind, pool))
        parts = unpooled_rows(folded, (3, 6, 8))
        assert parts is not None
        assert parts[0] == pool
        assert np.array_equal(parts[1], behind)
