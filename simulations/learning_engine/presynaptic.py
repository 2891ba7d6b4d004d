"""Eligibility as a trace of what sources sent: for which neurons it is one, and how fast it fades.

A neuron that leaks toward what arrives, with one time constant for its whole population, keeps of a
message x the same part whatever else it does: ``ε[t] = kept ε[t-1] + x[t]``, times what its current
adds to its membrane. No synapse is in it, so a source can keep it for all of them. What a spike of
the neuron changes (reset, adaptation) is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ltc2hw.dynamics.integer import IntegerStep
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models.cuba import cuba
from ltc2hw.dynamics.models.lif import lif
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.errors import InvalidValueError, UnsupportedError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.learning.engine_rule import GRAMMAR
from ltc2hw.learning.neurons import fixed_of
from ltc2hw.learning.rule import FPTTRule, plastic_parameters
from ltc2hw.learning.scope import reached_populations
from ltc2hw.numbers.words import FloatArray

PORT = "current"
"""The port whose messages the membrane follows."""

BEYOND_MEMBRANE = "a pre-synaptic trace follows what reaches the membrane's current alone"

FULL = "learn with engine='fast', which keeps eligibility in every synapse"


def by_gate(neurons: FixedNeurons) -> FloatArray:
    """Part of a membrane (N,) that a static gate keeps.

    Raises:
        UnsupportedError: for a gate that follows its neuron.
    """
    for name, values in neurons.constants.items():
        if name.endswith((".from_state", ".from_current")) and np.any(values):
            raise refused(neurons.name, f"gates that follow their neuron ({name})")
    size = neurons.size
    silence = dict.fromkeys(neurons.ports, np.zeros(size, np.int64))
    rest = dict.fromkeys(neurons.registers, np.zeros(size, np.int64))
    step, _ = IntegerStep(neurons.program)(neurons.constants, neurons.tables, silence, rest)
    opened = np.broadcast_to(step["tau_mem"], (size,))
    kept: FloatArray = 1.0 - np.ldexp(opened.astype(np.float64), -neurons.fractions["tau_mem"])
    return kept


def by_decay(neurons: FixedNeurons) -> FloatArray:
    """Part of a membrane (N,) that a constant keeps.

    Raises:
        UnsupportedError: for neurons whose current decays, too: it takes two traces.
    """
    lost = {
        name: np.ldexp(neurons.constants[name].astype(np.float64), -neurons.formats.constants[name])
        for name in ("current_decay", "membrane_decay")
    }
    if np.any(lost["current_decay"] != 1.0):
        raise refused(neurons.name, "a current that lasts for more than its step")
    kept: FloatArray = 1.0 - lost["membrane_decay"]
    return kept


LEAKS: tuple[tuple[Model, Callable[[FixedNeurons], FloatArray]], ...] = (
    (ltc, by_gate),
    (readout, by_gate),
    (lif, by_decay),
    (cuba, by_decay),
)
"""Models whose membrane leaks toward what arrives, and how much of it they keep."""


def refused(population: str, what: str) -> UnsupportedError:
    """The error that names what a pre-synaptic trace does not follow."""
    return UnsupportedError(
        GRAMMAR, f"eligibility in {population} as a pre-synaptic trace", what, FULL
    )


def kept_part(network: FixedNetwork, name: str) -> float:
    """The part of its membrane that every neuron of a population keeps in a step.

    Raises:
        UnsupportedError: for a model whose membrane does not leak toward what arrives, gates that
            something steers, time constants that differ.
    """
    neurons = fixed_of(network.population(name))
    own = neurons.model
    leaks = [leak for model, leak in LEAKS if own is model or own.program == model.program]
    if not leaks:
        raise refused(name, f"neurons of the model {own.name}")
    for projection in network.projections:
        if projection.target == name and projection.port != PORT:
            raise refused(name, f"gates that messages steer ({projection.port})")
    kept = leaks[0](neurons)
    if np.ptp(kept):
        low, high = float(kept.min()), float(kept.max())
        raise refused(
            name, f"time constants of their own, which keep {low:g} to {high:g} in a step"
        )
    return float(kept[0])


def presynaptic(network: FixedNetwork, rule: FPTTRule) -> tuple[FPTTRule, dict[str, float]]:
    """The instantaneous rule whose messages become traces, and the part that populations keep.

    It learns what lands on currents; other ports are held.

    Raises:
        InvalidValueError: for a rule without eligibility.
        UnsupportedError: for ports that the rule names and a trace does not follow; see
            :func:`kept_part`.
    """
    if rule.descent != "eligibility":
        raise InvalidValueError(
            "learning engine's eligibility", "'presynaptic'",
            f"'none' for a rule whose descent is {rule.descent}", "use the descent by eligibility",
        )  # fmt: skip
    for name, named in (rule.ports or {}).items():
        for port in named:
            if port != PORT:
                raise refused(name, f"learning at the port {port}")
    parameters = plastic_parameters(network, rule, reached_populations(network, rule))
    learning = dict.fromkeys(p.population for p in parameters if p.port == PORT)
    kept = {name: kept_part(network, name) for name in learning}
    ports = dict.fromkeys(learning, (PORT,))
    return replace(rule, descent="instantaneous", ports=ports), kept
