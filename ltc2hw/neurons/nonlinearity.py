"""Gate non-linearities: the logistic function and PLAN, its piecewise linear stand-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ltc2hw.errors import UnknownNameError

_BREAKS = (1.0, 2.375, 5.0)
_SLOPES = (1.0 / 4.0, 1.0 / 8.0, 1.0 / 32.0)
_JUMP = (1.0 / 8.0 - 1.0 / 32.0) * _BREAKS[1] - (27.0 / 32.0 - 5.0 / 8.0)
"""PLAN's second and third pieces do not meet at 2.375: the value falls by 1/256 there."""


def plan_slope(x: Tensor, value: Tensor) -> Tensor:
    """Derivative of :func:`plan`: 1/4, 1/8, 1/32 or 0; at a break, the outer piece's.

    ``value`` (``plan(x)``) is not needed; the argument is there for a common signature.

    >>> x = torch.tensor([-0.5, 1.0, 3.0, 6.0])
    >>> plan_slope(x, plan(x)).tolist()
    [0.25, 0.125, 0.03125, 0.0]
    """
    magnitude = x.abs()
    zero = x.new_zeros(())
    slope = torch.heaviside(_BREAKS[2] - magnitude, zero) * _SLOPES[2]
    for inner, outer, end in ((1, 2, 1), (0, 1, 0)):
        inside = torch.heaviside(_BREAKS[end] - magnitude, zero)
        slope = torch.add(slope, inside, alpha=_SLOPES[inner] - _SLOPES[outer])
    return slope


class _Plan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        # A sum of clipped lines is odd around (0, 1/2) by itself; each line adds the difference
        # between the slope of its piece and the next.
        y = x.clamp(-_BREAKS[2], _BREAKS[2]) * _SLOPES[2] + 0.5
        y.add_(x.clamp(-_BREAKS[1], _BREAKS[1]), alpha=_SLOPES[1] - _SLOPES[2])
        y.add_(x.clamp(-_BREAKS[0], _BREAKS[0]), alpha=_SLOPES[0] - _SLOPES[1])
        beyond = torch.heaviside(x.abs() - _BREAKS[1], x.new_ones(()))
        return y.addcmul_(beyond, torch.sign(x), value=-_JUMP)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * plan_slope(x, x)


_apply_plan: Callable[[Tensor], Tensor] = _Plan.apply


def plan(x: Tensor) -> Tensor:
    """Piecewise linear approximation of the logistic function, with slopes 1/4, 1/8, 1/32, 0.

    ``|x| < 1: |x|/4 + 1/2``; ``|x| < 2.375: |x|/8 + 5/8``; ``|x| < 5: |x|/32 + 27/32``;
    else ``1``; for negative x, ``1 - plan(-x)``. Any shape.
    Source: Amin, Curtis, Hayes-Gill, IEE Proc. Circuits Devices Syst. 144(6), 1997.

    >>> plan(torch.tensor([0.0, 1.0, -1.0, 9.0])).tolist()
    [0.5, 0.75, 0.25, 1.0]
    """
    return _apply_plan(x)


def sigmoid_slope(x: Tensor, value: Tensor) -> Tensor:
    """Derivative of the logistic function from its value ``y = σ(x)``: ``y (1 - y)``.

    >>> float(sigmoid_slope(torch.tensor(0.0), torch.tensor(0.5)))
    0.25
    """
    return torch.addcmul(value, value, value, value=-1.0)


class Nonlinearity(NamedTuple):
    """A gate non-linearity and its derivative."""

    value: Callable[[Tensor], Tensor]
    """``y = σ(x)`` of the gate's pre-activation."""
    slope: Callable[[Tensor, Tensor], Tensor]
    """``σ'(x)`` from x and y."""


NONLINEARITIES: dict[str, Nonlinearity] = {
    "sigmoid": Nonlinearity(torch.sigmoid, sigmoid_slope),
    "plan": Nonlinearity(plan, plan_slope),
}
"""Every gate non-linearity by its name."""


def nonlinearity_named(name: str) -> Nonlinearity:
    """The gate non-linearity called ``name``.

    Raises:
        UnknownNameError: if there is no such non-linearity.
    """
    if name not in NONLINEARITIES:
        raise UnknownNameError("nonlinearity", name, tuple(NONLINEARITIES))
    return NONLINEARITIES[name]
