"""What enters a cell is checked here: shape, type and place of inputs and of given states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from ltc2hw.errors import InvalidValueError, ShapeError, UnsupportedError

STEP, WINDOW = ("batch",), ("steps", "batch")
"""Axes of an input before that of its channels."""


class State(Protocol):
    """A tuple of registers (B, N) with names."""

    @property
    def _fields(self) -> tuple[str, ...]: ...

    def __iter__(self) -> Iterator[Tensor]: ...


def entering(cell: object, x: object, inputs: int, like: Tensor, axes: tuple[str, ...]) -> Tensor:
    """An input (…axes, ``inputs``) in the type of a cell's parameters, ``like``.

    Raises:
        ShapeError: for another shape, or one without elements.
        InvalidValueError: for what is no dense tensor of real numbers beside the parameters.
    """
    name = f"input of {type(cell).__name__}"
    value = _plain(name, x, like)
    if value.dim() != len(axes) + 1 or value.shape[-1] != inputs or value.numel() == 0:
        expected = f"({', '.join(axes)}, {inputs}), none empty"
        remedy = "time first" if len(axes) > 1 else "one step"
        raise ShapeError(name, tuple(value.shape), expected, remedy)
    return value.to(like.dtype)


def state_in(
    cell: object, zeros: State, state: object, shape: tuple[int, ...], like: Tensor
) -> tuple[Tensor, ...]:
    """Registers of a state of the kind of ``zeros``, in the type of a cell's parameters, ``like``.

    Raises:
        ShapeError: for a register of another shape.
        InvalidValueError: for a state of another kind of cell, or a register that is no tensor
            beside the parameters.
    """
    owner, names = type(cell).__name__, zeros._fields
    if not isinstance(state, type(zeros)) or state._fields != names:
        remedy = "use the state that the cell gave, or None"
        kind = type(zeros).__name__
        raise InvalidValueError(f"state of {owner}", type(state).__name__, kind, remedy)
    registers = []
    for field, register in zip(names, state, strict=True):
        name = f"{field} of the state of {owner}"
        value = _plain(name, register, like)
        if value.shape != shape:
            raise ShapeError(name, tuple(value.shape), f"{shape}")
        registers.append(value.to(like.dtype))
    return tuple(registers)


def has_hooks(module: nn.Module) -> bool:
    """Whether something runs before or after a module's forward."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def require_window(cell: nn.Module) -> None:
    """Raise unless a cell's window does what the cell does when it is called step by step.

    Raises:
        UnsupportedError: for hooks, or a class with a forward of its own and an inherited window.
    """
    remedy = "run single steps with .step, or give the class a window of its own"
    if has_hooks(cell):
        raise UnsupportedError("a window", type(cell).__name__, "hooks around its forward", remedy)
    owners = (_owner(cell, "forward"), _owner(cell, "window"))
    if owners[0] is not owners[1]:
        raise UnsupportedError("a window", type(cell).__name__, "a forward of its own", remedy)


def _owner(cell: nn.Module, method: str) -> type:
    """The class that defines a method of a cell."""
    return next(kind for kind in type(cell).__mro__ if method in vars(kind))


def _plain(name: str, value: object, like: Tensor) -> Tensor:
    """The value, if it is a dense tensor of real numbers on the device of ``like``."""
    if not isinstance(value, Tensor):
        raise InvalidValueError(name, f"a {type(value).__name__}", "a tensor")
    if value.is_complex() or value.layout != torch.strided:
        raise InvalidValueError(name, f"{value.dtype}, {value.layout}", "dense real numbers")
    if value.device != like.device:
        remedy = "move one of them with .to(device)"
        raise InvalidValueError(f"device of {name}", value.device, str(like.device), remedy)
    return value
