"""How a network's step is cut into functions, and what the state in memory holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ltc2hw.converters.c.ranges import (
    arriving_rows,
    has_weights,
    message_interval,
    port_intervals,
    reached_states,
    value_intervals,
)
from ltc2hw.converters.c.text import IntegerType, Names, computing, interval_of, narrowest
from ltc2hw.converters.exported import carrier, with_messages
from ltc2hw.dynamics.intervals import Interval
from ltc2hw.dynamics.operations import COUNTED, Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedProjection
from ltc2hw.graph.fixed_state import word_ranges
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import Node, connection_nodes, evaluation_order
from ltc2hw.numbers.words import Word

Sender = tuple[str, str]
"""Population and variable."""


@dataclass(frozen=True)
class Field:
    """An array of a population's struct; ``kept`` ones are there without the macro RECORD.

    Messages have the name of the pointer to the slot that they are written to.
    """

    name: str
    type: IntegerType
    length: int
    kept: bool


@dataclass(frozen=True)
class Sent:
    """Where the messages of a variable are: ``slots`` times the population's size at ``field``.

    ``position`` is the slot of this step; empty where there is one slot. The input's slots hold
    past samples alone; ``own`` where spikes are sent, and not kept, so that no array is needed
    beside that of the variable.
    """

    sender: Sender
    type: IntegerType
    slots: int
    name: str
    field: str
    position: str
    own: bool


@dataclass(frozen=True)
class Sum:
    """What arrives at a port: an array ``name``, and the projections that add to it."""

    port: str
    name: str
    type: IntegerType
    projections: tuple[FixedProjection, ...]


@dataclass(frozen=True)
class Part:
    """A population: its struct ``member``, program with its messages, and what values can be."""

    neurons: FixedNeurons
    member: str
    program: Program
    intervals: Sequence[Interval]
    fields: Mapping[str, Field]
    misfits: Mapping[str, str]
    """Counter by what is counted; values that always fit have none."""


@dataclass(frozen=True)
class Stage:
    """One function of the step: sums of these ports, then these results."""

    part: Part
    function: str
    sums: tuple[Sum, ...]
    results: tuple[str, ...]
    known: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All of it; ``stages`` in the order of a step."""

    network: FixedNetwork
    prefix: str
    parts: tuple[Part, ...]
    stages: tuple[Stage, ...]
    sent: Mapping[Sender, Sent]

    @property
    def input_type(self) -> IntegerType:
        """Type of an encoded sample's integers."""
        return computing(word_interval(self.network.input.word))

    @property
    def output(self) -> Part:
        """The population that is read out."""
        return next(p for p in self.parts if p.neurons.name == self.network.output)


def word_interval(word: Word) -> Interval:
    """What a word holds."""
    return Interval(word.minimum, word.maximum)


def make_plan(network: FixedNetwork, prefix: str) -> Plan:
    """Plan the program of a network.

    Raises:
        InvalidValueError: for integers beyond 64 bits.
    """
    neurons = [p for p in network.populations if not isinstance(p, FixedInput)]
    order = _executed(network, neurons)
    members = Names("arriving")
    sent: dict[Sender, Sent] = {}
    names = {p.name: members.new(p.name) for p in network.populations}
    variables = {p.name: variable_names(p.recordable) for p in network.populations}
    for sender in dict.fromkeys((c.source, c.variable) for c in network.projections):
        name, variable = sender
        sent[sender] = _sent(network, sender, names[name], variables[name][variable], order)
    ports, words = port_intervals(network), word_ranges(network)
    parts = {}
    for one in neurons:
        own = {port: ports[place] for place in ports if (port := _port_of(place, one.name))}
        registers = {r: Interval(*words[one.name, r]) for r in one.registers}
        member = names[one.name]
        output = one.name == network.output
        parts[one.name] = _part(
            one, member, variables[one.name], own, registers, sent, output=output
        )
    functions = Names("reset", "step")
    stages = [
        _stage(network, parts[name], stage, functions) for name, stage in order if name in parts
    ]
    used = tuple(stage for stage in stages if stage is not None)
    return Plan(network, prefix, tuple(parts.values()), used, sent)


def variable_names(variables: Sequence[str]) -> dict[str, str]:
    """Names of a population's variables in its struct, beside those of three inner structs."""
    names = Names("sent", "at", "misfits")
    return {variable: names.new(variable) for variable in variables}


def _port_of(place: tuple[str, str], name: str) -> str:
    return place[1] if place[0] == name else ""


