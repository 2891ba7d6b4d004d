"""All derivatives of some results of a step, by everything that the step reads."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence

from ltc2hw.dynamics.adjoint import given, gradient_of, reverse
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program, Value
from ltc2hw.dynamics.specialise import number, places, specialise


def derivative(result: str, leaf: Operation, name: str) -> str:
    """What the derivative of a result by a port, state or parameter is called.

    >>> derivative("membrane", Operation.STATE, "adaptation")
    'membrane by state.adaptation'
    """
    return f"{result} by {gradient_of(leaf, name)}"


def jacobian(program: Program, results: Sequence[str]) -> Program:
    """The step with the derivatives of some of its results as further results.

    They are named by :func:`derivative`, and are those of the step's reverse
    (:func:`ltc2hw.dynamics.adjoint.reverse`), surrogate slopes among them; the ones that are 0
    whatever the step reads are not there. The step's own values keep their places.

    Raises:
        UnknownNameError: for a result that the step does not have.
        UnsupportedError: for a program of integers, or one that is a reverse program itself.

    >>> from ltc2hw.dynamics.models.readout import readout
    >>> sorted(n for n in jacobian(readout.program, ("membrane",)).results if "state" in n)[-1]
    'membrane by state.membrane'
    """
    builder = Builder.after(program)
    found = dict(program.results)
    for result in results:
        back = reverse(program, (result,))
        one = dict.fromkeys(places(back, Operation.PORT, given(result)), number(1.0))
        single = specialise(back, one)
        place: list[int] = []
        for value in single.values:
            arguments = tuple(place[argument] for argument in value.arguments)
            place.append(_folded(builder, value, arguments))
        for leaf, index in single.results.items():
            if builder.values[place[index]] != number(0.0):
                found[f"{result} by {leaf}"] = place[index]
    return Program(program.language, tuple(builder.values), found)


_ARITHMETIC: Mapping[Operation, Callable[[float, float], float]] = {
    Operation.ADD: operator.add,
    Operation.SUBTRACT: operator.sub,
    Operation.MULTIPLY: operator.mul,
}


def _folded(builder: Builder, value: Value, arguments: tuple[int, ...]) -> int:
    """A value of these arguments; of numbers alone, the number that it is."""
    made_of = [builder.values[argument] for argument in arguments]
    numbers = [own.numbers[0] for own in made_of if own.operation is Operation.NUMBER]
    if value.operation in _ARITHMETIC and len(numbers) == len(arguments):
        return builder.number(_ARITHMETIC[value.operation](*numbers))
    return builder.add(value.operation, *arguments, name=value.name, numbers=value.numbers)
