"""The meaning of integer programs: **the bit specification of the operations**.

Every number is an int64 that never leaves ±2^62 (:mod:`ltc2hw.dynamics.bounds` proves it of a
program before it runs). Every engine, chip and printed program gives these bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ltc2hw.dynamics.operations import COUNTED, TABULATED, Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.schedule import schedule
from ltc2hw.nonlinearity import GateFunction, lookup_integer, plan_integer
from ltc2hw.words import IntArray, Overflow, Word, shift_toward_zero, wrap_once

Integers = Mapping[str, IntArray]


def _greater(a: IntArray, b: IntArray) -> IntArray:
    result: IntArray = np.greater(a, b).astype(np.int64)
    return result


def _select(condition: IntArray, a: IntArray, b: IntArray) -> IntArray:
    result: IntArray = np.where(condition != 0, a, b)
    return result


def _wrap(x: IntArray, bits: int, signed: int) -> IntArray:
    return Word(bits, signed=bool(signed), overflow=Overflow.WRAP).fit(x)[0]


def _wrap_once(x: IntArray, bits: int, register_bits: int) -> IntArray:
    held, _ = Word(register_bits, overflow=Overflow.WRAP).fit(x)
    return wrap_once(held, bits)[0]


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
    Operation.SATURATE: np.clip,
    Operation.WRAP: _wrap,
    Operation.WRAP_ONCE: _wrap_once,
    Operation.PLAN: plan_integer,
}
"""Operations that need their arguments and numbers alone."""


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
    read; ``results`` and ``known`` as in :func:`~ltc2hw.dynamics.real.evaluate_real`. Misfits of what
    known results are made of were counted when those were computed.
    """
    given = dict(known or {})
    wanted = results or tuple(program.results)
    leaves = {Operation.PARAMETER: constants, Operation.PORT: ports, Operation.STATE: states}
    values: dict[int, Any] = {program.results[name]: value for name, value in given.items()}
    misfits: dict[str, int] = {}
    read = (*constants.values(), *ports.values(), *states.values())
    shape = np.broadcast_shapes(*map(np.shape, read))

    counted = set(schedule(program, tuple(given), ()))

    def meaning(index: int, value: Value) -> Any:
        arguments = [values[argument] for argument in value.arguments]
        numbers = [int(number) for number in value.numbers]
        if value.operation is Operation.NUMBER:
            return np.int64(numbers[0])
        if value.operation in leaves:
            return leaves[value.operation][value.name]
        if value.operation in TABULATED:
            function: GateFunction = (
                "table" if value.operation is Operation.LOOK_UP else "interpolated"
            )
            return lookup_integer(arguments[0], numbers[0], tables[value.name], function)
        result = MEANING[value.operation](*arguments, *numbers)
        if value.operation in COUNTED and index not in counted:
            lost = int(np.count_nonzero(np.broadcast_to(result != arguments[0], shape)))
            misfits[value.name] = misfits.get(value.name, 0) + lost
        return result

    for index in schedule(program, wanted, tuple(given)):
        values[index] = meaning(index, program.values[index])
    return {name: values[program.results[name]] for name in wanted}, misfits
