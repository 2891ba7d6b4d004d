"""The populations of the graph as programs, while both forms exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ltc2hw.dynamics.formats import Formats, GateFormat, Held
from ltc2hw.dynamics.lowering import lower, result_fractions
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models.lif import lif
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.dynamics.program import Program
from ltc2hw.fixed import FixedGate, FixedLIF, FixedLTC, FixedReadout, Message
from ltc2hw.network import LIF, LTC, Readout
from ltc2hw.nonlinearity import Nonlinearity, table_index_bits
from ltc2hw.words import FloatArray, IntArray


@dataclass(frozen=True)
class Neurons:
    """Neurons of one model in the float graph: constants (N,) by name, gates' non-linearities."""

    name: str
    size: int
    model: Model
    constants: Mapping[str, FloatArray]
    functions: Mapping[str, Nonlinearity]

    @property
    def ports(self) -> tuple[str, ...]:
        return self.model.ports

    @property
    def registers(self) -> tuple[str, ...]:
        return self.model.states

    @property
    def recordable(self) -> tuple[str, ...]:
        return self.model.results

    @property
    def variables(self) -> tuple[str, ...]:
        return self.model.sends

    @property
    def output_variable(self) -> str:
        return self.model.output


@dataclass(frozen=True)
class FixedNeurons:
    """Neurons of one model in the integer graph.

    ``program`` is the integer program, ``constants`` int64 (N,) by name, ``tables`` int64 by gate;
    ``formats`` are what the program was lowered with.
    """

    name: str
    size: int
    model: Model
    formats: Formats
    program: Program
    constants: Mapping[str, IntArray]
    tables: Mapping[str, IntArray]
    messages: tuple[Message, ...] = ()

    @property
    def ports(self) -> tuple[str, ...]:
        return self.model.ports

    @property
    def registers(self) -> tuple[str, ...]:
        return self.model.states

    @property
    def recordable(self) -> tuple[str, ...]:
        return self.model.results

    @property
    def variables(self) -> tuple[str, ...]:
        sent = tuple(message.variable for message in self.messages)
        return ("spikes", *sent) if "spikes" in self.model.sends else sent

    @property
    def output_variable(self) -> str:
        return self.model.output

    @property
    def fractions(self) -> Mapping[str, int]:
        """Fractional bits of every result."""
        return result_fractions(self.model.working, self.formats)


def real_neurons(population: LTC | LIF | Readout) -> Neurons:
    """The float population as constants of a model."""
    name, size = population.name, population.size
    if isinstance(population, LIF):
        names = ("current_decay", "membrane_decay", "threshold", "bias")
        return Neurons(name, size, lif, {n: getattr(population, n) for n in names}, {})
    constants = {"bias_current": np.asarray(population.bias_current)}
    functions: dict[str, Nonlinearity] = {}
    gates = {"tau_mem": population.tau_mem}
    if isinstance(population, LTC):
        gates["tau_adp"] = population.tau_adp
        constants["threshold"] = population.threshold
        constants["adaptation_strength"] = population.adaptation_strength
    for port, gate in gates.items():
        functions[port] = gate.nonlinearity
        for term in ("bias", "from_state", "from_current"):
            constants[f"{port}.{term}"] = np.asarray(getattr(gate, term))
    model = ltc if isinstance(population, LTC) else readout
    return Neurons(name, size, model, constants, functions)


def lowered(population: FixedLTC | FixedLIF | FixedReadout) -> FixedNeurons:
    if isinstance(population, FixedLIF):
        return _lif(population)
    f, word = population.fraction, population.state
    held = {"current": Held.within(word, f), "membrane": Held(f)}
    ports = {"current": f}
    constants: dict[str, IntArray] = {"bias_current": population.bias_current}
    fractions = {"bias_current": f}
    gates, tables = {}, {}
    states = [("tau_mem", population.tau_mem, f)]
    if isinstance(population, FixedLTC):
        a = population.adaptation_fraction
        states.append(("tau_adp", population.tau_adp, a))
        held |= {"adaptation": Held(a), "spikes": Held(0), "threshold": Held.within(word, f)}
        constants |= {
            "threshold": population.threshold,
            "adaptation_strength": population.adaptation_strength.values,
        }
        fractions |= {
            "threshold": f,
            "adaptation_strength": population.adaptation_strength.shift + f - a,
        }
    for name, gate, own in states:
        ports[name] = gate.fraction
        held[name] = Held.within(word, gate.fraction)
        constants |= {
            f"{name}.bias": gate.bias,
            f"{name}.from_state": gate.from_state.values,
            f"{name}.from_current": gate.from_current.values,
        }
        fractions |= {
            f"{name}.bias": gate.fraction,
            f"{name}.from_state": gate.from_state.shift + gate.fraction - own,
            f"{name}.from_current": gate.from_current.shift + gate.fraction - f,
        }
        gates[name], tables[name] = _gate(gate)
    model = ltc if isinstance(population, FixedLTC) else readout
    formats = Formats(held, ports, fractions, gates)
    return FixedNeurons(
        population.name, population.size, model, formats, lower(model.working, formats),
        constants, tables, population.messages,
    )  # fmt: skip


def _gate(gate: FixedGate) -> tuple[GateFormat, IntArray]:
    bits = 0 if gate.function == "plan" else table_index_bits(gate.table.size, gate.function)
    return GateFormat(gate.function, gate.output_fraction, bits), np.asarray(gate.table)


def _lif(population: FixedLIF) -> FixedNeurons:
    f, d = population.fraction, population.decay_fraction
    formats = Formats(
        {
            "current": Held.wrapping_once(population.state.bits, population.current_bits, f),
            "membrane": Held.between(population.state.maximum, f),
        },
        {"current": f - population.alignment},
        {
            "current_decay": d,
            "membrane_decay": d,
            "threshold": f - population.alignment,
            "bias": f - population.bias_exponent,
        },
    )
    constants = {
        "current_decay": population.current_decay,
        "membrane_decay": population.membrane_decay,
        "threshold": population.threshold,
        "bias": population.bias_mantissa,
    }
    return FixedNeurons(
        population.name, population.size, lif, formats, lower(lif.working, formats), constants, {}
    )
