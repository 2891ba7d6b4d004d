"""Populations of float networks as nodes of NIR: standard ones where they say it, ours elsewhere.

Constants are chosen so that weights stay what they are: ``R = τ/dt`` and ``w_in = τ_syn/dt``, as
snnTorch writes them.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.nir_graph import LTC_TYPE, READOUT_TYPE
from ltc2hw.converters.nir_neurons import neurons_entries
from ltc2hw.converters.nir_record import KEY, RESET_KEY, lif_metadata, readout_metadata
from ltc2hw.converters.populations import TERMS, gate_of, is_model
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models.if_subtract_delayed import if_subtract_delayed
from ltc2hw.dynamics.models.lif import lif
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.graph.network import FloatPopulation, Input, Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.nonlinearity import evaluate
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.scaling import named_function

Entries = dict[str, Any]


class PopulationNodes:
    """Writes the nodes of a network's populations, with time constants in units of ``dt``.

    ``subtracting`` are models that LIF, CubaLIF and IF nodes stand for where they have no
    ``v_reset``.
    """

    def __init__(
        self, network: Network, dt: float, conversion: Conversion, subtracting: tuple[Model, ...]
    ) -> None:
        self.network = network
        self.dt = dt
        self.conversion = conversion
        self.subtracting = subtracting

    def population(self, population: FloatPopulation) -> Entries:
        """The node of a population."""
        label = f"population {population.name!r}"
        if isinstance(population, Input):
            self.conversion.meet("graded-input" if population.graded else "spiking-input", label)
            return {"type": "Input", "shape": np.array([population.size]), "metadata": {}}
        if is_model(population, lif):
            return {**self.lif(population, label), "metadata": {KEY: lif_metadata(population)}}
        if is_model(population, readout):
            return self.readout(population, label)
        if self.is_lif(population):
            return self.subtracting_lif(population, label)
        if not is_model(population, ltc):
            self.conversion.meet("other-model", label)
            return neurons_entries(population)
        self.conversion.meet("ltc", label)
        return {
            "type": LTC_TYPE,
            "threshold": population.constants["threshold"],
            "adaptation_strength": population.constants["adaptation_strength"],
            "bias_current": population.constants["bias_current"],
            **_gate("tau_mem", population),
            **_gate("tau_adp", population),
            "metadata": {},
        }

    def is_lif(self, population: FloatPopulation) -> TypeGuard[Neurons]:
        """Whether LIF, CubaLIF or IF nodes can stand for a population."""
        return is_model(population, lif, *self.subtracting)

    def subtracting_lif(self, population: Neurons, label: str) -> Entries:
        """The same nodes without the potential that others are reset to."""
        self.conversion.meet("soft-reset", label)
        entries = self.lif(population, label)
        del entries["v_reset"]
        reset = "subtract-delayed" if is_model(population, if_subtract_delayed) else "subtract"
        return {**entries, "metadata": {KEY: lif_metadata(population), RESET_KEY: reset}}

    def lif(self, population: Neurons, label: str) -> Entries:
        """LIF, CubaLIF or IF."""
        constants = population.constants
        synapse, leak, bias = (constants[n] for n in ("current_decay", "membrane_decay", "bias"))
        one, zero = np.ones(population.size), np.zeros(population.size)
        if integrates(population):
            self.conversion.meet("if", label)
            entries = {"type": "IF", "r": one / self.dt}
            return {**entries, "v_threshold": constants["threshold"], "v_reset": zero}
        if np.any(leak == 0.0):
            self.conversion.meet("no-leak-with-current", label)
        if np.any(synapse == 0.0):
            self.conversion.meet("no-current-decay", label)
        if np.any(bias):
            self.conversion.meet("membrane-bias", label)
        common = {
            "r": self.quotient(one, leak, label),
            "v_leak": self.quotient(bias, leak, label),
            "v_threshold": constants["threshold"],
            "v_reset": zero,
        }
        tau = self.quotient(self.dt * one, leak, label)
        if np.all(synapse == 1.0):
            self.conversion.meet("lif-box", label)
            return {"type": "LIF", "tau": tau, **common}
        self.conversion.meet("lif", label)
        return {
            "type": "CubaLIF",
            "tau_syn": self.quotient(self.dt * one, synapse, label),
            "tau_mem": tau,
            **common,
            "w_in": self.quotient(one, synapse, label),
        }

    def readout(self, population: Neurons, label: str) -> Entries:
        """LI where the gate is static, else an extension node."""
        gate, name = gate_of(population, "tau_mem"), population.name
        bias = population.constants["bias_current"]
        moved = any((p.target, p.port) == (name, "tau_mem") for p in self.network.projections)
        if moved or np.any(gate.from_state) or np.any(gate.from_current):
            self.conversion.meet("gated-readout", label)
            return {
                "type": READOUT_TYPE,
                "bias_current": bias,
                **_gate("tau_mem", population),
                "metadata": {},
            }
        leak = evaluate(gate.nonlinearity, np.asarray(gate.bias, dtype=np.float64))
        if np.any(leak == 0.0):
            self.conversion.meet("integrator", label)
        self.conversion.meet("readout", label)
        return {
            "type": "LI",
            "tau": self.quotient(np.full(population.size, self.dt), leak, label),
            "r": np.ones(population.size),
            "v_leak": bias,
            "metadata": {KEY: readout_metadata(population)},
        }

    def quotient(self, value: FloatArray, decay: FloatArray, label: str) -> FloatArray:
        """A value divided by a decay above 0, or a refusal."""
        with np.errstate(over="ignore"):
            divided: FloatArray = value / decay
        if not np.all(np.isfinite(divided)):
            self.conversion.meet("overflow", label)
        return divided


def integrates(population: Neurons) -> bool:
    """Whether neurons of the model ``lif`` integrate all that arrives, without any decay."""
    constants = population.constants
    return bool(
        np.all(constants["current_decay"] == 1.0) and not np.any(constants["membrane_decay"])
    )


def _gate(name: str, population: Neurons) -> Entries:
    terms = {f"{name}_{term}": population.constants[f"{name}.{term}"] for term in TERMS}
    return {**terms, f"{name}_nonlinearity": named_function(population, name)}
