"""Convolutions: against torch, against their expansion, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ltc2hw.errors import InvalidValueError, Ltc2hwError, ShapeError, TooLargeError
from ltc2hw.numbers.convolution import Conv, average_pool, sum_pool
from ltc2hw.numbers.weights import Dense

torch = pytest.importorskip("torch")


def random_conv(rng: np.random.Generator, dimensions: int, *, whole: bool) -> Conv:
    """A convolution of any small size; integers where ``whole``."""
    groups = int(rng.integers(1, 4))
    width = rng.integers(1, 4, dimensions)
    dilation, stride = rng.integers(1, 4, dimensions), rng.integers(1, 4, dimensions)
    padding = rng.integers(0, 4, (dimensions, 2))
    least = dilation * (width - 1) + 1 - padding.sum(axis=1)
    sizes = np.maximum(least, 1) + rng.integers(0, 5, dimensions)
    shape = (groups * int(rng.integers(1, 3)), int(rng.integers(1, 4)), *map(int, width))
    kernel = rng.integers(-128, 128, shape) if whole else rng.normal(size=shape)
    sources = (groups * shape[1], *map(int, sizes))
    return Conv(kernel, sources, stride.tolist(), padding.tolist(), dilation.tolist(), groups)


def by_torch(conv: Conv, x: Any) -> Any:
    """The same with torch's function, in doubles."""
    image = torch.tensor(x, dtype=torch.float64).reshape(-1, *conv.sources)
    pads = [pad for pair in reversed(conv.padding) for pad in pair]
    image = torch.nn.functional.pad(image, pads)
    convolve = getattr(torch.nn.functional, f"conv{len(conv.stride)}d")
    kernel = torch.tensor(conv.kernel, dtype=torch.float64)
    sums = convolve(image, kernel, None, conv.stride, 0, conv.dilation, conv.groups)
    return sums.flatten(1).numpy(), sums.shape[1:]


