"""Whether a torch module computes what its type says, and the exact numbers that it computes with.

Converters read a module's type and tensors. Hooks, replaced methods, parametrizations and
overriding classes change what it computes without changing either; they are found here.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as torch_module

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import FloatArray

HARMLESS = frozenset(
    (
        "__annotations__",
        "__constants__",
        "__dict__",
        "__doc__",
        "__firstlineno__",
        "__init__",
        "__module__",
        "__parameters__",
        "__qualname__",
        "__repr__",
        "__static_attributes__",
        "__weakref__",
        "_version",
        "extra_repr",
    )
)
"""What a class derived from a known one may define itself and still compute the same.

``__init__`` is among them, because what it leaves behind is looked at.
"""

HOOKS = ("_forward_pre_hooks", "_forward_hooks")
GLOBAL_HOOKS = ("_global_forward_pre_hooks", "_global_forward_hooks")

EXACT_DTYPES = (
    torch.float32,
    torch.float64,
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
)
"""Types whose numbers are exact in float64, and whose arithmetic our engines have."""


def departure(module: nn.Module, known: type[nn.Module], allowed_hook: str = "") -> str:
    """What makes a module compute something else than the known type that it is of, or nothing.

    ``known`` is the module's type, or a class that it is derived from; a derived class must not
    define anything that the known one has. ``allowed_hook`` is the class of hooks to leave alone.

    >>> departure(nn.Linear(2, 3), nn.Linear)
    ''
    >>> module = nn.Linear(2, 3)
    >>> _ = module.register_forward_hook(lambda module, given, answer: 2 * answer)
    >>> departure(module, nn.Linear)
    'a forward hook (function)'
    """
    if "parametrizations" in module._modules:
        return "a parametrization"
    return (
        _overridden(type(module), known)
        or _replaced_forward(known)
        or _shadowed(module, known)
        or hooked(module, allowed_hook)
    )


HALF_DTYPES = (torch.float16, torch.bfloat16)
"""Exact in float64 as well, but what a module computes with them is rounded further."""


def exact_array(tensor: Any, name: str, *, stored: bool = False) -> FloatArray:
    """A float64 copy of a tensor (or a number), exact, whatever device it is on.

    Numbers that are only stored, and that no module computes with, may be of half precision.

    Raises:
        InvalidValueError: for a tensor that is sparse, quantized, complex, of half precision,
            without values (meta, lazy), of a class of its own, or not finite; named ``name``.

    >>> exact_array(torch.tensor([0.5, 2.0], requires_grad=True), "weight")
    array([0.5, 2. ])
    """
    if not isinstance(tensor, torch.Tensor):
        tensor = _as_tensor(tensor, name)
    _require_plain(tensor, name, EXACT_DTYPES + HALF_DTYPES * stored)
    values: FloatArray = np.array(tensor.detach().resolve_neg().cpu().double().numpy())
    if not np.all(np.isfinite(values)):
        raise InvalidValueError(name, "NaN or infinite", "finite numbers", "train it again")
    return values


def _as_tensor(value: Any, name: str) -> torch.Tensor:
    try:
        # Doubles, because torch would round a Python number to float32.
        return torch.as_tensor(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidValueError(name, type(value).__name__, "a tensor or a number") from error


def _require_plain(tensor: torch.Tensor, name: str, dtypes: tuple[torch.dtype, ...]) -> None:
    if type(tensor) not in (torch.Tensor, nn.Parameter):
        kind = type(tensor).__name__
        raise InvalidValueError(
            name, f"a {kind}", "a plain tensor", "initialize or dequantize it, or take its data"
        )
    if tensor.layout != torch.strided or tensor.is_quantized:
        kind = "quantized" if tensor.is_quantized else str(tensor.layout).removeprefix("torch.")
        raise InvalidValueError(name, kind, "a dense tensor", "call to_dense() or dequantize()")
    if tensor.device.type == "meta":
        raise InvalidValueError(name, "on the meta device", "numbers", "load the weights first")
    if tensor.dtype not in dtypes:
        kind = str(tensor.dtype).removeprefix("torch.")
        raise InvalidValueError(name, kind, "float32 or float64", "call module.float() first")


def _overridden(own: type, known: type) -> str:
    """What classes between a module's own and the known one define anew."""
    names = set(dir(known)) - HARMLESS
    for kind in own.__mro__[: own.__mro__.index(known)]:
        # A class may say again what it inherits.
        again = sorted(
            name
            for name in names & set(vars(kind))
            if vars(kind)[name] is not inspect.getattr_static(known, name)
        )
        if again:
            return f"{again[0]} of class {kind.__name__}"
    return ""


def _replaced_forward(known: type[nn.Module]) -> str:
    """Whether somebody put another forward into the known class itself."""
    owner = next(kind for kind in known.__mro__ if "forward" in vars(kind))
    if getattr(vars(owner)["forward"], "__module__", None) == owner.__module__:
        return ""
    return f"forward of class {known.__name__}, which was replaced"


def _shadowed(module: nn.Module, known: type[nn.Module]) -> str:
    """A method of the known class that the module itself has another of."""
    for name in vars(module):
        if callable(getattr(known, name, None)):
            return f"{name} of its own"
    return ""


def hooked(module: nn.Module, allowed: str = "") -> str:
    """A hook that sees what goes into a module or comes out of it, if there is one.

    Hooks of the class named ``allowed`` are left alone.
    """
    for holder, names in ((module, HOOKS), (torch_module, GLOBAL_HOOKS)):
        for name in names:
            for hook in getattr(holder, name).values():
                place = "global " if holder is torch_module else ""
                kind = "forward pre-hook" if "pre" in name else "forward hook"
                if type(hook).__name__ != allowed:
                    return f"a {place}{kind} ({type(hook).__name__})"
    return ""
