"""From a cell's tensors to the arrays of compiled windows, and back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltc2hw.errors import InvalidValueError, ShapeError, UnsupportedError
from ltc2hw.neurons.form import Form, Tensors
from ltc2hw.neurons.kernels import Array
from ltc2hw.neurons.layout import layout_of
from ltc2hw.neurons.packed import Plan, Weights
from ltc2hw.neurons.vector_code import Machine

FLOATS = (torch.float32, torch.float64)
"""Types that compiled windows compute in."""


def plan_of(
    form: Form,
    tensors: Tensors,
    weights_at: int = 0,
    fixed_at: int = 0,
    record_at: int = 0,
    wiring_at: int = 0,
    operands_at: int = 0,
) -> Plan:
    """A layer's plan, for vectors in which its parts begin at the given places.

    Raises:
        ShapeError, InvalidValueError, UnsupportedError: as :func:`check_tensors`.
    """
    check_tensors(form, tensors)
    layout = layout_of(form.sizeless)
    return Plan(
        inputs=form.inputs,
        size=form.size,
        ports=len(form.ports),
        recurrent=0 if tensors.weight_recurrent is None else form.size,
        learned=len(form.learned),
        matrices=len(form.graded),
        fixed=len(form.fixed),
        registers=len(form.registers),
        output=form.registers.index(form.model.output),
        graded=len(layout.graded),
        early=len(form.early),
        kept=layout.kept,
        rows=len(layout.rows),
        weights_at=weights_at,
        fixed_at=fixed_at,
        record_at=record_at,
        wiring_at=wiring_at,
        operands=sum(len(kernel.places) for kernel in layout.kernels),
        operands_at=operands_at,
    )


def wiring_of(form: Form, dtype: np.dtype[Any]) -> Array:
    """A layer's wiring for floats of a type; see :data:`~ltc2hw.neurons.packed.KERNELS`."""
    return _wiring(form.sizeless, dtype.itemsize)[1]


@cache
def _wiring(form: Form, bytes_of_real: int) -> tuple[Machine, Array]:
    """Machine code of layers of any size, kept as long as the process, since addresses lead to it.

    With it the wiring.
    """
    layout = layout_of(form)
    machine, addresses = layout.machine(bytes_of_real)
    ends: list[int] = []
    for variable, port in form.graded:
        early = variable in form.early
        source = (form.early if early else form.registers).index(variable)
        ends += [int(early), source, layout.graded.index(port)]
    head, places = list[int](), list[int]()
    for address, kernel in zip(addresses, layout.kernels, strict=True):
        head += [address, len(places) // 2]
        places += [int(number) for place in kernel.places for number in place]
    return machine, np.array([*head, *ends, *places], np.int64)


def check_tensors(form: Form, tensors: Tensors) -> None:
    """Raise unless tensors have the shapes, the type and the place that compiled windows read.

    Raises:
        ShapeError: for a tensor of another shape.
        InvalidValueError: for another type than float32 or float64, or several, or not on the CPU.
        UnsupportedError: for a fixed constant that should learn.
    """
    like = tensors.weight_input.dtype
    for name, tensor, shapes in _expected(form, tensors):
        if tuple(tensor.shape) not in shapes:
            raise ShapeError(f"shape of {name}", tuple(tensor.shape), f"{shapes[0]}")
        if tensor.dtype not in FLOATS or tensor.dtype != like:
            remedy = "use .float() or .double() on the whole module"
            limit = "float32 or float64 as of the other parameters"
            raise InvalidValueError(f"type of {name}", tensor.dtype, limit, remedy)
        if tensor.device.type != "cpu":
            remedy = "move the module with .cpu(), or run it by single steps"
            raise InvalidValueError(f"device of {name}", tensor.device, "cpu", remedy)
    rows = sum(1 if row.dim() == 1 else len(row) for row in tensors.rows)
    for what, count, names in (
        ("learned constants", rows, form.learned),
        ("fixed constants", len(tensors.constants), form.fixed),
        ("matrices", len(tensors.matrices), form.graded),
    ):
        if count != len(names):
            raise ShapeError(f"{what} of a layer", count, f"{len(names)}")
    if any(constant.requires_grad for constant in tensors.constants):
        raise UnsupportedError(
            "a compiled window", "a constant of the neurons", "learning it", "run single steps"
        )


def _expected(
    form: Form, tensors: Tensors
) -> Iterator[tuple[str, Tensor, tuple[tuple[int, ...], ...]]]:
    """Tensors by name, each with the shapes that it may have."""
    ports, size = len(form.ports), form.size
    for name, weight, sources in (
        ("weight_input", tensors.weight_input, form.inputs),
        ("weight_recurrent", tensors.weight_recurrent, size),
    ):
        if weight is not None:
            whole = (ports, size, sources)
            yield name, weight, (whole, whole[1:]) if ports == 1 else (whole,)
    for row in tensors.rows:
        yield "learned constants", row, ((size,) if row.dim() == 1 else (len(row), size),)
    for matrix in tensors.matrices:
        yield "gate term", matrix, ((size, size),)
    for constant in tensors.constants:
        yield "constant", constant, ((size,), ())


def weights_length(plan: Plan) -> int:
    """Numbers in a layer's packed parameters."""
    columns = plan.ports * plan.size
    rows = plan.learned + plan.matrices * plan.size
    return (plan.inputs + plan.recurrent) * columns + rows * plan.size


def pack(tensors: Tensors, into: Weights) -> None:
    """Copy a layer's tensors into packed arrays."""
    into.weight_input[:] = _packed(tensors.weight_input)
    if tensors.weight_recurrent is not None:
        into.weight_recurrent[:] = _packed(tensors.weight_recurrent)
    start = 0
    for row in tensors.rows:
        values = np.atleast_2d(_array(row))
        into.learned[start : start + len(values)] = values
        start += len(values)
    for packed, matrix in zip(into.matrices, tensors.matrices, strict=True):
        packed[:] = _array(matrix).T


def unpack(weights: Weights, like: Tensors) -> list[Tensor | None]:
    """Packed arrays as tensors of the shapes of ``like.parameters``; they share memory."""
    recurrent = like.weight_recurrent
    found = [
        _unpacked(weights.weight_input, like.weight_input),
        None if recurrent is None else _unpacked(weights.weight_recurrent, recurrent),
    ]
    start = 0
    for row in like.rows:
        end = start + row.numel() // weights.learned.shape[1]
        found.append(torch.from_numpy(weights.learned[start:end]).view(row.shape))
        start = end
    return [*found, *(torch.from_numpy(matrix).t() for matrix in weights.matrices)]


def fixed_constants(tensors: Tensors, size: int) -> Array:
    """A layer's fixed constants as rows, (constants, N)."""
    rows = np.zeros((len(tensors.constants), size), _array(tensors.weight_input).dtype)
    for row, values in zip(rows, tensors.constants, strict=True):
        row[:] = _array(values)
    return rows


def _array(tensor: Tensor) -> Array:
    values: Array = tensor.detach().numpy()
    return values


def _packed(weight: Tensor) -> Array:
    return _array(weight.movedim(-1, 0).reshape(weight.shape[-1], -1))


def _unpacked(packed: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(packed).view(like.shape[-1], *like.shape[:-1]).movedim(0, -1)
