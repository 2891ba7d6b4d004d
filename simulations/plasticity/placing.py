"""The operations of integer programs, with their tables and counters, on runs of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ltc2hw.dynamics.learning import LoweredTangent
from ltc2hw.dynamics.operations import COUNTED, TABULATED, Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.reverse import FACTOR
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.learning.fixed import IntegerRule
from ltc2hw.learning.neurons import fixed_of
from ltc2hw.numbers.words import IntArray
from ltc2hw.simulations.plasticity.cells import Cells, Placed
from ltc2hw.simulations.plasticity.evaluate import CODES
from ltc2hw.simulations.plasticity.integer_factors import counted_as


class IntegerCells(Cells[FixedNeurons]):
    """Gives out cells, operations, entries of tables and counters."""

    def __init__(self, chip: IntegerRule) -> None:
        super().__init__()
        self.chip = chip
        self.tables: list[IntArray] = []
        self.starts: dict[int, int] = {}
        self.counters: list[tuple[str, str]] = []

    def counter(self, population: str, name: str) -> int:
        """Number of a counter, new or known."""
        if (population, name) not in self.counters:
            self.counters.append((population, name))
        return self.counters.index((population, name))

    def entries(self, table: IntArray) -> int:
        """Where a table's entries start."""
        if id(table) not in self.starts:
            self.starts[id(table)] = sum(known.size for known in self.tables)
            self.tables.append(table)
        return self.starts[id(table)]

    def place(self, name: str) -> Placed:
        """Place a population's step, and its reverse where it learns."""
        neurons = fixed_of(self.chip.network.population(name))
        found = self.chip.reverses.get(name)
        placed = Placed()
        self.step(neurons, placed, neurons.program if found is None else found.forward)
        if found is not None:
            self.backward(neurons, placed, found.backward)
        if name in self.chip.tangents:
            self.tangent(neurons, placed, self.chip.tangents[name])
        return placed

    def backward(self, neurons: FixedNeurons, placed: Placed, program: Program) -> None:
        """Place the way back: it reads results of the step and credits."""
        first, at = len(self.operations), dict[int, int]()
        for index, value in enumerate(program.values):
            if value.operation is Operation.PORT and value.name in placed.results:
                at[index] = placed.results[value.name]
            else:
                at[index] = self.value(neurons, placed, value, at)
        placed.stages["backward"] = first, len(self.operations)
        for result, index in program.results.items():
            placed.factors[result.removeprefix(f"{FACTOR}.")] = at[index]

    def tangent(self, neurons: FixedNeurons, placed: Placed, found: LoweredTangent) -> None:
        """Place how the step moves; what the step itself computes is there already."""
        first = len(self.operations)
        forward = self.placed_again(neurons, placed, found.forward, {})
        placed.entries = self.placed_again(neurons, placed, found.jacobian, forward)
        placed.stages["moving"] = first, len(self.operations)
        placed.past = self.placed_again(neurons, placed, found.past, placed.entries)
        placed.stages["past"] = placed.stages["moving"][1], len(self.operations)

    def operation(self, neurons: FixedNeurons, value: Value, at: Mapping[int, int]) -> int:
        """A row of the table of operations; returns the first cell of its result."""
        result = self.run(neurons.size)
        arguments = [at[argument] for argument in value.arguments]
        self.made[neurons.name, replace(value, arguments=tuple(arguments))] = result
        numbers = [int(number) for number in value.numbers]
        start = length = counter = 0
        if value.operation in TABULATED:
            table = neurons.tables.get(value.name, self.chip.slopes)
            start, length = self.entries(table), table.size
        if value.operation in COUNTED:
            counter = self.counter(neurons.name, counted_as(value.name))
        self.operations.append(
            (
                CODES[value.operation], neurons.size, result,
                *arguments, *[0] * (3 - len(arguments)),
                *numbers, *[0] * (2 - len(numbers)),
                start, length, counter,
            )
        )  # fmt: skip
        return result
