"""Random neuron models, and networks of them: what engines that take any program are tested with.

A network is computed here by the interpreter of integer programs alone, population by population.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ltc2hw.dynamics.expression import (
    Expression,
    constant,
    fires,
    gate,
    larger,
    mix,
    port,
    register,
    smaller,
    state,
    where,
)
from ltc2hw.dynamics.formats import Formats, GateFormat, Held
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.lowering import lower
from ltc2hw.dynamics.model import Model, model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedInput, FixedProjection
from ltc2hw.graph.neurons import FixedNeurons, Message
from ltc2hw.graph.structure import Port
from ltc2hw.numbers.nonlinearity import GATE_FUNCTIONS, sigmoid_table
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray, IntArray, Overflow, Word, shift_toward_zero
from ltc2hw.simulations.fast.intervals import WIDEST, Intervals, hull, magnitude

PORTS: tuple[Port, ...] = ("current", "tau_mem", "tau_adp")
Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Programs:
    """A network of neurons of any model; nothing checks it."""

    populations: tuple[FixedInput | FixedNeurons, ...]
    projections: tuple[FixedProjection, ...]
    output: str

    @property
    def input(self) -> FixedInput:
        """The input population."""
        first = self.populations[0]
        assert isinstance(first, FixedInput)
        return first

    def population(self, name: str) -> FixedInput | FixedNeurons:
        """The population of that name."""
        return next(p for p in self.populations if p.name == name)


def random_model(rng: Rng) -> Model:
    """A model with one to three ports, one to three states and all kinds of expressions."""
    names = ["membrane", "adaptation", "extra"][: int(rng.integers(1, 4))]
    reads_spikes = bool(rng.integers(2))

    def step() -> Mapping[str, Expression]:
        ports: list[Expression] = [port(name) for name in PORTS[: int(rng.integers(1, 4))]]
        values = [*ports, *(state(name) for name in names)]
        values += [constant(f"c{index}", low=-2.0, high=2.0) for index in range(3)]
        if reads_spikes:
            values.append(state("spikes"))
        results: dict[str, Expression] = {}
        for index in range(int(rng.integers(2, 7))):
            values.append(_random_value(rng, values, index))
            if rng.integers(3) == 0:
                results[f"seen{index}"] = values[-1]
        total = values[-1]
        for value in ports:
            total = total + value
        for name in names:
            held = register(total + state(name) * constant(f"keep_{name}"), name)
            spike = fires(held, values[int(rng.integers(len(values)))])
            results[name] = where(spike, 0.0, held) if rng.integers(2) else held
            total = held
        results["spikes"] = fires(total, constant("threshold"))
        return results

    return model(output="spikes")(step).worked_out


def _random_value(rng: Rng, values: list[Expression], index: int) -> Expression:
    a, b, c = (values[int(place)] for place in rng.integers(len(values), size=3))
    number = float(rng.choice([0.5, 1.0, -3.0, 0.3, 140.0]))
    makers: tuple[Callable[[], Expression], ...] = (
        lambda: a + b,
        lambda: a - number,
        lambda: smaller(a, b),
        lambda: larger(a, number),
        lambda: where(fires(a, b), c, number),
        lambda: number * a + b,
        lambda: gate(a, f"gate{index}") * b,
        lambda: mix(a, b, gate(c, f"gate{index}")),
        lambda: mix(number, a, gate(c, f"gate{index}")),
        lambda: a * b,
    )
    return register(makers[int(rng.integers(len(makers)))](), f"word{index}")


def random_formats(rng: Rng, drawn: Model, widest: int) -> tuple[Formats, dict[str, IntArray]]:
    """Formats of all names of a model, words of at most ``widest`` bits, and its gates' tables."""

    overflows = (Overflow.SATURATE, Overflow.WRAP)
    wrapping = float(rng.choice([0.0, 0.3]))

    def held() -> Held:
        overflow = overflows[int(rng.random() < wrapping)]
        word = Word(int(rng.integers(6, widest + 1)), overflow=overflow)
        fraction = int(rng.integers(0, 12))
        kind = int(rng.integers(4))
        if kind == 0:
            return Held.between(word.maximum, fraction)
        if kind == 1 and wrapping:
            return Held.wrapping_once(word.bits, min(62, word.bits + 8), fraction)
        return Held.within(word, fraction)

    program = drawn.program
    words = (*program.names(Operation.REGISTER), *program.states)
    formats = {name: held() for name in words if name != "spikes"}
    gates, tables = {}, {}
    for name in drawn.gates:
        word = Word(int(rng.integers(6, widest + 1)))
        formats[name] = Held.within(word, int(rng.integers(8, 12)))
        function = GATE_FUNCTIONS[int(rng.integers(3))]
        index_bits = int(rng.integers(2, 9))
        output = int(rng.integers(5, 11))
        gates[name] = GateFormat(function, output, 0 if function == "plan" else index_bits)
        if function != "plan":
            tables[name] = sigmoid_table(
                index_bits, output, interpolated=function == "interpolated", nonlinearity="sigmoid"
            )
    ports = {name: int(rng.integers(0, 10)) for name in program.ports}
    constants = {c.name: int(rng.integers(0, 12)) for c in drawn.constants}
    return Formats(formats, ports, constants, gates), tables


