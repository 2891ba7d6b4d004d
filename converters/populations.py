"""Populations of the first three models by the names that other tools and old files know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard, overload

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.formats import Formats, GateFormat, Held, current_register_bits
from ltc2hw.dynamics.lowering import lower
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models.lif import lif
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.errors import UnknownNameError
from ltc2hw.graph.fixed import FixedPopulation
from ltc2hw.graph.network import FloatPopulation
from ltc2hw.graph.neurons import FixedNeurons, Message, Neurons
from ltc2hw.numbers.integer_limits import FINEST_RESULT, require_state
from ltc2hw.numbers.nonlinearity import (
    GATE_FUNCTIONS,
    GateCurve,
    GateFunction,
    Nonlinearity,
    table_index_bits,
)
from ltc2hw.numbers.scalars import require_range, require_type
from ltc2hw.numbers.words import IntArray, Word

TERMS = ("bias", "from_state", "from_current")
"""Constants of a gate, ``tau_mem.bias`` and so on."""


@overload
def is_model(population: FloatPopulation | None, *models: Model) -> TypeGuard[Neurons]: ...


@overload
def is_model(population: FixedPopulation, *models: Model) -> TypeGuard[FixedNeurons]: ...


def is_model(population: FloatPopulation | FixedPopulation | None, *models: Model) -> bool:
    """Whether a population computes what one of the models does, whatever name it has.

    >>> is_model(Neurons("hidden", 2, "lif"), lif), is_model(Neurons("out", 2, "readout"), lif, ltc)
    (True, False)
    """
    if not isinstance(population, (Neurons, FixedNeurons)):
        return False
    own = population.model
    return any(own is model or own.program == model.program for model in models)


@dataclass(frozen=True, eq=False)
class Gate:
    """A learned time constant per neuron: ``σ(arriving + bias + from_state·x + from_current·I)``.

    ``x`` is the state that the gate steers, at the previous step. Scalars or arrays (N,).
    """

    bias: npt.ArrayLike = 0.0
    from_state: npt.ArrayLike = 0.0
    from_current: npt.ArrayLike = 0.0
    nonlinearity: Nonlinearity | GateCurve = "sigmoid"

    def constants(self, name: str) -> dict[str, npt.ArrayLike]:
        """Its constants by their names in a model."""
        return {f"{name}.{term}": getattr(self, term) for term in TERMS}


def LTC(
    name: str,
    size: int,
    threshold: npt.ArrayLike,
    adaptation_strength: npt.ArrayLike,
    bias_current: npt.ArrayLike,
    tau_mem: Gate,
    tau_adp: Gate,
) -> Neurons:
    """Neurons of the model ``ltc``."""
    gates = {"tau_mem": tau_mem, "tau_adp": tau_adp}
    own = {
        "threshold": threshold,
        "adaptation_strength": adaptation_strength,
        "bias_current": bias_current,
    }
    return _gated(name, size, ltc, own, gates)


def Readout(name: str, size: int, bias_current: npt.ArrayLike, tau_mem: Gate) -> Neurons:
    """Neurons of the model ``readout``."""
    return _gated(name, size, readout, {"bias_current": bias_current}, {"tau_mem": tau_mem})


def _gated(
    name: str,
    size: int,
    model: Any,
    constants: Mapping[str, npt.ArrayLike],
    gates: Mapping[str, Gate],
) -> Neurons:
    whole = dict(constants)
    for gate, parameters in gates.items():
        require_type(f"{name} {gate}", parameters, Gate)
        whole |= parameters.constants(gate)
    functions = {gate: parameters.nonlinearity for gate, parameters in gates.items()}
    return Neurons(name, size, model, whole, functions)


def LIF(
    name: str,
    size: int,
    current_decay: npt.ArrayLike,
    membrane_decay: npt.ArrayLike,
    threshold: npt.ArrayLike,
    bias: npt.ArrayLike,
) -> Neurons:
    """Neurons of the model ``lif``."""
    constants = {
        "current_decay": current_decay,
        "membrane_decay": membrane_decay,
        "threshold": threshold,
        "bias": bias,
    }
    return Neurons(name, size, lif, constants)


def gate_of(population: Neurons, name: str) -> Gate:
    """A gate's constants and function."""
    terms = {term: population.constants[f"{name}.{term}"] for term in TERMS}
    return Gate(**terms, nonlinearity=population.functions[name])


