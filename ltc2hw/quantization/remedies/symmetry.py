"""By which power of a factor each number of a neuron scales, so that its spikes stay the same.

A spiking neuron of which everything that arrives, its bias, threshold, reset and jumps are c times
as large fires at the same steps: c is a choice. Which constants go along, and which go the other
way (a gate's ``from_current`` multiplies the current, so it scales by 1 / c), follows from the
model's program: both sides of a sum or a comparison scale alike, a product by both of its factors,
and what a gate is given not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Value
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.dynamics.roles import binary_states, unit_port
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.words import FloatArray

TRIALS = 16
"""Steps from random registers on which a symmetry is tried."""

_ALIKE = (
    Operation.ADD,
    Operation.SUBTRACT,
    Operation.MINIMUM,
    Operation.MAXIMUM,
    Operation.REGISTER,
)
_PLAIN = (Operation.GATE, Operation.SLOPE, Operation.SURROGATE)


@dataclass(frozen=True)
class Symmetry:
    """Powers of the factor by name: of constants, of what arrives at ports, of results."""

    constants: Mapping[str, int]
    ports: Mapping[str, int]
    results: Mapping[str, int]


def symmetry(model: Model) -> Symmetry | None:
    """The powers with which what arrives at the first port scales once; None where there are none.

    Of several choices the one that leaves most constants, in their order, as they are.

    >>> from ltc2hw.dynamics.models.ltc import ltc
    >>> found = symmetry(ltc)
    >>> found.constants["threshold"], found.constants["tau_mem.from_current"]
    (1, -1)
    >>> from ltc2hw.dynamics.models.izhikevich import izhikevich
    >>> symmetry(izhikevich) is None  # the square of its membrane has no such scale
    True
    """
    program, port = model.program, unit_port(model)
    if not port:
        return None
    system = _System(len(program.values))
    for index, value in enumerate(program.values):
        for row in _equations(program.values, index, value):
            system.add(row, 0)
    places: dict[tuple[Operation, str], int] = {
        (value.operation, value.name): index
        for index, value in enumerate(program.values)
        if value.operation in (Operation.PARAMETER, Operation.PORT, Operation.STATE)
    }
    for (operation, name), index in places.items():
        if operation is Operation.STATE:
            system.add({index: 1, program.results[name]: -1}, 0)
    if not system.add({places[Operation.PORT, port]: 1}, 1):
        return None
    for constant in model.constants:
        system.add({places[Operation.PARAMETER, constant.name]: 1}, 0)
    powers = system.solution()
    if powers is None:
        return None
    return Symmetry(
        {c.name: powers[places[Operation.PARAMETER, c.name]] for c in model.constants},
        {name: powers[places[Operation.PORT, name]] for name in program.ports},
        {name: powers[index] for name, index in program.results.items()},
    )


class _System:
    """Linear equations of the powers of all values, each taken only if it agrees with the rest."""

    def __init__(self, size: int) -> None:
        self.rows: list[FloatArray] = []
        self.size = size

    def add(self, terms: Mapping[int, int], right: int) -> bool:
        """Take an equation, or say that it contradicts those taken: rows are kept reduced."""
        row = np.zeros(self.size + 1)
        for index, factor in terms.items():
            row[index] += factor
        row[-1] = right
        for held in self.rows:
            first = int(np.flatnonzero(held)[0])
            row = row - row[first] * held
        found = np.flatnonzero(np.abs(row[:-1]) > SMALL)
        if not found.size:
            return bool(abs(row[-1]) <= SMALL)
        row = np.where(np.abs(row) > SMALL, row, 0.0) / row[found[0]]
        self.rows = [held - held[found[0]] * row for held in self.rows]
        self.rows = [np.where(np.abs(held) > SMALL, held, 0.0) for held in self.rows]
        self.rows.append(row)
        return True

    def solution(self) -> list[int] | None:
        """Powers of all values, those that nothing says anything about 0; None unless whole."""
        powers = np.zeros(self.size)
        for row in self.rows:
            powers[int(np.flatnonzero(row)[0])] = row[-1]
        whole = np.rint(powers)
        return [int(p) for p in whole] if np.allclose(powers, whole, atol=SMALL) else None


SMALL = 1e-9
"""Below this a coefficient is 0: they are small whole numbers and halves."""


def _equations(values: tuple[Value, ...], index: int, value: Value) -> Iterator[Mapping[int, int]]:
    """What the powers of a value and its arguments satisfy; a plain 0 has any power."""
    operation, arguments = value.operation, value.arguments
    if operation is Operation.NUMBER and value.numbers[0] != 0.0:
        yield {index: 1}
    elif operation in _PLAIN:
        yield {index: 1}
        yield {arguments[0]: 1}
    elif operation in _ALIKE or operation is Operation.SELECT:
        for argument in arguments[1:] if operation is Operation.SELECT else arguments:
            if not _is_zero(values[argument]):
                yield _difference(index, argument)
    elif operation is Operation.GREATER:
        yield {index: 1}
        if not any(_is_zero(values[argument]) for argument in arguments):
            yield _difference(*arguments)
    elif operation in (Operation.MULTIPLY, Operation.DIVIDE):
        sign = 1 if operation is Operation.DIVIDE else -1
        yield _sum((index, 1), (arguments[0], -1), (arguments[1], sign))
    elif operation is Operation.SQUARE_ROOT:
        yield _sum((index, 2), (arguments[0], -1))


def _difference(first: int, second: int) -> dict[int, int]:
    return _sum((first, 1), (second, -1))


def _sum(*terms: tuple[int, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for index, factor in terms:
        found[index] = found.get(index, 0) + factor
    return found


def _is_zero(value: Value) -> bool:
    return value.operation is Operation.NUMBER and value.numbers[0] == 0.0


def holds(population: Neurons, found: Symmetry, seed: int = 0) -> bool:
    """Whether a step of a population keeps to the powers, tried with powers of two.

    Registers and arrivals are random; results have to agree to the last bit.
    """
    rng = np.random.default_rng(seed)
    model, size = population.model, population.size
    factors = np.ldexp(1.0, rng.integers(-3, 4, size))
    shape = (TRIALS, size)
    ports = {name: rng.normal(0.0, 2.0, shape) for name in model.program.ports}
    states = {name: rng.normal(0.0, 1.0, shape) for name in model.program.states}
    states |= {name: rng.integers(0, 2, shape).astype(float) for name in binary_states(model)}
    plain = evaluate_real(model.program, population.constants, ports, states, population.functions)
    moved = evaluate_real(
        model.program,
        scaled(population.constants, found.constants, factors),
        scaled(ports, found.ports, factors),
        scaled(states, found.results, factors),
        population.functions,
    )
    wanted = scaled(plain, found.results, factors)
    return all(np.array_equal(moved[name], wanted[name]) for name in wanted)


def scaled(
    values: Mapping[str, FloatArray], powers: Mapping[str, int], factors: FloatArray
) -> dict[str, FloatArray]:
    """Values (..., N) by name times their powers of each neuron's factor (N,)."""
    return {
        name: value * factors ** powers.get(name, 0) if powers.get(name, 0) else value
        for name, value in values.items()
    }
