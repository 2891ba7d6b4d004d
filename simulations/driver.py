"""The time loop shared by the readable engines: graph order, delays, recording, streaming.

An engine supplies an :class:`Arithmetic`: how samples are encoded, how weights are applied, how a
variable becomes a message, and the stages of a population. The loop supplies
everything else, so that the float reference and the integer specification differ in their
arithmetic alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.state import check_state, zero_state
from ltc2hw.graph.structure import (
    Connection,
    Graph,
    Node,
    Population,
    Port,
    Stage,
    Variable,
    evaluation_order,
    port_stage,
    variable_stage,
)
from ltc2hw.graph.trace import Array, State, Trace, check_record, empty_record, make_trace

Values = Mapping[str, Array]
P = TypeVar("P", bound=Population)
C = TypeVar("C", bound=Connection)
P_contra = TypeVar("P_contra", bound=Population, contravariant=True)
C_contra = TypeVar("C_contra", bound=Connection, contravariant=True)


@dataclass(frozen=True)
class StageResult:
    """Variables that a stage produced, and how many values did not fit, by variable."""

    values: Values
    saturations: Mapping[str, int]


class Arithmetic(Protocol[P_contra, C_contra]):
    """What makes an engine."""

    dtype: npt.DTypeLike
    """Type of registers and messages."""

    def encode(self, population: P_contra, x: npt.NDArray[np.float64]) -> StageResult:
        """Turn samples (T, B, N_in) into the input's one variable."""
        ...

    def arriving(self, connection: C_contra, message: Array) -> Array:
        """Contribution (B, N_target) of a message (B, N_source)."""
        ...

    def message(self, population: P_contra, variable: Variable, value: Array) -> StageResult:
        """What is sent of a variable, under the variable's name."""
        ...

    def stage(
        self, population: P_contra, registers: Values, ports: Values, known: Values
    ) -> StageResult:
        """What a population computes: its early results, or all others where they are ``known``.

        ``ports`` is what arrived so far in this step.
        """
        ...


@dataclass(frozen=True)
class Step:
    """Everything that one algorithmic step computed, all arrays (B, N)."""

    produced: Mapping[str, Values]
    """Variables by population."""
    ports: Mapping[str, Values]
    """What arrived, by population."""
    messages: Mapping[tuple[str, Variable], Array]
    """What was sent."""
    saturations: Mapping[str, Mapping[str, int]]
    """How many values did not fit, by population and variable."""


@dataclass(frozen=True)
class Plan:
    """What a graph's structure alone decides, so that it is worked out once per run."""

    order: Sequence[Node]
    incoming: Mapping[tuple[str, Port], Sequence[int]]
    """Indices of the projections that land on each port."""
    sent: frozenset[tuple[str, Variable]]

    @classmethod
    def of(cls, network: Graph[P, C]) -> Plan:
        """Work the plan out."""
        incoming: dict[tuple[str, Port], list[int]] = {}
        for index, connection in enumerate(network.projections):
            incoming.setdefault((connection.target, connection.port), []).append(index)
        return cls(
            evaluation_order(network.populations, network.projections),
            incoming,
            frozenset((c.source, c.variable) for c in network.projections),
        )


Begin = Callable[[int, State], State]
"""From a step and the registers that the one before left to those that it begins from."""


def run(
    arithmetic: Arithmetic[P, C],
    network: Graph[P, C],
    x: npt.NDArray[np.float64],
    record: Sequence[str] | str,
    record_dtype: npt.DTypeLike,
    state: State | None = None,
    begin: Begin | None = None,
) -> Trace:
    """Run samples x of shape (T, B, N_in), one algorithmic step at a time.

    ``state`` continues an earlier run (``trace.state``); None starts from zero. ``begin`` says
    what registers a step begins from in the place of those that the one before left.

    Raises:
        ShapeError: if the state does not fit the network and the batch.
        UnknownNameError: if a variable to record does not exist.
    """
    steps, batch, _ = x.shape
    plan = Plan.of(network)
    wanted = check_record(record, network.populations)
    recorded = empty_record(wanted, network.populations, steps, batch, record_dtype)
    output = network.population(network.output)
    outputs = np.zeros((steps, batch, output.size), dtype=record_dtype)
    zero = zero_state(network, batch, arithmetic.dtype)
    carried: State = zero if state is None else check_state(state, zero)
    counts: dict[str, dict[str, int]] = {p.name: {} for p in network.populations}
    encoded = arithmetic.encode(network.input, x)
    add_counts(counts, {network.input.name: encoded.saturations})

    for t in range(steps):
        sample = {name: values[t] for name, values in encoded.values.items()}
        if begin is not None:
            carried = begin(t, carried)
        result, carried = step(arithmetic, network, plan, sample, carried)
        add_counts(counts, result.saturations)
        for name, names in wanted.items():
            for recordable in names:
                recorded[name][recordable][t] = result.produced[name][recordable]
        outputs[t] = result.produced[output.name][output.output_variable]
    return make_trace(recorded, outputs, counts, carried)


