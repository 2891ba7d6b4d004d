"""Exported C on microcontrollers: instructions per step, flash, RAM and stack, all counted.

Each step runs in an instruction-level emulator. Instructions are no times: a processor's cycles
depend on its memory and its multiplier.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.networks import (
    Workload,
    convolutional,
    events,
    recurrent_lif,
    recurrent_ltc,
)
from benchmarks.report import ResultTable
from ltc2hw.converters.c import write
from tests.converters.c_machines import MACHINES, Emulator, Machine, cross_compile

STEPS = 20

NETWORKS = {
    "LTC, 1 input, 64 neurons with event gates, 10 readouts": recurrent_ltc(64, STEPS, 1),
    "LIF, 32 inputs, 64 recurrent neurons": recurrent_lif(64, STEPS, 1),
    "LIF, 2x16x16 inputs, convolutions to 8x8x8 and 16x4x4, 10 outputs": Workload(
        convolutional((2, 16, 16), ((8, 3, 2, 1), (16, 3, 2, 1)), (400, 600)),
        events((2, 16, 16), STEPS, 1, 0.05).astype(np.float64),
    ),
}

MEMORY = """\
#include "net.h"
net_state state;
{type} sample[NET_INPUTS];
int enter(void);
int enter(void)
{{
    net_reset(&state);
    return net_step(&state, sample);
}}
"""


@dataclass(frozen=True)
class Cost:
    """What a network takes on a machine; instructions of every step."""

    instructions: tuple[int, ...]
    flash: int
    ram: int
    stack: int


def run() -> ResultTable:
    """All networks on each machine."""
    rows = []
    for name, work in NETWORKS.items():
        for machine in MACHINES:
            cost = measure(machine, work, "-O2")
            per_step = np.array(cost.instructions)
            rows.append(
                (
                    name,
                    machine.name,
                    f"{per_step.mean():,.0f} ({per_step.max():,})",
                    f"{cost.flash:,}",
                    f"{cost.ram:,}",
                    f"{cost.stack:,}",
                )
            )
    return ResultTable(
        "Exported C in an instruction-level emulator, clang -O2",
        ("network", "processor", "instructions per step, mean (most)", "flash", "RAM", "stack"),
        tuple(rows),
        "Flash: code and constant tables. RAM: the state. Stack: of the deepest step. Bytes.",
    )


def measure(machine: Machine, work: Workload, level: str) -> Cost:
    """Export, build and run the first sample."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(work.network, folder / "net", samples=work.x)
        given = work.network.input
        wide = given.word.bits > 32
        (folder / "net" / "memory.c").write_text(
            MEMORY.format(type="int64_t" if wide else "int32_t"), encoding="ascii"
        )
        sources = ("memory.c", "net.c")
        image = cross_compile(machine, folder / "net", sources, level, "-Wl,-e,enter")
    emulator = Emulator(machine, image)
    encoded, _ = given.word.encode(work.x[:, 0], given.fraction)
    state, sample = emulator.address("state"), emulator.address("sample")
    emulator.call("net_reset", state)
    counts = []
    for values in encoded.astype("<i8" if wide else "<i4"):
        emulator.write("sample", values.tobytes())
        counts.append(emulator.count("net_step", state, sample))
    return Cost(
        tuple(instructions for instructions, _ in counts),
        image.bytes_of(".text", ".rodata"),
        len(emulator.read("state")),
        max(stack for _, stack in counts),
    )
