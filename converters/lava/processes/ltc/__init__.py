"""LTC spiking neurons with integer gates, as a Lava process and its fixed-point model."""

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
class LTCConstants:
    """Constants of LTC neurons; arrays of shape (N,), ``bits`` of the state registers."""

    bits: int
    adaptation_fraction: int
    threshold: Integers
    strength_factor: Integers
    strength_shift: int
    bias_current: Integers
    tau_mem: GateConstants
    tau_adp: GateConstants
    messages: Mapping[str, MessageFormat]


class LTC(AbstractProcess):
    """``size`` LTC neurons.

    In each algorithmic step: ``I = sat(arrived + bias)``, gates τ and ρ of g bits,
    ``u += rsz(τ (I - u), g)``, ``η = rsz(ρ η, g) + s (1 - ρ)``, ``s = u > θ + rsz(strength η)``,
    ``u = 0`` where s. Ports: ``current_in``, ``tau_mem_in``, ``tau_adp_in``; ``spikes_out`` and
    the graded ``current_out``, ``membrane_out``, ``adaptation_out``.
    """

    def __init__(
        self, *, size: int, constants: LTCConstants, timing: Timing, run: Run, name: str
    ) -> None:
        super().__init__(size=size, constants=constants, timing=timing, run=run, name=name)
        shape = (size,)
        self.current_in = InPort(shape=shape)
        self.tau_mem_in = InPort(shape=shape)
        self.tau_adp_in = InPort(shape=shape)
        self.spikes_out = OutPort(shape=shape)
        self.current_out = OutPort(shape=shape)
        self.membrane_out = OutPort(shape=shape)
        self.adaptation_out = OutPort(shape=shape)
        self.current = Var(shape=shape, init=0)
        self.membrane = Var(shape=shape, init=0)
        self.adaptation = Var(shape=shape, init=0)
        self.spikes = Var(shape=shape, init=0)


@implements(proc=LTC, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class LTCModel(ScheduledModel):
    """Integer arithmetic of :class:`LTC`."""

    current_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    tau_mem_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    tau_adp_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    spikes_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    current_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    membrane_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    adaptation_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    current: Integers = LavaPyType(np.ndarray, np.int32, precision=24)
    membrane: Integers = LavaPyType(np.ndarray, np.int32, precision=24)
    adaptation: Integers = LavaPyType(np.ndarray, np.int32, precision=24)
    spikes: Integers = LavaPyType(np.ndarray, np.int32, precision=1)

    stage_ports: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "current": ("current",),
        "update": ("tau_mem", "tau_adp"),
    }
    stage_variables: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "current": ("current",),
        "update": ("spikes", "membrane", "adaptation"),
    }
    registers: ClassVar[tuple[str, ...]] = ("current", "membrane", "adaptation", "spikes")

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.constants: LTCConstants = proc_params["constants"]

    def compute(self, stage: str, sample: int, step: int, arriving: Values) -> Values:
        """The current; then gates, membrane, adaptation, threshold and spikes."""
        c = self.constants
        if stage == "current":
            return {"current": saturate(arriving["current"] + c.bias_current, c.bits)}
        current, u = self.current.astype(np.int64), self.membrane.astype(np.int64)
        eta = self.adaptation.astype(np.int64)
        tau = gate(c.tau_mem, c.bits, arriving["tau_mem"], u, current)
        rho = gate(c.tau_adp, c.bits, arriving["tau_adp"], eta, current)
        u = u + cut(tau * (current - u), c.tau_mem.output_fraction)
        width = c.tau_adp.output_fraction
        eta = cut(rho * eta, width)
        eta[self.spikes == 1] += (2**width - rho[self.spikes == 1]) << (
            c.adaptation_fraction - width
        )
        rise = cut(c.strength_factor * eta, c.strength_shift)
        threshold = saturate(c.threshold + rise, c.bits)
        fired = u > threshold
        u[fired] = 0
        return {
            "tau_mem": tau,
            "tau_adp": rho,
            "membrane": u,
            "adaptation": eta,
            "threshold": threshold,
            "spikes": fired.astype(np.int32),
        }

    def message(self, variable: str, value: Integers) -> Integers:
        """Graded variables in their format; spikes as they are."""
        form = self.constants.messages.get(variable)
        return value if form is None else form.apply(value)
