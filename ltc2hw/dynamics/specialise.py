"""A step made for one use: some of its values given from outside, what then is constant folded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program, Value


def specialise(program: Program, given: Mapping[int, Value]) -> Program:
    """The program with other values, which have no arguments, in the place of some of its own.

    What then is 0 times a value, or a value plus 0, is left out; and so is what no result needs.

    >>> whole = Program("real", (Value(Operation.PORT, (), "current"),
    ...                          Value(Operation.PARAMETER, (), "bias"),
    ...                          Value(Operation.ADD, (0, 1))), {"current": 2})
    >>> [value.name for value in specialise(whole, {1: number(0.0)}).values]
    ['current']
    """
    builder = Builder(program.language)
    place: list[int] = []
    for index, own in enumerate(program.values):
        value = given.get(index, own)
        arguments = () if index in given else tuple(place[argument] for argument in own.arguments)
        shorter = _shorter(builder, value.operation, arguments)
        if shorter is None:
            shorter = builder.add(
                value.operation, *arguments, name=value.name, numbers=value.numbers
            )
        place.append(shorter)
    return builder.program({name: place[index] for name, index in program.results.items()})


def number(value: float) -> Value:
    """A constant, the same for every neuron."""
    return Value(Operation.NUMBER, (), "", (value,))


def places(program: Program, operation: Operation, name: str) -> list[int]:
    """The values that are leaves of that name."""
    return [
        index
        for index, value in enumerate(program.values)
        if value.operation is operation and value.name == name
    ]


def _shorter(builder: Builder, operation: Operation, arguments: tuple[int, ...]) -> int | None:
    """A value that equals an operation with 0 or 1 among its arguments, if there is one."""
    zeros = [index for index in arguments if builder.values[index] == number(0.0)]
    ones = [index for index in arguments if builder.values[index] == number(1.0)]
    if operation is Operation.MULTIPLY and zeros:
        return zeros[0]
    if operation is Operation.MULTIPLY and ones:
        return arguments[0] if arguments[1] == ones[0] else arguments[1]
    if operation is Operation.ADD and zeros:
        return arguments[0] if arguments[1] == zeros[0] else arguments[1]
    if operation is Operation.SUBTRACT and builder.values[arguments[1]] == number(0.0):
        return arguments[0]
    if operation in (Operation.TRUNCATE, Operation.NEAREST) and zeros:
        return zeros[0]
    return None


@dataclass(frozen=True)
class Divided:
    """A step in two: what is the same in every step, and the rest."""

    before: Program
    """Its results, ``row0``, ``row1``, ..., are made of constants alone."""
    step: Program
    """Reads those results as parameters of these names."""


def constants_apart(program: Program) -> Divided:
    """Take out of a step what is made of constants alone, to be made once for many steps."""
    fixed = _made_of_constants(program)
    wanted: dict[int, str] = {}
    ends = set(program.results.values())
    users = program.users()
    for index, value in enumerate(program.values):
        leaves = not all(fixed[user] for user in users[index]) or index in ends
        if fixed[index] and leaves and value.operation is not Operation.NUMBER:
            wanted[index] = f"row{len(wanted)}"
    rows = {name: index for index, name in wanted.items()}
    before = Program(program.language, program.values, rows)
    step = specialise(
        program, {index: Value(Operation.PARAMETER, (), name) for index, name in wanted.items()}
    )
    return Divided(before.needed(tuple(rows)) if rows else before, step)


def _made_of_constants(program: Program) -> list[bool]:
    """For every value, whether it is the same in every step."""
    fixed: list[bool] = []
    for value in program.values:
        changing = value.operation in (Operation.PORT, Operation.STATE)
        fixed.append(not changing and all(fixed[argument] for argument in value.arguments))
    return fixed


def bounded(program: Program, ranges: Mapping[str, tuple[float, float]]) -> Program:
    """The program with some of its parameters held within their ranges, whose ends may be infinite.

    At an end a parameter still has its gradient, beyond it none.
    """
    builder = Builder(program.language)
    place: list[int] = []
    for value in program.values:
        arguments = tuple(place[argument] for argument in value.arguments)
        made = builder.add(value.operation, *arguments, name=value.name, numbers=value.numbers)
        if value.operation is Operation.PARAMETER and value.name in ranges:
            low, high = ranges[value.name]
            if math.isfinite(low):
                made = builder.add(Operation.MAXIMUM, builder.number(low), made)
            if math.isfinite(high):
                made = builder.add(Operation.MINIMUM, builder.number(high), made)
        place.append(made)
    return builder.program({name: place[index] for name, index in program.results.items()})
