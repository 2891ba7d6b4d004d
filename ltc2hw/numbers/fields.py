"""Checked, read-only array fields for the frozen dataclasses of the graphs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.scalars import COUNTABLE, is_integer, require_range, require_type, shown
from ltc2hw.numbers.tensors import is_tensor, tensor_as_array
from ltc2hw.numbers.words import FloatArray, IntArray


class ArrayFields:
    """Base of frozen dataclasses with array fields: equality compares the arrays' contents.

    Fields with ``compare=False`` are left out.
    """

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(
            same_value(getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)  # type: ignore[arg-type]
            if field.compare
        )


def same_value(first: Any, second: Any) -> bool:
    """Whether two field values are equal, arrays by dtype, shape and content.

    Mappings are equal if they have the same keys, in any order, and equal values.
    """
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(
            same_value(value, second[key]) for key, value in first.items()
        )
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


def real_vector(name: str, value: npt.ArrayLike, size: int, remedy: str = "") -> FloatArray:
    """Return finite float64 numbers of shape ``(size,)``, read-only; scalars are repeated.

    Raises:
        ShapeError: if the value is neither a scalar nor of shape ``(size,)``; says ``remedy``.
        InvalidValueError: if the value is not numbers, or one is NaN or infinite.

    >>> real_vector("bias", 0.5, 3)
    array([0.5, 0.5, 0.5])
    """
    array = number_array(name, value, "iubf", "real numbers").astype(np.float64)
    if array.shape not in {(), (size,)}:
        raise ShapeError(f"shape of {name}", array.shape, f"() or ({size},)", remedy)
    require_capacity(f"shape of {name}", size, held=array.size)
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
    require_capacity(f"shape of {name}", size, held=array.size)
    return frozen(np.array(np.broadcast_to(array, (size,))))


def integer_array(name: str, value: npt.ArrayLike) -> IntArray:
    """Return a new int64 array of any shape, read-only.

    Raises:
        InvalidValueError: if the numbers are not of an integer or boolean type, or beyond 64 bits.
    """
    array = number_array(name, value, "iub", "integers")
    if array.dtype == np.uint64 and array.size and int(array.max()) >= 1 << 63:
        raise InvalidValueError(f"largest of {name}", int(array.max()), "integers below 2^63")
    return frozen(array.astype(np.int64))


def number_array(name: str, value: npt.ArrayLike, kinds: str, expected: str) -> npt.NDArray[Any]:
    """Return an array whose type is of one of NumPy's ``kinds``, unless it is empty.

    Takes arrays, nested lists and torch's tensors, on any device, also with a gradient.

    Raises:
        InvalidValueError: for texts, ragged lists, None, objects, masks and numbers of other kinds.

    >>> number_array("bias", [[1], [2, 3]], "f", "real numbers")
    Traceback (most recent call last):
    ...
    ltc2hw.errors.InvalidValueError: bias is [[1], [2, 3]]; expected real numbers
    """
    if isinstance(value, np.ma.MaskedArray):
        raise InvalidValueError(name, "a masked array", "an array without gaps", "fill it first")
    try:
        array = tensor_as_array(name, value) if is_tensor(value) else np.asarray(value)
        if array.dtype.kind == "O" and all(map(is_integer, array.flat)) and "f" in kinds:
            array = array.astype(np.float64)
    except (ValueError, TypeError, OverflowError, RuntimeError):
        raise InvalidValueError(name, shown(value), expected) from None
    if array.size == 0:
        return array
    if array.dtype.kind == "O":
        raise InvalidValueError(name, shown(value), expected)
    if array.dtype.kind not in kinds:
        raise InvalidValueError(f"type of {name}", array.dtype, expected)
    return array


def require_finite(name: str, array: FloatArray) -> None:
    """Raise if an array holds NaN or an infinity, naming the first one and its place."""
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        place = tuple(int(index) for index in bad[0])
        raise InvalidValueError(
            f"{name}[{', '.join(map(str, place))}]", array[place], "a finite number"
        )


def parts(name: str, values: Iterable[Any], *types: type) -> tuple[Any, ...]:
    """Return values as a tuple, each checked to be of one of the types.

    Raises:
        InvalidValueError: naming the first that is not.
    """
    try:
        listed = tuple(values)
    except TypeError:
        raise InvalidValueError(name, shown(values), "a sequence") from None
    for index, value in enumerate(listed):
        require_type(f"{name}[{index}]", value, *types)
    return listed


def texts(name: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return a mapping from texts to texts as a dictionary.

    Raises:
        InvalidValueError: for anything else.
    """
    require_type(name, values, Mapping)
    for key, value in values.items():
        require_type(f"key of {name}", key, str)
        require_type(f"{name} {key!r}", value, str)
    return dict(values)


def require_name(kind: str, name: str) -> None:
    """Raise unless a population's name is a plain identifier (it becomes an HDF5 group)."""
    require_type(f"{kind} name", name, str)
    if not name.isidentifier():
        raise InvalidValueError(
            f"{kind} name", repr(name), "letters, digits and underscores, not starting with a digit"
        )


def require_size(name: str, size: int) -> None:
    """Raise unless a population's size is a positive integer."""
    if not is_integer(size) or size < 1:
        raise InvalidValueError(f"size of {name}", shown(size), "an integer >= 1")
    require_range(f"size of {name}", size, 1, COUNTABLE)


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Make an array read-only and return it."""
    array.setflags(write=False)
    return array
