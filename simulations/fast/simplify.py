"""A neuron's integer program with a network's numbers in it: what has to be computed per step.

What is made of constants alone is worked out here, sums with 0 and products with 0 vanish, ports
at which nothing arrives are 0, and words that no value can leave are not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltc2hw.dynamics.integer import MEANING
from ltc2hw.dynamics.operations import COUNTED, TABULATED, Operation
from ltc2hw.dynamics.program import Builder, Value
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.numbers.words import IntArray
from ltc2hw.simulations.fast.intervals import Interval, Intervals, hull, reachable, within

Known = IntArray | np.int64


@dataclass(frozen=True)
class Step:
    """A step of neurons: values in order, those of the results by name, and their intervals."""

    neurons: FixedNeurons
    values: tuple[Value, ...]
    results: Mapping[str, int]
    constants: Mapping[str, IntArray]
    intervals: tuple[Interval, ...]
    states: Mapping[str, Interval]
    counted: tuple[str, ...]
    """Words whose misfits are counted, whether or not there can be any."""


def simplified(neurons: FixedNeurons, arriving: Mapping[str, int]) -> Step:
    """The step of neurons at whose ports at most so much arrives (0: nothing)."""
    folding = _Folding(neurons, arriving)
    folding.run()
    builder, results = folding.builder, folding.results
    constants = {name: _ends(values) for name, values in folding.constants.items()}
    ports = {name: (-most, most) for name, most in arriving.items()}
    leaves = constants, ports
    states = reachable(builder.values, results, neurons.program.states, *leaves, neurons.tables)
    found = Intervals(builder.values, *leaves, states, neurons.tables).found
    values, place = _without_checks(builder.values, found)
    kept: dict[int, Interval] = {}
    for old, new in place.items():
        kept.setdefault(new, found[old])
    intervals = tuple(kept[index] for index in range(len(values)))
    counted = (v.name for v in neurons.program.values if v.operation in COUNTED)
    return Step(
        neurons, tuple(values), {name: place[i] for name, i in results.items()},
        folding.constants, intervals, states, tuple(dict.fromkeys(counted)),
    )  # fmt: skip


def _ends(values: IntArray) -> Interval:
    """Interval of constants; padding is 0."""
    return hull((0, 0), (int(values.min()), int(values.max())))


def _without_checks(
    values: list[Value], found: list[Interval]
) -> tuple[list[Value], dict[int, int]]:
    """Values without words that hold everything, and the new place of every old value."""
    builder = Builder("integer")
    place: dict[int, int] = {}
    for index, value in enumerate(values):
        arguments = tuple(place[argument] for argument in value.arguments)
        if value.operation in COUNTED and _holds(value, found[value.arguments[0]]):
            place[index] = arguments[0]
        else:
            place[index] = builder.add(
                value.operation, *arguments, name=value.name, numbers=value.numbers
            )
    return builder.values, place


def _holds(value: Value, interval: Interval) -> bool:
    """Whether a word holds all of an interval."""
    first, second = (int(number) for number in value.numbers)
    if value.operation is Operation.SATURATE:
        return within(interval, first, second)
    if value.operation is Operation.WRAP_ONCE:
        half = 1 << (first - 1)
        return within(interval, 1 - half, half if second > first else half - 1)
    if second:
        return within(interval, -(1 << first - 1), (1 << first - 1) - 1)
    return within(interval, 0, (1 << first) - 1)


class _Folding:
    """Writes a program anew, with known numbers put in."""

    def __init__(self, neurons: FixedNeurons, arriving: Mapping[str, int]) -> None:
        self.neurons = neurons
        self.arriving = arriving
        self.builder = Builder("integer")
        self.constants: dict[str, IntArray] = {}
        self.names: dict[bytes, str] = {}
        self.known: dict[int, Known] = {}
        self.results: dict[str, int] = {}

    def run(self) -> None:
        """All values of the program."""
        program = self.neurons.program
        place: list[int] = []
        for value in program.values:
            place.append(self.placed(value, tuple(place[a] for a in value.arguments)))
        self.results = {name: place[index] for name, index in program.results.items()}

    def placed(self, value: Value, arguments: tuple[int, ...]) -> int:
        """New place of a value."""
        operation, name = value.operation, value.name
        if operation is Operation.NUMBER:
            return self.literal(np.int64(value.numbers[0]))
        if operation is Operation.PARAMETER:
            return self.literal(np.asarray(self.neurons.constants[name], dtype=np.int64))
        if operation is Operation.PORT and not self.arriving.get(name):
            return self.literal(np.int64(0))
        if arguments and all(argument in self.known for argument in arguments):
            folded = self.folded(value, [self.known[argument] for argument in arguments])
            if folded is not None:
                return self.literal(folded)
        same = self.same(value, arguments)
        if same is not None:
            return same
        return self.builder.add(operation, *arguments, name=name, numbers=value.numbers)

    def literal(self, values: Known) -> int:
        """A number, or constants per neuron; zeros are a number."""
        if not np.any(values):
            values = np.int64(0)
        if np.ndim(values) == 0:
            place = self.builder.number(int(values))
        else:
            name = self.names.setdefault(values.tobytes(), f"constant{len(self.names)}")
            self.constants[name] = np.asarray(values)
            place = self.builder.add(Operation.PARAMETER, name=name)
        self.known[place] = values
        return place

    def folded(self, value: Value, arguments: list[Known]) -> Known | None:
        """A value made of constants; None where values that do not fit have to be counted."""
        numbers = [int(number) for number in value.numbers]
        whole: list[Any] = [np.asarray(argument) for argument in arguments]
        whole += numbers
        if value.operation in TABULATED:
            whole.append(self.neurons.tables[value.name])
        result: Any = MEANING[value.operation](*whole)
        if value.operation in COUNTED and np.any(result != arguments[0]):
            return None
        return result if np.ndim(result) else np.int64(result)

    def is_number(self, index: int, number: int) -> bool:
        """Whether a new value is this number for every neuron."""
        known = self.known.get(index)
        return known is not None and np.ndim(known) == 0 and int(known) == number

    def same(self, value: Value, arguments: tuple[int, ...]) -> int | None:
        """The new value that a value is the same as, if there is one."""
        operation = value.operation
        if operation in (Operation.ADD, Operation.SUBTRACT):
            if self.is_number(arguments[1], 0):
                return arguments[0]
            if operation is Operation.ADD and self.is_number(arguments[0], 0):
                return arguments[1]
        if operation is Operation.MULTIPLY:
            for factor, other in (arguments, arguments[::-1]):
                if self.is_number(factor, 0):
                    return factor
                if self.is_number(factor, 1):
                    return other
        shifts = (Operation.SHIFT_LEFT, Operation.SHIFT_RIGHT, Operation.SHIFT_TOWARD_ZERO)
        if operation in shifts and value.numbers[0] == 0:
            return arguments[0]
        return None
