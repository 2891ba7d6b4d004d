"""Spike functions: a step forward, a chosen surrogate derivative backward."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ltc2hw.errors import UnknownNameError

GAMMA = 0.5
WIDTH = 0.3
HEIGHT = 0.15
SPREAD = 6.0


def multi_gaussian_slope(distance: Tensor) -> Tensor:
    """Surrogate derivative of the paper at ``d = u - θ``.

    ``ψ(d) = 0.5 [1.15 N(d; 0, 0.3) - 0.15 N(d; 0.3, 1.8) - 0.15 N(d; -0.3, 1.8)]`` with ``N`` the
    normal density. Any shape. Source: Yin, Corradi, Bohte, arXiv 2112.11231.

    >>> round(float(multi_gaussian_slope(torch.tensor(0.0))), 4)
    0.7319
    """
    wide = WIDTH * SPREAD
    centre = _bell(distance, 0.0, WIDTH, GAMMA * (1.0 + HEIGHT))
    left = _bell(distance, -WIDTH, wide, GAMMA * HEIGHT)
    right = _bell(distance, WIDTH, wide, GAMMA * HEIGHT)
    return centre.sub_(left).sub_(right)


def _bell(x: Tensor, mean: float, width: float, area: float) -> Tensor:
    """A normal density times ``area``."""
    height = area / (width * math.sqrt(2.0 * math.pi))
    return (x - mean).square_().mul_(-0.5 / width**2).exp_().mul_(height)


def triangle_slope(distance: Tensor) -> Tensor:
    """Triangular surrogate derivative ``ψ(d) = max(0, 1 - |d|)``; shifts and adds on integers.

    >>> triangle_slope(torch.tensor([-2.0, 0.0, 0.25])).tolist()
    [0.0, 1.0, 0.75]
    """
    return torch.relu(1.0 - distance.abs())


def _strictly_positive(distance: Tensor) -> Tensor:
    """1 where ``d > 0``, else 0, in the type of ``d``."""
    return torch.heaviside(distance, distance.new_zeros(()))


class _MultiGaussianSpike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distance: Tensor) -> Tensor:
        ctx.save_for_backward(distance)
        return _strictly_positive(distance)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (distance,) = ctx.saved_tensors
        return grad * multi_gaussian_slope(distance)


class _TriangleSpike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distance: Tensor) -> Tensor:
        ctx.save_for_backward(distance)
        return _strictly_positive(distance)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (distance,) = ctx.saved_tensors
        return grad * triangle_slope(distance)


class Surrogate(NamedTuple):
    """A spike function and its surrogate derivative, both of ``d = u - θ``."""

    spike: Callable[[Tensor], Tensor]
    """``1`` where ``d > 0`` (strictly), else ``0``; differentiable with :attr:`slope`."""
    slope: Callable[[Tensor], Tensor]
    """The surrogate derivative ``ψ(d)``."""


SURROGATES: dict[str, Surrogate] = {
    "multi_gaussian": Surrogate(_MultiGaussianSpike.apply, multi_gaussian_slope),
    "triangle": Surrogate(_TriangleSpike.apply, triangle_slope),
}
"""Every surrogate by its name."""


def surrogate_named(name: str) -> Surrogate:
    """The surrogate called ``name``.

    Raises:
        UnknownNameError: if there is no such surrogate.
    """
    if name not in SURROGATES:
        raise UnknownNameError("surrogate", name, tuple(SURROGATES))
    return SURROGATES[name]
