"""What neurons that learn share: their program forward, and when factors go back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel

from ltc2hw.converters.lava.processes.beat import Beat, Journal
from ltc2hw.converters.lava.processes.plastic_arithmetic import (
    FactorConstants,
    GateForm,
    Plastic,
    shifted,
)
from ltc2hw.converters.lava.processes.scheduled import Integers, Values
from ltc2hw.dynamics.integer import IntegerStep
from ltc2hw.dynamics.program import Program
from ltc2hw.numbers.words import shift_toward_zero

Terms = Mapping[tuple[str, str], Plastic]
"""Constants of neurons that learn, by port and term."""

ARGUMENT, DISTANCE = "argument ", "distance"
"""Results beside the model's: a gate's argument (before its name), and how far above threshold."""


@dataclass(frozen=True)
class Forward:
    """A step of the neurons: program, constants (N,) and tables by name, ports and registers."""

    program: Program
    constants: Values
    tables: Values
    ports: tuple[str, ...]
    registers: tuple[str, ...]


@dataclass(frozen=True)
class NeuronConstants:
    """What LTC neurons and readouts share; ``fraction`` of current and membrane."""

    size: int
    fraction: int
    forward: Forward
    gates: Mapping[str, GateForm]
    factors: FactorConstants
    acts: int
    """Phase of the step forward."""
    corrects: int
    """Phase at which factors leave."""


def constant_name(port: str, term: str) -> str:
    """Name in the program of the constant that a port and a term of a parameter mean."""
    return f"bias_{port}" if port == "current" else f"{port}.{term}"


class PlasticNeurons(PyLoihiProcessModel):
    """Base of the neurons: collects arrivals, acts at two phases, sends, records."""

    ports: ClassVar[tuple[str, ...]] = ()
    outs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.terms: Terms = proc_params["terms"]
        self.beat: Beat = proc_params["beat"]
        self.c: Any = proc_params["constants"]
        size: int = self.c.size
        self.step_forward = IntegerStep(self.c.forward.program)
        self.names = {f"{port}.{term}": plastic for (port, term), plastic in self.terms.items()}
        self.journal = Journal(proc_params["file"], self.beat, tuple(self.names))
        self.arrived = {port: np.zeros(size, np.int64) for port in self.ports}
        self.silence = np.zeros(size, np.int64)
        self.constants: Values = {}
        self.before: Values = {}
        self.values: Values = {}

    def run_spk(self) -> None:
        """One chip step."""
        for port, total in self.arrived.items():
            total += getattr(self, f"{port}_in").recv()
        phase, update, step = self.beat.at(self.time_step - 1)
        sent: dict[str, Integers] = {}
        if phase == self.c.acts:
            self.act(update, step)
            sent.update(self.values)
        if phase == self.c.corrects:
            factors = self.correct(update, step)
            sent.update({f"{port}_factor": factor for port, factor in factors.items()})
        for name in self.outs:
            getattr(self, f"{name}_out").send(sent.get(name, self.silence))

    def take(self, port: str) -> Integers:
        """What arrived since it was last taken."""
        total = self.arrived[port].copy()
        self.arrived[port][:] = 0
        return total

    def act(self, update: int, step: int) -> None:
        """Forward phase: the program with the constants as they are now; learning needs it all."""
        forward: Forward = self.c.forward
        learned = {constant_name(*key): plastic.network for key, plastic in self.terms.items()}
        self.constants = {**forward.constants, **learned}
        self.before = {name: getattr(self, name) * (step > 0) for name in forward.registers}
        ports = {port: self.take(port) for port in forward.ports}
        self.values, _ = self.step_forward(self.constants, forward.tables, ports, self.before)
        for name in forward.registers:
            getattr(self, name)[:] = self.values[name]

    def met(self) -> Values:
        """What each learning constant multiplies, by ``port.term``; biases one."""
        found: dict[str, Integers] = {}
        for port, state in (("tau_mem", "membrane"), ("tau_adp", "adaptation")):
            if port in self.c.gates:
                found[f"{port}.from_state"] = self.before[state]
                found[f"{port}.from_current"] = self.values["current"]
        return found

    def learn(self, factors: Values, update: int) -> None:
        """Update every constant that learns."""
        states = self.met()
        for (port, term), plastic in self.terms.items():
            message = states.get(f"{port}.{term}", np.ones_like(self.silence))
            seen = shift_toward_zero(message, plastic.form.word.message_shift)
            plastic.learn(factors[port] * seen, update)

    def slope(self, port: str) -> Integers:
        """Derivative of a gate at the argument that it had."""
        form: GateForm = self.c.gates[port]
        return form.slope(self.values[port], self.values[f"{ARGUMENT}{port}"])

    def scaled(self, x: Integers, gate: Integers, port: str) -> Integers:
        """Product with a gate's value or slope, cut to the fraction of x."""
        return shift_toward_zero(x * gate, self.c.gates[port].output_fraction)

    def fall(self) -> Integers:
        """Membrane by the argument of τ: ``(I - u) τ'``."""
        gap = self.values["current"] - self.before["membrane"]
        return shift_toward_zero(
            gap * self.slope("tau_mem"), self.c.gates["tau_mem"].output_fraction
        )

    def through_gate(self, port: str, factor: Integers) -> Integers:
        """What a gate's factor adds to the current's."""
        form: GateForm = self.c.gates[port]
        product = self.constants[f"{port}.from_current"] * factor
        return shifted(product, form.current_shift + form.fraction - self.c.fraction)

    def correct(self, update: int, step: int) -> Values:
        """Backward phase: factors by port."""
        raise NotImplementedError