def mutated(rng: Rng, program: Program) -> Program:
    """A program with some operations replaced by others that lowering does not write."""

    def other(value: Value) -> Value:
        if value.operation is Operation.SHIFT_TOWARD_ZERO and rng.integers(4) == 0:
            return replace(value, operation=Operation.SHIFT_RIGHT)
        if value.operation is Operation.SATURATE and rng.integers(4) == 0:
            numbers = (int(rng.integers(3, 20)), int(rng.integers(2)))
            return replace(value, operation=Operation.WRAP, numbers=numbers)
        return value

    return Program("integer", tuple(map(other, program.values)), program.results)


def exact(neurons: FixedNeurons, arriving: int) -> bool:
    """Whether nothing leaves 62 bits, whatever the states."""
    values = neurons.program.values
    constants = {name: hull((int(c.min()), int(c.max()))) for name, c in neurons.constants.items()}
    ports = dict.fromkeys(neurons.ports, (-arriving, arriving))
    states = dict.fromkeys(neurons.program.states, (-(1 << 34), 1 << 34))
    found = Intervals(values, constants, ports, states, neurons.tables).found
    return all(magnitude(interval) < WIDEST for interval in found)


def random_neurons(rng: Rng, name: str, size: int) -> FixedNeurons:
    """FixedNeurons of a random model with random words and constants."""
    while True:
        drawn = random_model(rng)
        widest = int(rng.choice([8, 12, 20, 24, 34]))
        formats, tables = random_formats(rng, drawn, widest)
        try:
            program = lower(drawn.program, formats)
        except InvalidValueError:  # shifts beyond what programs may have
            continue
        if rng.integers(3) == 0:
            program = mutated(rng, program)
        constants = {}
        for parameter in (described.name for described in drawn.constants):
            most = int(rng.choice([1, 100, 30_000]))
            values = rng.integers(-most, most + 1, size) * int(rng.integers(4) > 0)
            constants[parameter] = values if rng.integers(3) else np.full(size, values[0])
        neurons = neurons_of(name, drawn, formats, program, constants, tables)
        if exact(neurons, 1 << 31):
            return neurons


def neurons_of(
    name: str,
    drawn: Model,
    formats: Formats,
    program: Program,
    constants: Mapping[str, IntArray],
    tables: Mapping[str, IntArray],
    messages: tuple[Message, ...] = (),
) -> FixedNeurons:
    """FixedNeurons, as many as they have constants."""
    size = next(iter(constants.values())).size
    return FixedNeurons(name, size, drawn, formats, constants, tables, messages, program)


def random_programs(rng: Rng, largest: int = 40) -> Programs:
    """An input and one or two populations, with spikes forward and back."""
    inputs = FixedInput("input", int(rng.integers(1, 6)), False, Word(1, signed=False), 0)
    populations: list[FixedInput | FixedNeurons] = [inputs]
    projections: list[FixedProjection] = []

    def connect(source: str, size: int, target: FixedNeurons, delay: int) -> None:
        for name in target.ports:
            if rng.integers(4) or name == "current":
                weights = Dense(rng.integers(-100, 101, (target.size, size)))
                exponent = int(rng.integers(0, 7))
                place: Any = name
                projections.append(
                    FixedProjection(
                        source, "spikes", target.name, place, weights, 8, exponent, 6, delay
                    )
                )

    for index in range(int(rng.integers(1, 3))):
        before = populations[-1]
        neurons = random_neurons(rng, f"layer{index}", int(rng.integers(1, largest + 1)))
        populations.append(neurons)
        connect(before.name, before.size, neurons, int(rng.integers(0, 2)))
        if rng.integers(2):
            connect(neurons.name, neurons.size, neurons, int(rng.integers(2, 4)))
    return Programs(tuple(populations), tuple(projections), populations[-1].name)


