"""Leaky neurons of other tools, stepped by explicit Euler, as populations of our float graph.

All of them are one recurrence per step, with x what arrives and arrays of shape (N,)::

    i = (1 - synapse) i + input_gain x
    v = (1 - leak) v + leak rest + membrane_gain i
    s = v > threshold;  v = reset on a spike

which differs from ours in scales and in where zero lies. Factors go into the incoming weights;
v - reset takes the place of v where neurons spike, because ours reset to zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.assembly import Assembly, static_gate
from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.populations import LIF, Readout
from ltc2hw.converters.signals import Signal
from ltc2hw.dynamics.models.alif import alif
from ltc2hw.dynamics.models.if_subtract import if_subtract
from ltc2hw.dynamics.models.if_subtract_delayed import if_subtract_delayed
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import Port
from ltc2hw.numbers.fields import real_vector
from ltc2hw.numbers.words import FloatArray

LateReset = Literal["before-leak", "after-leak"]
"""Whether the membrane loses its threshold before the leak of the next step, or after it."""


@dataclass(frozen=True)
class Leaky:
    """Constants of N leaky neurons (see the module); ``node`` is what the tool calls them."""

    node: str
    size: int
    synapse: FloatArray
    leak: FloatArray
    input_gain: FloatArray
    membrane_gain: FloatArray
    rest: FloatArray


@dataclass(frozen=True)
class Placed:
    """Neurons in the assembly: what they send, and where and how what they receive arrives."""

    output: Signal
    entry: str
    gain: FloatArray
    port: Port = "current"

    def drive(self, assembly: Assembly, signal: Signal) -> None:
        """Let a signal arrive at the neurons' input."""
        assembly.connect(signal.scaled(self.gain), self.entry, self.port)


def leaky(
    conversion: Conversion,
    node: str,
    size: int,
    *,
    synapse: npt.ArrayLike,
    leak: npt.ArrayLike,
    input_gain: npt.ArrayLike = 1.0,
    membrane_gain: npt.ArrayLike,
    rest: npt.ArrayLike,
) -> Leaky:
    """Check the constants of leaky neurons; scalars are repeated.

    Raises:
        UnsupportedError: if a step is so long that something decays by more than all of it.
    """
    neurons = Leaky(
        node,
        size,
        real_vector(f"{node} synaptic decay", synapse, size),
        real_vector(f"{node} membrane decay", leak, size),
        real_vector(f"{node} input gain", input_gain, size),
        real_vector(f"{node} membrane gain", membrane_gain, size),
        real_vector(f"{node} resting potential", rest, size),
    )
    for decay in (neurons.synapse, neurons.leak):
        if decay.min() < 0.0 or decay.max() > 1.0:
            conversion.meet("step-too-long", node)
    return neurons


def place_spiking(
    assembly: Assembly, neurons: Leaky, threshold: npt.ArrayLike, reset: npt.ArrayLike
) -> Placed:
    """Add leaky neurons that spike above a threshold: the model ``lif``."""
    above = real_vector(f"{neurons.node} threshold", threshold, neurons.size)
    zero = real_vector(f"{neurons.node} reset potential", reset, neurons.size)
    name = assembly.free_name(neurons.node)
    bias = neurons.leak * (neurons.rest - zero)
    population = LIF(name, neurons.size, neurons.synapse, neurons.leak, above - zero, bias)
    return Placed(assembly.add(population), name, neurons.input_gain * neurons.membrane_gain)


def place_subtracting(
    assembly: Assembly, neurons: Leaky, threshold: npt.ArrayLike, reset: LateReset
) -> Placed:
    """Add leaky neurons from which a spike takes their threshold instead of all they hold.

    The models ``if_subtract`` and, where it is taken after the leak, ``if_subtract_delayed``.
    """
    name = assembly.free_name(neurons.node)
    constants = {
        "current_decay": neurons.synapse,
        "membrane_decay": neurons.leak,
        "threshold": threshold,
        "bias": neurons.leak * neurons.rest,
    }
    model = if_subtract if reset == "before-leak" else if_subtract_delayed
    spikes = assembly.add(Neurons(name, neurons.size, model, constants))
    return Placed(spikes, name, neurons.input_gain * neurons.membrane_gain)


def place_integrator(assembly: Assembly, conversion: Conversion, neurons: Leaky) -> Placed:
    """Add leaky neurons that answer their voltage: the model ``readout``.

    A synaptic current is a second readout before the first.
    """
    if np.any(neurons.leak == 0.0) or np.any(neurons.synapse == 0.0):
        conversion.meet("integrator", neurons.node)
    size = neurons.size
    name = assembly.free_name(neurons.node)
    output = assembly.add(Readout(name, size, neurons.rest, static_gate(neurons.leak)))
    gain = neurons.membrane_gain / neurons.leak
    if np.all(neurons.synapse == 1.0):
        return Placed(output, name, neurons.input_gain * gain)
    synapse, current = place_synapse(assembly, neurons)
    assembly.connect(current.scaled(gain), name)
    return Placed(output, synapse, neurons.input_gain / neurons.synapse)


def place_synapse(assembly: Assembly, neurons: Leaky) -> tuple[str, Signal]:
    """Add a readout that is the current i if what arrives is divided by the current's decay."""
    name = assembly.free_name(f"{neurons.node}_synapse")
    readout = Readout(name, neurons.size, np.zeros(neurons.size), static_gate(neurons.synapse))
    return name, assembly.add(readout)


def place_adaptive(
    assembly: Assembly,
    conversion: Conversion,
    neurons: Leaky,
    threshold: npt.ArrayLike,
    reset: npt.ArrayLike,
    adaptation: npt.ArrayLike,
    jump: npt.ArrayLike,
) -> Placed:
    """Add leaky neurons with the threshold of an LSNN: the model ``alif``.

    The membrane, which counts from the resting potential, follows the synaptic current of the step
    before, so its gain is its leak.
    """
    node, size = neurons.node, neurons.size
    decay = real_vector(f"{node} adaptation decay", adaptation, size)
    if decay.min() < 0.0 or decay.max() > 1.0:
        conversion.meet("step-too-long", node)
    constants = {
        "current_decay": neurons.synapse,
        "membrane_decay": neurons.leak,
        "adaptation_decay": decay,
        "jump": jump,
        "threshold": real_vector(f"{node} threshold", threshold, size) - neurons.rest,
        "reset": real_vector(f"{node} reset potential", reset, size) - neurons.rest,
    }
    name = assembly.free_name(node)
    return Placed(assembly.add(Neurons(name, size, alif, constants)), name, neurons.input_gain)
