"""Lava networks that work, fail or hang on purpose; each `run_*` is a job for the runner."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

STEPS = 5

OWN_SIGNALS = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}
"""What a counter does to its own process, as an administrator or a lack of memory would."""


class Counter(AbstractProcess):
    """Sends the number of its step; misbehaves in step 3 if told to."""

    def __init__(self, behaviour: str) -> None:
        super().__init__(behaviour=behaviour)
        self.out = OutPort(shape=(1,))


@implements(proc=Counter, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class CounterModel(PyLoihiProcessModel):
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self) -> None:
        if self.time_step == 3 and self.proc_params["behaviour"] == "raise":
            raise ValueError("the third step went wrong")
        if self.time_step == 3 and self.proc_params["behaviour"] == "hang":
            time.sleep(3600)
        if self.time_step == 3 and self.proc_params["behaviour"] == "die":
            os.kill(os.getppid(), 9)
        if self.time_step == 3 and self.proc_params["behaviour"] in OWN_SIGNALS:
            os.kill(os.getpid(), OWN_SIGNALS[self.proc_params["behaviour"]])
        self.out.send(np.array([self.time_step], dtype=np.int32))


class Sum(AbstractProcess):
    """Adds up what it receives; it waits for the counter in every step."""

    def __init__(self) -> None:
        super().__init__()
        self.inp = InPort(shape=(1,))
        self.total = Var(shape=(1,), init=0)


@implements(proc=Sum, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SumModel(PyLoihiProcessModel):
    inp: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    total: npt.NDArray[np.int32] = LavaPyType(np.ndarray, np.int32)

    def run_spk(self) -> None:
        self.total += self.inp.recv()


def _run(folder: Path, behaviour: str) -> None:
    (folder / "group").write_text(str(os.getpgrp()), encoding="utf-8")
    counter, total = Counter(behaviour), Sum()
    counter.out.connect(total.inp)
    total.run(RunSteps(STEPS), Loihi2SimCfg(select_tag="fixed_pt"))
    np.savez(folder / "result.npz", total=total.total.get())
    total.stop()


def run_well(folder: Path) -> None:
    _run(folder, "count")


def run_raising(folder: Path) -> None:
    _run(folder, "raise")


def run_hanging(folder: Path) -> None:
    _run(folder, "hang")


def run_dying(folder: Path) -> None:
    """The main process of the job is killed by one of its own children."""
    _run(folder, "die")


def run_killed(folder: Path) -> None:
    """One of Lava's processes is killed; the others would wait for its messages for ever."""
    _run(folder, "killed")


def run_stopped(folder: Path) -> None:
    """One of Lava's processes is stopped and never goes on."""
    _run(folder, "stopped")


def run_uncompilable(folder: Path) -> None:
    """No model carries this tag, so Lava refuses before anything runs."""
    Counter("count").run(RunSteps(STEPS), Loihi2SimCfg(select_tag="no_such_tag"))
