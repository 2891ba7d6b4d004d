"""Programs as readable text: one table from operation to text, for reals and for integers.

A value gets a line of its own if it is a result, is held in a word, or is used more than once;
everything else stands where it is used. A state of the previous step is ``name[t-1]``, the sum
that arrives at a port is ``arriving.name``, a constant per neuron ``const.name``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill

from ltc2hw.dynamics.operations import COUNTED, LEAVES, Operation
from ltc2hw.dynamics.program import Program, Value

CHOICE, RELATION, SHIFT, SUM, PRODUCT, CALL = range(6)
"""How tightly texts bind, loosest first."""


@dataclass(frozen=True)
class Text:
    """Template of an operation: ``{0}`` its arguments, ``{name}``, ``{n[0]}`` its numbers.

    ``level`` is how tightly the text binds; ``inside`` how tightly each argument must bind to
    stand without parentheses (calls take anything).
    """

    template: str
    level: int = CALL
    inside: tuple[int, ...] = ()


TEXTS: Mapping[Operation, Text] = {
    Operation.NUMBER: Text("{n[0]}"),
    Operation.PARAMETER: Text("const.{name}"),
    Operation.PORT: Text("arriving.{name}"),
    Operation.STATE: Text("{name}[t-1]"),
    Operation.ADD: Text("{0} + {1}", SUM, (SUM, SUM)),
    Operation.SUBTRACT: Text("{0} - {1}", SUM, (SUM, PRODUCT)),
    Operation.MULTIPLY: Text("{0}·{1}", PRODUCT, (PRODUCT, PRODUCT)),
    Operation.DIVIDE: Text("{0} / {1}", PRODUCT, (PRODUCT, CALL)),
    Operation.MINIMUM: Text("min({0}, {1})"),
    Operation.MAXIMUM: Text("max({0}, {1})"),
    Operation.GREATER: Text("{0} > {1}", RELATION, (SHIFT, SHIFT)),
    Operation.SELECT: Text("{1} if {0} else {2}", CHOICE, (RELATION, RELATION, CHOICE)),
    Operation.SQUARE_ROOT: Text("sqrt({0})"),
    Operation.REGISTER: Text("held({0})"),
    Operation.GATE: Text("σ({0})"),
    Operation.SLOPE: Text("σ'({0})"),
    Operation.SURROGATE: Text("surrogate({0})"),
    Operation.SHIFT_LEFT: Text("{0} << {n[0]}", SHIFT, (SUM,)),
    Operation.SHIFT_RIGHT: Text("{0} >> {n[0]}", SHIFT, (SUM,)),
    Operation.SHIFT_TOWARD_ZERO: Text("rsz({0}, {n[0]})"),
    Operation.SATURATE: Text("sat({0}, {n[0]}, {n[1]})"),
    Operation.WRAP: Text("wrap({0}, {n[0]}, {n[1]})"),
    Operation.WRAP_ONCE: Text("wrap_once({0}, {n[0]}, {n[1]})"),
    Operation.PLAN: Text("plan({0}, {n[0]}, {n[1]})"),
    Operation.LOOK_UP: Text("look_up({0}, {name}, {n[0]}, {n[1]})"),
    Operation.ENTRY: Text("entry({0}, {name})"),
    Operation.INTERPOLATE: Text("interpolate({0}, {name}, {n[0]}, {n[1]})"),
}

WORDS = (Operation.REGISTER, *COUNTED)
"""Operations by whose name a value is held."""

WIDTH = 96
"""Lines longer than this are folded."""

HARD = "\N{NO-BREAK SPACE}"

PLAIN = 1 << 8
"""Integers below this are printed as they are, others as powers of two where they are near one."""


def equations(program: Program) -> str:
    """A program of either language, one line for each value that has a name.

    >>> from ltc2hw.dynamics.models.lif import lif
    >>> print(equations(lif.program))
    current = held((1 - const.current_decay)·current[t-1] + arriving.current)
    membrane.held = held((1 - const.membrane_decay)·membrane[t-1] + current + const.bias)
    spikes = membrane.held > const.threshold
    membrane = 0 if spikes else membrane.held
    """
    lines = (f"{name} = {text}" for name, text in Printer(program).lines())
    return "\n".join(map(_folded, lines))


def _folded(line: str) -> str:
    """A long line in several, which go on with a sum."""
    kept = line.replace(" ", HARD).replace(f"{HARD}+", " +")
    return fill(kept, WIDTH, subsequent_indent="    ", break_long_words=False).replace(HARD, " ")


class Printer:
    """Writes the values of one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names = _names(program)

    def lines(self) -> list[tuple[str, str]]:
        """Names and texts, in the order in which they are computed."""
        lines = [(name, self._written(index)) for index, name in sorted(self.names.items())]
        for name, index in self.program.results.items():
            if self.names.get(index) != name:
                lines.append((name, self.text(index, CHOICE)))
        return lines

    def text(self, index: int, level: int) -> str:
        """A value where it is used, in parentheses if it binds less tightly than asked."""
        if index in self.names:
            return self.names[index]
        written = self._written(index)
        return f"({written})" if _level(self.program.values[index]) < level else written

    def _written(self, index: int) -> str:
        value = self.program.values[index]
        form = TEXTS[value.operation]
        inside = form.inside or (CHOICE,) * len(value.arguments)
        arguments = map(self.text, value.arguments, inside)
        return form.template.format(*arguments, name=value.name, n=[*map(number, value.numbers)])


def _names(program: Program) -> dict[int, str]:
    """Names of the values that get a line: results, then words, then what is shared."""
    names: dict[int, str] = {}
    for name, index in program.results.items():
        value = program.values[index]
        if value.operation in WORDS and value.name != name:
            names[index] = f"{value.name}.held"
        elif value.operation not in LEAVES:
            names.setdefault(index, name)
    shared = 0
    uses = _uses(program)
    for index, value in enumerate(program.values):
        if index in names or value.operation in (*LEAVES, Operation.NUMBER):
            continue
        if value.operation in WORDS:
            names[index] = f"{value.name}.held"
        elif uses[index] > 1:
            shared += 1
            names[index] = f"x{shared}"
    return names


def _uses(program: Program) -> list[int]:
    uses = [0] * len(program.values)
    for value in program.values:
        for argument in value.arguments:
            uses[argument] += 1
    return uses


def _level(value: Value) -> int:
    if value.operation is Operation.NUMBER:
        return SUM if " " in number(value.numbers[0]) else CALL
    return TEXTS[value.operation].level


def number(value: float) -> str:
    """A number in the shortest form that reads back: powers of two as such.

    >>> number(8388607), number(-8388608), number(4096), number(100), number(0.04)
    ('2^23 - 1', '-2^23', '2^12', '100', '0.04')
    """
    if not isinstance(value, int):
        return repr(value).removesuffix(".0")
    sign, magnitude = ("-" if value < 0 else ""), abs(value)
    if magnitude < PLAIN:
        return str(value)
    if magnitude & (magnitude - 1) == 0:
        return f"{sign}2^{magnitude.bit_length() - 1}"
    if magnitude & (magnitude + 1) == 0:
        return f"{'-(' if sign else ''}2^{magnitude.bit_length()} - 1{')' if sign else ''}"
    return str(value)
