"""Checks on single values that constructors take: integers in a range, members of a choice."""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeVar, cast

import numpy as np

from ltc2hw.errors import InvalidValueError

Member = TypeVar("Member", bound=Enum)


LARGEST_SEED = (1 << 64) - 1
"""Seeds are unsigned 64-bit numbers, the largest that torch's generators take."""

COUNTABLE = 1 << 62
"""More than any number of neurons, steps or bytes."""


def require_range(name: str, value: Any, lowest: int, highest: int) -> None:
    """Raise unless the value is an integer with ``lowest <= value <= highest``.

    >>> require_range("shift", 1.5, 0, 62)
    Traceback (most recent call last):
    ...
    ltc2hw.errors.InvalidValueError: shift is 1.5; expected an integer, 0 to 62
    """
    if not is_integer(value):
        raise InvalidValueError(name, shown(value), f"an integer, {lowest} to {highest}")
    if not lowest <= value <= highest:
        raise InvalidValueError(name, shown(value), f"{lowest} to {highest}")


def is_integer(value: Any) -> bool:
    """Whether a value is an integer of Python or NumPy, and no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def require_type(name: str, value: Any, *types: type) -> None:
    """Raise unless the value is of one of the types.

    >>> require_type("word", None, int)
    Traceback (most recent call last):
    ...
    ltc2hw.errors.InvalidValueError: word is None; expected a value of type int
    """
    if not isinstance(value, types):
        expected = " or ".join(known.__name__ for known in types)
        raise InvalidValueError(name, shown(value), f"a value of type {expected}")


def member(name: str, value: Any, choice: type[Member]) -> Member:
    """The member of a choice that a value is or spells.

    Raises:
        InvalidValueError: if there is none.
    """
    try:
        return choice(value)
    except ValueError:
        known = ", ".join(str(each.value) for each in choice)
        raise InvalidValueError(name, shown(value), f"one of {known}") from None


def shown(value: object) -> str:
    """A value in a message: short, on one line.

    >>> shown(10**5000)
    'an integer of 16610 bits'
    """
    if is_integer(value):
        integer = int(cast(int, value))
        bits = integer.bit_length()
        return str(integer) if bits <= 200 else f"an integer of {bits} bits"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
