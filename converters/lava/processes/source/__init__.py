"""Input population: sends the samples of a run, one algorithmic step after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
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


class Source(AbstractProcess):
    """Integers ``data`` of shape (B, T, N) leave through ``value_out``; spikes are 0 and 1."""

    def __init__(self, *, data: Integers, timing: Timing, run: Run, name: str) -> None:
        size = data.shape[2]
        super().__init__(data=data, size=size, timing=timing, run=run, name=name)
        self.value_out = OutPort(shape=(size,))


@implements(proc=Source, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SourceModel(ScheduledModel):
    """Sends ``data[sample, step]``."""

    value_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(
            proc_params,
            ports={"early": (), "late": ()},
            variables={"early": {}, "late": {"value": "value"}},
        )
        self.data: Integers = proc_params["data"]

    def compute(self, stage: Stage, sample: int, step: int, arriving: Values) -> Values:
        """The sample of this step."""
        return {"value": self.data[sample, step]} if stage == "late" else {}
