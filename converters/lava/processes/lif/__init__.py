"""LIF neurons: a model that records Lava's own process."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.proc.lif.models import PyLifModelBitAcc

from ltc2hw.converters.lava.processes.scheduled import Integers, Recorder, Run, Timing


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
        self.silence = np.zeros(size, np.int64)

    def run_spk(self) -> None:
        """One chip step."""
        place = self.timing.place(self.time_step - 1, "late")
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
