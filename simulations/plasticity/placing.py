"""Where the values of neurons' programs lie, and the operations that make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ltc2hw.dynamics.learning import LoweredTangent
from ltc2hw.dynamics.operations import COUNTED, TABULATED, Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.reverse import CREDIT, FACTOR
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.learning.fixed import IntegerRule
from ltc2hw.learning.neurons import fixed_of
from ltc2hw.numbers.words import IntArray
from ltc2hw.simulations.plasticity.evaluate import CODES
from ltc2hw.simulations.plasticity.integer_factors import counted_as

Span = tuple[int, int]
"""First operation, and the one after the last."""


@dataclass
class Placed:
    """First cells of a population's values by name, and the operations of its stages.

    ``numbers`` are cells that hold a model's own number; ``factors`` cells of the ports' factors;
    ``entries`` those of the tangent, ``past`` those of the factors of states before the step.
    """

    ports: dict[str, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    results: dict[str, int] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    credits: dict[str, int] = field(default_factory=dict)
    factors: dict[str, int] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    past: dict[str, int] = field(default_factory=dict)
    stages: dict[str, Span] = field(default_factory=dict)


class Cells:
    """Gives out cells, operations, entries of tables and counters."""

    def __init__(self, chip: IntegerRule) -> None:
        self.chip = chip
        self.size = 0
        self.operations: list[tuple[int, ...]] = []
        self.tables: list[IntArray] = []
        self.starts: dict[int, int] = {}
        self.counters: list[tuple[str, str]] = []
        self.made: dict[tuple[str, Value], int] = {}
        """Cells by population and operation, whose arguments are cells."""

    def run(self, size: int) -> int:
        """First of ``size`` new cells."""
        self.size += size
        return self.size - size

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
        forward = neurons.program if found is None else found.forward
        placed, at = Placed(), dict[int, int]()
        late = _late(forward, neurons.ports[1:])
        for stage in ("early", "late"):
            first = len(self.operations)
            for index, value in enumerate(forward.values):
                if (index in late) == (stage == "late"):
                    at[index] = self.value(neurons, placed, value, at)
            placed.stages[stage] = first, len(self.operations)
        placed.results = {result: at[index] for result, index in forward.results.items()}
        self.separate(neurons, placed)
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

    def placed_again(
        self, neurons: FixedNeurons, placed: Placed, program: Program, known: Mapping[str, int]
    ) -> dict[str, int]:
        """Cells of the results of a program, some of whose ports have cells.

        An operation that is placed on the same cells is not placed again, nor its misfits counted.
        """
        at: dict[int, int] = {}
        for index, value in enumerate(program.values):
            if value.operation is Operation.PORT and value.name in known:
                at[index] = known[value.name]
                continue
            arguments = tuple(at[argument] for argument in value.arguments)
            again = self.made.get((neurons.name, replace(value, arguments=arguments)))
            at[index] = self.value(neurons, placed, value, at) if again is None else again
        return {name: at[index] for name, index in program.results.items()}

    def separate(self, neurons: FixedNeurons, placed: Placed) -> None:
        """Copy results that are registers before the step, so that no register overwrites them."""
        before = set(placed.states.values())
        first, _ = placed.stages["late"]
        for state in placed.states:
            if placed.results[state] in before - {placed.states[state]}:
                old = placed.results[state]
                copied = Value(Operation.MAXIMUM, (old, old))
                placed.results[state] = self.operation(neurons, copied, {old: old})
        placed.stages["late"] = first, len(self.operations)

    def value(
        self, neurons: FixedNeurons, placed: Placed, value: Value, at: Mapping[int, int]
    ) -> int:
        """First cell of a value: a leaf's own, or that of its operation."""
        size, name = neurons.size, value.name
        if value.operation is Operation.NUMBER:
            number = int(value.numbers[0])
            for start, known in placed.numbers.items():
                if known == number:
                    return start
            start = self.run(size)
            placed.numbers[start] = number
            return start
        own = {
            Operation.PARAMETER: placed.constants,
            Operation.STATE: placed.states,
            Operation.PORT: placed.ports,
        }.get(value.operation)
        if own is None:
            return self.operation(neurons, value, at)
        if name.startswith(f"{CREDIT}."):
            own, name = placed.credits, name.removeprefix(f"{CREDIT}.")
        if name not in own:
            own[name] = self.run(size)
        return own[name]

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


def _late(program: Program, ports: tuple[str, ...]) -> frozenset[int]:
    """Values that need what arrives at some ports."""
    late: set[int] = set()
    for index, value in enumerate(program.values):
        arrives = value.operation is Operation.PORT and value.name in ports
        if arrives or late.intersection(value.arguments):
            late.add(index)
    return frozenset(late)


def stages_of(placed: Mapping[str, Placed], name: str, stage: str) -> Span:
    """Operations of a population's stage; none for the input."""
    return placed[name].stages.get(stage, (0, 0)) if name in placed else (0, 0)
