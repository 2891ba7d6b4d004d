"""The meaning of real programs: float64 arrays, no rounding, no words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.schedule import schedule
from ltc2hw.numbers.nonlinearity import GateCurve, Nonlinearity, evaluate, evaluate_slope
from ltc2hw.numbers.words import FloatArray

Reals = Mapping[str, FloatArray]
Surrogate = Callable[[FloatArray], FloatArray]


def _greater(a: FloatArray, b: FloatArray) -> FloatArray:
    result: FloatArray = np.greater(a, b).astype(np.float64)
    return result


def _select(condition: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    result: FloatArray = np.where(condition != 0, a, b)
    return result


MEANING: Mapping[Operation, Callable[..., Any]] = {
    Operation.ADD: np.add,
    Operation.SUBTRACT: np.subtract,
    Operation.MULTIPLY: np.multiply,
    Operation.DIVIDE: np.divide,
    Operation.SQUARE_ROOT: np.sqrt,
    Operation.MINIMUM: np.minimum,
    Operation.MAXIMUM: np.maximum,
    Operation.GREATER: _greater,
    Operation.SELECT: _select,
    Operation.REGISTER: lambda value: value,
}
"""Operations that need their arguments alone."""


def evaluate_real(
    program: Program,
    constants: Reals,
    ports: Reals,
    states: Reals,
    functions: Mapping[str, Nonlinearity | GateCurve],
    *,
    results: tuple[str, ...] = (),
    known: Reals | None = None,
    surrogate: Surrogate | None = None,
) -> dict[str, FloatArray]:
    """Results of a step by name, arrays (B, N); all of them unless ``results`` names some.

    ``constants`` (N,); ``ports`` and ``states`` (B, N), only those that are read; ``functions``:
    the non-linearity of every gate; ``known``: results that an earlier call gave.
    """
    given = dict(known or {})
    wanted = results or tuple(program.results)
    leaves = {Operation.PARAMETER: constants, Operation.PORT: ports, Operation.STATE: states}
    values: dict[int, Any] = {program.results[name]: value for name, value in given.items()}

    def meaning(value: Value) -> Any:
        arguments = [values[argument] for argument in value.arguments]
        if value.operation is Operation.NUMBER:
            return np.float64(value.numbers[0])
        if value.operation in leaves:
            return leaves[value.operation][value.name]
        if value.operation is Operation.GATE:
            return evaluate(functions[value.name], arguments[0])
        if value.operation is Operation.SLOPE:
            function = functions[value.name]
            assert not isinstance(function, GateCurve), "the slope of a rounded gate"
            return evaluate_slope(function, arguments[0])
        if value.operation is Operation.SURROGATE:
            assert surrogate is not None
            return surrogate(arguments[0])
        return MEANING[value.operation](*arguments)

    for index in schedule(program, wanted, tuple(given)):
        values[index] = meaning(program.values[index])
    return {name: values[program.results[name]] for name in wanted}
