"""Integer arithmetic of the neurons, written for arrays of int64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[Any]


@dataclass(frozen=True)
class GateConstants:
    """Constants of a gate; empty ``table``: piecewise linear, otherwise entries over [-8, 8)."""

    bias: Integers
    state_factor: Integers
    state_shift: int
    current_factor: Integers
    current_shift: int
    fraction: int
    output_fraction: int
    table: Integers
    interpolated: bool


@dataclass(frozen=True)
class MessageFormat:
    """Range and right shift of a graded message."""

    minimum: int
    maximum: int
    shift: int

    def apply(self, value: Integers) -> Integers:
        """Shift toward zero, then clip."""
        return np.clip(cut(value.astype(np.int64), self.shift), self.minimum, self.maximum)


def cut(x: Integers, bits: int) -> Integers:
    """Divide by ``2^bits`` toward zero."""
    return np.asarray(np.sign(x) * (np.abs(x) >> bits))


def saturate(x: Integers, bits: int) -> Integers:
    """Clip to a signed register."""
    limit = 2 ** (bits - 1)
    return np.clip(x, -limit, limit - 1)


def gate(
    constants: GateConstants, bits: int, arriving: Integers, state: Integers, current: Integers
) -> Integers:
    """Gate value in ``0 .. 2^output_fraction``."""
    from_state = cut(constants.state_factor * state, constants.state_shift)
    from_current = cut(constants.current_factor * current, constants.current_shift)
    argument = saturate(arriving + constants.bias + from_state + from_current, bits)
    if constants.table.size:
        return from_table(constants, argument)
    return piecewise_linear(argument, constants.fraction, constants.output_fraction)


def piecewise_linear(x: Integers, fraction: int, output_fraction: int) -> Integers:
    """PLAN: ``a/4 + 1/2`` below 1, ``a/8 + 5/8`` below 19/8, ``a/32 + 27/32`` below 5, else 1."""
    one = 2**output_fraction
    unit = 2**fraction
    a = np.abs(x)
    lift = fraction - output_fraction
    positive = np.select(
        [a < unit, 8 * a < 19 * unit, a < 5 * unit],
        [
            (a >> (lift + 2)) + one // 2,
            (a >> (lift + 3)) + 5 * one // 8,
            (a >> (lift + 5)) + 27 * one // 32,
        ],
        one,
    )
    return np.where(x < 0, one - positive, positive)


def from_table(constants: GateConstants, x: Integers) -> Integers:
    """Entry of the cell that holds x, or the line between the two knots at its edges."""
    table = constants.table
    cells = table.size - 1 if constants.interpolated else table.size
    width = 16 * 2**constants.fraction // cells
    place = np.clip(x + 8 * 2**constants.fraction, 0, 16 * 2**constants.fraction - 1)
    cell, rest = np.divmod(place, width)
    value: Integers = table[cell]
    if constants.interpolated:
        value = value + (table[cell + 1] - value) * rest // width
    return value
