"""Spike functions: strict threshold, and the published surrogate derivatives."""

from __future__ import annotations

import math

import pytest
import torch

from ltc2hw.errors import UnknownNameError
from ltc2hw.neurons import SURROGATES, multi_gaussian_slope, triangle_slope
from ltc2hw.neurons.surrogate import surrogate_named


def normal(d: float, mean: float, width: float) -> float:
    """Normal density."""
    return math.exp(-0.5 * ((d - mean) / width) ** 2) / (width * math.sqrt(2.0 * math.pi))


def test_multi_gaussian_is_the_papers_formula() -> None:
    distances = torch.linspace(-6.0, 6.0, 241, dtype=torch.float64)
    wanted = [
        0.5 * (1.15 * normal(d, 0, 0.3) - 0.15 * normal(d, 0.3, 1.8) - 0.15 * normal(d, -0.3, 1.8))
        for d in distances.tolist()
    ]
    found = multi_gaussian_slope(distances)
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64))
    assert bool((found < 0).any())
    assert bool((found > 0).any())


@pytest.mark.parametrize("name", list(SURROGATES))
def test_far_from_the_threshold_the_slope_is_zero(name: str) -> None:
    far = torch.tensor([-1e30, -1e4, 1e4, 1e30])
    assert surrogate_named(name).slope(far).tolist() == [0.0] * 4


def test_triangle() -> None:
    distances = [-1.5, -1.0, -0.25, 0.0, 0.75, 1.0, 3.0]
    wanted = [max(0.0, 1.0 - abs(d)) for d in distances]
    assert triangle_slope(torch.tensor(distances)).tolist() == wanted


@pytest.mark.parametrize("name", list(SURROGATES))
def test_spike_is_strict_and_its_gradient_is_the_slope(name: str) -> None:
    surrogate = surrogate_named(name)
    distances = torch.tensor([-1e-300, -0.4, 0.0, 1e-300, 0.4], dtype=torch.float64)
    distances.requires_grad_(True)
    spikes = surrogate.spike(distances)
    assert spikes.tolist() == [0.0, 0.0, 0.0, 1.0, 1.0]
    factor = torch.arange(1.0, 6.0, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((spikes * factor).sum(), distances)
    torch.testing.assert_close(gradient, factor * surrogate.slope(distances.detach()))


def test_unknown_surrogate_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="multi_gaussian, triangle"):
        surrogate_named("box")
