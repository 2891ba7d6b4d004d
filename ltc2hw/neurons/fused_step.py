"""A step of a population under autograd as one pass of machine code forward, and one back.

The kernels are those of compiled windows (:mod:`~ltc2hw.neurons.layout`); what arrives at the
ports is up to the caller, so that synapses may be convolutions.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ltc2hw.neurons.form import Form
from ltc2hw.neurons.kernels import Array
from ltc2hw.neurons.layout import Buffer, Kernel, Layout, Step, layout_of

Values = Mapping[str, Tensor]

KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
"""A kernel as :data:`~ltc2hw.neurons.vector_code.SIGNATURE` has it."""

PLACED = (torch.float32, torch.float64)
"""Types that kernels compute in."""


class FusedStep:
    """Registers after a step of neurons without early results, differentiable once.

    Constants are one per neuron, or one per channel, which all neurons of a channel share; learned
    ones have a gradient, summed over the neurons that share them.

    >>> from ltc2hw.dynamics.models.lif import lif
    >>> form = Form(lif, 1, 1, ("current",), ("bias",), ("threshold",))
    >>> zero = torch.zeros(2, 6)
    >>> states = dict.fromkeys(lif.states, zero)
    >>> constants = {"bias": torch.tensor([0.0, 1.0]), "threshold": torch.tensor([0.5])}
    >>> FusedStep(form)(constants, {"current": zero}, states)["spikes"][0].tolist()
    [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, form: Form) -> None:
        self.form = form.sizeless
        self.layout = layout_of(self.form)
        self.states = tuple(n for n in self.form.registers if n in self.form.model.states)

    def takes(self, like: Tensor) -> bool:
        """Whether machine code can compute with such numbers."""
        return like.device.type == "cpu" and like.dtype in PLACED

    def __call__(self, constants: Values, ports: Values, states: Values) -> dict[str, Tensor]:
        """Registers (B, N) after the step, from ports and registers (B, N)."""
        form = self.form
        made = _apply(
            self,
            tuple(constants[name] for name in form.fixed),
            *(ports[name] for name in form.ports),
            *(states[name] for name in self.states),
            *(constants[name] for name in form.learned),
        )
        return dict(zip(form.registers, made, strict=True))


