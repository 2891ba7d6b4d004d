"""From a cell's tensors to the arrays of compiled windows, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ltc2hw.errors import InvalidValueError, ShapeError, UnsupportedError
from ltc2hw.neurons.kernels import Array
from ltc2hw.neurons.packed import EVENT, GATES_OF, LIF, Kind, Plan, Weights

FLOATS = (torch.float32, torch.float64)
"""Types that compiled windows compute in."""


class Tensors(NamedTuple):
    """Tensors of a layer of any family as its torch module holds them."""

    weight_input: Tensor
    """(P, N, M), or (N, M) with one port."""
    weight_recurrent: Tensor | None
    bias: Tensor
    """(ports, N), or (N,)."""
    terms: tuple[Tensor | None, ...] = ()
    """Gate terms, (N,) or (N, N) each; all None without."""
    constants: tuple[Tensor, ...] = ()
    """(N,) each, without a gradient."""

    @property
    def parameters(self) -> tuple[Tensor | None, ...]:
        """Everything that has a gradient, in the order of :func:`unpack`."""
        return (self.weight_input, self.weight_recurrent, self.bias, *self.terms)


def plan_of(
    kind: Kind, tensors: Tensors, weights_at: int = 0, constants_at: int = 0, record_at: int = 0
) -> Plan:
    """A layer's plan, for vectors in which its parts begin at the given places.

    Raises:
        ShapeError, InvalidValueError, UnsupportedError: as :func:`check_tensors`.
    """
    check_tensors(kind, tensors)
    inputs, size = tensors.weight_input.shape[-1], tensors.bias.shape[-1]
    terms = [term for term in tensors.terms if term is not None]
    return Plan(
        *kind,
        inputs=inputs,
        size=size,
        ports=tensors.weight_input.numel() // (inputs * size),
        recurrent=0 if tensors.weight_recurrent is None else size,
        biases=tensors.bias.numel() // size,
        terms=len(terms),
        term_rows=size if terms and terms[0].dim() == 2 else 1,
        constants=len(tensors.constants),
        weights_at=weights_at,
        constants_at=constants_at,
        record_at=record_at,
    )


def check_tensors(kind: Kind, tensors: Tensors) -> None:
    """Raise unless tensors have the shapes, the type and the place that compiled windows read.

    Raises:
        ShapeError: for a tensor of another shape.
        InvalidValueError: for another type than float32 or float64, or several, or not on the CPU.
        UnsupportedError: for a constant that should learn.
    """
    for name, tensor, shapes in _expected(kind, tensors):
        if tuple(tensor.shape) not in shapes:
            raise ShapeError(f"shape of {name}", tuple(tensor.shape), f"{shapes[0]}")
        if tensor.dtype not in FLOATS or tensor.dtype != tensors.bias.dtype:
            remedy = "use .float() or .double() on the whole module"
            raise InvalidValueError(
                f"type of {name}", tensor.dtype, "float32 or float64 as of the bias", remedy
            )
        if tensor.device.type != "cpu":
            remedy = "move the module with .cpu(), or run it by single steps"
            raise InvalidValueError(f"device of {name}", tensor.device, "cpu", remedy)
    if any(constant.requires_grad for constant in tensors.constants):
        raise UnsupportedError(
            "a compiled window", "a constant of the neurons", "learning it", "run single steps"
        )


def _expected(
    kind: Kind, tensors: Tensors
) -> Iterator[tuple[str, Tensor, tuple[tuple[int, ...], ...]]]:
    """Tensors by name, each with the shapes that it may have."""
    inputs, size = tensors.weight_input.shape[-1], tensors.bias.shape[-1]
    gates = GATES_OF[kind.family]
    ports = 1 + gates if kind.gate == EVENT else 1
    single = kind.family == LIF
    yield "bias", tensors.bias, ((size,) if single else (1 + gates, size),)
    for name, weight, sources in (
        ("weight_input", tensors.weight_input, inputs),
        ("weight_recurrent", tensors.weight_recurrent, size),
    ):
        if weight is not None:
            yield name, weight, ((size, sources) if single else (ports, size, sources),)
    for term in tensors.terms:
        if term is not None:
            yield "gate term", term, ((size,) if kind.gate == EVENT else (size, size),)
    for constant in tensors.constants:
        yield "constant", constant, ((size,), ())


def weights_length(plan: Plan) -> int:
    """Numbers in a layer's packed parameters."""
    columns = plan.ports * plan.size
    rows = plan.biases + plan.terms * plan.term_rows
    return (plan.inputs + plan.recurrent) * columns + rows * plan.size


def pack(tensors: Tensors, into: Weights) -> None:
    """Copy a layer's tensors into packed arrays."""
    into.weight_input[:] = _packed(tensors.weight_input)
    if tensors.weight_recurrent is not None:
        into.weight_recurrent[:] = _packed(tensors.weight_recurrent)
    into.bias[:] = _array(tensors.bias).reshape(into.bias.shape)
    present = [term for term in tensors.terms if term is not None]
    for packed, term in zip(into.terms, present, strict=True):
        packed[:] = _array(term).T


def unpack(weights: Weights, like: Tensors) -> list[Tensor | None]:
    """Packed arrays as tensors of the shapes of ``like.parameters``; they share memory."""
    recurrent = like.weight_recurrent
    terms = iter(weights.terms)
    return [
        _unpacked(weights.weight_input, like.weight_input),
        None if recurrent is None else _unpacked(weights.weight_recurrent, recurrent),
        torch.from_numpy(weights.bias).view(like.bias.shape),
        *(_term(terms, term) for term in like.terms),
    ]


def constants(tensors: Tensors) -> Array:
    """A layer's constants as rows, (constants, N)."""
    rows = np.zeros((len(tensors.constants), tensors.bias.shape[-1]), _array(tensors.bias).dtype)
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


def _term(packed: Sequence[Array] | object, like: Tensor | None) -> Tensor | None:
    if like is None:
        return None
    values = torch.from_numpy(next(packed))  # type: ignore[call-overload]
    return values.t() if like.dim() == 2 else values.view(like.shape)
