"""LIF neurons: a model that records Lava's own process, and a process for several chip steps."""

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
from lava.proc.lif.models import PyLifModelBitAcc

from ltc2hw.converters.lava.processes.arithmetic import cut
from ltc2hw.converters.lava.processes.scheduled import (
    Integers,
    Recorder,
    Run,
    ScheduledModel,
    Timing,
    Values,
)


class RecordedLIFModel(PyLifModelBitAcc):
    """Lava's own model of Lava's own ``LIF``, started, silenced and recorded as a run needs it.

    All arithmetic is inherited. The process carries the parameters ``timing`` and ``run``.
    """

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.timing: Timing = proc_params["timing"]
        self.history: Run = proc_params["run"]
        size: int = proc_params["shape"][0]
        self.recorder = Recorder(self.history, self.timing, size)
        self.silence = np.zeros(size, np.int32)

    def run_spk(self) -> None:
        """One chip step."""
        place = self.timing.place(self.time_step - 1, "update")
        if place is None or place[1] < 0:
            self.a_in.recv()
            self.s_out.send(self._past_spikes(place))
            return
        sample, step = place
        if step == 0:
            for register, variable in ((self.u, "current"), (self.v, "membrane")):
                initial = self.history.initial.get(variable)
                register[:] = 0 if initial is None else initial[sample]
        super().run_spk()
        values = {"current": self.u, "membrane": self.v, "spikes": self.s_out_buff}
        self.recorder.keep(sample, step, values)
        self.recorder.finish(sample, step)

    def _past_spikes(self, place: tuple[int, int] | None) -> Integers:
        past = self.history.past.get("spikes")
        if place is None or past is None or -place[1] > len(past):
            return self.silence
        sample, step = place
        spikes: Integers = past[-step - 1, sample]
        return spikes


@dataclass(frozen=True)
class LIFConstants:
    """Constants of LIF neurons; ``current_decay`` is Lava's ``du + 1``, ``bias`` is shifted."""

    bits: int
    current_bits: int
    decay_fraction: int
    alignment: int
    current_decay: Integers
    membrane_decay: Integers
    threshold: Integers
    bias: Integers


class ScheduledLIF(AbstractProcess):
    """``size`` LIF neurons with the arithmetic of Lava's ``LIF``, acting on their schedule.

    Stands in where Lava's own cannot: more than one chip step per algorithmic step, neurons that
    would fire while they wait for their first step, or words other than Lava's.
    """

    def __init__(
        self, *, size: int, constants: LIFConstants, timing: Timing, run: Run, name: str
    ) -> None:
        super().__init__(size=size, constants=constants, timing=timing, run=run, name=name)
        shape = (size,)
        self.current_in = InPort(shape=shape)
        self.spikes_out = OutPort(shape=shape)
        self.current = Var(shape=shape, init=0)
        self.membrane = Var(shape=shape, init=0)


@implements(proc=ScheduledLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ScheduledLIFModel(ScheduledModel):
    """Integer arithmetic of :class:`ScheduledLIF`."""

    current_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    spikes_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    current: Integers = LavaPyType(np.ndarray, np.int64, precision=24)
    membrane: Integers = LavaPyType(np.ndarray, np.int32, precision=24)

    stage_ports: ClassVar[Mapping[str, tuple[str, ...]]] = {"current": ("current",), "update": ()}
    stage_variables: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "current": (),
        "update": ("spikes",),
    }
    registers: ClassVar[tuple[str, ...]] = ("current", "membrane")

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.constants: LIFConstants = proc_params["constants"]

    def compute(self, stage: str, sample: int, step: int, arriving: Values) -> Values:
        """The decaying current, which wraps twice; then membrane, spikes and reset."""
        c = self.constants
        one, half = 2**c.decay_fraction, 2 ** (c.bits - 1)
        if stage == "current":
            current = cut(self.current * (one - c.current_decay), c.decay_fraction)
            total = current + (arriving["current"].astype(np.int64) << c.alignment)
            end = 2 ** (c.current_bits - 1)
            current = (total + end) % (2 * end) - end
            current[current > half] -= 2 * half
            current[current <= -half] += 2 * half
            return {"current": current}
        decayed = cut(self.membrane.astype(np.int64) * (one - c.membrane_decay), c.decay_fraction)
        membrane = np.clip(decayed + self.current + c.bias, 1 - half, half - 1)
        fired = membrane > (c.threshold << c.alignment)
        membrane[fired] = 0
        return {"membrane": membrane, "spikes": fired.astype(np.int32)}
