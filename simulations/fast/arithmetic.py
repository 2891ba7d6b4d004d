"""Rounding shift and word fitting, compiled: the counterparts of :mod:`ltc2hw.words`.

The same kernels run with two kinds of numbers. Wide ones are 64-bit integers, the arithmetic of
the specification. Narrow ones are integers held in doubles, whose vector instructions are several
times faster: wherever :mod:`~ltc2hw.simulations.fast.widths` proves that no product or sum leaves
±2^53, doubles are exact, factors are stored already divided by ``2^bits`` (exact as well), and
rounding the product toward zero is the specification's ``rsz``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

INLINE: Any = {"forceinline": True, "error_model": "numpy"}


def product(factor: Any, value: Any, bits: Any) -> Any:
    """``rsz(factor * value, bits)``; a narrow factor is already divided by ``2^bits``."""
    raise NotImplementedError


@overload(product, jit_options=INLINE, strict=False)
def _product(factor: Any, value: Any, bits: Any) -> Any:
    if isinstance(factor, types.Float):
        return lambda factor, value, bits: np.trunc(factor * value)
    return lambda factor, value, bits: shift_toward_zero(factor * value, bits)


def fit(value: Any, low: Any, high: Any, wraps: Any) -> Any:
    """Saturate into ``low .. high``, or wrap where ``wraps`` is the mask of a (wide) word."""
    raise NotImplementedError


@overload(fit, jit_options=INLINE, strict=False)
def _fit(value: Any, low: Any, high: Any, wraps: Any) -> Any:
    if isinstance(value, types.Float):
        return lambda value, low, high, wraps: min(max(value, low), high)

    def integer(value: Any, low: Any, high: Any, wraps: Any) -> Any:
        if wraps != 0:
            return ((value - low) & wraps) + low
        return min(max(value, low), high)

    return integer


def number(value: Any, like: Any) -> Any:
    """Turn an integer into the kind of number that ``like`` is."""
    raise NotImplementedError


@overload(number, jit_options=INLINE, strict=False)
def _number(value: Any, like: Any) -> Any:
    if isinstance(like, types.Float):
        return lambda value, like: np.float64(value)
    return lambda value, like: np.int64(value)


def short(value: Any, like: Any) -> Any:
    """A 64-bit integer; with narrow numbers, one that LLVM knows to have 32 bits with its sign.

    ``like`` is a number of the kind in use. Products of such integers are single instructions.
    """
    raise NotImplementedError


@overload(short, jit_options=INLINE, strict=False)
def _short(value: Any, like: Any) -> Any:
    if isinstance(like, types.Float):
        return lambda value, like: np.int64(np.int32(value))
    return lambda value, like: np.int64(value)


@register_jitable(**INLINE)
def shift_toward_zero(value: Any, bits: Any) -> Any:
    """``sign(x) * (|x| >> n)``: adding ``2^n - 1`` to negative values first makes floor do it."""
    return (value + ((value >> np.int64(63)) & ((np.int64(1) << bits) - np.int64(1)))) >> bits
