"""The Lava process of a population: its class and its arguments."""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.process import AbstractProcess
from lava.proc.lif.process import LIF as LavaLIF

from ltc2hw.converters.exported import carrier, with_messages
from ltc2hw.converters.lava.limits import lava_bias_exponent
from ltc2hw.converters.lava.processes.neurons import Dynamics, Neurons
from ltc2hw.converters.lava.processes.scheduled import Run, Timing
from ltc2hw.graph.neurons import FixedNeurons

Recipe = tuple[type[AbstractProcess], dict[str, Any]]
"""Class of a process, and its arguments."""


def neurons_recipe(neurons: FixedNeurons, timing: Timing, run: Run) -> Recipe:
    """Our process, which interprets the neurons' program; messages are part of it."""
    messages = tuple(message.variable for message in neurons.messages)
    sent = dict.fromkeys((*neurons.variables, neurons.output_variable))
    dynamics = Dynamics(
        program=with_messages(neurons, messages),
        constants=neurons.constants,
        tables=neurons.tables,
        ports=neurons.ports,
        registers=neurons.registers,
        early=neurons.model.early,
        carriers={name: carrier(name) if name in messages else name for name in sent},
    )
    return Neurons, {
        "size": neurons.size,
        "dynamics": dynamics,
        "timing": timing,
        "run": run,
        "name": neurons.name,
    }


def lava_lif_recipe(neurons: FixedNeurons, timing: Timing, run: Run) -> Recipe:
    """Lava's own LIF; ``timing`` and ``run`` are for the model that records."""
    constants = neurons.constants
    return LavaLIF, {
        "shape": (neurons.size,),
        "du": constants["current_decay"] - 1,
        "dv": constants["membrane_decay"],
        "bias_mant": constants["bias"],
        "bias_exp": lava_bias_exponent(neurons),
        "vth": constants["threshold"],
        "name": neurons.name,
        "timing": timing,
        "run": run,
    }
