"""Neurons of any model that learn in Lava: their program forward, its reverse back.

Chip steps of one algorithmic step: populations act forward at their depth, the output compares at
its own, and errors walk back one population per chip step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from ltc2hw.converters.lava.processes.beat import Beat, Journal, Moment
from ltc2hw.converters.lava.processes.neurons import IN, OUT, Declared
from ltc2hw.converters.lava.processes.plastic_arithmetic import (
    ErrorConstants,
    Plastic,
    fitted,
    shifted,
    softmax,
)
from ltc2hw.converters.lava.processes.scheduled import Integers, Values
from ltc2hw.dynamics.integer import IntegerStep
from ltc2hw.dynamics.learning import LoweredTangent
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.reverse import CREDIT, FACTOR, ONE
from ltc2hw.learning.fixed import STATE
from ltc2hw.numbers.words import shift_toward_zero

GOAL, CREDITS = "goal", "credit"
"""Ports at which goals and credit of spikes arrive, before ``_in``."""


@dataclass(frozen=True)
class Term:
    """A constant that learns: its name, its port, what the port's factor meets, its three words."""

    constant: str
    port: str
    message: str
    plastic: Plastic


@dataclass(frozen=True)
class Compared:
    """How the output is compared with goals: what is read, with which fraction, and the error.

    ``weights``: of the loss at each step of the run.
    """

    variable: str
    fraction: int
    classify: bool
    weights: tuple[int, ...]
    error: ErrorConstants


@dataclass(frozen=True)
class Halves:
    """Both halves of a learning step of ``size`` neurons, and when they are due.

    ``backward`` is None where no error arrives; ``tangent`` where synapses keep nothing, else
    ``moves`` names what they are told of it; ``terms`` by ``port.term``; ``compared`` for the
    output alone.
    """

    size: int
    forward: Program
    backward: Program | None
    tangent: LoweredTangent | None
    constants: Values
    tables: Values
    ports: tuple[str, ...]
    registers: tuple[str, ...]
    variables: tuple[str, ...]
    terms: Mapping[str, Term]
    compared: Compared | None
    acts: int
    """Phase of the step forward."""
    corrects: int
    """Phase at which factors and moves leave."""

    @property
    def moves(self) -> tuple[str, ...]:
        """Names of entries, then of factors of the past."""
        found = self.tangent
        return () if found is None else found.moves


class Moving:
    """How neurons move in a step, and what errors find in their past."""

    def __init__(self, halves: Halves) -> None:
        found = halves.tangent
        assert found is not None
        self.tables = halves.tables
        self.silence: Integers = np.zeros(halves.size, np.int64)
        self.forward, self.jacobian = IntegerStep(found.forward), IntegerStep(found.jacobian)
        self.back = IntegerStep(found.past)

    def entries(self, constants: Values, ports: Values, registers: Values) -> dict[str, Integers]:
        """Entries of the tangent, an integer per neuron."""
        kept, _ = self.forward(constants, self.tables, ports, registers)
        found, _ = self.jacobian(constants, {}, kept, {})
        return {name: entry + self.silence for name, entry in found.items()}

    def past(self, given: Values) -> dict[str, Integers]:
        """Factors of the states before the step, from entries and credit."""
        found, _ = self.back({}, {}, given, {})
        return {name: factor + self.silence for name, factor in found.items()}


class PlasticNeurons(AbstractProcess):
    """Neurons that send messages forward and third factors to their synapses.

    Ports: ``PORT_in`` and ``PORT_factor_out`` for each port of the model, ``VARIABLE_out`` for what
    is sent, ``moves_out`` for how they move, one entry after another, ``credit_in`` for what comes
    back to spikes, ``goal_in`` of the output (a label, or one target per neuron).
    """

    def __init__(self, *, halves: Halves, beat: Beat, file: str, name: str) -> None:
        super().__init__(halves=halves, beat=beat, file=file, name=name)
        for port in (*halves.ports, CREDITS):
            setattr(self, f"{port}{IN}", InPort(shape=(halves.size,)))
        for port in (*halves.variables, *(f"{port}_{FACTOR}" for port in halves.ports)):
            setattr(self, f"{port}{OUT}", OutPort(shape=(halves.size,)))
        self.moves_out = OutPort(shape=(max(1, len(halves.moves)) * halves.size,))
        if halves.compared is not None:
            shape = (1,) if halves.compared.classify else (halves.size,)
            setattr(self, f"{GOAL}{IN}", InPort(shape=shape))


