"""Rounding shift and word fitting, compiled: the counterparts of :mod:`ltc2hw.numbers.words`.

The same kernels run with three kinds of numbers, of which a network takes the fastest that
:mod:`~ltc2hw.simulations.fast.widths` proves to be exact:

- wide ones are 64-bit integers, the arithmetic of the specification;
- narrow ones are integers held in doubles, whose vector instructions are several times faster:
  where no product or sum leaves ±2^53, doubles are exact, factors are stored already divided by
  ``2^bits`` (exact as well), and rounding the product toward zero is the specification's ``rsz``;
- short ones are 32-bit integers (:mod:`~ltc2hw.simulations.fast.short`), twice as many in a vector,
  where sums and results fit; products may be wider, see :func:`product`;
- single ones are integers held in floats of 32 bits, where no sum or shifted product leaves ±2^24.
  A product may have more bits: with the processor rounding toward zero (:mod:`~.rounding`) what is
  cut off first is a part of what ``rsz`` cuts off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from ltc2hw.simulations.fast.short import Short, to_short, to_single

INLINE: Any = {"forceinline": True, "error_model": "numpy"}

SPLIT_BITS = 15
"""Short products are added up from two pieces, which divide a value at this bit or at the shift."""


def product(factor: Any, value: Any, bits: Any) -> Any:
    """``rsz(factor * value, bits)``; a narrow factor is already divided by ``2^bits``.

    A short product can have more than 32 bits. With ``k = min(bits, SPLIT_BITS)`` and
    ``value = high·2^k + low`` it is ``(factor·high + (factor·low + c >> k)) >> (bits - k)``, where
    ``c = 2^bits - 1`` for negative products turns floor into rounding toward zero.
    """
    raise NotImplementedError


@overload(product, jit_options=INLINE, strict=False)
def _product(factor: Any, value: Any, bits: Any) -> Any:
    if isinstance(factor, types.Float):
        return lambda factor, value, bits: np.trunc(factor * value)
    if not isinstance(factor, Short):
        return lambda factor, value, bits: shift_toward_zero(factor * value, bits)

    def short(factor: Any, value: Any, bits: Any) -> Any:
        split = min(bits, SPLIT_BITS)
        first, second = to_short(split), to_short(bits - split)
        low = value & to_short((np.int64(1) << split) - 1)
        correction = sign_of(factor ^ value) & to_short((np.int64(1) << bits) - 1)
        lower = (factor * low + correction) >> first
        return (factor * (value >> first) + lower) >> second

    return short


def small_product(factor: Any, value: Any, bits: Any) -> Any:
    """:func:`product` where ``factor * value`` fits even a short number."""
    raise NotImplementedError


@overload(small_product, jit_options=INLINE, strict=False)
def _small_product(factor: Any, value: Any, bits: Any) -> Any:
    if isinstance(factor, types.Float):
        return lambda factor, value, bits: np.trunc(factor * value)
    return lambda factor, value, bits: shift_toward_zero(factor * value, bits)


def fit(value: Any, low: Any, high: Any, wraps: Any) -> Any:
    """Saturate into ``low .. high``, or wrap where ``wraps`` is the mask of a (wide) word."""
    raise NotImplementedError


@overload(fit, jit_options=INLINE, strict=False)
def _fit(value: Any, low: Any, high: Any, wraps: Any) -> Any:
    if isinstance(value, (types.Float, Short)):
        return lambda value, low, high, wraps: min(max(value, low), high)

    def integer(value: Any, low: Any, high: Any, wraps: Any) -> Any:
        if wraps != 0:
            return ((value - low) & wraps) + low
        return min(max(value, low), high)

    return integer


def held(value: Any, mask: Any) -> Any:
    """A value in a register that wraps; ``mask`` has its bits. Only wide ones can leave theirs."""
    raise NotImplementedError


@overload(held, jit_options=INLINE, strict=False)
def _held(value: Any, mask: Any) -> Any:
    if isinstance(value, (types.Float, Short)):
        return lambda value, mask: value

    def integer(value: Any, mask: Any) -> Any:
        half = (mask >> np.int64(1)) + np.int64(1)
        return ((value + half) & mask) - half

    return integer


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


def scaled(value: Any, unit: Any) -> Any:
    """A number as a factor of :func:`product`; ``unit`` is what one is worth there."""
    raise NotImplementedError


@overload(scaled, jit_options=INLINE, strict=False)
def _scaled(value: Any, unit: Any) -> Any:
    if isinstance(value, types.Float):
        return lambda value, unit: value * unit
    return lambda value, unit: value


def unpacked(entry: Any, like: Any) -> Any:
    """Knot and rise of an entry of an interpolated table; ``like`` is a number of the kind in use.

    LLVM learns where they have 32 bits with their sign: their products are single instructions.
    """
    raise NotImplementedError


@overload(unpacked, jit_options=INLINE, strict=False)
def _unpacked(entry: Any, like: Any) -> Any:
    if isinstance(like, Short) or like == types.float32:
        return lambda entry, like: (entry & to_short(0xFFFF), entry >> to_short(16))
    if isinstance(like, types.Float):
        return lambda entry, like: (entry & 0xFFFFFFFF, np.int64(np.int32(entry >> 32)))
    return lambda entry, like: (entry & 0xFFFFFFFF, entry >> 32)


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
