"""Each integer operation against a formula of Python's own integers, written from the page."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
import pytest

from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.operations import COUNTED, INTEGER, LEAVES, TABULATED, Operation
from ltc2hw.dynamics.program import Builder
from ltc2hw.dynamics.verify import verify
from ltc2hw.numbers.nonlinearity import sigmoid_table

SMALL = list(range(-20, 21))
LIMIT = 1 << 62
EXTREMES = sorted(
    {sign * ((1 << bits) + near) for bits in (7, 31, 32, 52, 53, 61) for near in (-1, 0, 1)
     for sign in (-1, 1)} | {LIMIT, -LIMIT, LIMIT - 1, 1 - LIMIT}
)  # fmt: skip


def computed(
    operation: Operation, columns: list[list[int]], numbers: tuple[int, ...], table: Any = None
) -> tuple[list[int], int]:
    """Results of an operation for rows of arguments, and the misfits counted."""
    builder = Builder("integer")
    arguments = [builder.add(Operation.PORT, name=f"p{place}") for place, _ in enumerate(columns)]
    name = "w" if operation in (*COUNTED, *TABULATED) else ""
    y = builder.add(operation, *arguments, name=name, numbers=numbers)
    program = builder.program({"y": y})
    verify(program)
    ports = {f"p{place}": np.array([column]) for place, column in enumerate(columns)}
    tables = {} if table is None else {"w": np.array(table)}
    with np.errstate(over="raise"):
        results, misfits = evaluate_integer(program, {}, tables, ports, {})
    assert results["y"].dtype == np.int64
    return results["y"][0].tolist(), misfits.get("w", 0)


ARITHMETIC: dict[Operation, Callable[..., int]] = {
    Operation.ADD: lambda x, y: x + y,
    Operation.SUBTRACT: lambda x, y: x - y,
    Operation.MULTIPLY: lambda x, y: x * y,
    Operation.MINIMUM: lambda x, y: x if x < y else y,
    Operation.MAXIMUM: lambda x, y: y if x < y else x,
    Operation.GREATER: lambda x, y: 1 if x > y else 0,
    Operation.SELECT: lambda x, y, z: z if x == 0 else y,
}


@pytest.mark.parametrize("operation", ARITHMETIC, ids=str)
def test_arithmetic(operation: Operation) -> None:
    """Every pair of small numbers and of extremes whose result stays within 2^62."""
    formula = ARITHMETIC[operation]
    count = INTEGER[operation].arguments
    rows = list(itertools.product(SMALL[::3] if count == 3 else SMALL, repeat=count))
    rows += itertools.product(EXTREMES[:: 5 if count == 3 else 1], repeat=count)
    rows = [row for row in rows if abs(formula(*row)) <= LIMIT]
    found, _ = computed(operation, [list(column) for column in zip(*rows, strict=True)], ())
    assert found == [formula(*row) for row in rows]
    assert len(rows) > 1000


@pytest.mark.parametrize("bits", [0, 1, 2, 5, 30, 31, 32, 61, 62])
def test_shifts(bits: int) -> None:
    """By quotients of fractions: floor, and toward zero."""
    every = [*SMALL, *EXTREMES]
    exact = [Fraction(x, 1 << bits) for x in every]
    assert computed(Operation.SHIFT_RIGHT, [every], (bits,))[0] == [floor(q) for q in exact]
    toward_zero = [floor(q) if q >= 0 else ceil(q) for q in exact]
    assert computed(Operation.SHIFT_TOWARD_ZERO, [every], (bits,))[0] == toward_zero
    held = [x for x in every if abs(x) << bits <= LIMIT]
    assert computed(Operation.SHIFT_LEFT, [held], (bits,))[0] == [x * 2**bits for x in held]


def test_rounding_of_negatives_is_that_of_the_page() -> None:
    assert computed(Operation.SHIFT_RIGHT, [[-7]], (1,))[0] == [-4]
    assert computed(Operation.SHIFT_TOWARD_ZERO, [[-7]], (1,))[0] == [-3]


def cycle(x: int, bits: int, low: int) -> int:
    """The number of a word that differs from x by whole turns, found by steps of its span."""
    return low + (x - low) % (1 << bits)


def once(x: int, bits: int, register_bits: int) -> int:
    """Lava's rule, after the register's own."""
    x, half = cycle(x, register_bits, -(1 << (register_bits - 1))), 1 << (bits - 1)
    if x > half:
        x -= 2 * half
    if x <= -half:
        x += 2 * half
    return x


WORDS: list[tuple[Operation, tuple[int, ...], Callable[[int], int]]] = [
    *((Operation.SATURATE, ends, lambda x, e=ends: min(max(x, e[0]), e[1]))
      for ends in ((-8, 7), (0, 15), (-7, 7), (3, 3), (-LIMIT, LIMIT), (5, LIMIT))),
    *((Operation.WRAP, (bits, 1), lambda x, b=bits: cycle(x, b, -(1 << (b - 1))))
      for bits in (1, 2, 4, 24, 32, 62)),
    *((Operation.WRAP, (bits, 0), lambda x, b=bits: cycle(x, b, 0)) for bits in (1, 2, 4, 61, 62)),
    *((Operation.WRAP_ONCE, bits, lambda x, b=bits: once(x, *b))
      for bits in ((1, 1), (2, 5), (4, 4), (4, 8), (24, 32), (58, 62), (62, 62))),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "numbers", "formula"), WORDS, ids=str)
def test_words_and_their_misfits(
    operation: Operation, numbers: tuple[int, ...], formula: Callable[[int], int]
) -> None:
    """Every number of nine bits, and extremes; a misfit is a result that is not the argument."""
    near = [sign * (1 << bits) + x for bits in (23, 31, 57, 61) for x in (-1, 0, 1)
            for sign in (-1, 1)]  # fmt: skip
    every = [*range(-256, 257), *EXTREMES, *near]
    found, misfits = computed(operation, [every], numbers)
    expected = [formula(x) for x in every]
    assert found == expected
    assert misfits == sum(x != y for x, y in zip(every, expected, strict=True))


def plan(x: int, fraction: int, result: int) -> int:
    """Lines on the magnitude as exact fractions, each product rounded down on its own."""
    a, one = Fraction(abs(x), 1 << fraction), 1 << result
    for below, slope, offset in (
        (Fraction(1), Fraction(1, 4), Fraction(1, 2)),
        (Fraction(19, 8), Fraction(1, 8), Fraction(5, 8)),
        (Fraction(5), Fraction(1, 32), Fraction(27, 32)),
    ):
        if a < below:
            y = floor(a * slope * one) + int(offset * one)
            return y if x >= 0 else one - y
    return one if x >= 0 else 0


@pytest.mark.parametrize(("fraction", "result"), [(3, 5), (4, 6), (10, 12), (12, 12), (58, 30)])
def test_plan(fraction: int, result: int) -> None:
    breaks = [sign * (n << (fraction - 3)) + near for n in (8, 19, 40) for near in (-1, 0, 1)
              for sign in (-1, 1)]  # fmt: skip
    every = [*range(-400, 401), *breaks, *EXTREMES]
    found, _ = computed(Operation.PLAN, [every], (fraction, result))
    assert found == [plan(x, fraction, result) for x in every]


TABLES = [(fraction, index_bits, output) for fraction, index_bits, output in (
    (3, 0, 12), (3, 7, 8), (4, 3, 12), (5, 4, 5), (12, 6, 12), (13, 9, 16), (40, 2, 12),
)]  # fmt: skip


@pytest.mark.parametrize(("fraction", "index_bits", "output"), TABLES)
@pytest.mark.parametrize("falling", [False, True])
def test_tables(fraction: int, index_bits: int, output: int, *, falling: bool) -> None:
    """The cell of an argument clipped to [-8, 8); between knots a floor, where they fall, too."""
    end, cells = 8 << fraction, 1 << index_bits
    edges = [-end + cell * (2 * end >> index_bits) + near for cell in range(cells + 1)
             for near in (-1, 0, 1)]  # fmt: skip
    every = [*range(-300, 301), *edges, *EXTREMES]
    for operation in (Operation.LOOK_UP, Operation.INTERPOLATE):
        straight = operation is Operation.INTERPOLATE
        table = sigmoid_table(index_bits, output, interpolated=straight, nonlinearity="sigmoid")
        entries = [int(n) for n in (table[::-1] if falling else table)]
        found, _ = computed(operation, [every], (fraction, index_bits), entries)
        for x, y in zip(every, found, strict=True):
            place = Fraction(min(max(x, -end), end - 1) + end, 2 * end) * cells
            cell = floor(place)
            if straight:
                rise = (entries[cell + 1] - entries[cell]) * (place - cell)
                assert y == entries[cell] + floor(rise), x
            else:
                assert y == entries[cell], x


def test_entries() -> None:
    """Counted from 0; beyond the ends the first and the last."""
    table = [5, -3, 1 << 40, 7]
    every = [*range(-6, 9), *EXTREMES]
    found, _ = computed(Operation.ENTRY, [every], (), table)
    assert found == [table[0 if x < 0 else 3 if x > 3 else x] for x in every]


def test_no_operation_is_left_out() -> None:
    shifts = {Operation.SHIFT_LEFT, Operation.SHIFT_RIGHT, Operation.SHIFT_TOWARD_ZERO}
    tried = {*ARITHMETIC, *shifts, *(operation for operation, *_ in WORDS), Operation.PLAN}
    assert tried | {*TABULATED, *LEAVES, Operation.NUMBER} == set(INTEGER)


def test_leaves_and_numbers() -> None:
    builder = Builder("integer")
    leaves = {kind: builder.add(kind, name="a") for kind in LEAVES}
    results = {kind.value: place for kind, place in leaves.items()}
    program = builder.program({**results, "seven": builder.number(7), "a": leaves[Operation.STATE]})
    given = [np.array([[n]]) for n in (1, 2, 3)]
    found, misfits = evaluate_integer(
        program, {"a": given[0][0]}, {}, {"a": given[1]}, {"a": given[2]}
    )
    assert {name: np.asarray(value).item() for name, value in found.items()} == {
        "parameter": 1, "port": 2, "state": 3, "seven": 7, "a": 3,
    }  # fmt: skip
    assert misfits == {}


def test_known_results_are_not_computed_again() -> None:
    """A step in two parts: the first part's misfits are counted once."""
    builder = Builder("integer")
    port = builder.add(Operation.PORT, name="p")
    held = builder.add(Operation.SATURATE, port, name="w", numbers=(0, 5))
    later = builder.add(Operation.PORT, name="q")
    program = builder.program({"held": held, "sum": builder.add(Operation.ADD, held, later)})
    nine = np.array([[9, 1]])
    first, misfits = evaluate_integer(program, {}, {}, {"p": nine}, {}, results=("held",))
    assert first["held"].tolist() == [[5, 1]]
    assert misfits == {"w": 1}
    second, misfits = evaluate_integer(
        program, {}, {}, {"q": nine}, {}, results=("sum",), known=first
    )
    assert second["sum"].tolist() == [[14, 2]]
    assert misfits == {}
