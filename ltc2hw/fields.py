"""Checked, read-only array fields for the frozen dataclasses of the graphs."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.words import FloatArray, IntArray


class ArrayFields:
    """Base of frozen dataclasses with array fields: equality compares the arrays' contents."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(
            same_value(getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)  # type: ignore[arg-type]
        )


def same_value(first: Any, second: Any) -> bool:
    """Whether two field values are equal, arrays by dtype, shape and content."""
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return (
            isinstance(first, np.ndarray)
            and isinstance(second, np.ndarray)
            and first.dtype == second.dtype
            and np.array_equal(first, second)
        )
    return bool(first == second)


def set_field(instance: object, name: str, value: object) -> None:
    """Store a normalized value during ``__post_init__`` of a frozen dataclass."""
    object.__setattr__(instance, name, value)


def real_vector(name: str, value: npt.ArrayLike, size: int) -> FloatArray:
    """Return finite float64 numbers of shape ``(size,)``, read-only; scalars are repeated.

    Raises:
        ShapeError: if the value is neither a scalar nor of shape ``(size,)``.
        InvalidValueError: if a number is NaN or infinite.

    >>> real_vector("bias", 0.5, 3)
    array([0.5, 0.5, 0.5])
    """
    array = np.array(value, dtype=np.float64)
    if array.shape not in {(), (size,)}:
        raise ShapeError(f"shape of {name}", array.shape, f"() or ({size},)")
    array = np.array(np.broadcast_to(array, (size,)))
    require_finite(name, array)
    return frozen(array)


def integer_vector(name: str, value: npt.ArrayLike, size: int) -> IntArray:
    """Return int64 numbers of shape ``(size,)``, read-only; scalars are repeated.

    Raises:
        ShapeError: if the value is neither a scalar nor of shape ``(size,)``.
        InvalidValueError: if the numbers are not integers.
    """
    array = integer_array(name, value)
    if array.shape not in {(), (size,)}:
        raise ShapeError(f"shape of {name}", array.shape, f"() or ({size},)")
    return frozen(np.array(np.broadcast_to(array, (size,))))


def integer_array(name: str, value: npt.ArrayLike) -> IntArray:
    """Return a new int64 array of any shape, read-only.

    Raises:
        InvalidValueError: if the numbers are not of an integer or boolean type.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "iub":
        raise InvalidValueError(f"type of {name}", array.dtype, "integers")
    return frozen(array.astype(np.int64))


def require_finite(name: str, array: FloatArray) -> None:
    """Raise if an array holds NaN or an infinity, naming the first one and its place."""
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        place = tuple(int(index) for index in bad[0])
        raise InvalidValueError(
            f"{name}[{', '.join(map(str, place))}]", array[place], "a finite number"
        )


def require_name(kind: str, name: str) -> None:
    """Raise unless a population's name is a plain identifier (it becomes an HDF5 group)."""
    if not name.isidentifier():
        raise InvalidValueError(
            f"{kind} name", repr(name), "letters, digits and underscores, not starting with a digit"
        )


def require_size(name: str, size: int) -> None:
    """Raise unless a population's size is a positive integer."""
    if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
        raise InvalidValueError(f"size of {name}", size, "an integer >= 1")


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Make an array read-only and return it."""
    array.setflags(write=False)
    return array
