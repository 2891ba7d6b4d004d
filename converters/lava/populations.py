"""The Lava process of a population: its class and its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lava.magma.core.process.process import AbstractProcess
from lava.proc.lif.process import LIF as LavaLIF

from ltc2hw.converters.lava.limits import lava_bias_exponent
from ltc2hw.converters.lava.processes.neurons import Dynamics, Neurons
from ltc2hw.converters.lava.processes.scheduled import Run, Timing
from ltc2hw.dynamics.formats import Held
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.graph.neurons import FixedNeurons, Message

Recipe = tuple[type[AbstractProcess], dict[str, Any]]
"""Class of a process, and its arguments."""


def neurons_recipe(neurons: FixedNeurons, timing: Timing, run: Run) -> Recipe:
    """Our process, which interprets the neurons' program; messages are part of it."""
    messages: dict[str, Message] = {message.variable: message for message in neurons.messages}
    sent = dict.fromkeys((*neurons.variables, neurons.output_variable))
    dynamics = Dynamics(
        program=with_messages(neurons.program, messages),
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


def carrier(variable: str) -> str:
    """Name of the result that is sent of a graded variable, and of its word."""
    return f"message {variable}"


def with_messages(program: Program, messages: Mapping[str, Message]) -> Program:
    """The program with one more result per message: ``word.fit(rsz(value, shift))``."""
    values, results = list(program.values), dict(program.results)
    for variable, message in messages.items():
        held, end = Held.within(message.word, 0), len(values)
        assert held.overflow is not None
        shifted = Value(Operation.SHIFT_TOWARD_ZERO, (results[variable],), numbers=(message.shift,))
        values += [shifted, Value(held.overflow, (end,), carrier(variable), held.numbers)]
        results[carrier(variable)] = end + 1
    return Program(program.language, tuple(values), results)


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
