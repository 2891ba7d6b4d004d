"""The closed set of operations: what each takes, and in which of the three languages it is legal.

A program is written over the real operations; lowering turns it into one over the integer
operations, or over the rounded ones: real numbers that are cut and clipped where the integers are.
Each other module of this package is a table from these operations to one meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Operation(str, Enum):
    """An operation of a program; its arguments are other values of the same program."""

    NUMBER = "number"
    """A constant, the same for every neuron."""
    PARAMETER = "parameter"
    """A constant per neuron, by name."""
    PORT = "port"
    """The sum that arrives in this step, by name."""
    STATE = "state"
    """A register as it was before the step, by name."""
    ADD = "add"
    SUBTRACT = "subtract"
    MULTIPLY = "multiply"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    GREATER = "greater"
    """1 where the first is greater than the second, else 0; training gives it a slope."""
    SELECT = "select"
    """The second where the first is not 0, else the third."""

    DIVIDE = "divide"
    """Of constants only: what is worked out before anything runs."""
    SQUARE_ROOT = "square_root"
    """Of constants only."""
    REGISTER = "register"
    """The value itself; on a chip it is held in the word of that name."""
    GATE = "gate"
    """The non-linearity of that name, from any real to 0 .. 1."""
    SLOPE = "slope"
    """Derivative of the gate of that name, at the gate's argument."""
    SURROGATE = "surrogate"
    """What learning takes for the derivative of ``greater``, at the difference of its arguments."""

    TRUNCATE = "truncate"
    """To a multiple of 2^-fraction, toward zero: what a right shift takes from a real number."""
    NEAREST = "nearest"
    """To the nearest multiple of 2^-fraction, of two the even one: how a constant is rounded."""

    SHIFT_LEFT = "shift_left"
    SHIFT_RIGHT = "shift_right"
    """Toward minus infinity."""
    SHIFT_TOWARD_ZERO = "shift_toward_zero"
    SATURATE = "saturate"
    """Clip to two ends; misfits are counted under the value's name."""
    WRAP = "wrap"
    """Two's complement; misfits are counted under the value's name."""
    WRAP_ONCE = "wrap_once"
    """Two's complement of a register, then one wrap at each end of a narrower, as Lava's LIF."""
    PLAN = "plan"
    """The piecewise linear sigmoid of shifts and adds."""
    LOOK_UP = "look_up"
    """Cell of the table of that name over [-8, 8)."""
    INTERPOLATE = "interpolate"
    """On the line between two knots of the table of that name over [-8, 8)."""
    ENTRY = "entry"
    """Entry of the table of that name; an index beyond its ends takes the end."""


@dataclass(frozen=True)
class Form:
    """What a legal use of an operation looks like."""

    arguments: int
    named: bool = False
    numbers: tuple[str, ...] = ()
    """What its numbers mean; empty for none."""


LEAVES = {
    Operation.PARAMETER: Form(0, named=True),
    Operation.PORT: Form(0, named=True),
    Operation.STATE: Form(0, named=True),
}

ARITHMETIC = {
    Operation.ADD: Form(2),
    Operation.SUBTRACT: Form(2),
    Operation.MULTIPLY: Form(2),
    Operation.MINIMUM: Form(2),
    Operation.MAXIMUM: Form(2),
    Operation.GREATER: Form(2),
    Operation.SELECT: Form(3),
}

REAL: dict[Operation, Form] = {
    **LEAVES,
    **ARITHMETIC,
    Operation.NUMBER: Form(0, numbers=("value",)),
    Operation.DIVIDE: Form(2),
    Operation.SQUARE_ROOT: Form(1),
    Operation.REGISTER: Form(1, named=True),
    Operation.GATE: Form(1, named=True),
    Operation.SLOPE: Form(1, named=True),
    Operation.SURROGATE: Form(1),
}
"""Operations on real numbers."""

INTEGER: dict[Operation, Form] = {
    **LEAVES,
    **ARITHMETIC,
    Operation.NUMBER: Form(0, numbers=("value",)),
    Operation.SHIFT_LEFT: Form(1, numbers=("bits",)),
    Operation.SHIFT_RIGHT: Form(1, numbers=("bits",)),
    Operation.SHIFT_TOWARD_ZERO: Form(1, numbers=("bits",)),
    Operation.SATURATE: Form(1, named=True, numbers=("lowest", "highest")),
    Operation.WRAP: Form(1, named=True, numbers=("bits", "signed")),
    Operation.WRAP_ONCE: Form(1, named=True, numbers=("bits", "register bits")),
    Operation.PLAN: Form(1, numbers=("fraction", "result's fraction")),
    Operation.LOOK_UP: Form(1, named=True, numbers=("fraction", "index bits")),
    Operation.INTERPOLATE: Form(1, named=True, numbers=("fraction", "index bits")),
    Operation.ENTRY: Form(1, named=True),
}
"""Operations on integers: all that an engine, a chip or a printed program needs."""

ROUNDED: dict[Operation, Form] = {
    **LEAVES,
    **ARITHMETIC,
    Operation.NUMBER: Form(0, numbers=("value",)),
    Operation.REGISTER: Form(1, named=True),
    Operation.GATE: Form(1, named=True),
    Operation.TRUNCATE: Form(1, named=True, numbers=("fraction",)),
    Operation.NEAREST: Form(1, named=True, numbers=("fraction",)),
    Operation.SATURATE: Form(1, named=True, numbers=("lowest", "highest", "fraction")),
    Operation.WRAP: Form(1, named=True, numbers=("bits", "signed", "fraction")),
    Operation.WRAP_ONCE: Form(1, named=True, numbers=("bits", "register bits", "fraction")),
}
"""Operations on real numbers that are cut and clipped as a chip's integers of that fraction are.

Their names are those of the words that the numbers are on their way to.
"""

COUNTED = (Operation.SATURATE, Operation.WRAP, Operation.WRAP_ONCE)
"""Operations that count the values which did not fit, under their name."""

TABULATED = (Operation.LOOK_UP, Operation.INTERPOLATE, Operation.ENTRY)
"""Operations that read the table of their name."""
