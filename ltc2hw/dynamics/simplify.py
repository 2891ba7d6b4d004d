"""The same integer program without the terms that are 0: fewer operations, the same bits."""

from __future__ import annotations

from collections.abc import Collection

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program, Value

ZERO = Value(Operation.NUMBER, numbers=(0,))

_SHIFTS = (Operation.SHIFT_LEFT, Operation.SHIFT_RIGHT, Operation.SHIFT_TOWARD_ZERO)


def without(program: Program, silent: Collection[str], zero: Collection[str]) -> Program:
    """The program for ports at which nothing arrives and constants that are 0.

    Products and shifts of 0 are 0, sums with 0 are their other part. Words are kept; one that is
    left with constants alone counts what does not fit once, not once a sample.
    """
    builder = Builder("integer")
    places: list[int] = []
    for value in program.values:
        arguments = tuple(places[argument] for argument in value.arguments)
        none = [builder.values[argument] == ZERO for argument in arguments]
        operation = value.operation
        nothing = (
            operation is Operation.PORT and value.name in silent,
            operation is Operation.PARAMETER and value.name in zero,
            operation is Operation.MULTIPLY and any(none),
            operation in _SHIFTS and all(none),
        )
        if any(nothing):
            places.append(builder.number(0))
        elif operation in (Operation.ADD, Operation.SUBTRACT) and none[1]:
            places.append(arguments[0])
        elif operation is Operation.ADD and none[0]:
            places.append(arguments[1])
        else:
            places.append(
                builder.add(operation, *arguments, name=value.name, numbers=value.numbers)
            )
    return builder.program({name: places[index] for name, index in program.results.items()})
