"""Neurons that learn in Lava: their program forward, third factors back to their synapses.

Chip steps of one algorithmic step: populations act forward at their depth, the readout compares at
its own, and errors walk back one population per chip step.
"""

from __future__ import annotations

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

from ltc2hw.converters.lava.processes.beat import Beat
from ltc2hw.converters.lava.processes.plastic_arithmetic import (
    fitted,
    shifted,
    softmax,
    spike_credit,
)
from ltc2hw.converters.lava.processes.plastic_neurons import (
    DISTANCE,
    NeuronConstants,
    PlasticNeurons,
    Terms,
)
from ltc2hw.converters.lava.processes.scheduled import Integers, Values
from ltc2hw.numbers.words import shift_toward_zero


@dataclass(frozen=True)
class LTCConstants(NeuronConstants):
    """Constants of LTC neurons."""

    adaptation_fraction: int
    strength_shift: int


class PlasticLTC(AbstractProcess):
    """LTC neurons that send spikes forward and third factors to their synapses.

    Ports: ``current_in``, ``tau_mem_in``, ``tau_adp_in``, ``credit_in``; ``spikes_out`` and one
    ``_factor_out`` per port.
    """

    def __init__(
        self, *, constants: LTCConstants, terms: Terms, beat: Beat, file: str, name: str
    ) -> None:
        super().__init__(constants=constants, terms=terms, beat=beat, file=file, name=name)
        shape = (constants.size,)
        self.current_in = InPort(shape=shape)
        self.tau_mem_in = InPort(shape=shape)
        self.tau_adp_in = InPort(shape=shape)
        self.credit_in = InPort(shape=shape)
        self.spikes_out = OutPort(shape=shape)
        self.current_factor_out = OutPort(shape=shape)
        self.tau_mem_factor_out = OutPort(shape=shape)
        self.tau_adp_factor_out = OutPort(shape=shape)
        self.membrane = Var(shape=shape, init=0)
        self.adaptation = Var(shape=shape, init=0)
        self.spikes = Var(shape=shape, init=0)


@implements(proc=PlasticLTC, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PlasticLTCModel(PlasticNeurons):
    """Integer arithmetic of :class:`PlasticLTC`."""

    current_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    tau_mem_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    tau_adp_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    credit_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    spikes_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    current_factor_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    tau_mem_factor_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    tau_adp_factor_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    membrane: Integers = LavaPyType(np.ndarray, np.int64, precision=24)
    adaptation: Integers = LavaPyType(np.ndarray, np.int64, precision=24)
    spikes: Integers = LavaPyType(np.ndarray, np.int64, precision=1)

    ports: ClassVar[tuple[str, ...]] = ("current", "tau_mem", "tau_adp", "credit")
    outs: ClassVar[tuple[str, ...]] = (
        "spikes",
        "current_factor",
        "tau_mem_factor",
        "tau_adp_factor",
    )

    def correct(self, update: int, step: int) -> Values:
        """Factors of the three ports, then the neurons' own constants learn."""
        c: LTCConstants = self.c
        bits = c.factors.bits
        credit = fitted(self.take("credit"), bits)
        d = spike_credit(c.factors, self.values[DISTANCE], c.fraction, credit)
        tau_mem = fitted(shift_toward_zero(d * self.fall(), c.fraction), bits)
        lifted = -shifted(
            self.constants["adaptation_strength"] * d,
            c.strength_shift + c.fraction - c.adaptation_fraction,
        )
        tau_adp = fitted(shift_toward_zero(lifted * self.fade(), c.adaptation_fraction), bits)
        current = self.scaled(d, self.values["tau_mem"], "tau_mem")
        current = current + self.through_gate("tau_mem", tau_mem)
        current = current + self.through_gate("tau_adp", tau_adp)
        factors = {"current": fitted(current, bits), "tau_mem": tau_mem, "tau_adp": tau_adp}
        self.learn(factors, update)
        self.journal.keep(update, self.names)
        return factors

    def fade(self) -> Integers:
        """Adaptation by the argument of ρ: ``(η - s) ρ'``."""
        fired = self.before["spikes"] * 2**self.c.adaptation_fraction
        gap = self.before["adaptation"] - fired
        return shift_toward_zero(
            gap * self.slope("tau_adp"), self.c.gates["tau_adp"].output_fraction
        )


@dataclass(frozen=True)
class ReadoutConstants(NeuronConstants):
    """Constants of a readout, how it compares, and the loss's weight at each step of a sample."""

    classify: bool
    weights: tuple[int, ...]


class PlasticReadout(AbstractProcess):
    """Leaky integrators that compare themselves with a goal and send third factors.

    Ports: ``current_in``, ``tau_mem_in``, ``goal_in`` (a label, or one target per neuron);
    ``current_factor_out``, ``tau_mem_factor_out``.
    """

    def __init__(
        self, *, constants: ReadoutConstants, terms: Terms, beat: Beat, file: str, name: str
    ) -> None:
        super().__init__(constants=constants, terms=terms, beat=beat, file=file, name=name)
        shape = (constants.size,)
        self.current_in = InPort(shape=shape)
        self.tau_mem_in = InPort(shape=shape)
        self.goal_in = InPort(shape=(1,) if constants.classify else shape)
        self.current_factor_out = OutPort(shape=shape)
        self.tau_mem_factor_out = OutPort(shape=shape)
        self.membrane = Var(shape=shape, init=0)


@implements(proc=PlasticReadout, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PlasticReadoutModel(PlasticNeurons):
    """Integer arithmetic of :class:`PlasticReadout`."""

    current_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    tau_mem_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    goal_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    current_factor_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    tau_mem_factor_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    membrane: Integers = LavaPyType(np.ndarray, np.int64, precision=24)

    ports: ClassVar[tuple[str, ...]] = ("current", "tau_mem")
    outs: ClassVar[tuple[str, ...]] = ("current_factor", "tau_mem_factor")

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.outputs = np.zeros((self.beat.samples, self.beat.steps, len(self.silence)), np.int64)
        self.goal = self.silence

    def run_spk(self) -> None:
        """The goal of a step comes in the step's own forward phase."""
        self.goal = self.goal_in.recv().astype(np.int64)
        super().run_spk()

    def act(self, update: int, step: int) -> None:
        """As every neuron; its membrane is the output."""
        super().act(update, step)
        self.outputs[update // self.beat.steps, step] = self.membrane

    def correct(self, update: int, step: int) -> Values:
        """Error and factors, then the neurons' own constants learn."""
        c: ReadoutConstants = self.c
        bits, fraction = c.factors.bits, c.factors.fraction
        if c.classify:
            wanted = (np.arange(c.size) == self.goal) * 2**fraction
            error = wanted - softmax(c.factors, self.membrane, c.fraction)
        else:
            error = shifted(self.goal - self.membrane, c.fraction - fraction)
        error = fitted(shift_toward_zero(error * c.weights[step], 8), bits)
        tau_mem = fitted(shift_toward_zero(error * self.fall(), c.fraction), bits)
        current = self.scaled(error, self.values["tau_mem"], "tau_mem")
        current = current + self.through_gate("tau_mem", tau_mem)
        factors = {"current": fitted(current, bits), "tau_mem": tau_mem}
        self.learn(factors, update)
        self.journal.keep(update, self.names, outputs=self.outputs)
        return factors
