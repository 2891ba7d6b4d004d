"""Programs as instructions of the machine of blocks, in sections between which NumPy computes.

The exponential of a sigmoid, and functions that have no kernel, are NumPy's own, so that their bits
are, too. What they need is computed before in whole arrays, and what needs them comes after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltc2hw.dynamics.operations import LEAVES, Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.real import Surrogate, meaning_of
from ltc2hw.dynamics.schedule import schedule
from ltc2hw.numbers.nonlinearity import GateCurve, Nonlinearity
from ltc2hw.vectors.kernels import FALL, KERNELS, LOGISTIC, PLAN
from ltc2hw.vectors.rounding import ROUNDING, integer_gate, is_integer_gate

Functions = Mapping[str, Nonlinearity | GateCurve]


@dataclass(frozen=True, eq=False)
class Work:
    """A kernel, or a function of NumPy's on whole arrays, from slots to a slot."""

    into: int
    slots: tuple[int, ...]
    kernel: str = ""
    function: Callable[..., Any] | None = None
    scalars: tuple[float, ...] = ()
    tables: tuple[Sequence[float], ...] = ()


@dataclass(frozen=True)
class Section:
    """Kernels that run together, block by block, and the functions after them."""

    kernels: tuple[Work, ...]
    functions: tuple[Work, ...]


@dataclass(frozen=True)
class Sections:
    """A program for the machine.

    Slots are whole arrays that are given (``planes``: leaves, or known results (None), by name),
    one number per neuron (``rows``: values of the program), ``numbers``, whole arrays that are
    ``made``, or blocks (``scratch``). ``results``: slots by name.
    """

    slots: int
    planes: Mapping[int, tuple[Operation | None, str]]
    rows: Mapping[int, int]
    numbers: Mapping[int, float]
    made: frozenset[int]
    scratch: frozenset[int]
    sections: tuple[Section, ...]
    results: Mapping[str, int]


def sections_of(
    program: Program,
    functions: Functions,
    results: tuple[str, ...],
    known: tuple[str, ...],
    surrogate: Surrogate | None = None,
) -> Sections:
    """The part of a program that some results need, where others are known.

    >>> value = Value(Operation.PORT, (), "x")
    >>> doubled = Program("real", (value, Value(Operation.ADD, (0, 0))), {"y": 1})
    >>> made = sections_of(doubled, {}, ("y",), ())
    >>> made.sections[0].kernels[0].kernel, made.planes, made.results
    ('add', {0: (<Operation.PORT: 'port'>, 'x')}, {'y': 1})
    """
    writer = _Writer(program, functions, surrogate)
    for name in known:
        writer.given(program.results[name], None, name)
    for index in schedule(program, results, known):
        writer.add(index)
    return writer.sections({name: writer.at(program.results[name]) for name in results})


