"""Checks of what a caller gives to learning, by type first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np

from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.numbers.scalars import LARGEST_SEED, shown


def require_rate(name: str, value: object) -> float:
    """Return a rate as a Python float.

    Raises:
        InvalidValueError: for anything but a finite number > 0.

    >>> require_rate("alpha", 1)
    1.0
    """
    limit = "a finite number > 0"
    rate = _number(name, value, limit)
    if not rate > 0:
        raise InvalidValueError(name, rate, limit)
    return rate


def require_part(name: str, value: object) -> float:
    """Return a part of a whole as a Python float.

    Raises:
        InvalidValueError: for anything but a number from 0 to below 1.

    >>> require_part("feedback_decay", 0)
    0.0
    """
    limit = "a number from 0 to below 1"
    part = _number(name, value, limit)
    if not 0 <= part < 1:
        raise InvalidValueError(name, part, limit)
    return part


def _number(name: str, value: object, limit: str) -> float:
    """A finite real number as a Python float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise InvalidValueError(name, shown(value), limit)
    try:
        number = float(value)
    except OverflowError as error:
        raise InvalidValueError(name, shown(value), limit) from error
    if not math.isfinite(number):
        raise InvalidValueError(name, number, limit)
    return number


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