@pytest.mark.parametrize("seed", range(60))
def test_real_sums_are_those_of_torch_and_of_the_expansion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    conv = random_conv(rng, 1 + seed % 2, whole=False)
    x = rng.normal(size=(3, conv.shape[1]))
    sums, shape = by_torch(conv, x)
    assert conv.targets == tuple(shape)
    np.testing.assert_allclose(conv.apply(x), sums, rtol=0, atol=1e-12)
    expansion = conv.to_sparse()
    assert expansion.shape == conv.shape
    assert expansion.values.size == conv.synapses
    np.testing.assert_allclose(expansion.apply(x), sums, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_integer_sums_are_those_of_the_expansion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    conv = random_conv(rng, 1 + seed % 2, whole=True)
    for top in (2, 1 << 20, 1 << 50):
        x = rng.integers(-top + 1, top, (2, conv.shape[1]))
        sums = conv.apply(x)
        assert sums.dtype == np.int64
        np.testing.assert_array_equal(sums, conv.to_sparse().apply(x))
        np.testing.assert_array_equal(sums, x @ conv.to_array().T)
    limits = rng.integers(0, 100, conv.shape[1])
    np.testing.assert_array_equal(conv.row_magnitudes(limits), np.abs(conv.to_array()) @ limits)


def test_rows_are_the_channels_of_the_values() -> None:
    conv = Conv(np.arange(24.0).reshape(4, 2, 3), (2, 5))
    assert conv.rows.tolist() == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6
    assert conv.with_values(conv.values) == conv
    assert conv.with_values(conv.values + 1) != conv


def test_one_padding_may_be_given_for_all_sides() -> None:
    kernel = np.ones((1, 1, 3, 3))
    every = Conv(kernel, (1, 5, 5), 2, ((1, 1), (1, 1)))
    assert Conv(kernel, (1, 5, 5), 2, 1) == every == Conv(kernel, (1, 5, 5), (2, 2), (1, 1))
    assert Conv(kernel, (1, 5, 5), 2, [[1, 1]]) == every


def test_padding_may_come_from_a_generator() -> None:
    kernel = np.ones((1, 1, 3, 3))
    given: Any = (n for n in (1, 2))
    assert Conv(kernel, (1, 5, 5), 1, given) == Conv(kernel, (1, 5, 5), 1, (1, 2))
    given = ((n, 0) for n in (1, 2))
    assert Conv(kernel, (1, 5, 5), 1, given) == Conv(kernel, (1, 5, 5), 1, ((1, 0), (2, 0)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_kernel_may_be_what_torch_trains(dtype: Any) -> None:
    torch.manual_seed(3)
    layer = torch.nn.Conv2d(1, 2, 3).to(dtype)
    assert layer.weight.requires_grad
    conv = Conv(layer.weight, (1, 5, 5))
    assert np.array_equal(conv.kernel, layer.weight.detach().double().numpy())
    assert Dense(layer.weight.reshape(2, 9)).values.dtype == np.float64


def test_pools_are_those_of_torch() -> None:
    x = np.random.default_rng(1).normal(size=(2, 3 * 7 * 6))
    image = torch.tensor(x).reshape(2, 3, 7, 6)
    wanted = torch.nn.functional.avg_pool2d(image, (3, 2), (2, 1), (1, 0)).flatten(1).numpy()
    average = average_pool((3, 7, 6), (3, 2), (2, 1), (1, 0))
    np.testing.assert_allclose(average.apply(x), wanted, rtol=0, atol=1e-12)
    total = sum_pool((3, 7, 6), (3, 2), (2, 1), (1, 0))
    np.testing.assert_allclose(total.apply(x), 6 * wanted, rtol=0, atol=1e-12)


KERNEL = np.ones((2, 1, 3, 3))
MASKED: Any = np.ma.masked_array(KERNEL, KERNEL > 0)  # type: ignore[no-untyped-call]
WRONG: dict[str, tuple[Any, type[Ltc2hwError], str]] = {
    "matrix": (lambda: Conv(np.ones((2, 2)), (2, 2)), ShapeError, r"C_out, C_in / groups"),
    "nan": (lambda: Conv(KERNEL * np.nan, (1, 5, 5)), InvalidValueError, "kernel.*finite"),
    "flat sources": (lambda: Conv(KERNEL, (25,)), ShapeError, "channels, height, width"),
    "one number": (lambda: Conv(KERNEL, 25), ShapeError, "is 25.*channels, height, width"),  # type: ignore[arg-type]
    "a word": (lambda: Conv(KERNEL, (1, 5, 5), 1, "same"), InvalidValueError, "'same'.*half"),  # type: ignore[arg-type]
    "other channels": (lambda: Conv(KERNEL, (2, 5, 5)), ShapeError, "input channels of a kernel"),
    "small image": (lambda: Conv(KERNEL, (1, 2, 5)), ShapeError, "fits in"),
    "no stride": (lambda: Conv(KERNEL, (1, 5, 5), 0), InvalidValueError, "stride"),
    "half a stride": (lambda: Conv(KERNEL, (1, 5, 5), 1.5), InvalidValueError, "stride"),  # type: ignore[arg-type]
    "negative": (lambda: Conv(KERNEL, (1, 5, 5), 1, -1), InvalidValueError, "padding"),
    "a mapping": (lambda: Conv(KERNEL, (1, 5, 5), 1, {1: 2, 3: 4}), InvalidValueError, "padding"),  # type: ignore[arg-type]
    "a set": (lambda: Conv(KERNEL, (1, 5, 5), {1, 2}), InvalidValueError, "stride.*{1, 2}"),  # type: ignore[arg-type]
    "bytes": (lambda: Conv(KERNEL, (1, 5, 5), b"\1\2"), InvalidValueError, "stride"),
    "shape of a mapping": (lambda: Conv(KERNEL, {1: 0, 5: 0, 6: 0}), InvalidValueError, "sources"),  # type: ignore[arg-type]
    "masked": (lambda: Conv(MASKED, (1, 5, 5)), InvalidValueError, "kernel is a masked array"),
    "three": (lambda: Conv(KERNEL, (1, 5, 5), (1, 1, 1)), ShapeError, "stride"),
    "groups": (lambda: Conv(KERNEL, (3, 5, 5), groups=3), InvalidValueError, "multiple"),
    "true": (lambda: Conv(KERNEL, (1, 5, 5), groups=True), InvalidValueError, "groups"),
    "large": (lambda: Conv(KERNEL, (1, 1 << 20, 1 << 20)), TooLargeError, "sources"),
    "far": (lambda: Conv(KERNEL, (1, 5, 5), 1 << 20, 1 << 20), TooLargeError, "padded image"),
    "wide": (lambda: Conv(KERNEL, (1, 5, 5), 1, 1 << 20), TooLargeError, "targets"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_convolution_is_refused(case: str) -> None:
    make, kind, message = WRONG[case]
    with pytest.raises(kind, match=message):
        make()
