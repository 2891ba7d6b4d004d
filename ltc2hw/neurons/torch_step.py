"""The meaning of real and rounded programs in torch: a table, differentiable by autograd."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltc2hw.dynamics.operations import LEAVES, Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.schedule import schedule
from ltc2hw.neurons.nonlinearity import Nonlinearity
from ltc2hw.neurons.surrogate import Surrogate
from ltc2hw.neurons.torch_rounding import ROUNDING

Real = Tensor | float
"""A value of a step; numbers that are the same for every neuron stay Python's."""

Tensors = Mapping[str, Tensor]


class _Choice(torch.autograd.Function):
    """``a`` where ``c`` is not 0, else ``b``; the gradient of c is that of ``c a + (1 - c) b``."""

    @staticmethod
    def forward(ctx: Any, c: Tensor, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(c, a, b)
        return torch.where(c != 0, a, b)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        c, a, b = ctx.saved_tensors
        chosen, zero = c != 0, grad.new_zeros(())
        return (a - b) * grad, torch.where(chosen, grad, zero), torch.where(chosen, zero, grad)


_choose: Callable[..., Tensor] = _Choice.apply


def choose(c: Tensor, a: Real, b: Real) -> Tensor:
    """``a`` where ``c`` is not 0, else ``b``, with a gradient for the condition, too."""
    # Numbers are made where the condition is: a captured CUDA graph copies nothing from the host.
    then, otherwise = (v if isinstance(v, Tensor) else c.new_full((), v) for v in (a, b))
    shape = np.broadcast_shapes(c.shape, then.shape, otherwise.shape)
    return _choose(c.expand(shape), then.to(c).expand(shape), otherwise.to(c).expand(shape))


def smaller(a: Real, b: Real) -> Tensor:
    """The smaller of two values; of equal ones the second has the gradient."""
    return torch.where(tensor(a) < b, a, b)


def larger(a: Real, b: Real) -> Tensor:
    """The larger of two values; of equal ones the second has the gradient."""
    return torch.where(tensor(a) > b, a, b)


def tensor(value: Real) -> Tensor:
    """A number as a tensor that takes the type of those it meets."""
    return value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)


def square_root(a: Real) -> Real:
    """√a."""
    return a.sqrt() if isinstance(a, Tensor) else math.sqrt(a)


MEANING: Mapping[Operation, Callable[..., Any]] = {
    Operation.ADD: operator.add,
    Operation.SUBTRACT: operator.sub,
    Operation.MULTIPLY: operator.mul,
    Operation.DIVIDE: operator.truediv,
    Operation.SQUARE_ROOT: square_root,
    Operation.MINIMUM: smaller,
    Operation.MAXIMUM: larger,
    Operation.SELECT: choose,
    Operation.REGISTER: lambda value: value,
}
"""Operations that need their arguments alone."""


