"""The one judge of programs: what is legal in each language, by rule."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache

from ltc2hw.dynamics.operations import COUNTED, Form, Operation
from ltc2hw.dynamics.program import FORMS, Program, Value
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.integer_limits import (
    EXACT_BITS,
    FINEST,
    FINEST_GATE,
    FINEST_RESULT,
    LARGEST_SHIFT,
)
from ltc2hw.numbers.nonlinearity import PLAN_MINIMUM_FRACTION, TABLE_SPAN_BITS
from ltc2hw.numbers.scalars import is_integer, require_type, shown
from ltc2hw.numbers.words import WIDEST_WORD

MOST_VALUES = 1024
"""Largest program: bounds the work of a step of a file that is not ours."""

LONGEST_NAME = 64

DEEPEST: Mapping[str, int] = {"real": 96, "integer": 224, "rounded": 288}
"""Most values from a leaf to what is made of it, each of the one before: what follows them by
calling itself stays within Python's stack."""

CONSTANT_ONLY = (Operation.DIVIDE, Operation.SQUARE_ROOT)
"""Operations whose arguments are made of constants alone."""

_SHIFTS = (Operation.SHIFT_LEFT, Operation.SHIFT_RIGHT, Operation.SHIFT_TOWARD_ZERO)


def verify(program: Program) -> None:
    """Check a program: only operations of its language, each of its form, of earlier values alone.

    Raises:
        InvalidValueError: naming the first value that breaks a rule.
    """
    count = len(program.values)
    if not 0 < count <= MOST_VALUES:
        raise InvalidValueError("size of a neuron's program", count, f"1 to {MOST_VALUES} values")
    forms = FORMS[program.language]
    for index, value in enumerate(program.values):
        _require_types(index, value)
        problem = next(_problems(program, forms.get(value.operation), index, value), None)
        if problem is not None:
            label = f"value {index} of a neuron's program ({value.operation.value} {value.name})"
            raise InvalidValueError(label.replace(" )", ")"), *problem)
    depths: list[int] = []
    for value in program.values:
        depths.append(1 + max((depths[argument] for argument in value.arguments), default=-1))
    require_depth(max(depths), DEEPEST[program.language])
    _require_results(program)


def _require_types(index: int, value: object) -> None:
    """Raise unless a value has the types that it should have, whoever made it."""
    label = f"value {index} of a neuron's program"
    require_type(label, value, Value)
    assert isinstance(value, Value)
    require_type(f"operation of {label}", value.operation, Operation)
    require_type(f"arguments of {label}", value.arguments, tuple)
    require_type(f"numbers of {label}", value.numbers, tuple)
    for argument in value.arguments:
        if not is_integer(argument):
            raise InvalidValueError(f"argument of {label}", shown(argument), "an earlier value")


def _require_results(program: Program) -> None:
    count = len(program.values)
    if not program.results:
        raise InvalidValueError("results of a neuron's program", "missing", "at least one")
    for name, index in program.results.items():
        if not is_plain(name):
            raise InvalidValueError("result of a neuron's program", repr(name), "a plain name")
        if not is_integer(index) or not 0 <= index < count:
            raise InvalidValueError(f"result {name}", index, f"a value, 0 to {count - 1}")
    for name in program.states:
        if name not in program.results:
            raise InvalidValueError(
                f"state {name} of a neuron's program", "never written", "a result of that name",
                "return its next value",
            )  # fmt: skip


def require_depth(depth: int, most: int) -> None:
    """Raise unless a value is nested in few enough others.

    Raises:
        InvalidValueError: naming the limit.
    """
    if depth > most:
        raise InvalidValueError(
            "depth of a neuron's program", f"more than {most}", f"at most {most} values",
            "add up in pairs, not one after the other",
        )  # fmt: skip


def is_plain(name: object) -> bool:
    """Whether a name is made of identifiers with dots between them, and not too long."""
    if not isinstance(name, str):
        return False
    return len(name) <= LONGEST_NAME and all(part.isidentifier() for part in name.split("."))


Problem = tuple[object, str]


def _problems(program: Program, form: Form | None, index: int, value: Value) -> Iterator[Problem]:
    """What is wrong with a value: what it is, and what would be right."""
    if form is None:
        known = ", ".join(operation.value for operation in FORMS[program.language])
        yield value.operation.value, f"one of {known}"
        return
    if len(value.arguments) != form.arguments:
        yield f"given {len(value.arguments)} arguments", f"{form.arguments} arguments"
    if any(not 0 <= argument < index for argument in value.arguments):
        yield f"made of values {value.arguments}", f"earlier values, 0 to {index - 1}"
        return
    if len(value.numbers) != len(form.numbers):
        yield f"given numbers {value.numbers}", f"{len(form.numbers)}: {', '.join(form.numbers)}"
        return
    named = bool(value.name)
    if named != form.named or (named and not is_plain(value.name)):
        yield f"named {value.name!r}", "a plain name" if form.named else "no name"
    if program.language == "integer":
        yield from _integer_problems(value)
    else:
        yield from _real_problems(program, value)
        if value.operation in (*COUNTED, Operation.TRUNCATE, Operation.NEAREST):
            yield from _rounding_problems(value)


