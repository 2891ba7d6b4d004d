"""The meaning of real and rounded programs: float64 arrays. Real ones have no words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ltc2hw.dynamics.integer import MEANING as INTEGER_MEANING
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.schedule import schedule
from ltc2hw.numbers.nonlinearity import GateCurve, Nonlinearity, evaluate, evaluate_slope
from ltc2hw.numbers.words import WIDEST_WORD, FloatArray

Reals = Mapping[str, FloatArray]
Surrogate = Callable[[FloatArray], FloatArray]


def _greater(a: FloatArray, b: FloatArray) -> FloatArray:
    result: FloatArray = np.greater(a, b).astype(np.float64)
    return result


def _select(condition: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    result: FloatArray = np.where(condition != 0, a, b)
    return result


def _truncate(x: FloatArray, fraction: int) -> FloatArray:
    # Products with powers of two are exact, and several times as fast as ldexp.
    result: FloatArray = np.trunc(x * 2.0**fraction) * 2.0**-fraction
    return result


def _nearest(x: FloatArray, fraction: int) -> FloatArray:
    result: FloatArray = np.ldexp(np.rint(np.ldexp(x, fraction)), -fraction)
    return result


def _saturate(x: FloatArray, lowest: int, highest: int, fraction: int) -> FloatArray:
    unit = 2.0**-fraction
    result: FloatArray = np.clip(x, lowest * unit, highest * unit)
    return result


def _wrapping(operation: Operation, x: FloatArray, *numbers: int) -> FloatArray:
    """Whole units of 2^-fraction wrap as integers do, what is finer stays beside them."""
    *own, fraction = numbers
    scaled = np.multiply(x, 2.0**fraction)
    # Only unsigned words, which begin at 0, wrap what is within half of the others' range.
    half = 2.0 ** (own[0] - 1) - 1.0
    if (operation is Operation.WRAP_ONCE or own[1]) and abs(scaled).max(initial=0.0) <= half:
        return x
    whole = np.floor(scaled)
    limit = float(1 << WIDEST_WORD)
    integers = np.clip(whole, -limit, limit).astype(np.int64)
    wrapped = np.asarray(INTEGER_MEANING[operation](integers, *own))
    moved = wrapped != integers
    result: FloatArray = np.where(
        moved, np.ldexp(wrapped.astype(np.float64) + (scaled - whole), -fraction), x
    )
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
    Operation.TRUNCATE: _truncate,
    Operation.NEAREST: _nearest,
    Operation.SATURATE: _saturate,
    Operation.WRAP: partial(_wrapping, Operation.WRAP),
    Operation.WRAP_ONCE: partial(_wrapping, Operation.WRAP_ONCE),
}
"""Operations that need their arguments and their numbers alone."""


LEAVES = (Operation.PARAMETER, Operation.PORT, Operation.STATE)
"""Operations whose values a step is given, by name."""


class RealStep:
    """A program, or the part of it that some results need, prepared to run step after step.

    ``results``: those to compute, empty for all; ``known``: those that each step is given.
    ``functions``: the non-linearity of every gate.
    """

    def __init__(
        self,
        program: Program,
        functions: Mapping[str, Nonlinearity | GateCurve],
        results: tuple[str, ...] = (),
        known: tuple[str, ...] = (),
        surrogate: Surrogate | None = None,
    ) -> None:
        wanted = results or tuple(program.results)
        self._results = {name: program.results[name] for name in wanted}
        self._known = {name: program.results[name] for name in known}
        self._places: list[Any] = [None] * len(program.values)
        self._leaves: list[tuple[int, int, str]] = []
        self._work: list[tuple[int, Callable[..., Any], tuple[int, ...]]] = []
        for index in schedule(program, wanted, known):
            value = program.values[index]
            if value.operation is Operation.NUMBER:
                self._places[index] = np.float64(value.numbers[0])
            elif value.operation in LEAVES:
                self._leaves.append((index, LEAVES.index(value.operation), value.name))
            else:
                meaning = meaning_of(value, functions, surrogate)
                self._work.append((index, meaning, value.arguments))

    def __call__(
        self, constants: Reals, ports: Reals, states: Reals, known: Reals | None = None
    ) -> dict[str, FloatArray]:
        """As :func:`evaluate_real`."""
        values = self._places.copy()
        given = (constants, ports, states)
        for place, kind, name in self._leaves:
            values[place] = given[kind][name]
        for name, place in self._known.items():
            values[place] = (known or {})[name]
        for place, meaning, arguments in self._work:
            values[place] = meaning(*[values[argument] for argument in arguments])
        return {name: values[place] for name, place in self._results.items()}


def meaning_of(
    value: Value,
    functions: Mapping[str, Nonlinearity | GateCurve],
    surrogate: Surrogate | None = None,
) -> Callable[..., Any]:
    """What a value that is no leaf and no number does with its arguments."""
    if value.operation is Operation.GATE:
        return partial(evaluate, functions[value.name])
    if value.operation is Operation.SLOPE:
        function = functions[value.name]
        assert not isinstance(function, GateCurve), "the slope of a rounded gate"
        return partial(evaluate_slope, function)
    if value.operation is Operation.SURROGATE:
        assert surrogate is not None
        return surrogate
    meaning = MEANING[value.operation]
    if value.numbers:
        return _with_numbers(meaning, tuple(int(number) for number in value.numbers))
    return meaning


def _with_numbers(meaning: Callable[..., Any], numbers: tuple[int, ...]) -> Callable[..., Any]:
    return lambda argument: meaning(argument, *numbers)


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
    the non-linearity of every gate; ``known``: results that an earlier call gave. Prepare a
    :class:`RealStep` where the same program runs step after step.
    """
    step = RealStep(program, functions, results, tuple(known or {}), surrogate)
    return step(constants, ports, states, known)
