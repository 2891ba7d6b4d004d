"""Learning in Lava: synapses that hold Φ, Φ̄ and λ, and neurons that send third factors.

Chip steps of one algorithmic step: populations act forward at their depth, the readout compares at
its own, and errors walk back one population per chip step. A connection answers one chip step
after what it reads, as Lava's Dense does, so recurrence cannot block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from ltc2hw.converters.lava.processes.arithmetic import GateConstants, Integers, cut, gate, saturate
from ltc2hw.converters.lava.processes.plastic_arithmetic import (
    FactorConstants,
    Plastic,
    fitted,
    gate_argument,
    gate_slope,
    shifted,
    softmax,
    spike_credit,
)

Terms = Mapping[tuple[str, str], Plastic]
"""Constants of neurons that learn, by port and term."""


@dataclass(frozen=True)
class Beat:
    """When a process acts: chip step n belongs to phase ``n mod period`` of step ``n // period``.

    ``samples`` samples of ``steps`` steps follow each other; registers and past messages are
    cleared between them.
    """

    period: int
    steps: int
    samples: int

    def at(self, chip_step: int) -> tuple[int, int, int]:
        """(phase, update, step within the sample) of a chip step, which counts from 0."""
        update, phase = divmod(chip_step, self.period)
        return phase, update, update % self.steps

    def is_last(self, update: int) -> bool:
        """Whether the run ends with this update."""
        return update == self.steps * self.samples - 1


class Journal:
    """Checksums of everything that learned, one per update, and the words at the end."""

    def __init__(self, file: str, beat: Beat, names: tuple[str, ...]) -> None:
        self.file = file
        self.beat = beat
        count = beat.steps * beat.samples if file else 0
        self.checksums = {name: np.zeros(count, np.int64) for name in names}

    def keep(self, update: int, learned: Mapping[str, Plastic], **results: Integers) -> None:
        """Note the state after an update; write the file after the last one."""
        if not self.file:
            return
        for name, plastic in learned.items():
            self.checksums[name][update] = plastic.checksum()
        if self.beat.is_last(update):
            arrays: dict[str, Any] = dict(results)
            for name, sums in self.checksums.items():
                arrays[f"checksum {name}"] = sums
            for name, plastic in learned.items():
                words = [plastic.value.ravel(), plastic.mean.ravel(), plastic.gradient.ravel()]
                arrays[f"words {name}"] = np.stack(words)
            np.savez(self.file, **arrays)


@dataclass(frozen=True)
class Synapses:
    """A projection: what it computes, and when.

    ``weights`` (N_target, N_source) if they do not learn, else ``plastic`` with arrays of that
    shape. ``back``: weights of the feedback, None for the projection's own; ``back_fraction`` of
    their fractional bits, None where no error goes back. Phases: ``heard`` when the source sends,
    ``answered`` one before the target acts, ``corrected`` when the target's factors arrive.
    """

    name: str
    weights: Integers
    plastic: Plastic | None
    exponent: int
    delay: int
    back: Integers | None
    back_fraction: int | None
    heard: int
    answered: int
    corrected: int


class PlasticDense(AbstractProcess):
    """Synapses that learn: ``a = (top bits of Φ @ message) << exponent``, updates by factors.

    Ports: ``s_in`` messages, ``factor_in`` post-synaptic factors; ``a_out`` sums, ``credit_out``
    factors through the feedback weights.
    """

    def __init__(self, *, synapses: Synapses, beat: Beat, file: str, name: str) -> None:
        super().__init__(synapses=synapses, beat=beat, file=file, name=name)
        targets, sources = synapses.weights.shape
        self.s_in = InPort(shape=(sources,))
        self.factor_in = InPort(shape=(targets,))
        self.a_out = OutPort(shape=(targets,))
        self.credit_out = OutPort(shape=(sources,))
        shape = synapses.weights.shape
        first = synapses.plastic
        self.value = Var(shape=shape, init=synapses.weights if first is None else first.value)
        self.mean = Var(shape=shape, init=0 if first is None else first.mean)
        self.gradient = Var(shape=shape, init=0)


@implements(proc=PlasticDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PlasticDenseModel(PyLoihiProcessModel):
    """Integer arithmetic of :class:`PlasticDense`."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    factor_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    credit_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    value: Integers = LavaPyType(np.ndarray, np.int64)
    mean: Integers = LavaPyType(np.ndarray, np.int64)
    gradient: Integers = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.synapses: Synapses = proc_params["synapses"]
        self.beat: Beat = proc_params["beat"]
        name = self.synapses.name
        self.learned = {} if self.synapses.plastic is None else {name: self.synapses.plastic}
        self.journal = Journal(proc_params["file"], self.beat, tuple(self.learned))
        targets, sources = self.synapses.weights.shape
        self.heard: dict[int, Integers] = {}
        self.message = np.zeros(sources, np.int64)
        self.sums = np.zeros(targets, np.int64)
        self.credit = np.zeros(sources, np.int64)

    def run_spk(self) -> None:
        """Answer what was read in the step before, then read."""
        self.a_out.send(self.sums)
        self.credit_out.send(self.credit)
        message = self.s_in.recv().astype(np.int64)
        factors = self.factor_in.recv().astype(np.int64)
        self.sums, self.credit = np.zeros_like(self.sums), np.zeros_like(self.credit)
        phase, update, step = self.beat.at(self.time_step - 1)
        if phase == self.synapses.heard:
            self.heard[step] = message
        if phase == self.synapses.answered:
            # Steps before the sample were silent.
            silence = np.zeros_like(message)
            self.message = self.heard.get(step - self.synapses.delay, silence)
            self.sums = (self.weights() @ self.message) << self.synapses.exponent
        if phase == self.synapses.corrected:
            self.correct(factors, update)

    def weights(self) -> Integers:
        """What the network computes with."""
        plastic = self.synapses.plastic
        return self.synapses.weights if plastic is None else plastic.network

    def correct(self, factors: Integers, update: int) -> None:
        """Send errors back through the weights that were used, then learn."""
        s = self.synapses
        if s.back_fraction is not None:
            back = self.weights() if s.back is None else s.back
            self.credit = shifted(factors @ back, s.back_fraction)
        if s.plastic is not None:
            s.plastic.learn(np.outer(factors, self.message), update)
            self.value[:], self.mean[:] = s.plastic.value, s.plastic.mean
            self.gradient[:] = s.plastic.gradient
            self.journal.keep(update, self.learned)