@dataclass(frozen=True, eq=False)
class Factor:
    """A constant multiplier per neuron: ``rsz(values * x, shift)``, values int64 of shape (N,)."""

    values: IntArray
    shift: int


@dataclass(frozen=True, eq=False)
class FixedGate:
    """An integer gate: argument word, self terms, and the non-linearity that reads it."""

    bias: IntArray
    from_state: Factor
    from_current: Factor
    fraction: int
    output_fraction: int
    function: GateFunction
    table: IntArray

    def __post_init__(self) -> None:
        require_type("gate function", self.function, str)
        if self.function not in GATE_FUNCTIONS:
            raise UnknownNameError("gate function", self.function, GATE_FUNCTIONS)


def FixedLTC(
    name: str,
    size: int,
    state: Word,
    fraction: int,
    adaptation_fraction: int,
    threshold: IntArray,
    adaptation_strength: Factor,
    bias_current: IntArray,
    tau_mem: FixedGate,
    tau_adp: FixedGate,
    messages: tuple[Message, ...] = (),
) -> FixedNeurons:
    """Integer neurons of the model ``ltc``; all words but the adaptation's are ``state``."""
    formats = _GatedFormats(name, state, fraction)
    require_type(f"{name} tau_adp", tau_adp, FixedGate)
    require_range(
        f"{name} adaptation_fraction", adaptation_fraction, tau_adp.output_fraction, FINEST_RESULT
    )
    formats.held |= {
        "adaptation": Held(adaptation_fraction),
        "threshold": Held.within(state, fraction),
    }
    formats.gate("tau_mem", tau_mem, fraction)
    formats.gate("tau_adp", tau_adp, adaptation_fraction)
    formats.add("bias_current", bias_current, fraction)
    formats.add("threshold", threshold, fraction)
    formats.add_factor("adaptation_strength", adaptation_strength, adaptation_fraction, fraction)
    return formats.neurons(name, size, ltc, messages)


def FixedReadout(
    name: str,
    size: int,
    state: Word,
    fraction: int,
    bias_current: IntArray,
    tau_mem: FixedGate,
    messages: tuple[Message, ...] = (),
) -> FixedNeurons:
    """Integer neurons of the model ``readout``."""
    formats = _GatedFormats(name, state, fraction)
    formats.gate("tau_mem", tau_mem, fraction)
    formats.add("bias_current", bias_current, fraction)
    return formats.neurons(name, size, readout, messages)


class _GatedFormats:
    """Formats and constants of neurons with gates, collected."""

    def __init__(self, name: str, state: Word, fraction: int) -> None:
        require_state(name, state, wraps=True)
        self.state = state
        self.fraction = fraction
        self.held = {"current": Held.within(state, fraction), "membrane": Held(fraction)}
        self.ports = {"current": fraction}
        self.constants: dict[str, IntArray] = {}
        self.fractions: dict[str, int] = {}
        self.gates: dict[str, GateFormat] = {}
        self.tables: dict[str, IntArray] = {}

    def add(self, name: str, values: IntArray, fraction: int) -> None:
        """A constant that is added at a fraction."""
        self.constants[name], self.fractions[name] = values, fraction

    def add_factor(self, name: str, factor: Factor, operand: int, result: int) -> None:
        """A constant that multiplies: its fraction makes the product's shift what was asked."""
        require_type(name, factor, Factor)
        self.add(name, factor.values, factor.shift + result - operand)

    def gate(self, name: str, gate: FixedGate, steered: int) -> None:
        """A gate that steers a state of the given fraction."""
        require_type(name, gate, FixedGate)
        table = np.asarray(gate.table)
        bits = 0 if gate.function == "plan" else table_index_bits(table.size, gate.function)
        self.held[name] = Held.within(self.state, gate.fraction)
        self.ports[name] = gate.fraction
        self.gates[name] = GateFormat(gate.function, gate.output_fraction, bits)
        self.tables[name] = table
        self.add(f"{name}.bias", gate.bias, gate.fraction)
        self.add_factor(f"{name}.from_state", gate.from_state, steered, gate.fraction)
        self.add_factor(f"{name}.from_current", gate.from_current, self.fraction, gate.fraction)

    def neurons(
        self, name: str, size: int, model: Any, messages: tuple[Message, ...]
    ) -> FixedNeurons:
        """All of it as a population."""
        formats = Formats(self.held, self.ports, self.fractions, self.gates)
        return FixedNeurons(name, size, model, formats, self.constants, self.tables, messages)


