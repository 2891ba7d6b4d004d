"""The meaning of integer programs: **the bit specification of the operations**.

Every number is an int64 that never leaves ±2^62 (:mod:`ltc2hw.dynamics.bounds` proves it of a
program before it runs). Every engine, chip and printed program gives these bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from ltc2hw.dynamics.operations import COUNTED, TABULATED, Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.schedule import schedule
from ltc2hw.numbers.nonlinearity import lookup_integer, plan_integer
from ltc2hw.numbers.words import IntArray, Overflow, Word, shift_toward_zero, wrap_once

Integers = Mapping[str, IntArray]


def _greater(a: IntArray, b: IntArray) -> IntArray:
    result: IntArray = np.greater(a, b).astype(np.int64)
    return result


def _select(condition: IntArray, a: IntArray, b: IntArray) -> IntArray:
    result: IntArray = np.where(condition != 0, a, b)
    return result


def _saturate(x: IntArray, lowest: int, highest: int) -> IntArray:
    # For the few numbers of a step several times faster than numpy.clip.
    result: IntArray = np.minimum(np.maximum(x, lowest), highest)
    return result


@lru_cache(maxsize=64)
def _wrapping(bits: int, signed: bool) -> Word:
    return Word(bits, signed=signed, overflow=Overflow.WRAP)


def _wrap(x: IntArray, bits: int, signed: int) -> IntArray:
    return _wrapping(bits, bool(signed)).fit(x)[0]


def _wrap_once(x: IntArray, bits: int, register_bits: int) -> IntArray:
    return wrap_once(_wrapping(register_bits, True).fit(x)[0], bits)[0]


def _look_up(x: IntArray, fraction: int, index_bits: int, table: IntArray) -> IntArray:
    return lookup_integer(x, fraction, table, "table")


def _interpolate(x: IntArray, fraction: int, index_bits: int, table: IntArray) -> IntArray:
    return lookup_integer(x, fraction, table, "interpolated")


def _entry(x: IntArray, table: IntArray) -> IntArray:
    result: IntArray = table[np.clip(x, 0, table.size - 1)]
    return result


MEANING: Mapping[Operation, Callable[..., Any]] = {
    Operation.ADD: np.add,
    Operation.SUBTRACT: np.subtract,
    Operation.MULTIPLY: np.multiply,
    Operation.MINIMUM: np.minimum,
    Operation.MAXIMUM: np.maximum,
    Operation.GREATER: _greater,
    Operation.SELECT: _select,
    Operation.SHIFT_LEFT: np.left_shift,
    Operation.SHIFT_RIGHT: np.right_shift,
    Operation.SHIFT_TOWARD_ZERO: shift_toward_zero,
    Operation.SATURATE: _saturate,
    Operation.WRAP: _wrap,
    Operation.WRAP_ONCE: _wrap_once,
    Operation.PLAN: plan_integer,
    Operation.LOOK_UP: _look_up,
    Operation.INTERPOLATE: _interpolate,
    Operation.ENTRY: _entry,
}
"""What each operation does with its arguments, then its numbers, then the table of its name."""

LEAVES = (Operation.PARAMETER, Operation.PORT, Operation.STATE)
"""Operations whose values a step is given, by name."""


class IntegerStep:
    """A program, or the part of it that some results need, prepared to run step after step.

    ``results`` and ``known`` as in :func:`~ltc2hw.dynamics.real.evaluate_real`: the results to
    compute, empty for all, and those that each step is given.
    """

    def __init__(
        self, program: Program, results: tuple[str, ...] = (), known: tuple[str, ...] = ()
    ) -> None:
        wanted = results or tuple(program.results)
        self._results = {name: program.results[name] for name in wanted}
        self._known = {name: program.results[name] for name in known}
        # One place for every value, then one for every number and table that an operation takes.
        self._places: list[Any] = [None] * len(program.values)
        self._leaves: list[tuple[int, int, str]] = []
        self._tables: dict[str, int] = {}
        self._work: list[tuple[int, Callable[..., Any], tuple[int, ...], str]] = []
        for index in schedule(program, wanted, known):
            value = program.values[index]
            operation, name = value.operation, value.name
            numbers = [int(number) for number in value.numbers]
            if operation is Operation.NUMBER:
                self._places[index] = np.int64(numbers[0])
            elif operation in LEAVES:
                self._leaves.append((index, LEAVES.index(operation), name))
            else:
                taken = [*value.arguments, *map(self._place, numbers)]
                if operation in TABULATED:
                    taken.append(self._tables.setdefault(name, self._place(None)))
                counted = name if operation in COUNTED else ""
                self._work.append((index, MEANING[operation], tuple(taken), counted))

    def _place(self, content: Any) -> int:
        self._places.append(content)
        return len(self._places) - 1

    def __call__(
        self,
        constants: Integers,
        tables: Integers,
        ports: Integers,
        states: Integers,
        known: Integers | None = None,
    ) -> tuple[dict[str, IntArray], dict[str, int]]:
        """As :func:`evaluate_integer`."""
        values, misfits = self._places.copy(), dict[str, int]()
        given = (constants, ports, states)
        for place, kind, name in self._leaves:
            values[place] = given[kind][name]
        for name, place in self._tables.items():
            values[place] = tables[name]
        for name, place in self._known.items():
            values[place] = (known or {})[name]
        for place, meaning, arguments, word in self._work:
            result = meaning(*[values[argument] for argument in arguments])
            if word:
                lost = int(np.count_nonzero(result != values[arguments[0]]))
                misfits[word] = misfits.get(word, 0) + lost
            values[place] = result
        return {name: values[place] for name, place in self._results.items()}, misfits


def evaluate_integer(
    program: Program,
    constants: Integers,
    tables: Integers,
    ports: Integers,
    states: Integers,
    *,
    results: tuple[str, ...] = (),
    known: Integers | None = None,
) -> tuple[dict[str, IntArray], dict[str, int]]:
    """Results of a step by name, int64 arrays (B, N), and how many values did not fit, by word.

    ``constants`` (N,); ``tables`` by gate; ``ports`` and ``states`` (B, N), only those that are
    read; ``results`` and ``known`` as in :func:`~ltc2hw.dynamics.real.evaluate_real`. Prepare an
    :class:`IntegerStep` where the same program runs step after step.
    """
    step = IntegerStep(program, results, tuple(known or ()))
    return step(constants, tables, ports, states, known)