@dataclass(frozen=True)
class NeuronConstants:
    """What LTC neurons and readouts share; arrays of shape (N,), ``bits`` of the registers."""

    bits: int
    fraction: int
    bias_current: Integers
    tau_mem: GateConstants
    factors: FactorConstants
    forward: int
    """Phase at which they act."""
    backward: int
    """Phase at which their factors leave."""


class PlasticNeurons(PyLoihiProcessModel):
    """Base of the neurons: collects arrivals, acts at two phases, sends, records."""

    ports: ClassVar[tuple[str, ...]] = ()
    outs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.terms: Terms = proc_params["terms"]
        self.beat: Beat = proc_params["beat"]
        self.c: Any = proc_params["constants"]
        size = len(self.c.bias_current)
        self.names = {f"{port}.{term}": plastic for (port, term), plastic in self.terms.items()}
        self.journal = Journal(proc_params["file"], self.beat, tuple(self.names))
        self.arrived = {port: np.zeros(size, np.int64) for port in self.ports}
        self.silence = np.zeros(size, np.int64)

    def run_spk(self) -> None:
        """One chip step."""
        for port, total in self.arrived.items():
            total += getattr(self, f"{port}_in").recv()
        phase, update, step = self.beat.at(self.time_step - 1)
        sent: dict[str, Integers] = {}
        if phase == self.c.forward:
            sent.update(self.act(update, step))
        if phase == self.c.backward:
            factors = self.correct(update, step)
            sent.update({f"{port}_factor": factor for port, factor in factors.items()})
        for name in self.outs:
            getattr(self, f"{name}_out").send(sent.get(name, self.silence))

    def take(self, port: str) -> Integers:
        """What arrived since it was last taken."""
        total = self.arrived[port].copy()
        self.arrived[port][:] = 0
        return total

    def constant(self, port: str, term: str, otherwise: Integers) -> Integers:
        """A constant as it is now."""
        plastic = self.terms.get((port, term))
        return otherwise if plastic is None else plastic.network

    def gate(self, port: str, fixed: GateConstants) -> GateConstants:
        """A gate as it is now."""
        return replace(
            fixed,
            bias=self.constant(port, "bias", fixed.bias),
            state_factor=self.constant(port, "from_state", fixed.state_factor),
            current_factor=self.constant(port, "from_current", fixed.current_factor),
        )

    def learn(
        self, factors: Mapping[str, Integers], states: Mapping[str, Integers], update: int
    ) -> None:
        """Update every constant that learns; ``states``: what ``port.term`` multiplies."""
        for (port, term), plastic in self.terms.items():
            message = states.get(f"{port}.{term}", np.ones_like(self.silence))
            met = cut(message, plastic.form.word.message_shift)
            plastic.learn(factors[port] * met, update)

    def act(self, update: int, step: int) -> Mapping[str, Integers]:
        """Forward phase: messages by name."""
        raise NotImplementedError

    def correct(self, update: int, step: int) -> Mapping[str, Integers]:
        """Backward phase: factors by port."""
        raise NotImplementedError