def _executed(network: FixedNetwork, neurons: Sequence[FixedNeurons]) -> list[Node]:
    """Stages in order; neurons whose every result needs all ports act in the later one alone."""
    whole = {one.name for one in neurons if not one.model.early}
    order = evaluation_order(network.populations, network.projections)
    return [(name, stage) for name, stage in order if stage == "late" or name not in whole]


def _place(order: Sequence[Node], node: Node) -> int:
    return order.index(node if node in order else (node[0], "late"))


def _sent(
    network: FixedNetwork, sender: Sender, member: str, name: str, order: Sequence[Node]
) -> Sent:
    population, variable = sender
    readers = [c for c in network.projections if (c.source, c.variable) == sender]
    slots = length = max(c.delay for c in readers)
    if population != network.input.name:
        # The oldest message makes room for the newest if all have read it by then.
        by_name = {p.name: p for p in network.populations}
        ends = [connection_nodes(by_name, c) for c in readers]
        made = _place(order, ends[0][0])
        late = any(
            c.delay == length and _place(order, reader) > made
            for c, (_, reader) in zip(readers, ends, strict=True)
        )
        slots = max(1, length + (late and length > 0))
    kept = slots > 1 or variable != "spikes" or population == network.input.name
    return Sent(
        sender,
        narrowest(message_interval(network, readers[0])),
        slots,
        name,
        f"{member}.sent.{name}" if kept else f"{member}.{name}",
        f"{member}.at.{name}" if slots > 1 else "",
        not kept,
    )


def _part(
    neurons: FixedNeurons,
    member: str,
    names: Mapping[str, str],
    ports: Mapping[str, Interval],
    words: Mapping[str, Interval],
    sent: Mapping[Sender, Sent],
    *,
    output: bool,
) -> Part:
    states = reached_states(neurons, ports, words)
    own = {variable: s for (name, variable), s in sent.items() if name == neurons.name}
    program = with_messages(neurons, tuple(own))
    intervals = value_intervals(program, neurons, ports, states)
    kept = {*neurons.registers, *neurons.model.early}
    kept |= {neurons.output_variable} if output else set()
    kept |= {variable for variable, s in own.items() if s.own}
    fields = {}
    for variable in neurons.recordable:
        interval = states.get(variable, intervals[program.results[variable]])
        kind = narrowest(interval)
        fields[variable] = Field(names[variable], kind, neurons.size, variable in kept)
    for variable, s in own.items():
        if not s.own:
            length = s.slots * neurons.size
            fields[carrier(variable)] = Field(f"sent_{s.name}", s.type, length, kept=True)
    counters = Names()
    misfits: dict[str, str] = {}
    for value in program.values:
        if value.operation not in COUNTED or value.name in misfits:
            continue
        if not fits(value, intervals[value.arguments[0]]):
            misfits[value.name] = counters.new(value.name)
    return Part(neurons, member, program, intervals, fields, misfits)


def fits(value: Value, argument: Interval) -> bool:
    """Whether a counted operation leaves all that it can be given as it is."""
    numbers = [int(number) for number in value.numbers]
    if value.operation is Operation.SATURATE:
        return argument.within(Interval(*numbers))
    if value.operation is Operation.WRAP:
        return argument.within(word_interval(Word(numbers[0], signed=bool(numbers[1]))))
    half = 1 << (numbers[0] - 1)
    register = word_interval(Word(numbers[1]))
    return argument.within(register) and argument.within(Interval(1 - half, half))


def _stage(network: FixedNetwork, part: Part, stage: str, functions: Names) -> Stage | None:
    neurons = part.neurons
    early = neurons.model.early
    first = stage == "early"
    split = len(neurons.ports) if not early else 1
    ports = neurons.ports[:split] if first or not early else neurons.ports[split:]
    results = tuple(
        name
        for name in part.program.results
        if (name.removeprefix("message ") in early) == first
        and (name in part.fields or name in neurons.recordable)
    )
    known = () if first else early
    sums = tuple(s for port in ports if (s := _sum(network, neurons.name, port)) is not None)
    return Stage(part, functions.new(f"{neurons.name}_{stage}"), sums, results, known)


def _sum(network: FixedNetwork, name: str, port: str) -> Sum | None:
    projections = tuple(
        p for p in network.projections if (p.target, p.port) == (name, port) and has_weights(p)
    )
    if not projections:
        return None
    rows = [np.stack(arriving_rows(network, p)) for p in projections]
    total = interval_of(np.sum(rows, axis=0))
    scaled = [
        Interval(m.low << p.exponent, m.high << p.exponent)
        for p in projections
        for m in [message_interval(network, p)]
    ]
    kind = computing(Interval(0, 0), total, *scaled)
    return Sum(port, f"sum_{Names().new(port)}", kind, projections)
