"""The loop over a population's neurons, printed from its program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from ltc2hw.converters.c.arithmetic import TEXT, Operand, Use, constant
from ltc2hw.converters.c.plan import Stage, fits
from ltc2hw.converters.c.text import (
    INT32,
    Names,
    computing,
    interval_of,
    literal,
    narrowest,
    table,
)
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.intervals import Interval
from ltc2hw.dynamics.operations import COUNTED, Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.schedule import schedule
from ltc2hw.numbers.words import IntArray

INDENT = "        "

SHIFTS = (Operation.SHIFT_LEFT, Operation.SHIFT_RIGHT, Operation.SHIFT_TOWARD_ZERO)

CHANGING = (Operation.PORT, Operation.STATE, *COUNTED)
"""What makes a value more than a constant that is worked out when the program is printed."""


class Tables:
    """Constant tables of a source, each written once."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._names = Names()
        self.texts: list[str] = []
        self.bytes = 0
        self._known: dict[tuple[str, bytes], str] = {}

    def add(self, wanted: str, values: IntArray) -> str:
        """Name of a table of these values."""
        key = wanted, np.ascontiguousarray(values, np.int64).tobytes()
        if key not in self._known:
            self._known[key] = name = self._names.new(f"{self._prefix}_{wanted}")
            self.texts.append(table(name, values))
            self.bytes += values.size * narrowest(interval_of(values)).bits // 8
        return self._known[key]


