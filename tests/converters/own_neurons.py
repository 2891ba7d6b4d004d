"""Neurons that ltc2hw does not know, in a small network: by interpreter, and as Lava processes.

A source drives them; spikes and a graded state come back one step later, and where a current is
known early it comes back within the step. Random ones are drawn from one generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
from ltc2hw.graph.neurons import FixedNeurons, Message
from ltc2hw.numbers.nonlinearity import GateFunction, sigmoid_table
from ltc2hw.numbers.words import IntArray, Overflow, Word, shift_toward_zero
from tests.loose_neurons import loose

Recorded = dict[str, IntArray]
"""Arrays (B, T, N) by result."""

EXPONENT = 1
PERIOD, CURRENT, UPDATE = 2, 1, 2
"""Chip steps per step, and those at which the neurons take their first port, and update."""


@dataclass(frozen=True)
class Wire:
    """``(weights @ message) << EXPONENT`` to a port; ``variable`` is empty for the source."""

    variable: str
    port: str
    weights: IntArray

    @property
    def delay(self) -> int:
        """Steps: the source and what is known early come within the step."""
        return 0 if self.variable in ("", "current") else 1


@model(sends=("spikes", "current", "membrane"), source="made for this test")
def trading() -> Mapping[str, Expression]:
    """Membrane and recovery trade places; the current opens the leak within the step."""
    current = register(port("drive") + constant("rest"), "current")
    leak = gate(port("leak") + constant("slope") * current, "leak")
    membrane, recovery = state("membrane"), state("recovery")
    charged = register(mix(membrane, current, leak) - recovery, "membrane")
    spikes = fires(charged, constant("threshold"))
    recovered = constant("kept") * recovery + where(spikes, constant("kick"), 0.0)
    return {
        "current": current,
        "leak": leak,
        "membrane": where(spikes, 0.0, charged),
        "recovery": register(recovered, "recovery"),
        "older": membrane,
        "oldest": state("older"),
        "spikes": spikes,
    }


def trading_neurons(rng: np.random.Generator, size: int) -> FixedNeurons:
    """With formats by hand, narrow enough that every word overflows now and then."""
    formats = Formats(
        held={
            "current": Held.within(Word(14), 8),
            "leak": Held.within(Word(13), 10),
            "membrane": Held.within(Word(13), 8),
            "recovery": Held.within(Word(11, overflow=Overflow.WRAP), 8),
            "older": Held(8),
        },
        ports={"drive": 8, "leak": 10},
        constants={"rest": 8, "slope": 12, "threshold": 8, "kept": 12, "kick": 8},
        gates={"leak": GateFormat("plan", 12)},
    )
    constants = {
        "rest": rng.integers(-200, 200, size),
        "slope": rng.integers(-4096, 4096, size),
        "threshold": rng.integers(0, 600, size),
        "kept": rng.integers(0, 4097, size),
        "kick": rng.integers(0, 400, size),
    }
    return loose(
        "own", size, trading, formats, lower(trading.program, formats), constants, {}, MESSAGES
    )


MESSAGES = (Message("current", Word(6), 5), Message("membrane", Word(8), 3))


class _Draft:
    """A random model: names are added, with their formats, as the equations are drawn."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.ports = [f"port{i}" for i in range(rng.integers(1, 4))]
        self.states = ["membrane", *(f"state{i}" for i in range(rng.integers(0, 3)))]
        self.held: dict[str, Held] = {}
        self.constants: dict[str, int] = {}
        self.gates: dict[str, GateFormat] = {}

    def fraction(self) -> int:
        return int(self.rng.integers(4, 10))

    def word(self, name: str) -> str:
        overflow = (Overflow.SATURATE, Overflow.WRAP)[int(self.rng.integers(2))]
        bits = int(self.rng.integers(8, 17))
        self.held.setdefault(name, Held.within(Word(bits, overflow=overflow), self.fraction()))
        return name

    def constant(self) -> Expression:
        name = f"constant{len(self.constants)}"
        self.constants[name] = self.fraction()
        return constant(name)

    def leaf(self) -> Expression:
        name = str(self.rng.choice([*self.ports, *self.states]))
        return port(name) if name in self.ports else state(name)

    def gate(self, argument: Expression) -> Expression:
        name = f"gate{len(self.gates)}"
        function: GateFunction = ("plan", "table", "interpolated")[int(self.rng.integers(3))]
        self.held[name] = Held.within(Word(14), 10)
        self.gates[name] = GateFormat(function, 8, 0 if function == "plan" else 4)
        return gate(argument, name)

    def value(self, depth: int) -> Expression:
        """A random expression."""
        if depth == 0:
            return self.leaf()
        first, second = self.value(depth - 1), self.value(depth - 1)
        kind = int(self.rng.integers(7))
        if kind == 0:
            return first - second + self.constant()
        if kind == 1:
            return self.constant() * first + second
        if kind == 2:
            return mix(first, second, self.gate(self.leaf() + self.constant()))
        if kind == 3:
            return smaller(first, larger(second, self.constant()))
        if kind == 4:
            return where(fires(first, second), self.leaf(), first)
        if kind == 5:
            return register(first + second, self.word(f"word{len(self.held)}"))
        return first + second

    def step(self) -> Mapping[str, Expression]:
        """All results: each state is read and written, each port is read."""
        current = register(port(self.ports[0]) + self.constant(), self.word("current"))
        results = {"current": current}
        for name in self.states:
            results[name] = register(self.value(2) + state(name), self.word(name))
        everything = current
        for name in self.ports:
            everything = everything + port(name)
        results["spikes"] = fires(everything, self.constant() + self.value(1))
        return results


