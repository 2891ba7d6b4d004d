"""What is worked out of a model's constants before anything runs, so that no step does it again."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.real import Reals, evaluate_real
from ltc2hw.dynamics.verify import constant_only
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import FloatArray

WORKED_OUT = (Operation.MULTIPLY, Operation.DIVIDE, Operation.SQUARE_ROOT)
"""Operations that constants are rid of; their sums stay, which integers compute without error."""


@dataclass(frozen=True)
class Folded:
    """A program whose derived constants are parameters, and the program that works them out.

    ``derived`` is None where nothing is to be worked out, else its results are named as the new
    parameters, ``derived0`` onwards.
    """

    program: Program
    derived: Program | None


def fold(program: Program) -> Folded:
    """Make a parameter of every largest part of constants alone that multiplies, divides or roots.

    >>> from ltc2hw.dynamics.models import find_model
    >>> fold(find_model("lif").program).derived is None
    True
    >>> tuple(fold(find_model("brf").program).derived.results)
    ('derived0', 'derived1')
    """
    if program.language != "real":
        return Folded(program, None)
    return _fold(program.values, tuple(program.results.items()))


@lru_cache(maxsize=128)
def _fold(values: tuple[Value, ...], results: tuple[tuple[str, int], ...]) -> Folded:
    program = Program("real", values, dict(results))
    works: list[bool] = []
    for index, value in enumerate(values):
        made = value.operation in WORKED_OUT or any(works[a] for a in value.arguments)
        works.append(made and constant_only(program, index))
    users = program.users()
    own = set(program.parameters)
    ends = set(program.results.values())
    largest = [
        index
        for index in range(len(values))
        if works[index] and (index in ends or not all(works[user] for user in users[index]))
    ]
    if not largest:
        return Folded(program, None)
    # A model may have a constant of such a name itself.
    free = (name for count in itertools.count() if (name := f"derived{count}") not in own)
    names = dict(zip(largest, free, strict=False))
    replaced = tuple(
        Value(Operation.PARAMETER, name=names[index]) if index in names else value
        for index, value in enumerate(values)
    )
    derived = Program("real", values, {name: index for index, name in names.items()})
    return Folded(
        Program("real", replaced, program.results).needed(tuple(program.results)),
        derived.needed(tuple(derived.results)),
    )


def derive(program: Program, constants: Reals) -> dict[str, FloatArray]:
    """Values of all parameters of the folded program, float64 (N,): constants and what they make.

    Raises:
        InvalidValueError: where a derived constant is no finite number, naming what it is made of.
    """
    folded = fold(program)
    values = {name: np.asarray(value, dtype=np.float64) for name, value in constants.items()}
    if folded.derived is None:
        return values
    with np.errstate(all="ignore"):  # what is not finite is refused below
        made = evaluate_real(folded.derived, values, {}, {}, {})
    for name, value in made.items():
        if not np.all(np.isfinite(value)):
            used = ", ".join(folded.derived.needed((name,)).parameters)
            raise InvalidValueError(
                f"what a neuron derives of its constants {used}", "no finite number",
                "constants within the ranges that the model's page states",
            )  # fmt: skip
    return {**values, **made}