class Interpreted:
    """Samples (T, B, N_in) of zeros and ones, run by the interpreter: everything recorded."""

    def __init__(self, network: Programs, x: FloatArray) -> None:
        self.network = network
        steps, self.batch, _ = x.shape
        spikes = list(x.astype(np.int64))
        self.sent: dict[tuple[str, str], list[IntArray]] = {("input", "spikes"): spikes}
        self.states: dict[str, dict[str, IntArray]] = {}
        self.saturations: dict[str, dict[str, int]] = {p.name: {} for p in network.populations}
        recorded: dict[tuple[str, str], list[IntArray]] = {("input", "spikes"): spikes}
        neurons = [p for p in network.populations if isinstance(p, FixedNeurons)]
        for p in neurons:
            zeros = np.zeros((self.batch, p.size), np.int64)
            self.states[p.name] = dict.fromkeys(p.registers, zeros)
        for t in range(steps):
            for p in neurons:
                for name, value in self.step(p, t).items():
                    recorded.setdefault((p.name, name), []).append(value)
        self.recorded = {key: np.stack(values) for key, values in recorded.items()}

    def count(self, name: str, misfits: Mapping[str, int]) -> None:
        """Add to the saturations; zeros leave no entry."""
        own = self.saturations[name]
        for word, lost in misfits.items():
            if lost:
                own[word] = own.get(word, 0) + lost

    def arriving(self, target: FixedNeurons, port_name: str, t: int) -> IntArray:
        """What arrives at a port."""
        total = np.zeros((self.batch, target.size), np.int64)
        for p in self.network.projections:
            if (p.target, p.port) == (target.name, port_name) and t >= p.delay:
                message = self.sent[p.source, p.variable][t - p.delay]
                total = total + (p.weights.apply(message) << p.exponent)
        return total

    def send(self, p: FixedNeurons, values: Mapping[str, IntArray]) -> None:
        """Send what is known of the variables."""
        if "spikes" in values:
            self.sent.setdefault((p.name, "spikes"), []).append(values["spikes"])
        for message in p.messages:
            if message.variable in values:
                shifted = shift_toward_zero(values[message.variable], message.shift)
                value, lost = message.word.fit(shifted)
                self.sent.setdefault((p.name, message.variable), []).append(value)
                self.count(p.name, {f"message {message.variable}": lost})

    def step(self, p: FixedNeurons, t: int) -> dict[str, IntArray]:
        """One step of a population; returns all results, (B, N)."""
        known: dict[str, IntArray] = {}
        ports: dict[str, IntArray] = {}
        late = tuple(name for name in p.model.results if name not in p.model.early)
        for names, results in ((p.ports[:1], p.model.early), (p.ports, late)):
            if not results:
                continue
            ports |= {n: self.arriving(p, n, t) for n in names if n not in ports}
            found, misfits = evaluate_integer(
                p.program, p.constants, p.tables, ports, self.states[p.name],
                results=results, known=known,
            )  # fmt: skip
            whole = {n: np.broadcast_to(v, (self.batch, p.size)) for n, v in found.items()}
            self.count(p.name, misfits)
            self.send(p, whole)
            known |= whole
        self.states[p.name] = {name: known[name] for name in p.registers}
        return known


def wrapping(neurons: FixedNeurons) -> FixedNeurons:
    """The same neurons with 24-bit words that wrap where theirs saturate."""
    word = Word(24, overflow=Overflow.WRAP)
    held = {
        name: Held.within(word, form.fraction) if form.overflow is Operation.SATURATE else form
        for name, form in neurons.formats.held.items()
    }
    return FixedNeurons(
        neurons.name, neurons.size, neurons.model, replace(neurons.formats, held=held),
        neurons.constants, neurons.tables, neurons.messages,
    )  # fmt: skip
