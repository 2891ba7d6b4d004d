"""The meaning of real programs in torch: a table of operations, differentiable by autograd."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

import torch
from torch import Tensor

from ltc2hw.dynamics.operations import LEAVES, Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.schedule import schedule
from ltc2hw.neurons.nonlinearity import Nonlinearity
from ltc2hw.neurons.surrogate import Surrogate

Real = Union[Tensor, float]
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
    return _choose(*torch.broadcast_tensors(*(tensor(value).to(c) for value in (c, a, b))))


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
    """Some results of a real program, computed by torch.

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
        return MEANING[value.operation]


def _fused(program: Program, index: int) -> tuple[Any, tuple[int, ...]] | None:
    """One operation of torch for several of a program: fewer passes over memory, same value."""
    values = program.values
    value = values[index]

    def number(place: int) -> float | None:
        found = values[place]
        return found.numbers[0] if found.operation is Operation.NUMBER else None

    def factors(place: int) -> tuple[int, int] | None:
        found = values[place]
        if found.operation is not Operation.MULTIPLY:
            return None
        left, right = found.arguments
        return (left, right) if number(left) is None and number(right) is None else None

    if value.operation is Operation.SELECT:
        condition, then, otherwise = value.arguments
        # A comparison is 0 or 1, which makes the choice a sum; zero makes that a product.
        if values[condition].operation is Operation.GREATER and number(then) == 0.0:
            return (lambda c, b: torch.addcmul(b, b, c, value=-1.0)), (condition, otherwise)
        return None
    if value.operation is not Operation.ADD or any(number(a) is not None for a in value.arguments):
        return None
    for kept, product in (value.arguments, value.arguments[::-1]):
        pair = factors(product)
        if pair is None:
            continue
        for share, towards in (pair, pair[::-1]):
            rest = values[towards]
            if rest.operation is not Operation.SUBTRACT:
                continue
            first, second = rest.arguments
            if second == kept and number(first) is None:
                return torch.lerp, (kept, first, share)
            other = factors(kept)
            if other is not None and number(first) == 1.0 and second in other:
                ends = other[1] if other[0] == second else other[0]
                return torch.lerp, (share, ends, second)
    for kept, product in (value.arguments[::-1], value.arguments):
        pair = factors(product)
        if pair is not None:
            return torch.addcmul, (kept, *pair)
    return None