class StagePrinter:
    """Writes the loop of one stage; :meth:`lines` gives its text."""

    def __init__(self, stage: Stage, prefix: str, tables: Tables) -> None:
        self.stage, self.part, self.prefix = stage, stage.part, prefix
        self.program, self.intervals = self.part.program, self.part.intervals
        self._tables = tables
        self._lines: list[str] = []
        self._operands: dict[int, Operand] = {}
        self._count = 0
        self._wide: set[str] = set()
        self._changing = changing_values(self.program)
        self._sums = {s.port: s for s in stage.sums}

    def lines(self) -> list[str]:
        """Statements of the loop's body."""
        for name in self.stage.known:
            index, field = self.program.results[name], self.part.fields[name]
            self._operands[index] = self.let(self._at(field.name), self.intervals[index])
        steps = schedule(self.program, self.stage.results, self.stage.known)
        live = self._live(steps)
        for index in steps:
            if index in live:
                self._operand(index)
                self._count_misfits(index)
        for name in self.stage.results:
            self._store(name)
        return self._lines

    def let(self, expression: str, interval: Interval) -> Operand:
        """Write ``const type name = expression;`` and return the name."""
        kind, name = computing(interval), f"v{self._count}"
        self._count += 1
        wide = "64" in expression or not self._wide.isdisjoint(re.findall(r"\w+", expression))
        if kind is not INT32:
            self._wide.add(name)
        elif wide:
            expression = f"(int32_t)({expression})"
        self._lines.append(f"{INDENT}const {kind.name} {name} = {expression};")
        return Operand(name, interval)

    def table(self, gate: str) -> tuple[str, IntArray]:
        """Name and entries of a gate's table."""
        entries = np.asarray(self.part.neurons.tables[gate])
        return self._constants(gate, entries), entries

    def _constants(self, name: str, values: IntArray) -> str:
        found = self._tables.add(f"{self.part.neurons.name}_{name.replace('.', '_')}", values)
        if computing(interval_of(values)) is not INT32:
            self._wide.add(found)
        return found

    def _at(self, field: str) -> str:
        return f"s->{self.part.member}.{field}[j]"

    def _live(self, steps: tuple[int, ...]) -> set[int]:
        """Values that results and counts need."""
        wanted = {self.program.results[name] for name in self.stage.results}
        wanted |= {index for index in steps if self._counted(index)}
        for index in reversed(steps):
            if index in wanted and not self._folded(index):
                wanted.update(self._used(index))
        return wanted

    def _counted(self, index: int) -> bool:
        value = self.program.values[index]
        if value.operation not in COUNTED:
            return False
        return not fits(value, self.intervals[value.arguments[0]])

    def _folded(self, index: int) -> bool:
        """Whether a value is read from a table or written as a number."""
        low, high = self.intervals[index]
        return (low == high and not self._counted(index)) or index not in self._changing

    def _used(self, index: int) -> tuple[int, ...]:
        """Arguments without those that their intervals leave without effect."""
        value = self.program.values[index]
        given = value.arguments
        chosen = _decided(value.operation, [self.intervals[argument] for argument in given])
        return given if chosen is None else (given[chosen],)

    def _operand(self, index: int) -> Operand:
        if index not in self._operands:
            self._operands[index] = self._make(index, self.program.values[index])
        return self._operands[index]

    def _make(self, index: int, value: Value) -> Operand:
        interval = self.intervals[index]
        if self._folded(index):
            if interval.low == interval.high:
                return constant(interval.low)
            name = value.name or f"constant_{index}"
            return self.let(f"{self._constants(name, self._worked_out(index))}[j]", interval)
        if value.operation is Operation.PORT:
            return self.let(f"{self._sums[value.name].name}[j]", interval)
        if value.operation is Operation.STATE:
            return self.let(self._at(self.part.fields[value.name].name), interval)
        used = self._used(index)
        if self._same(value, used):
            return self._operand(used[0])
        numbers = [int(number) for number in value.numbers]
        use = Use([self._operand(a) for a in used], numbers, value.name, interval)
        return self.let(TEXT[value.operation](use, self), interval)

    def _same(self, value: Value, used: tuple[int, ...]) -> bool:
        """Whether a value is one of its arguments as it is."""
        if value.operation in COUNTED:
            return fits(value, self.intervals[used[0]])
        if value.operation in SHIFTS:
            return value.numbers[0] == 0
        return len(used) < len(value.arguments)

    def _worked_out(self, index: int) -> IntArray:
        """A value that only constants make, for every neuron."""
        part = Program("integer", self.program.values[: index + 1], {"value": index})
        neurons = self.part.neurons
        found, _ = evaluate_integer(part, neurons.constants, neurons.tables, {}, {})
        return np.broadcast_to(found["value"], (neurons.size,))

    def _count_misfits(self, index: int) -> None:
        if self._counted(index):
            value = self.program.values[index]
            counter = f"s->{self.part.member}.misfits.{self.part.misfits[value.name]}"
            got, given = self._operand(index), self._operand(value.arguments[0])
            macro = f"{self.prefix.upper()}_NOTE"
            self._lines.append(f"{INDENT}{macro}({counter}, {got.text}, {given.text});")

    def _store(self, name: str) -> None:
        field = self.part.fields[name]
        value = self._operand(self.program.results[name])
        place = self._at(field.name)
        if name.startswith("message "):
            place = f"{field.name}[j]"
        is_name = value.text.startswith("v")
        text = f"({field.type.name}){value.text}" if is_name else value.text
        if field.kept:
            self._lines.append(f"{INDENT}{place} = {text};")
        else:
            self._lines.append(f"{INDENT}{self.prefix.upper()}_KEEP({place}, {text});")


def _decided(operation: Operation, given: Sequence[Interval]) -> int | None:
    """Which argument an operation always returns; None if that depends on the values."""
    if operation is Operation.SELECT:
        low, high = given[0]
        if low > 0 or high < 0:
            return 1
        return 2 if low == high == 0 else None
    if operation in (Operation.ADD, Operation.SUBTRACT) and given[1] == (0, 0):
        return 0
    if operation is Operation.ADD and given[0] == (0, 0):
        return 1
    if operation in (Operation.MINIMUM, Operation.MAXIMUM):
        least = operation is Operation.MINIMUM
        if given[0].high <= given[1].low:
            return 0 if least else 1
        if given[1].high <= given[0].low:
            return 1 if least else 0
    return None


def changing_values(program: Program) -> frozenset[int]:
    """Values that are not the same in every step, or that are counted in every step."""
    found: set[int] = set()
    for index, value in enumerate(program.values):
        if value.operation in CHANGING or not found.isdisjoint(value.arguments):
            found.add(index)
    return frozenset(found)


def loop(stage: Stage, prefix: str, tables: Tables) -> Iterator[str]:
    """The loop over the neurons."""
    yield f"    for (j = 0; j < {literal(stage.part.neurons.size)}; j++) {{"
    yield from StagePrinter(stage, prefix, tables).lines()
    yield "    }"