@dataclass(frozen=True)
class LTCConstants(NeuronConstants):
    """Constants of LTC neurons."""

    adaptation_fraction: int
    threshold: Integers
    strength_factor: Integers
    strength_shift: int
    tau_adp: GateConstants


class PlasticLTC(AbstractProcess):
    """LTC neurons that send spikes forward and third factors to their synapses.

    Ports: ``current_in``, ``tau_mem_in``, ``tau_adp_in``, ``credit_in``; ``spikes_out`` and one
    ``_factor_out`` per port.
    """

    def __init__(
        self, *, constants: LTCConstants, terms: Terms, beat: Beat, file: str, name: str
    ) -> None:
        super().__init__(constants=constants, terms=terms, beat=beat, file=file, name=name)
        shape = constants.bias_current.shape
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

    def act(self, update: int, step: int) -> Mapping[str, Integers]:
        """Current, gates, membrane, adaptation, threshold, spikes; what learning needs is kept."""
        c: LTCConstants = self.c
        if step == 0:
            self.membrane[:], self.adaptation[:], self.spikes[:] = 0, 0, 0
        u, eta, fired = self.membrane.copy(), self.adaptation.copy(), self.spikes.copy()
        bias = self.constant("current", "bias", c.bias_current)
        current = saturate(self.take("current") + bias, c.bits)
        mem, adp = self.gate("tau_mem", c.tau_mem), self.gate("tau_adp", c.tau_adp)
        to_mem, to_adp = self.take("tau_mem"), self.take("tau_adp")
        tau = gate(mem, c.bits, to_mem, u, current)
        rho = gate(adp, c.bits, to_adp, eta, current)
        mem_slope = gate_slope(mem, c.bits, gate_argument(mem, to_mem, u, current))
        adp_slope = gate_slope(adp, c.bits, gate_argument(adp, to_adp, eta, current))
        charged = u + cut(tau * (current - u), mem.output_fraction)
        full, lift = 2**adp.output_fraction, c.adaptation_fraction - adp.output_fraction
        adapted = cut(rho * eta, adp.output_fraction) + (full - rho) * 2**lift * fired
        rise = cut(c.strength_factor * adapted, c.strength_shift)
        distance: Integers = charged - saturate(c.threshold + rise, c.bits)
        spikes = np.where(distance > 0, 1, 0)
        self.kept = {
            "distance": distance,
            "tau": tau,
            "fall": cut((current - u) * mem_slope, mem.output_fraction),
            "fade": cut((eta - fired * 2**c.adaptation_fraction) * adp_slope, adp.output_fraction),
        }
        self.states = {
            "tau_mem.from_state": u,
            "tau_adp.from_state": eta,
            "tau_mem.from_current": current,
            "tau_adp.from_current": current,
        }
        self.membrane[:], self.adaptation[:] = np.where(spikes == 1, 0, charged), adapted
        self.spikes[:] = spikes
        return {"spikes": spikes}

    def correct(self, update: int, step: int) -> Mapping[str, Integers]:
        """Factors of the three ports, then the neurons' own constants learn."""
        c: LTCConstants = self.c
        k, bits = self.kept, c.factors.bits
        mem, adp = self.gate("tau_mem", c.tau_mem), self.gate("tau_adp", c.tau_adp)
        credit = fitted(self.take("credit"), bits)
        d = spike_credit(c.factors, k["distance"], c.fraction, credit)
        tau_mem = fitted(cut(d * k["fall"], c.fraction), bits)
        lifted = -shifted(
            c.strength_factor * d, c.strength_shift + c.fraction - c.adaptation_fraction
        )
        tau_adp = fitted(cut(lifted * k["fade"], c.adaptation_fraction), bits)
        current = cut(d * k["tau"], mem.output_fraction)
        current = current + shifted(
            mem.current_factor * tau_mem, mem.current_shift + mem.fraction - c.fraction
        )
        current = current + shifted(
            adp.current_factor * tau_adp, adp.current_shift + adp.fraction - c.fraction
        )
        factors = {"current": fitted(current, bits), "tau_mem": tau_mem, "tau_adp": tau_adp}
        self.learn(factors, self.states, update)
        self.journal.keep(update, self.names)
        return factors


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
        shape = constants.bias_current.shape
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

    def act(self, update: int, step: int) -> Mapping[str, Integers]:
        """Current, gate, membrane."""
        c: ReadoutConstants = self.c
        if step == 0:
            self.membrane[:] = 0
        u = self.membrane.copy()
        bias = self.constant("current", "bias", c.bias_current)
        current = saturate(self.take("current") + bias, c.bits)
        mem, arriving = self.gate("tau_mem", c.tau_mem), self.take("tau_mem")
        tau = gate(mem, c.bits, arriving, u, current)
        slope = gate_slope(mem, c.bits, gate_argument(mem, arriving, u, current))
        self.kept = {"tau": tau, "fall": cut((current - u) * slope, mem.output_fraction)}
        self.states = {"tau_mem.from_state": u, "tau_mem.from_current": current}
        self.membrane[:] = u + cut(tau * (current - u), mem.output_fraction)
        self.outputs[update // self.beat.steps, step] = self.membrane
        return {}

    def correct(self, update: int, step: int) -> Mapping[str, Integers]:
        """Error and factors, then the neurons' own constants learn."""
        c: ReadoutConstants = self.c
        bits, fraction = c.factors.bits, c.factors.fraction
        if c.classify:
            wanted = (np.arange(len(self.silence)) == self.goal) * 2**fraction
            error = wanted - softmax(c.factors, self.membrane, c.fraction)
        else:
            error = shifted(self.goal - self.membrane, c.fraction - fraction)
        error = fitted(cut(error * c.weights[step], 8), bits)
        mem = self.gate("tau_mem", c.tau_mem)
        tau_mem = fitted(cut(error * self.kept["fall"], c.fraction), bits)
        current = cut(error * self.kept["tau"], mem.output_fraction) + shifted(
            mem.current_factor * tau_mem, mem.current_shift + mem.fraction - c.fraction
        )
        factors = {"current": fitted(current, bits), "tau_mem": tau_mem}
        self.learn(factors, self.states, update)
        self.journal.keep(update, self.names, outputs=self.outputs)
        return factors
