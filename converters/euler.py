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
from ltc2hw.converters.populations import LIF, LTC, Readout
from ltc2hw.converters.signals import Signal
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
    delay: int = 0

    def drive(self, assembly: Assembly, signal: Signal) -> None:
        """Let a signal arrive at the neurons' input."""
        assembly.connect(signal.scaled(self.gain).delayed(self.delay), self.entry)


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
    """Add leaky neurons that spike above a threshold: a :class:`~ltc2hw.graph.network.LIF`."""
    above = real_vector(f"{neurons.node} threshold", threshold, neurons.size)
    zero = real_vector(f"{neurons.node} reset potential", reset, neurons.size)
    name = assembly.free_name(neurons.node)
    bias = neurons.leak * (neurons.rest - zero)
    population = LIF(name, neurons.size, neurons.synapse, neurons.leak, above - zero, bias)
    return Placed(assembly.add(population), name, neurons.input_gain * neurons.membrane_gain)


def place_subtracting(
    assembly: Assembly,
    conversion: Conversion,
    neurons: Leaky,
    threshold: npt.ArrayLike,
    reset: LateReset,
) -> Placed:
    """Add leaky neurons from which a spike takes their threshold instead of all they hold.

    The membrane is a :class:`~ltc2hw.graph.network.Readout`, from which a spike of the step before
    takes (1 - leak) threshold, or all of it after the leak; a :class:`~ltc2hw.graph.network.LIF`
    that forgets everything at every step compares it. A membrane without leak is one that receives
    itself.
    """
    size, leak = neurons.size, neurons.leak
    above = real_vector(f"{neurons.node} threshold", threshold, size)
    if np.any(neurons.synapse == 0.0):
        conversion.meet("integrator", neurons.node)
    one = np.ones(size)
    openness = np.where(leak > 0.0, leak, 1.0)
    name = assembly.free_name(neurons.node)
    spikes = assembly.add(LIF(name, size, one, one, above, 0.0 * one))
    entry = assembly.free_name(f"{neurons.node}_membrane")
    bias = leak * neurons.rest / openness
    membrane = assembly.add(Readout(entry, size, bias, static_gate(openness)))
    assembly.connect(membrane, name)
    kept = one - leak if reset == "before-leak" else one
    assembly.connect(spikes.scaled(-kept * above / openness).delayed(1), entry)
    if np.any(leak == 0.0):
        assembly.connect(membrane.scaled((openness - leak) / openness).delayed(1), entry)
    gain = neurons.membrane_gain / openness
    if np.all(neurons.synapse == 1.0):
        return Placed(spikes, entry, neurons.input_gain * gain)
    synapse, current = place_synapse(assembly, neurons)
    assembly.connect(current.scaled(gain), entry)
    return Placed(spikes, synapse, neurons.input_gain / neurons.synapse)


def place_integrator(assembly: Assembly, conversion: Conversion, neurons: Leaky) -> Placed:
    """Add leaky neurons that answer their voltage: a :class:`~ltc2hw.graph.network.Readout`.

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
    step: npt.ArrayLike,
) -> Placed:
    """Add leaky neurons with the threshold of an LSNN: static :class:`~ltc2hw.graph.network.LTC`.

    The threshold is higher by a, with ``a = (1 - adaptation) (a + step s[t-1])``.
    The membrane follows the synaptic current of the step before.
    """
    size, node = neurons.size, neurons.node
    zero = real_vector(f"{node} reset potential", reset, size)
    decay = real_vector(f"{node} adaptation decay", adaptation, size)
    jump = real_vector(f"{node} adaptation step", step, size)
    if decay.min() < 0.0 or decay.max() > 1.0:
        conversion.meet("step-too-long", node)
    if np.any(neurons.leak == 0.0) or np.any(neurons.synapse == 0.0) or np.any(decay == 0.0):
        conversion.meet("integrator", node)
    name = assembly.free_name(node)
    population = LTC(
        name,
        size,
        threshold=real_vector(f"{node} threshold", threshold, size) - zero,
        adaptation_strength=jump * (1.0 - decay) / decay,
        bias_current=neurons.rest - zero,
        tau_mem=static_gate(neurons.leak),
        tau_adp=static_gate(1.0 - decay),
    )
    output = assembly.add(population)
    gain = neurons.membrane_gain / neurons.leak
    if np.all(neurons.synapse == 1.0):
        return Placed(output, name, neurons.input_gain * gain, delay=1)
    synapse, current = place_synapse(assembly, neurons)
    assembly.connect(current.scaled(gain).delayed(1), name)
    return Placed(output, synapse, neurons.input_gain / neurons.synapse)