def _real_problems(program: Program, value: Value) -> Iterator[Problem]:
    if not all(-sys.float_info.max <= number <= sys.float_info.max for number in value.numbers):
        yield value.numbers[0], "a finite number"
    if value.operation in CONSTANT_ONLY:
        for argument in value.arguments:
            if not constant_only(program, argument):
                yield "made of what changes from step to step", "constants and numbers alone"
    if value.operation is Operation.SELECT and value.arguments[0] not in one_bit(program):
        yield "of a condition that is not 0 or 1", "a condition made of comparisons: fires(a, b)"


_BITWISE = (Operation.MULTIPLY, Operation.MINIMUM, Operation.MAXIMUM)
"""Operations that make 0 or 1 of zeros and ones."""


def one_bit(program: Program) -> frozenset[int]:
    """Values that are 0 or 1 by what they are: comparisons, states that hold one, their products.

    Integers have no fraction for them.
    """
    return _one_bit(program.values, tuple(program.results.items()))


@lru_cache(maxsize=128)
def _one_bit(values: tuple[Value, ...], results: tuple[tuple[str, int], ...]) -> frozenset[int]:
    greater = {index for index, value in enumerate(values) if value.operation is Operation.GREATER}
    held = {name for name, index in results if index in greater}
    found: set[int] = set()
    for index, value in enumerate(values):
        made = (
            value.operation is Operation.GREATER,
            value.operation is Operation.STATE and value.name in held,
            value.operation in _BITWISE and found.issuperset(value.arguments),
            value.operation is Operation.SELECT and found.issuperset(value.arguments),
        )
        if any(made):
            found.add(index)
    return frozenset(found)


def constant_only(program: Program, index: int) -> bool:
    """Whether a value is made of constants and numbers alone."""
    reached = {index}
    for place in range(index, -1, -1):
        if place in reached:
            value = program.values[place]
            if value.operation in (Operation.PORT, Operation.STATE):
                return False
            reached.update(value.arguments)
    return True


def _integer_problems(value: Value) -> Iterator[Problem]:
    if not all(isinstance(number, int) for number in value.numbers):
        yield value.numbers, "integers"
        return
    numbers = [int(number) for number in value.numbers]
    limit = 1 << EXACT_BITS
    if value.operation is Operation.NUMBER and abs(numbers[0]) > limit:
        yield numbers[0], f"at most 2^{EXACT_BITS} in magnitude"
    if value.operation in _SHIFTS and not 0 <= numbers[0] <= LARGEST_SHIFT:
        yield f"by {numbers[0]}", f"0 to {LARGEST_SHIFT} bits"
    if value.operation is Operation.SATURATE and not -limit <= numbers[0] <= numbers[1] <= limit:
        yield f"between {numbers[0]} and {numbers[1]}", f"ends in order, within 2^{EXACT_BITS}"
    if value.operation in (Operation.WRAP, Operation.WRAP_ONCE):
        if not 1 <= numbers[0] <= WIDEST_WORD:
            yield f"at {numbers[0]} bits", f"1 to {WIDEST_WORD} bits"
        last = 1 if value.operation is Operation.WRAP else WIDEST_WORD
        lowest = 0 if value.operation is Operation.WRAP else numbers[0]
        if not lowest <= numbers[1] <= last:
            yield f"given {numbers[1]}", f"{lowest} to {last}"
    yield from _function_problems(value.operation, numbers)


def _rounding_problems(value: Value) -> Iterator[Problem]:
    """The numbers of what is cut or clipped: those of integers, and a fraction."""
    yield from _integer_problems(value)
    fraction = value.numbers[-1]
    if not -FINEST <= fraction <= FINEST:
        yield f"fraction {fraction}", f"{-FINEST} to {FINEST}"


def _function_problems(operation: Operation, numbers: list[int]) -> Iterator[Problem]:
    """Arguments and results of gates: enough bits for the breaks of PLAN, or for every cell."""
    if operation is Operation.PLAN:
        fraction, result = numbers
        if not PLAN_MINIMUM_FRACTION <= result <= FINEST_RESULT:
            yield f"of {result} bits", f"{PLAN_MINIMUM_FRACTION} to {FINEST_RESULT} bits"
        elif not max(3, result - 2) <= fraction <= FINEST_GATE:
            yield f"fraction {fraction}", f"{max(3, result - 2)} to {FINEST_GATE}"
    elif operation in (Operation.LOOK_UP, Operation.INTERPOLATE):
        fraction, index_bits = numbers
        if not 0 <= index_bits <= FINEST_GATE:
            yield f"with {index_bits} index bits", f"0 to {FINEST_GATE}"
        elif not max(3, index_bits - TABLE_SPAN_BITS) <= fraction <= FINEST_GATE:
            yield f"fraction {fraction}", f"{max(3, index_bits - TABLE_SPAN_BITS)} to {FINEST_GATE}"
