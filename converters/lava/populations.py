"""The Lava process of each kind of population: its class and its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lava.magma.core.process.process import AbstractProcess
from lava.proc.lif.process import LIF as LavaLIF

from ltc2hw.converters.lava.processes.arithmetic import GateConstants, MessageFormat
from ltc2hw.converters.lava.processes.lif import LIFConstants, ScheduledLIF
from ltc2hw.converters.lava.processes.ltc import LTC, LTCConstants
from ltc2hw.converters.lava.processes.readout import Readout, ReadoutConstants
from ltc2hw.converters.lava.processes.scheduled import Run, Timing
from ltc2hw.converters.populations import FixedGate, FixedLIF, FixedLTC, FixedReadout
from ltc2hw.graph.neurons import Message

Recipe = tuple[type[AbstractProcess], dict[str, Any]]
"""Class of a process, and its arguments."""


def ltc_recipe(population: FixedLTC, timing: Timing, run: Run) -> Recipe:
    """Our process of LTC neurons."""
    constants = LTCConstants(
        bits=population.state.bits,
        adaptation_fraction=population.adaptation_fraction,
        threshold=population.threshold,
        strength_factor=population.adaptation_strength.values,
        strength_shift=population.adaptation_strength.shift,
        bias_current=population.bias_current,
        tau_mem=gate_constants(population.tau_mem),
        tau_adp=gate_constants(population.tau_adp),
        messages=_message_formats(population.messages),
    )
    return LTC, _options(population, constants, timing, run)


def readout_recipe(population: FixedReadout, timing: Timing, run: Run) -> Recipe:
    """Our process of leaky integrators."""
    constants = ReadoutConstants(
        bits=population.state.bits,
        bias_current=population.bias_current,
        tau_mem=gate_constants(population.tau_mem),
        messages=_message_formats(population.messages),
    )
    return Readout, _options(population, constants, timing, run)


def lava_lif_recipe(population: FixedLIF, timing: Timing, run: Run) -> Recipe:
    """Lava's own LIF; ``timing`` and ``run`` are for the model that records."""
    return LavaLIF, {
        "shape": (population.size,),
        "du": population.current_decay - 1,
        "dv": population.membrane_decay,
        "bias_mant": population.bias_mantissa,
        "bias_exp": population.bias_exponent,
        "vth": population.threshold,
        "name": population.name,
        "timing": timing,
        "run": run,
    }


def scheduled_lif_recipe(population: FixedLIF, timing: Timing, run: Run) -> Recipe:
    """Our process of LIF neurons."""
    constants = LIFConstants(
        bits=population.state.bits,
        current_bits=population.current_bits,
        decay_fraction=population.decay_fraction,
        alignment=population.alignment,
        current_decay=population.current_decay,
        membrane_decay=population.membrane_decay,
        threshold=population.threshold,
        bias=population.bias_mantissa << population.bias_exponent,
    )
    return ScheduledLIF, _options(population, constants, timing, run)


def _options(
    population: FixedLTC | FixedReadout | FixedLIF,
    constants: LTCConstants | ReadoutConstants | LIFConstants,
    timing: Timing,
    run: Run,
) -> dict[str, Any]:
    return {
        "size": population.size,
        "constants": constants,
        "timing": timing,
        "run": run,
        "name": population.name,
    }


def gate_constants(gate: FixedGate) -> GateConstants:
    """A gate's constants as the processes take them."""
    return GateConstants(
        bias=gate.bias,
        state_factor=gate.from_state.values,
        state_shift=gate.from_state.shift,
        current_factor=gate.from_current.values,
        current_shift=gate.from_current.shift,
        fraction=gate.fraction,
        output_fraction=gate.output_fraction,
        table=gate.table,
        interpolated=gate.function == "interpolated",
    )


def _message_formats(messages: tuple[Message, ...]) -> Mapping[str, MessageFormat]:
    return {m.variable: MessageFormat(m.word.minimum, m.word.maximum, m.shift) for m in messages}
