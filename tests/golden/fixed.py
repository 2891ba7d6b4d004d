"""Integer networks: every recordable variable, outputs, saturations and final registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ltc2hw
from tests.golden.drawing import Floats, samples
from tests.golden.files import opened, table
from tests.golden.sums import Record, Sums

PREFIX_STEPS, PREFIX_SAMPLES = 12, 2
"""The short part of every case, which has checksums of its own."""

PIECE = 37
"""Steps of a call; a longer run is made of several, each going on from the state before."""


@dataclass(frozen=True)
class Case:
    """A network, the samples that it is run on, and the checksums of what it answered."""

    name: str
    drawn: Mapping[str, Any]
    steps: int
    samples: int
    integers: Mapping[str, int]
    """Integers hashed, of the prefix and of the whole."""
    sums: Mapping[str, Sums]

    def run(self, engine: str, part: str) -> Record:
        """Run the ``prefix`` or the ``whole`` with an engine."""
        steps, count = self.steps, self.samples
        x = samples(self.drawn, steps, count)
        if part == "prefix":
            x = x[:PREFIX_STEPS, :PREFIX_SAMPLES]
        return recorded(opened("fixed", self.name), x, engine)


def cases() -> list[Case]:
    """All cases, in the order of the table."""
    return [Case(**case) for case in table("fixed")]


def recorded(network: Any, x: Floats, engine: str) -> Record:
    """Run a network in pieces and hash all that it gives."""
    record, state = Record(), None
    for first in range(0, len(x), PIECE):
        trace = ltc2hw.simulate(network, x[first : first + PIECE], engine, "all", state)
        add_trace(record, trace)
        state = trace.state
    assert state is not None
    add_registers(record, state)
    return record


def add_trace(record: Record, trace: ltc2hw.Trace) -> None:
    """Append recorded variables, outputs and saturations of a piece."""
    for name, values in trace.spikes.items():
        record.add(f"{name}.spikes", values)
    for name, variables in trace.states.items():
        for variable, values in variables.items():
            record.add(f"{name}.{variable}", values)
    record.add("outputs", trace.outputs)
    record.count(trace.saturations)


def add_registers(record: Record, state: Mapping[str, Mapping[str, Any]]) -> None:
    """Append the registers and past messages that a run ended with."""
    for name, registers in state.items():
        for register, values in registers.items():
            record.add(f"final {name}.{register}", values)
