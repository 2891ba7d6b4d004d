"""Programs as text, there and back, and what is refused."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.dynamics.lowering import lower
from ltc2hw.dynamics.models import MODELS
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.page import example
from ltc2hw.dynamics.program import Builder, Program, Value
from ltc2hw.dynamics.verify import MOST_VALUES, verify
from ltc2hw.errors import InvalidValueError

NUMBER, ADD, STATE, PORT = Operation.NUMBER, Operation.ADD, Operation.STATE, Operation.PORT
MULTIPLY, GATE, DIVIDE = Operation.MULTIPLY, Operation.GATE, Operation.DIVIDE
PROGRAMS = [
    program
    for model, formats in map(example, MODELS)
    for program in (model.program, lower(model.working, formats))
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_text_there_and_back(program: Program) -> None:
    text = program.to_text()
    again = Program.from_text(text)
    assert again == program
    assert again.to_text() == text
    assert list(again.results) == list(program.results)
    verify(again)


DAMAGED = [
    "", "null", "1", "[]", "{}", "[1,2]", '["real",[],{}', '["real",[["add"]],{}]',
    '["real",[["nothing",[],"",[]]],{}]', '["real",[[[],[],"",[]]],{}]', '["real",5,{}]',
    '["real",[["number",[],"",["1"]]],{}]', '["real",[["number",[],"",[true]]],{}]',
    '["real",[["number",[],"",1]],{}]', '["real",[["number",[],7,[1]]],{}]',
    '["real",[["number",[-1],"",[1]]],{}]', '["real",[["number",[0.5],"",[1]]],{}]',
    '["real",[["number",[true],"",[1]]],{}]', '["real",[["number",[],"",[1]]],[]]',
    '["real",[["number",[],"",[1]]],{"y":"0"}]', '["real",[["number",[],"",[1]]],{"y":-1}]',
    '["complex",[["number",[],"",[1]]],{"y":0}]', '[[],[["number",[],"",[1]]],{"y":0}]',
    '[{},[["number",[],"",[1]]],{"y":0}]', '[null,[["number",[],"",[1]]],{"y":0}]',
    "[" * 100_000, '["real",[["number",[],"",[' + "9" * 5000 + "]]],{}]",
]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        verify(Program.from_text(text))


@pytest.mark.parametrize("program", PROGRAMS)
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_happens_to_a_text_ends_in_a_program_or_an_error_of_ours(
    program: Program, seed: int
) -> None:
    """Bytes changed, dropped and repeated, and JSON in which a part is replaced by another."""
    rng = random.Random(seed)
    text = program.to_text()
    if rng.random() < 0.5:
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text))
            wrong = rng.choice(["", '"', "[", "]", ",", "-", "0", "9" * 30, "1e999", "NaN", "null"])
            text = text[:at] + wrong + text[at + rng.randint(0, 2) :]
    else:
        tree = json.loads(text)
        row = rng.choice(tree[1])
        part: Any = rng.choice(
            [None, -1, 1 << 70, 10**400, 0.5, math.inf, math.nan, "", [], {}, True]
        )
        place: Any = rng.choice([row, row[1], row[3], tree, tree[1]]) or row
        place[rng.randrange(len(place))] = part
        text = json.dumps(tree)
    try:
        read = Program.from_text(text)
        verify(read)
    except InvalidValueError:
        return
    assert Program.from_text(read.to_text()) == read


def test_the_same_value_is_written_once_and_what_nothing_needs_is_left_out() -> None:
    builder = Builder("integer")
    u = builder.add(STATE, name="u")
    assert builder.add(STATE, name="u") == u
    unused = builder.add(ADD, u, builder.number(5))
    y = builder.add(ADD, u, builder.number(1))
    program = builder.program({"u": y})
    assert unused != y
    assert [value.operation for value in program.values] == [STATE, NUMBER, ADD]
    assert program.states == ("u",)
    assert program.users() == ((2,), (2,), ())
    assert builder.add(NUMBER, numbers=(1,)) == builder.number(1)


def of(language: Any, *values: Value, **results: int) -> Program:
    """A program; its last value is the result y unless others are named."""
    return Program(language, values, results or {"y": len(values) - 1})


def number(value: float) -> Value:
    return Value(NUMBER, numbers=(value,))


U, P = Value(STATE, name="u"), Value(PORT, name="p")


def unary(operation: Operation, *numbers: float, name: str = "") -> Program:
    """An integer operation on a port."""
    return of("integer", P, Value(operation, (0,), name, numbers))


BROKEN: list[tuple[Program, str]] = [
    (of("integer"), "size of a neuron's program is 0; expected 1 to 1024"),
    (of("integer", *[number(1)] * (MOST_VALUES + 1)), "is 1025; expected 1 to 1024"),
    (of("integer", P, Value(GATE, (0,), "g")), r"value 1 .*gate g. is gate; expected one of"),
    (of("real", P, Value(Operation.PLAN, (0,), numbers=(12, 12))), "is plan; expected one of"),
    (of("real", P, Value(ADD, (0,))), "is given 1 arguments; expected 2 arguments"),
    (of("real", P, Value(ADD, (0, 1))), r"is made of values \(0, 1\); expected earlier values"),
    (of("real", Value(ADD, (1, 1)), P), "expected earlier values"),
    (of("real", P, Value(ADD, (0, -1))), "expected earlier values"),
    (of("real", Value(NUMBER)), r"is given numbers \(\); expected 1: value"),
    (unary(Operation.SATURATE, 1, name="w"), "expected 2: lowest, highest"),
    (of("real", Value(PORT)), "is named ''; expected a plain name"),
    (of("real", Value(PORT, name="a b")), "is named 'a b'; expected a plain name"),
    (of("real", Value(PORT, name="a..b")), "expected a plain name"),
    (of("real", Value(PORT, name="p" * 65)), "expected a plain name"),
    (of("real", P, Value(ADD, (0, 0), "sum")), "is named 'sum'; expected no name"),
    (of("real", number(math.nan)), "is nan; expected a finite number"),
    (of("real", number(-math.inf)), "is -inf; expected a finite number"),
    (of("real", number(10**400)), "expected a finite number"),
    (of("real", number(1), P, Value(DIVIDE, (0, 1))), "is made of what changes from step to step"),
    (of("real", U, Value(Operation.SQUARE_ROOT, (0,)), u=1), "changes from step to step"),
    (of("integer", number(0.5)), r"is \(0.5,\); expected integers"),
    (of("integer", number(math.inf)), "expected integers"),
    (of("integer", number(1 << 63)), r"expected at most 2\^62 in magnitude"),
    (unary(Operation.SHIFT_LEFT, 63), "is by 63; expected 0 to 62 bits"),
    (unary(Operation.SHIFT_RIGHT, -1), "is by -1; expected 0 to 62 bits"),
    (unary(Operation.SHIFT_TOWARD_ZERO, 10**30), "expected 0 to 62 bits"),
    (unary(Operation.SATURATE, 2, 1, name="w"), "between 2 and 1; expected ends in order"),
    (unary(Operation.SATURATE, 0, 1 << 63, name="w"), r"ends in order, within 2\^62"),
    (unary(Operation.WRAP, 0, 1, name="w"), "is at 0 bits; expected 1 to 62"),
    (unary(Operation.WRAP, 63, 1, name="w"), "is at 63 bits; expected 1 to 62"),
    (unary(Operation.WRAP, 8, 2, name="w"), "is given 2; expected 0 to 1"),
    (unary(Operation.WRAP_ONCE, 8, 7, name="w"), "is given 7; expected 8 to 62"),
    (unary(Operation.PLAN, 12, 4), "is of 4 bits; expected 5 to 30"),
    (unary(Operation.PLAN, 12, 31), "is of 31 bits; expected 5 to 30"),
    (unary(Operation.PLAN, 9, 12), "is fraction 9; expected 10 to 58"),
    (unary(Operation.PLAN, 59, 12), "is fraction 59; expected 10 to 58"),
    (unary(Operation.LOOK_UP, 12, 59, name="g"), "is with 59 index bits; expected 0 to 58"),
    (unary(Operation.LOOK_UP, 5, 10, name="g"), "is fraction 5; expected 6 to 58"),
    (unary(Operation.INTERPOLATE, 2, 6, name="g"), "is fraction 2; expected 3 to 58"),
    (Program("real", (P,), {}), "results of a neuron's program is missing"),
    (of("real", P, **{"a b": 0}), "result of a neuron's program is 'a b'; expected a plain name"),
    (of("real", P, y=1), "result y is 1; expected a value, 0 to 0"),
    (of("real", U, y=0), "state u of a neuron's program is never written"),
]


@pytest.mark.parametrize(("program", "message"), BROKEN, ids=[text for _, text in BROKEN])
def test_every_rule_is_kept(program: Program, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        verify(program)


def test_what_is_at_the_limits_is_legal() -> None:
    for program in (
        of("integer", *[number(1)] * MOST_VALUES),
        of("integer", number(1 << 62)),
        unary(Operation.SHIFT_LEFT, 62),
        unary(Operation.SATURATE, -(1 << 62), 1 << 62, name="w"),
        unary(Operation.WRAP_ONCE, 62, 62, name="w"),
        unary(Operation.PLAN, 58, 30),
        unary(Operation.INTERPOLATE, 58, 58, name="g"),
        of("real", number(1), number(2), Value(DIVIDE, (0, 1)), Value(DIVIDE, (2, 2))),
        of("real", Value(PORT, name="a.b")),
    ):
        verify(program)


def test_a_program_that_doubles_is_judged_at_once() -> None:
    """2^90 ways lead from its end to its beginning."""
    values = [number(1.0), *(Value(MULTIPLY, (n, n)) for n in range(90))]
    verify(of("real", *values, Value(Operation.SQUARE_ROOT, (90,))))
