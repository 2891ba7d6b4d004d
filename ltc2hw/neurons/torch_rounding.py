"""Rounding in torch, with the gradients that train through it: straight through cuts.

The same as in :mod:`ltc2hw.dynamics.real`; exact where numbers fit the mantissas of the tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ltc2hw.dynamics.operations import Operation
from ltc2hw.neurons.nonlinearity import NONLINEARITIES, Nonlinearity, nonlinearity_named
from ltc2hw.neurons.rounding import GateFunction, MessageFormat, RoundedFunction
from ltc2hw.numbers.nonlinearity import PLAN_SEGMENTS, TABLE_SPAN_BITS


class _Straight(torch.autograd.Function):
    """One value with the gradient of another."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, made: Tensor) -> Tensor:
        return made

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


_straight: Callable[[Tensor, Tensor], Tensor] = _Straight.apply


def truncate(x: Tensor, fraction: int) -> Tensor:
    """To a multiple of 2^-fraction, toward zero; the gradient passes.

    >>> truncate(torch.tensor([-0.7, 0.7]), 1).tolist()
    [-0.5, 0.5]
    """
    return _straight(x, torch.trunc(x.detach() * 2.0**fraction) * 2.0**-fraction)


def nearest(x: Tensor, fraction: int) -> Tensor:
    """To the nearest multiple of 2^-fraction, of two the even one; the gradient passes."""
    return _straight(x, torch.round(x.detach() * 2.0**fraction) * 2.0**-fraction)


def saturate(x: Tensor, lowest: int, highest: int, fraction: int) -> Tensor:
    """Clip to two ends; the gradient passes within them."""
    return x.clamp(lowest * 2.0**-fraction, highest * 2.0**-fraction)


def wrap(x: Tensor, bits: int, signed: int, fraction: int) -> Tensor:
    """Two's complement; the gradient passes."""
    return _straight(x, _wrapped(x.detach(), bits, bool(signed), fraction))


def _wrapped(x: Tensor, bits: int, signed: bool, fraction: int) -> Tensor:
    span = 2.0 ** (bits - fraction)
    lowest = -span / 2 if signed else 0.0
    return x - torch.floor((x - lowest) / span) * span


def wrap_once(x: Tensor, bits: int, register_bits: int, fraction: int) -> Tensor:
    """Two's complement of a register, then one wrap at each end of a narrower one.

    The gradient passes.
    """
    inner, half = _wrapped(x.detach(), register_bits, True, fraction), 2.0 ** (bits - 1 - fraction)
    over = torch.where(inner > half, inner - 2.0 * half, inner)
    return _straight(x, torch.where(over <= -half, over + 2.0 * half, over))


ROUNDING: Mapping[Operation, Callable[..., Tensor]] = {
    Operation.TRUNCATE: truncate,
    Operation.NEAREST: nearest,
    Operation.SATURATE: saturate,
    Operation.WRAP: wrap,
    Operation.WRAP_ONCE: wrap_once,
}
"""Operations that take an argument and their numbers."""


def sent_as(message: MessageFormat, x: Tensor) -> Tensor:
    """A graded variable as it is sent: cut toward zero, clipped; the gradient passes within."""
    word = message.word
    return saturate(truncate(x, message.fraction), word.minimum, word.maximum, message.fraction)


def rounded_samples(given: MessageFormat, x: Tensor) -> Tensor:
    """Samples as a chip sees them: to nearest, clipped."""
    word = given.word
    return saturate(nearest(x, given.fraction), word.minimum, word.maximum, given.fraction)


def gate_function(function: GateFunction) -> Nonlinearity:
    """A gate's function with its slope; an integer one has that of the one it stands for.

    Raises:
        UnknownNameError: if there is no such non-linearity.
    """
    if not isinstance(function, RoundedFunction):
        return nonlinearity_named(function)
    slope = NONLINEARITIES[function.smooth].slope

    def value(x: Tensor) -> Tensor:
        made: Tensor = _Sloped.apply(x, rounded_gate(function, x.detach()), slope)  # type: ignore[no-untyped-call]
        return made

    return Nonlinearity(value, slope)


class _Sloped(torch.autograd.Function):
    """A value with a slope of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, made: Tensor, slope: Callable[..., Tensor]) -> Tensor:
        ctx.save_for_backward(slope(x, made))
        return made

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return grad * slope, None, None


def rounded_gate(function: RoundedFunction, x: Tensor) -> Tensor:
    """An integer gate's value of real arguments, in real units."""
    form = function.form
    argument = torch.round(x * 2.0**function.fraction)
    if form.function == "plan":
        value = _plan(argument, function.fraction, form.output_fraction)
    else:
        value = _look_up(argument, function)
    return value * 2.0**-form.output_fraction


def _plan(x: Tensor, fraction: int, output: int) -> Tensor:
    """:func:`~ltc2hw.numbers.nonlinearity.plan_integer`."""
    magnitude, one = x.abs(), x.new_full((), 2.0**output)
    value = one
    for eighths, slope, numerator, denominator in reversed(PLAN_SEGMENTS):
        line = torch.floor(magnitude * 2.0 ** -(slope + fraction - output))
        line = line + numerator * 2.0 ** (output - denominator)
        value = torch.where(magnitude < eighths * 2.0 ** (fraction - 3), line, value)
    return torch.where(x < 0, one - value, value)


def _look_up(x: Tensor, function: RoundedFunction) -> Tensor:
    """:func:`~ltc2hw.numbers.nonlinearity.lookup_integer`."""
    fraction, table = function.fraction, x.new_tensor(function.table)
    shift = fraction + TABLE_SPAN_BITS - function.form.index_bits
    half = 2.0 ** (fraction + TABLE_SPAN_BITS - 1)
    offset = x.clamp(-half, half - 1.0) + half
    cell = torch.floor(offset * 2.0**-shift)
    place = cell.long()
    value = table[place]
    if function.form.function == "table":
        return value
    rest = offset - cell * 2.0**shift
    return value + torch.floor((table[place + 1] - value) * rest * 2.0**-shift)
