"""Programs of neurons on torch's tensors, written for the tests alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.learning.rule import surrogate_slope


class Fires(torch.autograd.Function):
    """A comparison with the surrogate's slope."""

    @staticmethod
    def forward(ctx: Any, distance: torch.Tensor) -> torch.Tensor:
        """1 above 0."""
        ctx.save_for_backward(distance)
        return (distance > 0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        """ψ of the distance."""
        (distance,) = ctx.saved_tensors
        slope = surrogate_slope("multi_gaussian", distance.numpy())
        return gradient * torch.from_numpy(np.asarray(slope))


def plan(x: torch.Tensor) -> torch.Tensor:
    """PLAN: four lines on each side of 0 (Amin, Curtis, Hayes-Gill 1997)."""
    size = x.abs()
    lines = ((5.0, 1 / 32, 0.84375), (2.375, 1 / 8, 0.625), (1.0, 1 / 4, 0.5))
    value = torch.ones_like(x)
    for end, slope, rise in lines:
        value = torch.where(size < end, slope * size + rise, value)
    return torch.where(x < 0, 1 - value, value)


def by_torch(
    program: Program, leaves: Mapping[Operation, Any], gate: Any = torch.sigmoid
) -> dict[str, torch.Tensor]:
    """Results of a real program on tensors; a choice of 0 and 1 is ``c a + (1 - c) b``."""
    values: list[torch.Tensor] = []
    meaning: dict[Operation, Any] = {
        Operation.ADD: torch.add,
        Operation.SUBTRACT: torch.sub,
        Operation.MULTIPLY: torch.mul,
        Operation.DIVIDE: torch.div,
        Operation.SQUARE_ROOT: torch.sqrt,
        Operation.MINIMUM: torch.minimum,
        Operation.MAXIMUM: torch.maximum,
        Operation.REGISTER: lambda x: x,
        Operation.GATE: gate,
        Operation.GREATER: lambda a, b: Fires.apply(a - b),  # type: ignore[no-untyped-call]
        Operation.SELECT: lambda c, a, b: c * a + (1 - c) * b,
    }
    for value in program.values:
        if value.operation is Operation.NUMBER:
            values.append(torch.tensor(value.numbers[0], dtype=torch.float64))
        elif value.operation in leaves:
            values.append(leaves[value.operation][value.name])
        else:
            values.append(meaning[value.operation](*(values[a] for a in value.arguments)))
    return {name: values[index] for name, index in program.results.items()}
