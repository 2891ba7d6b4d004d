"""From reals to reals that are cut and clipped where the integers are: the rounded program.

It is the integer program read in the units of the real one. Every fraction is a power of two, so
with constants, messages and gates that are the integers' own it gives the integers' numbers
exactly, as long as products fit the 53 bits of float64. Its roundings and its overflows belong to
words by name, and each word's may be left out: what a network loses by one of them is seen by
running it with that one alone, or with all others.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from ltc2hw.dynamics.formats import Formats
from ltc2hw.dynamics.lowering import Lowering
from ltc2hw.dynamics.operations import COUNTED, Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.dynamics.verify import verify


@dataclass(frozen=True)
class Roundings:
    """Names of the words on whose way something is cut, and of those that something may leave."""

    words: tuple[str, ...]
    ends: tuple[str, ...]


def rounded(
    program: Program, formats: Formats, words: Collection[str], ends: Collection[str]
) -> Program:
    """The program with the integers' rounding on the way to some words, and with some words' ends.

    ``words`` and ``ends``: names of registers and results, as in :func:`roundings`; the arithmetic
    of all others is exact. Quotients and roots are constants of their own, as for
    :func:`~ltc2hw.dynamics.lowering.lower`.

    Raises:
        InvalidValueError: for a value that has no format.

    >>> from ltc2hw.dynamics.formats import Held
    >>> from ltc2hw.dynamics.program import Value
    >>> real = Program("real", (Value(Operation.STATE, (), "u"), Value(Operation.NUMBER, (), "",
    ...     (0.5,)), Value(Operation.MULTIPLY, (0, 1))), {"u": 2})
    >>> made = rounded(real, Formats({"u": Held(4)}, {}, {}), ("u",), ())
    >>> made.values[-1].operation.value, made.values[-1].numbers
    ('truncate', (4,))
    """
    writer = _Writer(program, formats, frozenset(words), frozenset(ends))
    made = writer.builder.program(writer.results())
    verify(made)
    return made


def roundings(program: Program, formats: Formats) -> Roundings:
    """What :func:`rounded` can leave out of a program."""
    names = frozenset((*formats.held, *program.results))
    values = rounded(program, formats, names, names).values
    cut = [v.name for v in values if v.operation is Operation.TRUNCATE]
    left = [v.name for v in values if v.operation in COUNTED]
    return Roundings(tuple(dict.fromkeys(cut)), tuple(dict.fromkeys(left)))


class _Writer(Lowering):
    """Lowering that keeps the real units: a shift is a cut, or nothing."""

    def __init__(
        self, program: Program, formats: Formats, words: frozenset[str], ends: frozenset[str]
    ) -> None:
        super().__init__(program, formats)
        self.builder = Builder("rounded")
        self.words = words
        self.ends = ends
        self.word = ""
        """The word that what is written is on its way to."""

    def results(self) -> dict[str, int]:
        fractions, places = self.fractions(), dict[str, int]()
        for name, index in self.program.results.items():
            self.word = name
            places[name] = self.at(index, fractions[name])
        return places

    def _place(self, index: int, fraction: int) -> int:
        value = self.program.values[index]
        if value.operation is Operation.NUMBER:
            return self.builder.number(self.cut(value.numbers[0], fraction))
        return super()._place(index, fraction)

    def cut(self, number: float, fraction: int) -> float:
        """A number of the model, rounded to nearest where its word is."""
        if self.word not in self.words:
            return number
        return math.ldexp(float(round(math.ldexp(number, fraction))), -fraction)

    def _factor(self, index: int) -> tuple[int, int]:
        mantissa, fraction = super()._factor(index)
        value = self.program.values[index]
        if value.operation is Operation.NUMBER:
            mantissa = self.builder.number(self.cut(value.numbers[0], fraction))
        return mantissa, fraction

    def _exact(self, index: int, natural: int) -> int:
        value = self.program.values[index]
        if value.operation is not Operation.REGISTER:
            return super()._exact(index, natural)
        before, self.word = self.word, value.name
        held = self.formats.held[value.name]
        inner = self.at(value.arguments[0], natural)
        if held.overflow is not None and value.name in self.ends:
            numbers = (*held.numbers, natural)
            inner = self.builder.add(held.overflow, inner, name=value.name, numbers=numbers)
        self.word = before
        return self.builder.add(Operation.REGISTER, inner, name=value.name)

    def _gate(self, argument: int, name: str) -> int:
        fraction = self.natural(argument)
        assert fraction is not None
        return self.builder.add(Operation.GATE, self.at(argument, fraction), name=name)

    def rescale(self, index: int, fraction: int, asked: int) -> int:
        if asked >= fraction or self.word not in self.words:
            return index
        return self.builder.add(Operation.TRUNCATE, index, name=self.word, numbers=(asked,))
