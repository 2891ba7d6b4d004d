"""Neurons of any model, as a Lava process whose fixed-point model interprets their program."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from ltc2hw.converters.lava.processes.scheduled import (
    Integers,
    Run,
    ScheduledModel,
    Stage,
    Timing,
    Values,
)
from ltc2hw.dynamics.integer import IntegerStep
from ltc2hw.dynamics.program import Program
from ltc2hw.errors import UnsupportedError

IN, OUT = "_in", "_out"
"""What the names of ports end in."""


@dataclass(frozen=True)
class Dynamics:
    """What neurons compute, and which part of it when.

    - ``program``: one step, with ``constants`` (N,) and ``tables`` by name
    - ``ports`` in the order in which they take part: the first belongs to the stage ``current``
    - ``registers``: results that the next step reads
    - ``early``: results that the first port is enough for
    - ``carriers``: by variable that is sent, the result that carries it; itself without a format
    """

    program: Program
    constants: Values
    tables: Values
    ports: tuple[str, ...]
    registers: tuple[str, ...]
    early: tuple[str, ...]
    carriers: Mapping[str, str]

    def results(self, stage: Stage) -> tuple[str, ...]:
        """What a stage computes: the early results and their messages, or the rest."""
        early, first = {*self.early, *self.sent("early").values()}, stage == "early"
        return tuple(name for name in self.program.results if (name in early) == first)

    def sent(self, stage: Stage) -> dict[str, str]:
        """Variables that leave at a stage, and the results that carry them."""
        return {
            variable: result
            for variable, result in self.carriers.items()
            if (variable in self.early) == (stage == "early")
        }

    @property
    def recordable(self) -> tuple[str, ...]:
        """The results that are no messages."""
        carried = {result for name, result in self.carriers.items() if name != result}
        return tuple(name for name in self.program.results if name not in carried)


class Neurons(AbstractProcess):
    """``size`` neurons of one model.

    Ports: ``PORT_in`` for each port of the model, ``VARIABLE_out`` for each variable that is sent.
    A Var for each result, by its name: what it was in the last step.

    Raises:
        UnsupportedError: for a result whose name Lava's processes use themselves.
    """

    def __init__(
        self, *, size: int, dynamics: Dynamics, timing: Timing, run: Run, name: str
    ) -> None:
        super().__init__(size=size, dynamics=dynamics, timing=timing, run=run, name=name)
        self._refuse_taken_names(dynamics)
        for port in dynamics.ports:
            setattr(self, f"{port}{IN}", InPort(shape=(size,)))
        for variable in dynamics.carriers:
            setattr(self, f"{variable}{OUT}", OutPort(shape=(size,)))
        for result in dynamics.recordable:
            setattr(self, result, Var(shape=(size,), init=0))

    def _refuse_taken_names(self, dynamics: Dynamics) -> None:
        taken = {*dir(self), *dir(NeuronsModel(self.proc_params))}
        for result in dynamics.recordable:
            if result in taken or result.startswith("_") or result.endswith((IN, OUT)):
                raise UnsupportedError(
                    "lava", f"population {self.name}", f"a result named {result!r}",
                    "rename it in the model; Lava's processes use that name",
                )  # fmt: skip


class Declared(ABCMeta):
    """Declares the ports and Vars of a model by what their names end in.

    Lava asks the class for a type by each name that a process has; the names are the program's.
    """

    def __getattr__(cls, name: str) -> LavaPyType:
        if name.startswith("_"):
            raise AttributeError(name)
        if name.endswith(IN):
            return LavaPyType(PyInPort.VEC_DENSE, np.int32)
        if name.endswith(OUT):
            return LavaPyType(PyOutPort.VEC_DENSE, np.int32)
        return LavaPyType(np.ndarray, np.int64)


@implements(proc=Neurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class NeuronsModel(ScheduledModel, metaclass=Declared):
    """The integers of :class:`Neurons`, by the interpreter that specifies them."""

    def __init__(self, proc_params: Any) -> None:
        self.dynamics: Dynamics = proc_params["dynamics"]
        d = self.dynamics
        super().__init__(
            proc_params,
            ports={"early": d.ports[:1], "late": d.ports[1:]},
            variables={"early": d.sent("early"), "late": d.sent("late")},
        )
        early = d.results("early")
        self.early_step = IntegerStep(d.program, early) if early else None
        self.step = IntegerStep(d.program, d.results("late"), early)
        self.first: Values = {}
        self.early: Values = {}

    def begin(self, sample: int) -> None:
        """Registers as the run gives them."""
        for register in self.dynamics.registers:
            initial = self.history.initial.get(register)
            getattr(self, register)[:] = 0 if initial is None else initial[sample]

    def compute(self, stage: Stage, sample: int, step: int, arriving: Values) -> Values:
        """What the first port is enough for; then the rest, and the Vars."""
        d = self.dynamics
        # Copies, because a result may be a register of the step before, under another name.
        states = {name: getattr(self, name).copy() for name in d.registers}
        if stage == "early":
            self.first = arriving
            if self.early_step is not None:
                self.early, lost = self.early_step(d.constants, d.tables, arriving, states)
                self.recorder.count(lost)
            return self.early
        ports = {**self.first, **arriving}
        values, lost = self.step(d.constants, d.tables, ports, states, self.early)
        self.recorder.count(lost)
        for result in d.recordable:
            var: Integers = getattr(self, result)
            var[:] = values[result] if result in values else self.early[result]
        return values
