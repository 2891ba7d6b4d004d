"""The shape of a sample at one step, as users give it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.convolution import Shape


def checked_shape(given: int | Sequence[int]) -> Shape:
    """A shape as it was given, if it is one.

    Raises:
        InvalidValueError: unless it is integers of at least 1.
        TooLargeError: for more numbers than can be held.
    """
    try:
        shape = tuple(map(index, given if isinstance(given, Sequence) else (given,)))
    except TypeError as error:
        raise InvalidValueError("input_shape", given, "integers of at least 1") from error
    if not shape or min(shape) < 1:
        raise InvalidValueError("input_shape", shape, "integers of at least 1")
    require_capacity("input_shape", math.prod(shape))
    return shape
