"""Convolutions and pooling as matrices, against torch and against sums written out."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.converters.lowering import Window, convolution, per_channel, pooling
from ltc2hw.errors import InvalidValueError, ShapeError, TooLargeError

Pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1 << 30),
    kernel=Pairs,
    stride=Pairs,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=Pairs,
    groups=st.integers(1, 2),
)
def test_matrices_are_torch_convolutions(
    seed: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 1, (2, 2 * groups, 8, 9))
    weight = rng.normal(0, 1, (3 * groups, 2, *kernel))
    window = Window(kernel, stride, padding, dilation)
    matrix, shape = convolution(image.shape[1:], weight, window, groups)
    expected = torch.nn.functional.conv2d(
        torch.tensor(image), torch.tensor(weight), None, stride, padding, dilation, groups
    ).numpy()
    assert expected.shape[1:] == shape
    assert np.allclose(image.reshape(2, -1) @ matrix.T, expected.reshape(2, -1))


def test_pooling_sums_windows() -> None:
    image = np.arange(2 * 4 * 6, dtype=float).reshape(2, 4, 6)
    matrix, shape = pooling((2, 4, 6), Window((2, 3), (2, 3)), mean=False)
    assert shape == (2, 2, 2)
    windows = image.reshape(2, 2, 2, 2, 3)
    assert np.allclose(matrix @ image.ravel(), windows.sum((2, 4)).ravel())
    matrix, _ = pooling((2, 4, 6), Window((2, 3), (2, 3)), mean=True)
    assert np.allclose(matrix @ image.ravel(), windows.mean((2, 4)).ravel())


def test_what_does_not_fit_is_named() -> None:
    ones = np.ones((2, 1, 3, 3))
    with pytest.raises(ShapeError, match="channels, height, width"):
        convolution((9,), ones, Window((3, 3)))
    with pytest.raises(ShapeError, match="groups dividing C_out"):
        convolution((3, 4, 4), ones, Window((3, 3)))
    with pytest.raises(ShapeError, match="as large as the window"):
        convolution((1, 2, 2), ones, Window((3, 3)))
    with pytest.raises(TooLargeError, match="split the layer"):
        convolution((1, 30000, 30000), ones, Window((3, 3)))
    with pytest.raises(InvalidValueError, match="stride"):
        Window((3, 3), (0, 1))
    with pytest.raises(ShapeError, match="numbers per channel"):
        per_channel(np.ones(3), (2, 4, 4))


def test_kernels_of_any_size_cost_nothing() -> None:
    """A file of 30 kB asked for kernels of 20,000 x 20,000, which took 6 GB and a minute."""
    image = np.random.default_rng(0).normal(0, 1, (2, 4, 4))
    window = Window((20_000, 20_000), (1, 1), (10_000, 10_000))
    tracemalloc.start()
    try:
        matrix, shape = pooling((2, 4, 4), window, mean=False)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert shape == (2, 5, 5)
    # However the kernel lies, it covers the whole image.
    sums = image.sum((1, 2)).repeat(25)
    assert np.allclose(matrix @ image.ravel(), sums)
    mean, _ = pooling((2, 4, 4), window, mean=True)
    assert np.allclose(mean @ image.ravel(), sums / 20_000**2)
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((1, 8, 8), Window((20_000, 20_000), (1, 1), (20_000, 20_000))),
        ((1, 8, 8), Window((1 << 30, 1 << 30), (1, 1), (1 << 30, 1 << 30))),
        ((4, 20_000, 1), Window((20_000, 1), (1, 1), (10_000, 0))),
        ((1 << 30, 1 << 30, 1 << 30), Window((2, 2), (2, 2))),
    ],
)
def test_too_large_is_refused_before_it_is_made(shape: tuple[int, ...], window: Window) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match="split the layer"):
            pooling(shape, window, mean=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