class _Writer:
    """Gives every value a slot, then the slots of blocks to several values in turn."""

    def __init__(self, program: Program, functions: Functions, surrogate: Surrogate | None) -> None:
        self.program, self.functions, self.surrogate = program, functions, surrogate
        self.slots = 0
        self.places: dict[int, int] = {}
        self.planes: dict[int, tuple[Operation | None, str]] = {}
        self.rows: dict[int, int] = {}
        self.numbers: dict[int, float] = {}
        self.work: dict[int, Work] = {}
        self.levels: dict[int, int] = {}
        """The section that makes a slot."""

    def slot(self) -> int:
        self.slots += 1
        return self.slots - 1

    def at(self, index: int) -> int:
        """The slot of a value."""
        return self.places[index]

    def given(self, index: int, leaf: Operation | None, name: str) -> None:
        self.places[index] = self.slot()
        self.planes[self.places[index]] = (leaf, name)

    def add(self, index: int) -> None:
        value = self.program.values[index]
        if value.operation is Operation.NUMBER:
            self.places[index] = self.slot()
            self.numbers[self.places[index]] = float(value.numbers[0])
        elif value.operation in LEAVES and value.operation is not Operation.PARAMETER:
            self.given(index, value.operation, value.name)
        elif value.operation is Operation.REGISTER:
            self.places[index] = self.at(value.arguments[0])
        elif all(self.at(a) in self.rows or self.at(a) in self.numbers for a in value.arguments):
            self.places[index] = self.slot()
            self.rows[self.places[index]] = index
        else:
            slots = tuple(map(self.at, value.arguments))
            self.places[index] = self.computed(value, slots)

    def computed(self, value: Value, slots: tuple[int, ...]) -> int:
        """The slot of a value that is neither given nor the same for all samples."""
        if value.operation in ROUNDING:
            scalars = ROUNDING[value.operation].scalars(*map(int, value.numbers))
            return self.kernel(value.operation.value, slots, scalars)
        if value.operation.value in KERNELS:
            return self.kernel(value.operation.value, slots)
        if value.operation is Operation.GATE:
            return self.gate(value, slots)
        return self.function(meaning_of(value, self.functions, self.surrogate), slots)

    def gate(self, value: Value, slots: tuple[int, ...]) -> int:
        function = self.functions[value.name]
        if function == "sigmoid":
            small = self.function(np.exp, (self.kernel(FALL, slots),))
            return self.kernel(LOGISTIC, (*slots, small))
        if function == "plan":
            return self.kernel(PLAN, slots)
        if is_integer_gate(function):
            code, scalars, tables = integer_gate(function)
            return self.kernel(code.__name__, slots, scalars, tables)
        return self.function(meaning_of(value, self.functions), slots)

    def kernel(
        self,
        name: str,
        slots: tuple[int, ...],
        scalars: tuple[float, ...] = (),
        tables: tuple[Sequence[float], ...] = (),
    ) -> int:
        return self._add(Work(self.slot(), slots, name, None, scalars, tables))

    def function(self, function: Callable[..., Any], slots: tuple[int, ...]) -> int:
        return self._add(Work(self.slot(), slots, function=function))

    def _add(self, work: Work) -> int:
        self.work[work.into] = work
        self.levels[work.into] = max(
            (
                self.levels[slot] + (self.work[slot].function is not None)
                for slot in work.slots
                if slot in self.work
            ),
            default=0,
        )
        return work.into

    def sections(self, results: Mapping[str, int]) -> Sections:
        count = 1 + max(self.levels.values(), default=-1)
        made = self._made(results)
        scratch, sections = set[int](), []
        for level in range(count):
            own = [w for slot, w in self.work.items() if self.levels[slot] == level]
            kernels = self._shared([w for w in own if w.function is None], made, scratch)
            sections.append(Section(kernels, tuple(w for w in own if w.function is not None)))
        return Sections(
            self.slots, self.planes, self.rows, self.numbers,
            made, frozenset(scratch), tuple(sections), results,
        )  # fmt: skip

    def _made(self, results: Mapping[str, int]) -> frozenset[int]:
        """Slots of whole arrays: results, and what goes from one section to another."""
        found = self.work.keys() & set(results.values())
        for slot, work in self.work.items():
            whole = work.function is not None
            if whole:
                found.add(slot)
            for read in self.work.keys() & set(work.slots):
                if whole or self.levels[read] != self.levels[slot]:
                    found.add(read)
        return frozenset(found)

    @staticmethod
    def _shared(kernels: list[Work], made: frozenset[int], scratch: set[int]) -> tuple[Work, ...]:
        """Kernels whose blocks begin where others end: a kernel may write what it reads."""
        last = {slot: place for place, work in enumerate(kernels) for slot in work.slots}
        own: dict[int, int] = {}
        free: list[int] = sorted(scratch)
        shared = []
        for place, work in enumerate(kernels):
            slots = tuple(own.get(slot, slot) for slot in work.slots)
            free += {own[s] for s in work.slots if s in own and last[s] == place}
            into = work.into
            if into not in made:
                own[into] = free.pop() if free else into
                into = own[into]
                scratch.add(into)
            shared.append(Work(into, slots, work.kernel, None, work.scalars, work.tables))
        return tuple(shared)
