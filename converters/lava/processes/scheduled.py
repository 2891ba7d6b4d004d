"""What our process models share: when to act, what to collect, send and record.

A process acts at certain chip steps only. In between it adds up what arrives at each port and
sends zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from lava.magma.core.model.py.model import PyLoihiProcessModel

Integers = npt.NDArray[np.int64]
Values = Mapping[str, Integers]
Stage = Literal["early", "late"]

STAGES: tuple[Stage, ...] = ("early", "late")

LOST = "lost "
"""What the names of counts of values that did not fit begin with, in a record."""


@dataclass(frozen=True)
class Timing:
    """Chip steps at which a process computes its stages.

    Stage n of algorithmic step t is due at chip step ``t · period + offset_n`` (chip steps count
    from 0). With ``steps == 0`` that goes on without end. Otherwise the process runs ``samples``
    samples of ``steps`` steps one after the other, each after ``lead`` steps in which it is
    silent (or repeats messages from before the sample) while the previous sample drains.
    """

    period: int
    current: int
    update: int
    steps: int = 0
    lead: int = 0
    samples: int = 1

    def place(self, chip_step: int, stage: Stage) -> tuple[int, int] | None:
        """(sample, step) of the stage due at this chip step; steps of the lead are negative."""
        elapsed = chip_step - (self.current if stage == "early" else self.update)
        if elapsed < 0 or elapsed % self.period:
            return None
        step = elapsed // self.period
        if not self.steps:
            return 0, step
        sample, step = divmod(step, self.lead + self.steps)
        return (sample, step - self.lead) if sample < self.samples else None

    def is_last(self, sample: int, step: int) -> bool:
        """Whether nothing comes after this step."""
        return (sample, step) == (self.samples - 1, self.steps - 1)


@dataclass(frozen=True)
class Run:
    """What belongs to one run rather than to the network; empty for a run without end.

    - ``initial[variable]``: state before each sample's first step, (B, N)
    - ``past[variable]``: messages sent before each sample, latest first, (D, B, N)
    - ``record``: variables to keep, each as an array (B, T, N)
    - ``file``: where to write them (npz) after the last step; empty to leave them in memory
    """

    initial: Values = field(default_factory=dict)
    past: Values = field(default_factory=dict)
    record: tuple[str, ...] = ()
    file: str = ""


class Recorder:
    """Keeps variables of a process and writes them once, after the last step.

    Monitors would do the same through one message per number, a thousand times slower.
    """

    def __init__(self, run: Run, timing: Timing, size: int) -> None:
        shape = (timing.samples, timing.steps, size)
        self.arrays = {name: np.zeros(shape, np.int64) for name in run.record}
        self.lost: dict[str, int] = {}
        self.timing = timing
        self.file = run.file

    def keep(self, sample: int, step: int, values: Values) -> None:
        """Store the variables that are to be recorded."""
        for name, array in self.arrays.items():
            if name in values:
                array[sample, step] = values[name]

    def count(self, lost: Mapping[str, int]) -> None:
        """Add up how many values did not fit their words."""
        for word, values in lost.items():
            if values:
                self.lost[word] = self.lost.get(word, 0) + values

    @property
    def record(self) -> dict[str, Integers]:
        """All variables (B, T, N), and one count under ``LOST`` and the name of each word."""
        counts = {f"{LOST}{word}": np.array(values) for word, values in self.lost.items()}
        return {**self.arrays, **counts}

    def finish(self, sample: int, step: int) -> None:
        """Write the file if this was the last step."""
        if self.file and self.timing.is_last(sample, step):
            # Any, because savez takes other things than arrays by name.
            record: dict[str, Any] = dict(self.record)
            np.savez(self.file, **record)


class ScheduledModel(PyLoihiProcessModel):
    """Base of the models: collects arrivals, acts on time, sends messages, records.

    A subclass computes two stages. ``ports``: which ones each collects; ``variables``: what each
    sends, and which of its values carries it. The process parameters are ``timing``, ``run``,
    ``size`` and what the subclass adds.
    """

    def __init__(
        self,
        proc_params: Any,
        *,
        ports: Mapping[Stage, tuple[str, ...]],
        variables: Mapping[Stage, Mapping[str, str]],
    ) -> None:
        super().__init__(proc_params)
        self.timing: Timing = proc_params["timing"]
        self.history: Run = proc_params["run"]
        size: int = proc_params["size"]
        self.stage_ports = ports
        self.stage_variables = variables
        self.recorder = Recorder(self.history, self.timing, size)
        self.silence = np.zeros(size, np.int64)
        names = (port for stage in STAGES for port in ports[stage])
        self.arrived: dict[str, Integers] = {port: np.zeros(size, np.int64) for port in names}

    def run_spk(self) -> None:
        """One chip step."""
        for port, total in self.arrived.items():
            total += getattr(self, f"{port}_in").recv()
        messages: dict[str, Integers] = {}
        for stage in STAGES:
            place = self.timing.place(self.time_step - 1, stage)
            if place is not None:
                messages.update(self._act(stage, *place))
        for stage in STAGES:
            for variable in self.stage_variables[stage]:
                sent = messages.get(variable, self.silence)
                getattr(self, f"{variable}_out").send(sent)

    def _act(self, stage: Stage, sample: int, step: int) -> Values:
        arriving = {port: self.arrived[port].copy() for port in self.stage_ports[stage]}
        for port in arriving:
            self.arrived[port][:] = 0
        if step < 0:
            return self._past_messages(stage, sample, -step)
        if step == 0 and stage == "early":
            self.begin(sample)
        values = self.compute(stage, sample, step, arriving)
        self.recorder.keep(sample, step, values)
        if stage == "late":
            self.recorder.finish(sample, step)
        return {name: values[carrier] for name, carrier in self.stage_variables[stage].items()}

    def _past_messages(self, stage: Stage, sample: int, age: int) -> Values:
        return {
            variable: messages[age - 1, sample]
            for variable, messages in self.history.past.items()
            if variable in self.stage_variables[stage] and age <= len(messages)
        }

    def begin(self, sample: int) -> None:
        """What is to be done before a sample's first step: nothing, unless a model has state."""

    def compute(self, stage: Stage, sample: int, step: int, arriving: Values) -> Values:
        """Variables that a stage produces."""
        raise NotImplementedError