class _Fused(torch.autograd.Function):
    """Autograd's view of a step: ports, registers and learned constants in, registers out."""

    @staticmethod
    def forward(
        ctx: Any, step: FusedStep, fixed: tuple[Tensor, ...], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        form, layout = step.form, step.layout
        split = len(form.ports) + len(step.states)
        given, learned = [_lines(tensor) for tensor in tensors[:split]], tensors[split:]
        ports, states = given[: len(form.ports)], given[len(form.ports) :]
        batch, size = given[0].shape
        after = [given[0].new_empty(batch, size) for _ in form.registers]
        before = _at_registers(step, states, after)
        rows = {
            Buffer.ROWS: given[0].new_empty(len(layout.rows), size),
            Buffer.LEARNED: _rows(learned, size, given[0]),
            Buffer.FIXED: _rows(fixed, size, given[0]),
        }
        planes = {
            Buffer.SUMS: ports,
            Buffer.BEFORE: before,
            Buffer.AFTER: after,
            Buffer.KEPT: [given[0].new_empty(batch, size) for _ in range(layout.kept)],
        }
        code = _code(form, given[0].element_size())
        code.run(Step.PREPARE, planes, rows, 1, size)
        code.run(Step.FORWARD, planes, rows, batch, size)
        ctx.step, ctx.rows, ctx.code = step, rows, code
        ctx.widths = [tensor.numel() for tensor in learned]
        # Registers after the step are read on the way back: torch notices if they are changed.
        ctx.save_for_backward(*ports, *states, *after, *planes[Buffer.KEPT])
        return tuple(after)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        form, layout = ctx.step.form, ctx.step.layout
        saved = iter(ctx.saved_tensors)
        planes = {
            buffer: [next(saved) for _ in range(count)]
            for buffer, count in (
                (Buffer.SUMS, len(form.ports)),
                (Buffer.BEFORE, len(ctx.step.states)),
                (Buffer.AFTER, len(form.registers)),
                (Buffer.KEPT, layout.kept),
            )
        }
        planes[Buffer.BEFORE] = _at_registers(ctx.step, planes[Buffer.BEFORE], planes[Buffer.AFTER])
        batch, size = grads[0].shape
        # In their place the gradients of the registers before the step come to stand.
        planes[Buffer.BACK] = [_lines(grad).clone() for grad in grads]
        planes[Buffer.BACK_SUMS] = [grads[0].new_empty(batch, size) for _ in form.ports]
        rows = {
            **ctx.rows,
            Buffer.ROW_TOTALS: grads[0].new_zeros(len(layout.rows), size),
            Buffer.LEARNED_TOTALS: grads[0].new_zeros(len(form.learned), size),
        }
        ctx.code.run(Step.BACKWARD, planes, rows, batch, size)
        ctx.code.run(Step.FINISH, planes, rows, 1, size)
        totals = rows[Buffer.LEARNED_TOTALS]
        shared = [
            total.view(width, -1).sum(dim=1)
            for total, width in zip(totals, ctx.widths, strict=True)
        ]
        back = dict(zip(form.registers, planes[Buffer.BACK], strict=True))
        states = (back[name] for name in ctx.step.states)
        return None, None, *planes[Buffer.BACK_SUMS], *states, *shared


_apply: Callable[..., tuple[Tensor, ...]] = _Fused.apply


def _at_registers(
    step: FusedStep, states: Sequence[Tensor], after: Sequence[Tensor]
) -> list[Tensor]:
    """A plane for each register: its state before the step; of those without, what nobody reads."""
    found = dict(zip(step.form.registers, after, strict=True))
    found.update(zip(step.states, states, strict=True))
    return list(found.values())


def _lines(tensor: Tensor) -> Tensor:
    """The tensor, (B, N), with the neurons of a sample side by side in memory."""
    return tensor if tensor.stride(1) == 1 or tensor.shape[1] == 1 else tensor.contiguous()


def _rows(constants: Sequence[Tensor], size: int, like: Tensor) -> Tensor:
    """Constants as rows, (constants, N)."""
    rows = like.new_empty(len(constants), size)
    for row, values in zip(rows, constants, strict=True):
        row.view(values.numel(), -1)[:] = values.detach()[:, None]
    return rows


class _Code:
    """Machine code of a form's kernels, and where their operands lie."""

    def __init__(self, layout: Layout, bytes_of_real: int) -> None:
        self.machine, addresses = layout.machine(bytes_of_real)
        self.kernels: dict[Step, tuple[Callable[..., None], Kernel]] = {
            step: (KERNEL(address), kernel)
            for step, address, kernel in zip(Step, addresses, layout.kernels, strict=True)
            if address
        }

    def run(
        self,
        step: Step,
        planes: Mapping[Buffer, Sequence[Tensor]],
        rows: Mapping[Buffer, Tensor],
        batch: int,
        size: int,
    ) -> None:
        """Call a kernel, if the form has it, with the operands that lie in these buffers."""
        if step not in self.kernels:
            return
        function, kernel = self.kernels[step]
        table: Array = np.array(
            [_operand(planes, rows, place.buffer, place.row) for place in kernel.places], np.int64
        )
        function(table.ctypes.data, 0, batch, size)


def _operand(
    planes: Mapping[Buffer, Sequence[Tensor]],
    rows: Mapping[Buffer, Tensor],
    buffer: Buffer,
    index: int,
) -> tuple[int, int, int]:
    """Address, bytes from step to step, bytes from sample to sample."""
    if buffer in planes:
        plane = planes[buffer][index]
        return plane.data_ptr(), 0, plane.stride(0) * plane.element_size()
    row = rows[buffer]
    return row.data_ptr() + index * row.stride(0) * row.element_size(), 0, 0


@lru_cache(maxsize=128)
def _code(form: Form, bytes_of_real: int) -> _Code:
    """Machine code of a form, kept: addresses lead to it."""
    return _Code(layout_of(form), bytes_of_real)
