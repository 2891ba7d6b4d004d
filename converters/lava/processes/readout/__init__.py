"""Leaky integrators with an integer gate, as a Lava process and its fixed-point model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from ltc2hw.converters.lava.processes.arithmetic import (
    GateConstants,
    MessageFormat,
    cut,
    gate,
    saturate,
)
from ltc2hw.converters.lava.processes.scheduled import Integers, Run, ScheduledModel, Timing, Values


@dataclass(frozen=True)
class ReadoutConstants:
    """Constants of leaky integrators; arrays of shape (N,), ``bits`` of the state registers."""

    bits: int
    bias_current: Integers
    tau_mem: GateConstants
    messages: Mapping[str, MessageFormat]


class Readout(AbstractProcess):
    """``size`` leaky integrators: ``u += rsz(τ (I - u), g)``, no spikes.

    Ports: ``current_in``, ``tau_mem_in``; graded ``current_out`` and ``membrane_out``, which
    carries the whole register where no message format is given.
    """

    def __init__(
        self, *, size: int, constants: ReadoutConstants, timing: Timing, run: Run, name: str
    ) -> None:
        super().__init__(size=size, constants=constants, timing=timing, run=run, name=name)
        shape = (size,)
        self.current_in = InPort(shape=shape)
        self.tau_mem_in = InPort(shape=shape)
        self.current_out = OutPort(shape=shape)
        self.membrane_out = OutPort(shape=shape)
        self.current = Var(shape=shape, init=0)
        self.membrane = Var(shape=shape, init=0)


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ReadoutModel(ScheduledModel):
    """Integer arithmetic of :class:`Readout`."""

    current_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    tau_mem_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    current_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    membrane_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    current: Integers = LavaPyType(np.ndarray, np.int32, precision=24)
    membrane: Integers = LavaPyType(np.ndarray, np.int32, precision=24)

    stage_ports: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "current": ("current",),
        "update": ("tau_mem",),
    }
    stage_variables: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "current": ("current",),
        "update": ("membrane",),
    }
    registers: ClassVar[tuple[str, ...]] = ("current", "membrane")

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.constants: ReadoutConstants = proc_params["constants"]

    def compute(self, stage: str, sample: int, step: int, arriving: Values) -> Values:
        """The current; then gate and membrane."""
        c = self.constants
        if stage == "current":
            return {"current": saturate(arriving["current"] + c.bias_current, c.bits)}
        current, u = self.current.astype(np.int64), self.membrane.astype(np.int64)
        tau = gate(c.tau_mem, c.bits, arriving["tau_mem"], u, current)
        return {"tau_mem": tau, "membrane": u + cut(tau * (current - u), c.tau_mem.output_fraction)}

    def message(self, variable: str, value: Integers) -> Integers:
        """Graded variables in their format."""
        form = self.constants.messages.get(variable)
        return value if form is None else form.apply(value)
