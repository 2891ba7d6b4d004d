"""Where the values of neurons' programs lie: a run of cells for each, a cell for every neuron."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.reverse import CREDIT, ONE
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.learning.fixed import STATE

N = TypeVar("N", Neurons, FixedNeurons)

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
    numbers: dict[int, float] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    past: dict[str, int] = field(default_factory=dict)
    stages: dict[str, Span] = field(default_factory=dict)

    def message(self, name: str, ones: int) -> int:
        """First cell of what a constant meets: 1, a state before the step, or a result."""
        if name == ONE:
            return ones
        if name.startswith(STATE):
            return self.states[name.removeprefix(STATE)]
        return self.results[name]


class Cells(ABC, Generic[N]):
    """Gives out cells and operations; what an operation is, a reading of the programs says."""

    def __init__(self) -> None:
        self.size = 0
        self.operations: list[tuple[int, ...]] = []
        self.made: dict[tuple[str, Value], int] = {}
        """Cells by population and operation, whose arguments are cells."""

    @abstractmethod
    def operation(self, neurons: N, value: Value, at: Mapping[int, int]) -> int:
        """A row of the table of operations; returns the first cell of its result."""

    def run(self, size: int) -> int:
        """First of ``size`` new cells."""
        self.size += size
        return self.size - size

    def step(self, neurons: N, placed: Placed, program: Program) -> None:
        """Place a population's step, in the stages that what arrives at its ports divides."""
        at = dict[int, int]()
        late = _late(program, neurons.ports[1:])
        for stage in ("early", "late"):
            first = len(self.operations)
            for index, value in enumerate(program.values):
                if (index in late) == (stage == "late"):
                    at[index] = self.value(neurons, placed, value, at)
            placed.stages[stage] = first, len(self.operations)
        placed.results = {result: at[index] for result, index in program.results.items()}
        self._separate(neurons, placed)

    def placed_again(
        self, neurons: N, placed: Placed, program: Program, known: Mapping[str, int]
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

    def _separate(self, neurons: N, placed: Placed) -> None:
        """Copy results that are registers before the step, so that no register overwrites them."""
        before = set(placed.states.values())
        first, _ = placed.stages["late"]
        for state in placed.states:
            if placed.results[state] in before - {placed.states[state]}:
                old = placed.results[state]
                copied = Value(Operation.MAXIMUM, (old, old))
                placed.results[state] = self.operation(neurons, copied, {old: old})
        placed.stages["late"] = first, len(self.operations)

    def value(self, neurons: N, placed: Placed, value: Value, at: Mapping[int, int]) -> int:
        """First cell of a value: a leaf's own, or that of its operation."""
        size, name = neurons.size, value.name
        if value.operation is Operation.NUMBER:
            number = value.numbers[0]
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