def step(
    arithmetic: Arithmetic[P, C],
    network: Graph[P, C],
    plan: Plan,
    sample: Values,
    carried: State,
) -> tuple[Step, State]:
    """One algorithmic step: the encoded input (B, N_in) and the registers before it.

    The registers are returned as they are after the step; the ones given are not changed.
    """
    batch = next(iter(sample.values())).shape[0]
    produced: dict[str, dict[str, Array]] = {p.name: {} for p in network.populations}
    arrived: dict[str, dict[str, Array]] = {p.name: {} for p in network.populations}
    messages: dict[tuple[str, Variable], Array] = {}
    counts: dict[str, dict[str, int]] = {p.name: {} for p in network.populations}
    for name, stage in plan.order:
        population = network.population(name)
        if name == network.input.name:
            result = StageResult(sample if stage == "late" else {}, {})
        else:
            ports = _ports(arithmetic, network, plan, population, stage, messages, carried, batch)
            arrived[name].update(ports)
            result = StageResult({}, {})
            if stage == "late" or population.early:
                known = produced[name]
                result = arithmetic.stage(population, carried[name], arrived[name], known)
        produced[name].update(result.values)
        add_counts(counts, {name: result.saturations})
        for variable in population.variables:
            if variable_stage(population, variable) == stage and (name, variable) in plan.sent:
                sent = arithmetic.message(population, variable, produced[name][variable])
                messages[name, variable] = sent.values[variable]
                add_counts(counts, {name: sent.saturations})
    done = Step(produced, arrived, messages, counts)
    return done, _advance(carried, produced, messages)


def stage_results(population: Population, known: Values) -> tuple[str, ...]:
    """Names of what a stage produces: the early results first, then all that is not yet known."""
    if population.early and not known:
        return population.early
    return tuple(name for name in population.recordable if name not in known)


def broadcast(
    values: Mapping[str, Array], size: int, registers: Values, ports: Values
) -> dict[str, Array]:
    """Results as arrays (B, N), those too that are the same for all samples or neurons."""
    shape = (next(iter((ports or registers).values())).shape[0], size)
    return {
        name: value if value.shape == shape else np.array(np.broadcast_to(value, shape))
        for name, value in values.items()
    }


def sent_message(
    carried: State, step_messages: Mapping[tuple[str, Variable], Array], connection: C
) -> Array:
    """What a projection delivers in a step, (B, N_source): a message of that step or a past one."""
    if connection.delay == 0:
        return step_messages[connection.source, connection.variable]
    past: Array = carried[connection.source][f"sent:{connection.variable}"][connection.delay - 1]
    return past


def _ports(
    arithmetic: Arithmetic[P, C],
    network: Graph[P, C],
    plan: Plan,
    population: P,
    stage: Stage,
    messages: Mapping[tuple[str, Variable], Array],
    carried: State,
    batch: int,
) -> Values:
    ports: dict[str, Array] = {}
    for port in population.ports:
        if port_stage(population, port) != stage:
            continue
        total: Array = np.zeros((batch, population.size), arithmetic.dtype)
        for index in plan.incoming.get((population.name, port), ()):
            connection = network.projections[index]
            message = sent_message(carried, messages, connection)
            total = total + arithmetic.arriving(connection, message)
        ports[port] = total
    return ports


def _advance(
    carried: State,
    produced: Mapping[str, Values],
    messages: Mapping[tuple[str, Variable], Array],
) -> State:
    """Registers after the step; message histories shifted by one."""
    following: dict[str, dict[str, Array]] = {}
    for name, registers in carried.items():
        following[name] = {}
        for register, value in registers.items():
            if register.startswith("sent:"):
                latest = next(
                    message
                    for (source, variable), message in messages.items()
                    if source == name and register == f"sent:{variable}"
                )
                following[name][register] = np.concatenate([latest[None], value[:-1]])
            else:
                following[name][register] = produced[name][register]
    return following


def add_counts(total: dict[str, dict[str, int]], counts: Mapping[str, Mapping[str, int]]) -> None:
    """Add counts by population and variable into ``total``; zeros leave no entry."""
    for name, variables in counts.items():
        own = total.setdefault(name, {})
        for variable, number in variables.items():
            if number:
                own[variable] = own.get(variable, 0) + number
