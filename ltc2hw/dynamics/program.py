"""Programs: values in an order in which each is made of earlier ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ltc2hw.dynamics.operations import INTEGER, REAL, ROUNDED, Form, Operation
from ltc2hw.errors import InvalidValueError

Language = Literal["real", "integer", "rounded"]

FORMS: Mapping[Language, Mapping[Operation, Form]] = {
    "real": REAL,
    "integer": INTEGER,
    "rounded": ROUNDED,
}
"""The legal operations of each language."""


@dataclass(frozen=True)
class Value:
    """One operation: its arguments are indices of earlier values of the program.

    ``name`` is that of a leaf, word, gate or table, empty for others; ``numbers`` as in
    :class:`~ltc2hw.dynamics.operations.Form`.
    """

    operation: Operation
    arguments: tuple[int, ...] = ()
    name: str = ""
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True)
class Program:
    """A step of a neuron: values, and which of them are its results.

    Results by name are what can be recorded; those named like a state are its next value.
    :func:`ltc2hw.dynamics.verify.verify` says which programs are legal.
    """

    language: Language
    values: tuple[Value, ...]
    results: Mapping[str, int] = field(default_factory=dict)

    def names(self, operation: Operation) -> tuple[str, ...]:
        """Names with which an operation is used, in the order of first use."""
        found = (value.name for value in self.values if value.operation is operation)
        return tuple(dict.fromkeys(found))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the constants per neuron."""
        return self.names(Operation.PARAMETER)

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the ports that are read."""
        return self.names(Operation.PORT)

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the registers that are read."""
        return self.names(Operation.STATE)

    @property
    def comparisons(self) -> frozenset[str]:
        """Names of the results that are comparisons, so 0 or 1."""
        greater = Operation.GREATER
        return frozenset(n for n, i in self.results.items() if self.values[i].operation is greater)

    def needed(self, results: Sequence[str]) -> Program:
        """The part of the program that some of its results need."""
        wanted = {self.results[name] for name in results}
        for index in range(len(self.values) - 1, -1, -1):
            if index in wanted:
                wanted.update(self.values[index].arguments)
        place = {old: new for new, old in enumerate(sorted(wanted))}
        values = tuple(
            Value(v.operation, tuple(place[a] for a in v.arguments), v.name, v.numbers)
            for v in (self.values[old] for old in place)
        )
        return Program(self.language, values, {name: place[self.results[name]] for name in results})

    def users(self) -> tuple[tuple[int, ...], ...]:
        """For every value, the values that have it as an argument."""
        users: list[list[int]] = [[] for _ in self.values]
        for index, value in enumerate(self.values):
            for argument in dict.fromkeys(value.arguments):
                users[argument].append(index)
        return tuple(map(tuple, users))

    def to_text(self) -> str:
        """JSON: ``[language, [[operation, arguments, name, numbers], ...], results]``."""
        rows = [[v.operation.value, v.arguments, v.name, v.numbers] for v in self.values]
        return json.dumps([self.language, rows, dict(self.results)], separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Program:
        """Read :meth:`to_text`; the program is not yet verified.

        Raises:
            InvalidValueError: for any text that is none.
        """
        try:
            language, rows, results = json.loads(text)
            values = tuple(
                Value(
                    Operation(name), tuple(map(_index, arguments)), _text(label), _numbers(numbers)
                )
                for name, arguments, label, numbers in rows
            )
            places = {_text(name): _index(place) for name, place in results.items()}
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidValueError("program of a neuron", error, "values as JSON") from error
        if language not in tuple(FORMS):
            known = ", ".join(FORMS)
            raise InvalidValueError("language of a program", repr(language), f"one of {known}")
        return cls(language, values, places)


def _index(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no index")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no name")
    return value


def _numbers(values: object) -> tuple[float, ...]:
    if not isinstance(values, list):
        raise ValueError(f"{values!r} is no list of numbers")
    for value in values:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise ValueError(f"{value!r} is no number")
    return tuple(values)


class Builder:
    """Collects values, each once: the same operation on the same arguments is the same value."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self.values: list[Value] = []
        self._places: dict[Value, int] = {}

    @classmethod
    def after(cls, program: Program) -> Builder:
        """A builder that goes on after a program, whose values keep their places."""
        builder = cls(program.language)
        builder.values = list(program.values)
        for index, value in enumerate(program.values):
            builder._places.setdefault(value, index)
        return builder

    def add(
        self,
        operation: Operation,
        *arguments: int,
        name: str = "",
        numbers: Sequence[float] = (),
    ) -> int:
        """Index of a value, made if it is not there yet."""
        value = Value(operation, arguments, name, tuple(numbers))
        if value not in self._places:
            self._places[value] = len(self.values)
            self.values.append(value)
        return self._places[value]

    def number(self, value: float) -> int:
        """A constant."""
        return self.add(Operation.NUMBER, numbers=(value,))

    def program(self, results: Mapping[str, int]) -> Program:
        """All values that the results need."""
        whole = Program(self.language, tuple(self.values), dict(results))
        return whole.needed(tuple(results))
