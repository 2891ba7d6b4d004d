"""From a rule on a float network to read-only tables for the kernels.

Neurons are cells, as in the compiled engine of integers: every value of every population's program
has a run of them (:mod:`~ltc2hw.simulations.plasticity.cells`). Real numbers need no words between
neurons, so messages, factors, credits and entries of tangents are cells, too. Synapses are stored
source by source: entry ``start + i N_target + j`` belongs to source i and target j.
Offsets are uint64: compiled indexing of unsigned numbers needs no check for negative ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.reverse import FACTOR
from ltc2hw.dynamics.tangent import carry, cross, enter, show
from ltc2hw.graph.network import Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import history_length, port_stage
from ltc2hw.learning.backwards import passes, reverse_of, tangent_of
from ltc2hw.learning.descent import Filter, Kept
from ltc2hw.learning.neurons import learnable_at
from ltc2hw.learning.rule import Parameter
from ltc2hw.learning.values import constant_name, read_parameter
from ltc2hw.numbers.operators import expanded
from ltc2hw.numbers.weights import Sparse
from ltc2hw.simulations.driver import Values
from ltc2hw.simulations.plasticity.cells import Placed, stages_of
from ltc2hw.simulations.plasticity.credit import backward
from ltc2hw.simulations.plasticity.float64 import FloatLearner
from ltc2hw.simulations.plasticity.float_cells import FloatCells
from ltc2hw.simulations.plasticity.float_tables import (
    OPERATION,
    OUTPUT,
    PLASTIC,
    RETURNED,
    SYNAPSES,
    Array,
    FloatAct,
    FloatTables,
)
from ltc2hw.simulations.plasticity.rows import SparseRows
from ltc2hw.simulations.plasticity.tables import COPY


@dataclass(frozen=True, eq=False)
class FloatLayout:
    """Read-only tables of a rule on a network, and where its arrays lie."""

    learner: FloatLearner
    tables: FloatTables
    placed: Mapping[str, Placed]
    histories: Mapping[tuple[str, str], int]
    """First cells of past messages, latest first."""
    orders: Mapping[int, Array]
    """Of every projection: the place of each of its synapses in its values."""
    starts: Mapping[int, int]
    """First synapse of every projection."""
    feeds: Mapping[int, int]
    """First of the feedback weights of projections that have their own."""
    kept: Mapping[tuple[Parameter, str], slice]
    """Where the numbers that values keep are."""
    ones: int
    zeros: int
    cells: int
    gathered: int
    longest: int
    values: int
    """Synapses, then constants that learn."""
    back: int

    @property
    def synapses(self) -> int:
        """Numbers that a step learns or keeps."""
        return self.values + sum(int(at.stop - at.start) for at in self.kept.values())


def lay_out(learner: FloatLearner) -> FloatLayout:
    """Place everything and write the tables.

    Raises:
        UnsupportedError: for a gate whose non-linearity has no name.
    """
    return _Builder(learner).layout()


@dataclass(frozen=True)
class _Place:
    """Cells in the place of an array, where the readable walk is followed; sums add into them."""

    cell: int

    def __add__(self, other: object) -> _Place:
        return self


class _Builder:
    """Collects tables; every method adds one kind of thing."""

    def __init__(self, learner: FloatLearner) -> None:
        self.learner, self.network, self.plan = learner, learner.network, learner.plan
        learning = {
            (parameter.population, constant_name(self.network, parameter))
            for parameter in learner.parameters
            if parameter.projection is None
        }
        self.cells = FloatCells(learner.rule.surrogate, learning)
        self.longest = max(p.size for p in self.network.populations)
        self.ones = self.cells.run(self.longest)
        self.zeros = self.cells.run(self.longest)
        self.entered = self.cells.run(self.network.input.size)
        self.placed = {
            p.name: self.cells.place(p) for p in self.network.populations if isinstance(p, Neurons)
        }
        self.histories = {
            (population.name, variable): self.cells.run(depth * population.size)
            for population, variable, depth in self.past()
        }
        self.schedule: list[tuple[int, int, int]] = []
        self.returned: list[tuple[int, ...]] = []
        self.inboxes: list[tuple[int, ...]] = []
        self.rows = SparseRows()
        self.orders: dict[int, Array] = {}
        self.starts: dict[int, int] = {}
        self.feeds: dict[int, int] = {}
        self.values = self.back = self.kept_count = 0
        self.entries: dict[str, dict[str, int]] = {}
        self.terms: list[list[int]] = []
        self.kept: dict[tuple[Parameter, str], slice] = {}
        self.signals: dict[tuple[str, Filter], int] = {}

    def past(self) -> list[tuple[Any, str, int]]:
        """Populations and variables of which past messages are kept, and how many."""
        found = (
            (p, variable, history_length(self.network.projections, p.name, variable))
            for p in self.network.populations
            for variable in p.variables
        )
        return [(population, variable, depth) for population, variable, depth in found if depth]

    def layout(self) -> FloatLayout:
        learner = self.learner
        projections = [self.projection(i, c) for i, c in enumerate(self.network.projections)]
        for name, stage in self.plan.order:
            self.stage(name, stage)
        first = len(self.cells.operations)
        for name in learner.traces.moving:
            self.move(name)
        moves = {parameter: self.moves(p, parameter) for parameter, p in self.traced()}
        self.evaluate(first)
        self.schedule.append((FloatAct.COMPARE, 0, 0))
        factors, credits = self.return_errors()
        for name, own in ((p.population, k) for p, k in learner.traces.kept.items()):
            for each in own.filters:
                self.signal(name, each)
        first = len(self.cells.operations)
        most = max((len(kept.names) for kept in learner.traces.kept.values()), default=0)
        plastic = [
            self.plastic(parameter, factors, credits, moves.get(parameter, []), most)
            for parameter in learner.parameters
        ]
        self.evaluate(first)
        gathered = self.cells.run((most + 1) ** 2 * self.longest)
        for name, placed in self.placed.items():
            size = self.network.population(name).size
            for start in (*placed.ports.values(), *placed.credits.values()):
                self.inboxes.append((start, start, size))
        output = self.network.population(self.network.output)
        placed, read = self.placed[output.name], output.output_variable
        said = placed.results[read], placed.credits[read], output.size
        tables = FloatTables(
            schedule=np.array(self.schedule, np.int64),
            operations=np.array(self.cells.operations, OPERATION),
            once=np.array(self.cells.once, OPERATION),
            following=np.array(self.following(), COPY),
            inboxes=np.array(self.inboxes, COPY),
            registers=np.array(self.registers(), COPY),
            output=np.array([said], OUTPUT),
            entered=np.array([(0, self.entered, self.network.input.size)], COPY),
            projections=np.array(projections, SYNAPSES),
            returned=np.array(self.returned, RETURNED),
            plastic=np.array(plastic, PLASTIC),
            terms=np.array(self.terms, np.int64).reshape(len(self.terms), most + 1),
            pointers=self.rows.pointers,
            targets=self.rows.targets,
        )
        return FloatLayout(
            learner, tables, self.placed, self.histories, self.orders, self.starts, self.feeds,
            self.kept, self.ones, self.zeros, self.cells.size, gathered, self.longest, self.values,
            self.back,
        )  # fmt: skip

    def neurons(self, name: str) -> Neurons:
        """A population that is not the input."""
        population = self.network.population(name)
        assert isinstance(population, Neurons)
        return population

    def traced(self) -> list[tuple[Parameter, Kept]]:
        """Parameters whose values keep something."""
        return list(self.learner.traces.kept.items())

    def evaluate(self, first: int) -> None:
        """Schedule the operations from one on, if there are any."""
        if first < len(self.cells.operations):
            self.schedule.append((FloatAct.EVALUATE, first, len(self.cells.operations)))

    def sent(self, name: str, variable: str) -> int:
        """First cell of what a population sends in a step."""
        return self.placed[name].results[variable] if name in self.placed else self.entered

    def projection(self, index: int, connection: Projection) -> tuple[int, ...]:
        """A row of the table of projections; kernels become a number for every synapse."""
        weights = expanded(connection.weights)
        targets, sources = weights.shape
        ends = -1
        if isinstance(weights, Sparse):
            ends, self.orders[index] = self.rows.add(weights)
        else:
            self.orders[index] = np.arange(targets * sources).reshape(targets, sources).T.ravel()
        self.starts[index] = self.values
        self.values += self.orders[index].size
        message = self.sent(connection.source, connection.variable)
        if connection.delay:
            message = self.histories[connection.source, connection.variable]
            message += (connection.delay - 1) * sources
        port = self.placed[connection.target].ports[connection.port]
        return sources, targets, self.starts[index], ends, message, port

    def stage(self, name: str, stage: Any) -> None:
        """What arrives and what is computed of it."""
        population = self.network.population(name)
        for port in population.ports:
            if port_stage(population, port) == stage:
                for index in self.plan.incoming.get((name, port), ()):
                    self.schedule.append((FloatAct.ARRIVE, index, 0))
        first, last = stages_of(self.placed, name, stage)
        if first < last:
            self.schedule.append((FloatAct.EVALUATE, first, last))

    def following(self) -> list[tuple[int, ...]]:
        """Past messages move on, then results become registers."""
        rows: list[tuple[int, ...]] = []
        for population, variable, depth in self.past():
            start, size = self.histories[population.name, variable], population.size
            slots = [self.sent(population.name, variable)]
            slots += [start + back * size for back in range(depth)]
            rows += [(slots[k], slots[k + 1], size) for k in reversed(range(depth))]
        for name, placed in self.placed.items():
            size = self.network.population(name).size
            rows += [(placed.results[s], cell, size) for s, cell in placed.states.items()]
        return rows

    def registers(self) -> list[tuple[int, ...]]:
        """Everything that a step takes over from the one before."""
        rows: list[tuple[int, ...]] = [
            (start, start, depth * population.size)
            for population, variable, depth in self.past()
            for start in (self.histories[population.name, variable],)
        ]
        for name, placed in self.placed.items():
            size = self.network.population(name).size
            rows += [(start, start, size) for start in placed.states.values()]
        return rows

    def move(self, name: str) -> None:
        """How a step of a population moves."""
        neurons, found = self.neurons(name), tangent_of(self.neurons(name).model)
        forward = self.cells.placed_again(neurons, self.placed[name], found.forward, {})
        self.entries[name] = self.cells.placed_again(
            neurons, self.placed[name], found.jacobian, forward
        )

    def moves(self, kept: Kept, parameter: Parameter) -> list[list[int]]:
        """Cells that every kept number follows: kept ones before the step, then the message."""
        name, port = parameter.population, parameter.port
        entries = self.entries[name]
        rows = [
            [
                *(entries.get(carry(state, old), -1) for old in kept.states),
                *[-1] * len(kept.filters),
                entries.get(enter(state, port), -1),
            ]
            for state in kept.states
        ]
        return rows + [self.filtered(kept, own, name, port) for own in kept.filters]

    def filtered(self, kept: Kept, own: Filter, name: str, port: str) -> list[int]:
        """The same for what the readout remembers: ``∂r/∂r[t-1] f[t-1] + ∂r/∂port ∂v/∂w``."""
        entries = self.entries[name]
        inner = [entries.get(show(own.variable, old), -1) for old in kept.states]
        direct = entries.get(cross(own.variable, port), -1)
        entering = self.shared(name, enter(own.state, own.port))
        through = [self.times(name, entering, cell) for cell in (*inner, direct)]
        leaks = [
            self.shared(name, carry(own.state, other.state))
            if (other.variable, other.port) == (own.variable, own.port)
            else -1
            for other in kept.filters
        ]
        return [*through[:-1], *leaks, through[-1]]

    def shared(self, name: str, entry: str) -> int:
        """An entry of the readout, which all its neurons share, for neurons of another size."""
        cell = self.entries[self.network.output].get(entry, -1)
        return cell if cell < 0 else self.cells.spread(self.neurons(name), cell)

    def times(self, name: str, a: int, b: int) -> int:
        """Cells of a product; -1 is nothing."""
        if min(a, b) < 0:
            return -1
        return self.cells.combined(self.neurons(name), Operation.MULTIPLY, a, b)

    def return_errors(self) -> tuple[dict[tuple[str, str], int], dict[str, dict[str, int]]]:
        """Follow the readable walk of errors: cells of factors by port, of credits by variable."""
        network, output = self.network, self.network.population(self.network.output)
        nothing: Any = {population.name: {} for population in network.populations}
        error: Any = _Place(self.credit(output.name, output.output_variable))
        walk: Any = _Walk(self)
        step: Any = None
        factors, credits = backward(
            walk, network, self.plan, self.learner.crossed, nothing, step, error
        )
        found: Any = factors
        return (
            {key: place.cell for key, place in found.items()},
            {name: {v: self.credit(name, v) for v in own} for name, own in credits.items()},
        )

    def credit(self, name: str, variable: str) -> int:
        """First cell of a variable's credit."""
        own = self.placed[name].credits
        if variable not in own:
            own[variable] = self.cells.run(self.network.population(name).size)
        return own[variable]

    def send_back(self, index: int, factor: int, credit: int) -> None:
        """A row of the schedule that brings factors through a projection to a credit."""
        rule, weights = self.learner.rule, self.network.projections[index].weights
        if rule.feedback != "symmetric" and index not in self.feeds:
            self.feeds[index] = self.back
            dense = weights.shape[0] * weights.shape[1]
            self.back += dense if rule.feedback == "random" else self.orders[index].size
        dense = rule.feedback == "random" or not isinstance(weights, Sparse)
        self.schedule.append((FloatAct.RETURN, len(self.returned), 0))
        self.returned.append((index, factor, credit, self.feeds.get(index, -1), int(dense)))

    def signal(self, name: str, own: Filter) -> None:
        """Credit of what the readout remembers of a population, sent back to it."""
        output = self.neurons(self.network.output)
        entry = self.entries[output.name].get(show(output.output_variable, own.state), -1)
        if (name, own) in self.signals or entry < 0:
            return
        size = self.network.population(name).size
        self.signals[name, own] = cell = self.cells.run(size)
        self.inboxes.append((cell, cell, size))
        first = len(self.cells.operations)
        shown = self.times(output.name, self.credit(output.name, output.output_variable), entry)
        self.evaluate(first)
        for index in self.learner.crossed:
            connection = self.network.projections[index]
            ends = connection.source, connection.variable, connection.target, connection.port
            if ends == (name, own.variable, output.name, own.port):
                self.send_back(index, shown, cell)

    def found(self, parameter: Parameter, kept: Kept, credits: Mapping[str, int]) -> list[int]:
        """Cells of what an error finds in every kept number."""
        name = parameter.population
        cells = []
        for state in kept.states:
            parts = [
                self.times(name, credit, self.entries[name].get(show(variable, state), -1))
                for variable, credit in credits.items()
            ]
            parts = [part for part in parts if part >= 0]
            cells.append(parts[0] if parts else -1)
            for part in parts[1:]:
                cells[-1] = self.cells.combined(self.neurons(name), Operation.ADD, cells[-1], part)
        return cells + [self.signals.get((name, own), -1) for own in kept.filters]

    def plastic(
        self,
        parameter: Parameter,
        factors: Mapping[tuple[str, str], int],
        credits: Mapping[str, Mapping[str, int]],
        moves: list[list[int]],
        most: int,
    ) -> tuple[Any, ...]:
        """A row of the table of what learns."""
        name, port, index = parameter.population, parameter.port, parameter.projection
        kept = self.learner.traces.kept.get(parameter, Kept())
        factor = factors.get((name, port), self.zeros)
        rows = [*moves, [*self.found(parameter, kept, credits[name]), factor]]
        first, room = len(self.terms), most - len(kept.names)
        self.terms += [[*row[:-1], *[-1] * room, row[-1]] for row in rows]
        size = read_parameter(self.network, parameter).size
        start = self.kept_count
        for word in kept.names:
            self.kept[parameter, word] = slice(self.kept_count, self.kept_count + size)
            self.kept_count += size
        words = len(kept.names), start, first
        if index is not None:
            adapts = self.feeds.get(index, -1) if self.learner.rule.feedback == "adaptive" else -1
            return (index, size, self.starts[index], 0, factor, 0, *words, adapts, -np.inf, np.inf)
        constant, message = self.constant(parameter)
        described = next(
            c for c in self.neurons(name).model.constants
            if c.name == constant_name(self.network, parameter)
        )  # fmt: skip
        self.values += size
        return (
            -1, size, self.values - size, message, factor, constant, *words, -1,
            described.low, described.high,
        )  # fmt: skip

    def constant(self, parameter: Parameter) -> tuple[int, int]:
        """Cells of a constant that learns, and of the message that it meets."""
        placed = self.placed[parameter.population]
        population = self.network.population(parameter.population)
        own = learnable_at(population, parameter.port, parameter.term)
        return placed.constants[own.constant], placed.message(own.message, self.ones)


class _Walk:
    """The arithmetic of the readable walk of errors that writes down what it would compute."""

    def __init__(self, builder: _Builder) -> None:
        self.builder = builder

    def factors(
        self, population: Neurons, registers: Values, step: Any, credit: Mapping[str, Any]
    ) -> dict[str, _Place]:
        """Schedule the way back through a population; cells of its ports' factors."""
        if not any(passes(population, variable) for variable in credit):
            return {}
        builder, found = self.builder, reverse_of(population.model, credit)
        cells, placed = builder.cells, builder.placed[population.name]
        first = len(cells.operations)
        forward = cells.placed_again(population, placed, found.forward, {})
        # What comes of a credit is other when more of it has arrived, so it is not taken again.
        known = dict(cells.made)
        back = cells.placed_again(population, placed, found.backward, forward)
        cells.made = known
        builder.evaluate(first)
        return {name.removeprefix(f"{FACTOR}."): _Place(cell) for name, cell in back.items()}

    def feedback(self, index: int, connection: Projection, factor: Any) -> _Place:
        """Schedule a projection's way back; cells of the credit that it adds to."""
        credit = self.builder.credit(connection.source, connection.variable)
        self.builder.send_back(index, factor.cell, credit)
        return _Place(credit)
