"""The operations of real programs on runs of cells."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Value
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.neurons import Neurons
from ltc2hw.learning.rule import SURROGATES, Surrogate
from ltc2hw.numbers.nonlinearity import GateCurve, Nonlinearity
from ltc2hw.simulations.plasticity.cells import Cells, Placed
from ltc2hw.simulations.plasticity.float_evaluate import (
    CODES,
    LOGISTIC,
    LOGISTIC_SLOPE,
    PLAN,
    PLAN_SLOPE,
    SPREAD,
    SURROGATE,
)

Row = tuple[int, ...]
"""A row of the table of operations."""


class FloatCells(Cells[Neurons]):
    """Gives out cells and operations; those that only constants enter are done once.

    ``learning``: constants that learn, by population and name.
    """

    def __init__(self, surrogate: Surrogate, learning: Collection[tuple[str, str]]) -> None:
        super().__init__()
        self.surrogate = SURROGATE + SURROGATES.index(surrogate)
        self.learning = learning
        self.once: list[Row] = []
        self.fixed: set[int] = set()
        """First cells of what does not change."""

    def place(self, neurons: Neurons) -> Placed:
        """Place a population's step; every port and state has cells."""
        placed = Placed()
        self.step(neurons, placed, neurons.model.program)
        for own, names in ((placed.ports, neurons.ports), (placed.states, neurons.registers)):
            for name in names:
                if name not in own:
                    own[name] = self.run(neurons.size)
        return placed

    def value(self, neurons: Neurons, placed: Placed, value: Value, at: Mapping[int, int]) -> int:
        """First cell of a value: a leaf's own, or that of its operation."""
        cell = super().value(neurons, placed, value, at)
        learns = (neurons.name, value.name) in self.learning
        if value.operation is Operation.NUMBER or (
            value.operation is Operation.PARAMETER and not learns
        ):
            self.fixed.add(cell)
        return cell

    def operation(self, neurons: Neurons, value: Value, at: Mapping[int, int]) -> int:
        """A row of the table of operations; returns the first cell of its result.

        Raises:
            UnsupportedError: for a gate whose non-linearity has no name.
        """
        arguments = tuple(at[argument] for argument in value.arguments)
        if value.operation is Operation.REGISTER:
            return arguments[0]
        key = neurons.name, replace(value, arguments=arguments)
        if value.operation is Operation.GATE:
            plan = named(neurons, value.name) == "plan"
            self.made[key] = self._row(PLAN if plan else LOGISTIC, neurons.size, arguments)
        elif value.operation is Operation.SLOPE:
            self.made[key] = self._slope(neurons, value.name, arguments)
        elif value.operation is Operation.SURROGATE:
            self.made[key] = self._row(self.surrogate, neurons.size, arguments)
        else:
            self.made[key] = self._row(CODES[value.operation], neurons.size, arguments)
        return self.made[key]

    def combined(self, neurons: Neurons, operation: Operation, *cells: int) -> int:
        """First cell of an operation on cells, made if it is not there yet."""
        known = self.made.get((neurons.name, Value(operation, cells)))
        if known is not None:
            return known
        return self.operation(
            neurons, Value(operation, cells), dict(zip(cells, cells, strict=True))
        )

    def spread(self, neurons: Neurons, cell: int) -> int:
        """First cell of a number that is the same for all neurons of a population."""
        return self._row(SPREAD, neurons.size, (cell,))

    def _slope(self, neurons: Neurons, gate: str, arguments: tuple[int, ...]) -> int:
        if named(neurons, gate) == "plan":
            return self._row(PLAN_SLOPE, neurons.size, arguments)
        known = self._again(neurons, Value(Operation.GATE, arguments, gate))
        return self._row(LOGISTIC_SLOPE, neurons.size, (known,))

    def _again(self, neurons: Neurons, value: Value) -> int:
        """First cell of a value whose arguments are cells, made if it is not there yet."""
        known = self.made.get((neurons.name, value))
        if known is not None:
            return known
        return self.operation(neurons, value, {cell: cell for cell in value.arguments})

    def _row(self, code: int, size: int, arguments: tuple[int, ...]) -> int:
        result = self.run(size)
        fixed = self.fixed.issuperset(arguments)
        rows = self.once if fixed else self.operations
        rows.append((code, size, result, *arguments, *[0] * (3 - len(arguments))))
        if fixed:
            self.fixed.add(result)
        return result


def named(neurons: Neurons, gate: str) -> Nonlinearity:
    """The non-linearity of a gate.

    Raises:
        UnsupportedError: for one that has no name.
    """
    function = neurons.functions[gate]
    if isinstance(function, GateCurve):
        raise UnsupportedError(
            "compiled learning in real numbers",
            f"the gate {gate} of {neurons.name}",
            "its curve has no name, so that it is not compiled",
            "use the engine float64",
        )
    return function