def random_neurons(rng: np.random.Generator, size: int) -> FixedNeurons:
    """Neurons of a random model with random formats and constants."""
    draft = _Draft(rng)

    def drawn() -> Mapping[str, Expression]:
        return draft.step()

    made: Model = model(sends=("spikes", "current", "membrane"))(drawn)
    fractions = {name: draft.fraction() for name in draft.ports}
    formats = Formats(draft.held, fractions, draft.constants, draft.gates)
    constants = {name: rng.integers(-300, 300, size) for name in draft.constants}
    tables = {
        name: sigmoid_table(4, 8, interpolated=form.function != "table", nonlinearity="sigmoid")
        for name, form in draft.gates.items()
        if form.function != "plan"
    }
    program = lower(made.program, formats)
    return loose("own", size, made, formats, program, constants, tables, MESSAGES)


def random_wires(rng: np.random.Generator, neurons: FixedNeurons, inputs: int) -> list[Wire]:
    """The source to every port, spikes and membrane to the first, the current to a later one."""

    def wire(variable: str, name: str, sources: int) -> Wire:
        return Wire(variable, name, rng.integers(-60, 61, (neurons.size, sources)))

    wires = [wire("", name, inputs) for name in neurons.ports]
    wires += [wire(variable, neurons.ports[0], neurons.size) for variable in ("spikes", "membrane")]
    if "current" in neurons.model.early:
        wires.append(wire("current", neurons.ports[-1], neurons.size))
    return wires


class Interpreted:
    """The network by the interpreter alone, for samples (B, T, N_in).

    ``record``: every result (B, T, N); ``misfits``: how many values did not fit, by word.
    """

    def __init__(self, neurons: FixedNeurons, wires: list[Wire], samples: IntArray) -> None:
        self.neurons, self.wires, self.samples = neurons, wires, samples
        self.shape = len(samples), neurons.size
        self.sent: Recorded = {w.variable: np.zeros(self.shape, np.int64) for w in wires}
        self.states: Recorded = {name: np.zeros(self.shape, np.int64) for name in neurons.registers}
        self.misfits: dict[str, int] = {}
        steps = [self.step(t) for t in range(samples.shape[1])]
        self.record: Recorded = {
            name: np.stack([np.broadcast_to(step[name], self.shape) for step in steps], axis=1)
            for name in neurons.recordable
        }

    def step(self, t: int) -> Recorded:
        """All results of a step: the early ones first, so that their messages come within it."""
        self.sent[""] = self.samples[:, t]
        early = self.neurons.model.early
        before = self.sent
        known = self.evaluate(self.arriving(), early, {}) if early else {}
        # What is not read within the step is still the message of the step before.
        now = self.messages(known)
        self.sent = {**before, **{k: v for k, v in now.items() if k == "current"}}
        values = self.evaluate(self.arriving(), (), known)
        late = {name: value for name, value in values.items() if name not in early}
        self.sent = {**before, **now, **self.messages(late)}
        self.states = {name: values[name] for name in self.neurons.registers}
        return values

    def evaluate(self, ports: Recorded, results: tuple[str, ...], known: Recorded) -> Recorded:
        n = self.neurons
        values, lost = evaluate_integer(
            n.program, n.constants, n.tables, ports, self.states, results=results, known=known
        )
        for word, number in lost.items():
            self.count(word, number)
        return values

    def arriving(self) -> Recorded:
        ports: Recorded = {n: np.zeros(self.shape, np.int64) for n in self.neurons.ports}
        for w in self.wires:
            ports[w.port] += (self.sent[w.variable] @ w.weights.T) << EXPONENT
        return ports

    def messages(self, values: Mapping[str, IntArray]) -> Recorded:
        """What is sent of these results."""
        sent = {"spikes": values["spikes"]} if "spikes" in values else {}
        for message in self.neurons.messages:
            if message.variable in values:
                value = shift_toward_zero(values[message.variable], message.shift)
                sent[message.variable], lost = message.word.fit(value)
                self.count(f"message {message.variable}", lost)
        return sent

    def count(self, word: str, number: int) -> None:
        if number:
            self.misfits[word] = self.misfits.get(word, 0) + number


def as_processes(
    neurons: FixedNeurons, wires: list[Wire], samples: IntArray, file: str
) -> tuple[Any, Any, list[Any]]:
    """The neurons' process, their source and Lava's connections of the wires, connected."""
    from lava.proc.dense.process import Dense
    from lava.utils.weightutils import SignMode

    from ltc2hw.converters.lava.populations import neurons_recipe
    from ltc2hw.converters.lava.processes.scheduled import Run, Timing
    from ltc2hw.converters.lava.processes.source import Source

    batch, steps, _ = samples.shape
    run = Run(record=neurons.recordable, file=file)
    kind, options = neurons_recipe(
        neurons, Timing(PERIOD, CURRENT, UPDATE, steps, LEAD, batch), run
    )
    process = kind(**options)
    timing = Timing(PERIOD, 0, 0, steps, LEAD, batch)
    source = Source(data=samples.astype(np.int32), timing=timing, run=Run(), name="source")
    connections = []
    for w in wires:
        connection = Dense(
            weights=w.weights * 2,
            weight_exp=EXPONENT - 1,
            num_message_bits=0 if w.variable == "spikes" else 16,
            sign_mode=SignMode.MIXED,
        )
        sender = source.value_out if not w.variable else getattr(process, f"{w.variable}_out")
        sender.connect(connection.s_in)
        connection.a_out.connect(getattr(process, f"{w.port}_in"))
        connections.append(connection)
    return process, source, connections


LEAD = 1
"""Silent steps before each sample: the longest delay."""


def chip_steps(samples: IntArray) -> int:
    """Chip steps that all samples take, one after the other."""
    batch, steps, _ = samples.shape
    return (batch * (LEAD + steps) - 1) * PERIOD + UPDATE + 1
