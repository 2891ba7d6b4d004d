"""Checks of what a caller gives to learning, by type first: options, samples, labels, targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.words import FloatArray

LARGEST_SEED = (1 << 64) - 1
"""Seeds are unsigned 64-bit numbers."""

LONGEST_VALUE = 60
"""Longest text of a wrong value in a message."""


def require_rate(name: str, value: object) -> float:
    """Return a rate as a Python float.

    Raises:
        InvalidValueError: for anything but a finite number > 0.

    >>> require_rate("alpha", 1)
    1.0
    """
    limit = "a finite number > 0"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise InvalidValueError(name, shown(value), limit)
    try:
        rate = float(value)
    except OverflowError as error:
        raise InvalidValueError(name, shown(value), limit) from error
    if not (math.isfinite(rate) and rate > 0):
        raise InvalidValueError(name, rate, limit)
    return rate


def require_integer(name: str, value: object, lowest: int, highest: int) -> int:
    """Return an integer from ``lowest`` to ``highest`` as a Python int.

    Raises:
        InvalidValueError: for anything else, numbers with a fraction and truth values included.
    """
    whole = isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))
    if not whole or not lowest <= value <= highest:  # type: ignore[operator]
        raise InvalidValueError(name, shown(value), f"an integer from {lowest} to {highest}")
    return int(value)  # type: ignore[call-overload,no-any-return]


def require_seed(name: str, value: object) -> int:
    """Return a seed, an integer from 0 to 2^64 - 1.

    Raises:
        InvalidValueError: for anything else.
    """
    return require_integer(name, value, 0, LARGEST_SEED)


def require_flag(name: str, value: object) -> bool:
    """Return a truth value as a Python bool.

    Raises:
        InvalidValueError: for anything but True and False.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidValueError(name, shown(value), "True or False")
    return bool(value)


def require_choice(name: str, value: object, known: Sequence[str]) -> None:
    """Raise unless a value is one of the known names.

    Raises:
        UnknownNameError: if not; lists them.
    """
    if not isinstance(value, str) or value not in known:
        raise UnknownNameError(name, value if isinstance(value, str) else shown(value), known)


def plain_array(name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return an array of truth values, integers or reals, of whatever type they have.

    Raises:
        InvalidValueError: for texts, mappings, objects, complex numbers, and nested lists whose
            lengths differ.
    """
    limit = "an array of real numbers"
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise InvalidValueError(name, "no array", limit, " ".join(str(error).split())) from error
    if array.dtype.kind not in "biuf":
        raise InvalidValueError(f"type of {name}", array.dtype, limit)
    return array


def real_array(name: str, value: npt.ArrayLike) -> FloatArray:
    """Return numbers as float64; see :func:`plain_array` for what is refused.

    >>> real_array("targets", [[True, 2]])
    array([[1., 2.]])
    """
    return plain_array(name, value).astype(np.float64)


def shown(value: object) -> str:
    """A wrong value as a short text, whatever it is.

    >>> shown("a" * 70)[-6:], shown(10**4000)
    ('aaa...', 'an integer of 13288 bits')
    """
    if isinstance(value, int) and value.bit_length() > 4 * LONGEST_VALUE:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
