"""A window of steps of any cell under autograd, its gradient compiled and written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ltc2hw.neurons import window_kernels
from ltc2hw.neurons.packed import Kind, Plan, Weights, record_length, record_of, weights_of
from ltc2hw.neurons.packing import Tensors, constants, pack, plan_of, unpack, weights_length


def packed_copy(plan: Plan, tensors: Tensors) -> Weights:
    """A layer's parameters in arrays of their own."""
    weights = zero_weights(plan, tensors)
    pack(tensors, weights)
    return weights


def zero_weights(plan: Plan, tensors: Tensors) -> Weights:
    """Zeros of the packed shapes of a layer's parameters."""
    return weights_of(plan, np.zeros(weights_length(plan), tensors.bias.detach().numpy().dtype))


class _Window(torch.autograd.Function):
    """Autograd's view of a window: tensors in, one sequence (L, B, N) per state out."""

    @staticmethod
    def forward(
        ctx: Any, kind: Kind, tensors: Tensors, x: Tensor, *initial_and_parameters: Tensor | None
    ) -> tuple[Tensor, ...]:
        steps, batch, _ = x.shape
        plan = plan_of(kind, tensors)
        weights = packed_copy(plan, tensors)
        room = np.zeros(record_length(plan, steps, batch), weights.bias.dtype)
        record, _ = record_of(plan, room, steps, batch)
        count = len(record.states)
        for place, value in zip(record.states, initial_and_parameters[:count], strict=True):
            assert value is not None
            place[0] = value.detach().numpy()
        window_kernels.forward(
            plan, weights, constants(tensors), record, x.detach().contiguous().numpy()
        )
        ctx.save_for_backward(x)
        ctx.window = (plan, tensors, weights, record)
        return tuple(torch.from_numpy(states[1:]) for states in record.states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        plan, tensors, weights, record = ctx.window
        totals = zero_weights(plan, tensors)
        wanted = x.shape if ctx.needs_input_grad[2] else (0, *x.shape[1:])
        to_x = x.new_zeros(wanted)
        window_kernels.backward(
            plan,
            weights,
            totals,
            constants(tensors),
            record,
            x.detach().contiguous().numpy(),
            torch.stack(grads).numpy(),
            0,
            True,
            to_x.numpy(),
        )
        states = torch.from_numpy(record.back[: len(record.states)]).unbind()
        into = to_x if ctx.needs_input_grad[2] else None
        return (None, None, into, *states, *unpack(totals, tensors))


_run: Callable[..., tuple[Tensor, ...]] = _Window.apply


def run_window(
    kind: Kind, tensors: Tensors, states: tuple[Tensor, ...], x: Tensor
) -> tuple[Tensor, ...]:
    """Run L steps over x: (L, B, M) on the CPU; each state after every step, (L, B, N) each.

    Equal to L of the cell's own steps, gradients included, only faster. ``tensors.constants`` get
    no gradient. A window can be walked back once.
    """
    return _run(kind, tensors, x, *states, *tensors.parameters)