class TorchStep:
    """Some results of a real or rounded program, computed by torch.

    ``functions``: the non-linearity of every gate; ``known``: results that are given instead of
    made.
    """

    def __init__(
        self,
        program: Program,
        results: Sequence[str],
        functions: Mapping[str, Nonlinearity],
        surrogate: Surrogate,
        known: Sequence[str] = (),
    ) -> None:
        self.program, self.results, self.known = program, tuple(results), tuple(known)
        self.functions, self.surrogate = functions, surrogate
        order = schedule(program, self.results, self.known)
        self.work = [(index, *self._form(index)) for index in order]
        needed = {argument for _, _, arguments in self.work for argument in arguments}
        ends = {program.results[name] for name in self.results}
        self.work = [item for item in self.work if item[0] in needed | ends]

    def __call__(
        self, constants: Tensors, ports: Tensors, states: Tensors, known: Tensors
    ) -> dict[str, Tensor]:
        """Results by name: constants (N,), all else (B, N)."""
        values: dict[int, Any] = {self.program.results[n]: known[n] for n in self.known}
        leaves = {Operation.PARAMETER: constants, Operation.PORT: ports, Operation.STATE: states}
        for index, meaning, arguments in self.work:
            if isinstance(meaning, Value):
                values[index] = leaves[meaning.operation][meaning.name]
            else:
                values[index] = meaning(*[values[argument] for argument in arguments])
        return {name: values[self.program.results[name]] for name in self.results}

    def _form(self, index: int) -> tuple[Any, tuple[int, ...]]:
        """How a value is made (a leaf is a Value), and of which others."""
        value = self.program.values[index]
        if value.operation in LEAVES:
            return value, ()
        if value.operation is Operation.NUMBER:
            only = value.numbers[0]
            return (lambda: only), ()
        fused = _fused(self.program, index)
        if fused is not None:
            return fused
        return self._meaning(value), value.arguments

    def _meaning(self, value: Value) -> Callable[..., Any]:
        if value.operation is Operation.GATE:
            gate = self.functions[value.name].value
            return lambda x: gate(tensor(x))
        if value.operation is Operation.SLOPE:
            function = self.functions[value.name]
            return lambda x: function.slope(tensor(x), function.value(tensor(x)))
        if value.operation is Operation.SURROGATE:
            slope = self.surrogate.slope
            return lambda d: slope(tensor(d))
        if value.operation is Operation.GREATER:
            spike = self.surrogate.spike
            return lambda a, b: spike(tensor(a - b))
        if value.operation in ROUNDING:
            rounding, numbers = ROUNDING[value.operation], tuple(map(int, value.numbers))
            return lambda x: rounding(tensor(x), *numbers)
        return MEANING[value.operation]


Fused = tuple[Callable[..., Any], tuple[int, ...]]


def _fused(program: Program, index: int) -> Fused | None:
    """One operation of torch for several of a program: fewer passes over memory, same value."""
    value = program.values[index]
    if value.operation is Operation.SELECT:
        return _reset(program, value)
    if value.operation is not Operation.ADD:
        return None
    if any(_number(program, argument) is not None for argument in value.arguments):
        return None
    for kept, product in (value.arguments, value.arguments[::-1]):
        mixed = _mixed(program, kept, product)
        if mixed is not None:
            return mixed
    for product, kept in (value.arguments, value.arguments[::-1]):
        factors = _factors(program, product)
        if factors is not None:
            return torch.addcmul, (kept, *factors)
    return None


def _reset(program: Program, value: Value) -> Fused | None:
    """``c ? 0 : b`` of a comparison, which is 0 or 1, as ``b - b c``."""
    condition, then, otherwise = value.arguments
    compared = program.values[condition].operation is Operation.GREATER
    if not compared or _number(program, then) != 0.0 or _number(program, otherwise) is not None:
        return None
    return (lambda c, b: torch.addcmul(b, b, c, value=-1.0)), (condition, otherwise)


def _mixed(program: Program, kept: int, product: int) -> Fused | None:
    """``a + g (b - a)`` and ``g a + (1 - g) b`` as one interpolation."""
    pair = _factors(program, product)
    for share, rest in () if pair is None else (pair, pair[::-1]):
        if program.values[rest].operation is not Operation.SUBTRACT:
            continue
        first, second = program.values[rest].arguments
        if second == kept and _number(program, first) is None:
            return torch.lerp, (kept, first, share)
        other = _factors(program, kept)
        if other is not None and second in other and _number(program, first) == 1.0:
            end = other[1] if other[0] == second else other[0]
            return torch.lerp, (share, end, second)
    return None


def _number(program: Program, index: int) -> float | None:
    value = program.values[index]
    return value.numbers[0] if value.operation is Operation.NUMBER else None


def _factors(program: Program, index: int) -> tuple[int, int] | None:
    """What a product is made of, if none of it is a number."""
    value = program.values[index]
    if value.operation is not Operation.MULTIPLY:
        return None
    left, right = value.arguments
    numbers = (_number(program, left), _number(program, right))
    return (left, right) if numbers == (None, None) else None