@dataclass(frozen=True)
class LIFWords:
    """How Lava's fixed-point LIF holds its numbers.

    Membranes and currents are ``state`` words of ``fraction`` bits; decays have ``decay_fraction``.
    Thresholds and what arrives are shifted left by ``alignment``, biases by ``bias_exponent``.
    """

    state: Word
    fraction: int
    decay_fraction: int
    alignment: int
    bias_exponent: int

    def neurons(self, name: str, size: int, constants: Mapping[str, IntArray]) -> FixedNeurons:
        """Integer neurons of the model ``lif`` that hold their numbers so."""
        return FixedNeurons(name, size, lif, self.formats, constants)

    @property
    def formats(self) -> Formats:
        """The same as formats of the model's values."""
        register_bits = current_register_bits(self.state.bits)
        return Formats(
            {
                "current": Held.wrapping_once(self.state.bits, register_bits, self.fraction),
                "membrane": Held.between(self.state.maximum, self.fraction),
            },
            {"current": self.fraction - self.alignment},
            {
                "current_decay": self.decay_fraction,
                "membrane_decay": self.decay_fraction,
                "threshold": self.fraction - self.alignment,
                "bias": self.fraction - self.bias_exponent,
            },
        )


def lif_words(population: FixedNeurons) -> LIFWords | None:
    """The words of integer neurons of the model ``lif``; None where they are not Lava's.

    >>> words = LIFWords(Word(24), 12, 12, 6, 0)
    >>> lif_words(words.neurons("n", 1, dict.fromkeys(words.formats.constants, 1))) == words
    True
    """
    formats = population.formats
    held, constants = formats.held["membrane"], formats.constants
    words = LIFWords(
        Word(1 + int(max(held.numbers, default=1)).bit_length()),
        held.fraction,
        constants["current_decay"],
        held.fraction - formats.ports["current"],
        held.fraction - constants["bias"],
    )
    lava = words.formats
    same = all(
        getattr(formats, part) == getattr(lava, part) for part in ("held", "ports", "constants")
    )
    if not same or words.alignment < 0 or words.bias_exponent < 0:
        return None
    return words if population.program == lower(lif.program, lava) else None


def FixedLIF(
    name: str,
    size: int,
    state: Word,
    fraction: int,
    decay_fraction: int,
    alignment: int,
    current_decay: IntArray,
    membrane_decay: IntArray,
    threshold: IntArray,
    bias_mantissa: IntArray,
    bias_exponent: int,
) -> FixedNeurons:
    """Integer neurons of the model ``lif`` with the words of Lava's fixed-point LIF."""
    constants = {
        "current_decay": current_decay,
        "membrane_decay": membrane_decay,
        "threshold": threshold,
        "bias": bias_mantissa,
    }
    require_state(name, state, wraps=False)
    words = LIFWords(state, fraction, decay_fraction, alignment, bias_exponent)
    return words.neurons(name, size, constants)
