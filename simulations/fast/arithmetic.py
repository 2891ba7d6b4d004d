"""Numbers of every kind in kernels that are written once: see :mod:`~.kinds`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from ltc2hw.simulations.fast.short import Short, to_short, to_single

INLINE: Any = {"forceinline": True, "error_model": "numpy"}


def number(value: Any, like: Any) -> Any:
    """Turn an integer into the kind of number that ``like`` is."""
    raise NotImplementedError


@overload(number, jit_options=INLINE, strict=False)
def _number(value: Any, like: Any) -> Any:
    if like == types.float32:
        return lambda value, like: to_single(value)
    if isinstance(like, types.Float):
        return lambda value, like: np.float64(value)
    if isinstance(like, Short):
        return lambda value, like: to_short(value)
    return lambda value, like: np.int64(value)


def counted(condition: Any, like: Any) -> Any:
    """0 or 1 as an integer that is as wide as ``like``, so that vectors of both are alike."""
    raise NotImplementedError


@overload(counted, jit_options=INLINE, strict=False)
def _counted(condition: Any, like: Any) -> Any:
    if isinstance(like, Short) or like == types.float32:
        return lambda condition, like: to_short(condition)
    return lambda condition, like: np.int64(condition)


def given(value: Any) -> Any:
    """A number of a record, as kernels compute with it."""
    raise NotImplementedError


@overload(given, jit_options=INLINE, strict=False)
def _given(value: Any) -> Any:
    def unchanged(value: Any) -> Any:
        return value

    def short(value: Any) -> Any:
        return to_short(value)

    return short if value == types.int32 else unchanged


def integral(value: Any) -> Any:
    """A number as an integer: a double becomes one of 64 bits, a single one a short one."""
    raise NotImplementedError


@overload(integral, jit_options=INLINE, strict=False)
def _integral(value: Any) -> Any:
    def unchanged(value: Any) -> Any:
        return value

    def integer(value: Any) -> Any:
        return np.int64(value)

    def short(value: Any) -> Any:
        return to_short(value)

    if value == types.float32:
        return short
    return integer if isinstance(value, types.Float) else unchanged


def sign_of(value: Any) -> Any:
    """-1 for negative integers, else 0."""
    raise NotImplementedError


@overload(sign_of, jit_options=INLINE, strict=False)
def _sign_of(value: Any) -> Any:
    if isinstance(value, Short):
        return lambda value: value >> to_short(31)
    return lambda value: value >> np.int64(63)


@register_jitable(**INLINE)
def shift_toward_zero(value: Any, bits: Any) -> Any:
    """``sign(x) * (|x| >> n)``: adding ``2^n - 1`` to negative values first makes floor do it."""
    mask = number((np.int64(1) << bits) - np.int64(1), value)
    return (value + (sign_of(value) & mask)) >> number(bits, value)