@implements(proc=PlasticNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PlasticNeuronsModel(PyLoihiProcessModel, metaclass=Declared):
    """The integers of :class:`PlasticNeurons`, by the interpreter that specifies them."""

    credit_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        h: Halves = proc_params["halves"]
        self.halves = h
        self.beat: Beat = proc_params["beat"]
        self.forward = IntegerStep(h.forward)
        self.backward = None if h.backward is None else IntegerStep(h.backward)
        self.moving = None if h.tangent is None else Moving(h)
        self.moves: dict[str, Integers] = {}
        self.learned = {name: term.plastic for name, term in h.terms.items()}
        self.journal = Journal(proc_params["file"], self.beat)
        self.silence: Integers = np.zeros(h.size, np.int64)
        self.arrived = {port: self.silence.copy() for port in (*h.ports, CREDITS)}
        self.registers: dict[str, Integers] = dict.fromkeys(h.registers, self.silence)
        self.before: Values = {}
        self.values: dict[str, Integers] = {}
        self.constants: Values = {}
        self.goal = self.silence
        longest = int(self.beat.lengths.max())
        self.outputs = np.zeros((self.beat.lengths.size, longest, h.size), np.int64)

    def run_spk(self) -> None:
        """One chip step."""
        h = self.halves
        for port, total in self.arrived.items():
            total += getattr(self, f"{port}{IN}").recv()
        if h.compared is not None:
            self.goal = getattr(self, f"{GOAL}{IN}").recv().astype(np.int64)
        now = self.beat.at(self.time_step - 1)
        sent: Values = {}
        factors: Values = {}
        if now.phase == h.acts:
            sent = self.act(now)
        moves = np.zeros((max(1, len(h.moves)), h.size), np.int64)
        if now.phase == h.corrects and (self.backward is not None or self.moving is not None):
            factors = self.correct(now)
            for row, name in zip(moves, h.moves, strict=False):
                row[:] = self.moves.get(name, 0)
        self.moves_out.send(moves.ravel())
        for variable in h.variables:
            getattr(self, f"{variable}{OUT}").send(sent.get(variable, self.silence))
        for port in h.ports:
            factor = factors.get(f"{FACTOR}.{port}", self.silence)
            getattr(self, f"{port}_{FACTOR}{OUT}").send(factor)

    def take(self, port: str) -> Integers:
        """What arrived since it was last taken."""
        total = self.arrived[port].copy()
        self.arrived[port][:] = 0
        return total

    def act(self, now: Moment) -> Values:
        """The step forward, with the constants as they are now; registers begin at zero."""
        h = self.halves
        learned = {term.constant: term.plastic.network for term in h.terms.values()}
        self.constants = {**h.constants, **learned}
        self.before = self.registers if now.step else dict.fromkeys(h.registers, self.silence)
        ports: Values = {port: self.take(port) for port in h.ports}
        found, _ = self.forward(self.constants, h.tables, ports, self.before)
        if self.moving is not None:
            self.moves = self.moving.entries(self.constants, ports, self.before)
        self.values = {name: value + self.silence for name, value in found.items()}
        self.registers = {name: self.values[name] for name in h.registers}
        if h.compared is not None:
            self.outputs[now.sample, now.step] = self.values[h.compared.variable]
        return self.values

    def correct(self, now: Moment) -> Values:
        """Factors by port, then the neurons' own constants learn; nothing without a goal."""
        if now.step == 0:
            for term in self.halves.terms.values():
                term.plastic.begin()
        factors = {} if now.update is None else self.learn(now.number, now.update)
        for term in self.halves.terms.values():
            term.plastic.move(self.cut(term), self.moves, now.number)
        results = {} if self.halves.compared is None else {"outputs": self.outputs}
        self.journal.keep(now.number, self.learned, self.registers, **results)
        return factors

    def learn(self, number: int, update: int) -> Values:
        """Factors by port, of a step of the run that makes an update."""
        h = self.halves
        credit = {f"{CREDIT}.spikes": self.take(CREDITS)}
        if h.compared is not None:
            credit[f"{CREDIT}.{h.compared.variable}"] = self.error(h.compared, number)
        factors: Values = {}
        if self.backward is not None:
            given = {**self.values, **credit}
            factors, _ = self.backward(self.constants, h.tables, given, {})
        if self.moving is not None:
            self.moves |= self.moving.past({**self.moves, **credit})
        for term in h.terms.values():
            factor = factors.get(f"{FACTOR}.{term.port}", self.silence)
            term.plastic.descend(factor * self.cut(term), self.moves, update)
        return factors

    def cut(self, term: Term) -> Integers:
        """What a constant's factor meets, as far as it counts."""
        return shift_toward_zero(self.met(term.message), term.plastic.form.word.message_shift)

    def met(self, message: str) -> Integers:
        """What a factor meets at a constant."""
        if message == ONE:
            return np.ones_like(self.silence)
        if message.startswith(STATE):
            return self.before[message.removeprefix(STATE)]
        return self.values[message]

    def error(self, c: Compared, number: int) -> Integers:
        """The output's error in a step of the run."""
        output = self.values[c.variable]
        if c.classify:
            wanted = (np.arange(self.halves.size) == self.goal) * 2**c.error.fraction
            error = wanted - softmax(c.error, output, c.fraction)
        else:
            error = shifted(self.goal - output, c.fraction - c.error.fraction)
        return fitted(shift_toward_zero(error * c.weights[number], 8), c.error.bits)
