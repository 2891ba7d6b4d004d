"""A window of steps of any cell under autograd, compiled forward and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ltc2hw.errors import ShapeError
from ltc2hw.graph.samples import all_finite
from ltc2hw.neurons import window_kernels
from ltc2hw.neurons.form import Form, Tensors
from ltc2hw.neurons.kernels import Array
from ltc2hw.neurons.packed import Plan, Weights, record_length, record_of, weights_of
from ltc2hw.neurons.packing import (
    fixed_constants,
    pack,
    plan_of,
    unpack,
    weights_length,
    wiring_of,
)
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.fields import require_finite

MOST_RECORDED = 1 << 30
"""Most numbers in the record of a window, 4 GiB in float32."""


def packed_copy(plan: Plan, tensors: Tensors) -> Weights:
    """A layer's parameters in arrays of their own.

    Raises:
        InvalidValueError: if one is NaN or infinite.
    """
    vector = zero_vector(plan, tensors)
    weights = weights_of(plan, vector)
    pack(tensors, weights)
    require_all_finite("parameter of a window", vector)
    return weights


def zero_vector(plan: Plan, tensors: Tensors) -> Array:
    """Zeros for a layer's packed parameters."""
    return np.zeros(weights_length(plan), tensors.weight_input.detach().numpy().dtype)


def require_all_finite(name: str, values: Array) -> None:
    """Raise InvalidValueError if a number is NaN or infinite, naming the first one."""
    if not all_finite(values):
        require_finite(name, values)


class _Window(torch.autograd.Function):
    """Autograd's view of a window: tensors in, one sequence (L, B, N) per state out."""

    @staticmethod
    def forward(
        ctx: Any, form: Form, tensors: Tensors, x: Tensor, *initial_and_parameters: Tensor | None
    ) -> tuple[Tensor, ...]:
        steps, batch, _ = x.shape
        plan = plan_of(form, tensors)
        weights = packed_copy(plan, tensors)
        length = record_length(plan, steps, batch)
        require_capacity("record of a window", length, MOST_RECORDED, "run shorter windows")
        record, _ = record_of(plan, np.zeros(length, weights.learned.dtype), steps, batch)
        count = len(record.states)
        for place, value in zip(record.states, initial_and_parameters[:count], strict=True):
            assert value is not None
            require_all_finite("state of a window", value.detach().numpy())
            place[0] = value.detach().numpy()
        values = x.detach().contiguous().numpy()
        require_all_finite("input of a window", values)
        wiring = wiring_of(form, values.dtype)
        fixed = fixed_constants(tensors, form.size)
        window_kernels.forward_window(plan, wiring, weights, fixed, record, values)
        outputs = tuple(torch.from_numpy(states[1:]) for states in record.states)
        # Outputs are read on the way back, too: torch then notices if they were changed in place.
        ctx.save_for_backward(x, *outputs)
        ctx.window = (plan, wiring, tensors, weights, fixed, record)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, *_ = ctx.saved_tensors
        plan, wiring, tensors, weights, fixed, record = ctx.window
        totals = weights_of(plan, zero_vector(plan, tensors))
        # The way back may be asked for again: what it writes has a place of its own.
        back = record._replace(
            sums=np.empty_like(record.sums),
            graded=np.empty_like(record.graded),
            back=np.empty_like(record.back),
        )
        wanted = x.shape if ctx.needs_input_grad[2] else (0, *x.shape[1:])
        to_x = x.new_zeros(wanted)
        window_kernels.backward_window(
            plan,
            wiring,
            weights,
            totals,
            fixed,
            record,
            back,
            x.detach().contiguous().numpy(),
            torch.stack(grads).numpy(),
            to_x.numpy(),
        )
        states = torch.from_numpy(back.back).unbind()
        into = to_x if ctx.needs_input_grad[2] else None
        return (None, None, into, *states, *unpack(totals, tensors))


_run: Callable[..., tuple[Tensor, ...]] = _Window.apply


def run_window(
    form: Form, tensors: Tensors, states: tuple[Tensor, ...], x: Tensor
) -> tuple[Tensor, ...]:
    """Run L steps over x: (L, B, M) on the CPU; each state after every step, (L, B, N) each.

    Equal to L of the cell's own steps, gradients included, only faster. ``tensors.constants`` get
    no gradient. ``states`` and ``x`` are as :mod:`~ltc2hw.neurons.entering` gives them.

    Raises:
        ShapeError, InvalidValueError, UnsupportedError: for tensors that compiled code would
            misread, and numbers that are not finite: a spike hides a NaN, zero times it is silent.
        TooLargeError: for a window whose record would not fit in memory.
    """
    batch, inputs, like = x.shape[1], form.inputs, tensors.weight_input.dtype
    registers = {(tuple(state.shape), state.dtype) for state in states}
    expected = ((batch, form.size), like)
    if x.shape[2] != inputs or x.dtype != like or registers != {expected}:
        found = f"{tuple(x.shape)} {x.dtype} with states {registers}"
        raise ShapeError("input of a window", found, f"(L, B, {inputs}) with states {expected}")
    return _run(form, tensors, x, *states, *tensors.parameters)
