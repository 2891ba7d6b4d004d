"""The integer graph: the same network as a chip holds it. NumPy int64, frozen.

Every scale is a power of two: ``real = integer / 2^fraction``. The bit specification of each
population is in ``docs/numerics.md`` and, as readable NumPy, in ``simulations/integer.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.fields import ArrayFields, integer_array, integer_vector, set_field
from ltc2hw.graph import (
    Port,
    Variable,
    check_connection,
    check_graph,
    check_population,
    connection_name,
    named,
)
from ltc2hw.nonlinearity import (
    GATE_FUNCTIONS,
    PLAN_MINIMUM_FRACTION,
    TABLE_SPAN_BITS,
    GateFunction,
    table_index_bits,
)
from ltc2hw.weights import Weights
from ltc2hw.words import IntArray, Word

GRADED_VARIABLES: tuple[Variable, ...] = ("current", "membrane", "adaptation")


@dataclass(frozen=True, eq=False)
class Factor(ArrayFields):
    """A constant multiplier per neuron: ``rsz(values * x, shift)``, values int64 of shape (N,)."""

    values: IntArray
    shift: int

    def sized(self, name: str, size: int) -> Factor:
        """Return the factor with its array checked to be of shape (size,)."""
        require_range(f"{name} shift", self.shift, 0, 62)
        return Factor(integer_vector(name, self.values, size), self.shift)


@dataclass(frozen=True, eq=False)
class FixedGate(ArrayFields):
    """An integer gate: argument word, self terms, and the non-linearity that reads it.

    ``g = sat(Σ arriving + bias + rsz(from_state·x) + rsz(from_current·I))`` with ``fraction``
    fractional bits; the result has ``output_fraction`` bits, in ``0 .. 2^output_fraction``.
    ``table`` holds the entries of a lookup function and is empty for ``plan``.
    """

    bias: IntArray
    from_state: Factor
    from_current: Factor
    fraction: int
    output_fraction: int
    function: GateFunction
    table: IntArray

    def sized(self, name: str, size: int) -> FixedGate:
        """Return the gate with its arrays checked to be of shape (size,) and its shifts valid."""
        if self.function not in GATE_FUNCTIONS:
            raise UnknownNameError(f"{name} function", self.function, GATE_FUNCTIONS)
        require_range(f"{name} output_fraction", self.output_fraction, PLAN_MINIMUM_FRACTION, 30)
        if self.function == "plan":
            lowest = max(3, self.output_fraction - 2)
            if self.table.size:
                raise ShapeError(f"{name} table", self.table.shape, "(0,) for plan")
        else:
            lowest = table_index_bits(self.table.size, self.function) - TABLE_SPAN_BITS
        require_range(f"{name} fraction", self.fraction, lowest, 60)
        return FixedGate(
            integer_vector(f"{name} bias", self.bias, size),
            self.from_state.sized(f"{name} from_state", size),
            self.from_current.sized(f"{name} from_current", size),
            self.fraction,
            self.output_fraction,
            self.function,
            integer_array(f"{name} table", self.table),
        )


@dataclass(frozen=True)
class Message:
    """How a graded variable is sent: ``word.fit(rsz(value, shift))``."""

    variable: Variable
    word: Word
    shift: int

    def __post_init__(self) -> None:
        if self.variable not in GRADED_VARIABLES:
            raise UnknownNameError("graded variable", self.variable, GRADED_VARIABLES)
        require_range(f"shift of message {self.variable}", self.shift, 0, 62)


@dataclass(frozen=True, eq=False)
class FixedInput(ArrayFields):
    """Encoder of samples: ``word.fit(round_half_even(x * 2^fraction))``.

    Spiking inputs have a one-bit unsigned word and fraction 0; they accept only 0 and 1.
    """

    name: str
    size: int
    graded: bool
    word: Word
    fraction: int

    ports: ClassVar[tuple[Port, ...]] = ()
    registers: ClassVar[tuple[str, ...]] = ()
    output_variable: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_population("FixedInput", self.name, self.size)
        if not self.graded and (self.word.bits, self.word.signed, self.fraction) != (1, False, 0):
            raise InvalidValueError(
                f"word of spiking input {self.name}", self.word, "one unsigned bit, fraction 0"
            )

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The one variable that it sends."""
        return ("value",) if self.graded else ("spikes",)

    @property
    def recordable(self) -> tuple[str, ...]:
        """What an engine can record of it."""
        return self.variables


@dataclass(frozen=True, eq=False)
class FixedLTC(ArrayFields):
    """Integer LTC spiking neurons; the specification is ``docs/numerics.md``, section LTC.

    ``state`` is the signed saturating word of current, membrane, gate arguments and threshold;
    current, membrane, threshold and ``bias_current`` have ``fraction`` fractional bits;
    adaptation has ``adaptation_fraction`` and lies in ``0 .. 2^adaptation_fraction``.
    """

    name: str
    size: int
    state: Word
    fraction: int
    adaptation_fraction: int
    threshold: IntArray
    adaptation_strength: Factor
    bias_current: IntArray
    tau_mem: FixedGate
    tau_adp: FixedGate
    messages: tuple[Message, ...] = ()

    ports: ClassVar[tuple[Port, ...]] = ("current", "tau_mem", "tau_adp")
    registers: ClassVar[tuple[str, ...]] = ("membrane", "adaptation", "spikes")
    output_variable: ClassVar[str] = "spikes"
    recordable: ClassVar[tuple[str, ...]] = (
        "current",
        "tau_mem",
        "tau_adp",
        "membrane",
        "adaptation",
        "threshold",
        "spikes",
    )

    def __post_init__(self) -> None:
        check_population("FixedLTC", self.name, self.size)
        name, size = self.name, self.size
        threshold = integer_vector(f"{name} threshold", self.threshold, size)
        set_field(self, "threshold", threshold)
        bias = integer_vector(f"{name} bias_current", self.bias_current, size)
        set_field(self, "bias_current", bias)
        strength = self.adaptation_strength.sized(f"{name} adaptation_strength", size)
        set_field(self, "adaptation_strength", strength)
        set_field(self, "tau_mem", self.tau_mem.sized(f"{name} tau_mem", size))
        set_field(self, "tau_adp", self.tau_adp.sized(f"{name} tau_adp", size))
        set_field(self, "messages", tuple(self.messages))
        require_range(
            f"{name} adaptation_fraction",
            self.adaptation_fraction,
            self.tau_adp.output_fraction,
            60,
        )

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Spikes, and the graded variables that have a message format."""
        return ("spikes", *(message.variable for message in self.messages))


@dataclass(frozen=True, eq=False)
class FixedLIF(ArrayFields):
    """Integer LIF neurons with the arithmetic of Lava's fixed-point LIF.

    ``current_decay`` is Lava's ``du + 1``; decays are integers in ``0 .. 2^decay_fraction``
    (the current's in ``1 ..``), threshold and bias are mantissas, shifted left by ``alignment``
    and ``bias_exponent``. Arrays have shape (N,), except the scalar words.
    ``fraction`` counts the fractional bits of current and membrane.
    Source: Lava 0.10.0, ``lava/proc/lif/models.py``, fixed-point LIF.
    """

    name: str
    size: int
    state: Word
    fraction: int
    decay_fraction: int
    alignment: int
    current_decay: IntArray
    membrane_decay: IntArray
    threshold: IntArray
    bias_mantissa: IntArray
    bias_exponent: int

    ports: ClassVar[tuple[Port, ...]] = ("current",)
    variables: ClassVar[tuple[Variable, ...]] = ("spikes",)
    registers: ClassVar[tuple[str, ...]] = ("current", "membrane")
    output_variable: ClassVar[str] = "spikes"
    recordable: ClassVar[tuple[str, ...]] = ("current", "membrane", "spikes")

    def __post_init__(self) -> None:
        check_population("FixedLIF", self.name, self.size)
        for field_name in ("current_decay", "membrane_decay", "threshold", "bias_mantissa"):
            value = getattr(self, field_name)
            vector = integer_vector(f"{self.name} {field_name}", value, self.size)
            set_field(self, field_name, vector)
        require_range(f"{self.name} decay_fraction", self.decay_fraction, 1, 30)
        require_range(f"{self.name} alignment", self.alignment, 0, 30)
        require_range(f"{self.name} bias_exponent", self.bias_exponent, 0, 30)
        full = 1 << self.decay_fraction
        for field_name, lowest in (("current_decay", 1), ("membrane_decay", 0)):
            decay = getattr(self, field_name)
            require_range(f"{self.name} {field_name}", int(decay.min()), lowest, full)
            require_range(f"{self.name} {field_name}", int(decay.max()), lowest, full)


@dataclass(frozen=True, eq=False)
class FixedReadout(ArrayFields):
    """Integer leaky integrators; same words as :class:`FixedLTC`, no spikes."""

    name: str
    size: int
    state: Word
    fraction: int
    bias_current: IntArray
    tau_mem: FixedGate
    messages: tuple[Message, ...] = ()

    ports: ClassVar[tuple[Port, ...]] = ("current", "tau_mem")
    registers: ClassVar[tuple[str, ...]] = ("membrane",)
    output_variable: ClassVar[str] = "membrane"
    recordable: ClassVar[tuple[str, ...]] = ("current", "tau_mem", "membrane")

    def __post_init__(self) -> None:
        check_population("FixedReadout", self.name, self.size)
        bias = integer_vector(f"{self.name} bias_current", self.bias_current, self.size)
        set_field(self, "bias_current", bias)
        set_field(self, "tau_mem", self.tau_mem.sized(f"{self.name} tau_mem", self.size))
        set_field(self, "messages", tuple(self.messages))

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The graded variables that have a message format."""
        return tuple(message.variable for message in self.messages)


FixedPopulation = FixedInput | FixedLTC | FixedLIF | FixedReadout


@dataclass(frozen=True, eq=False)
class FixedProjection(ArrayFields):
    """Integer weights: ``arriving = (mantissas @ message(t - delay)) << exponent``.

    Mantissas are signed ``bits``-bit integers. ``exponent`` aligns them to the target port.
    ``weight_fraction`` tells their scale: real weight = mantissa / 2^weight_fraction.
    """

    source: str
    variable: Variable
    target: str
    port: Port
    weights: Weights
    bits: int
    exponent: int
    weight_fraction: int
    delay: int = 0

    def __post_init__(self) -> None:
        check_connection(self)
        label = f"weights of {connection_name(self)}"
        word = Word(self.bits)
        values = self.weights.values
        if values.dtype.kind != "i":
            raise InvalidValueError(f"type of {label}", values.dtype, "integers")
        if values.size and (values.min() < word.minimum or values.max() > word.maximum):
            worst = values[np.argmax(np.abs(values))]
            raise InvalidValueError(label, worst, f"{word.minimum} to {word.maximum}")
        require_range(f"exponent of {connection_name(self)}", self.exponent, 0, 60)


@dataclass(frozen=True, eq=False)
class FixedNetwork(ArrayFields):
    """An integer network for one target; construction checks what :class:`Network` checks."""

    populations: tuple[FixedPopulation, ...]
    projections: tuple[FixedProjection, ...]
    output: str
    target: str
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        set_field(self, "populations", tuple(self.populations))
        set_field(self, "projections", tuple(self.projections))
        set_field(self, "provenance", dict(self.provenance))
        inputs = [p for p in self.populations if isinstance(p, FixedInput)]
        check_graph(self.populations, self.projections, inputs, self.output)

    @property
    def input(self) -> FixedInput:
        """The input population."""
        return next(p for p in self.populations if isinstance(p, FixedInput))

    def population(self, name: str) -> FixedPopulation:
        """Return the population of that name.

        Raises:
            UnknownNameError: if there is none.
        """
        return named(self.populations, name)


def variable_fraction(population: FixedPopulation, variable: str) -> int:
    """Fractional bits of a variable as an engine records it (0 for spikes).

    Raises:
        UnknownNameError: if the population has no such variable.
    """
    if variable not in population.recordable:
        raise UnknownNameError(f"variable of {population.name}", variable, population.recordable)
    if variable == "spikes":
        return 0
    if isinstance(population, (FixedLTC, FixedReadout)):
        if variable == "tau_mem":
            return population.tau_mem.output_fraction
        if isinstance(population, FixedLTC) and variable == "tau_adp":
            return population.tau_adp.output_fraction
        if isinstance(population, FixedLTC) and variable == "adaptation":
            return population.adaptation_fraction
    return population.fraction


def message_fraction(population: FixedPopulation, variable: Variable) -> int:
    """Fractional bits of what a projection from this variable carries."""
    message = message_format(population, variable)
    shift = message.shift if message is not None else 0
    return variable_fraction(population, variable) - shift


def message_format(population: FixedPopulation, variable: Variable) -> Message | None:
    """Format of a graded message, or None where the variable is sent as it is."""
    if isinstance(population, (FixedLTC, FixedReadout)):
        for message in population.messages:
            if message.variable == variable:
                return message
    return None


def message_word(population: FixedPopulation, variable: Variable) -> Word:
    """Word of what a projection from this variable carries (one unsigned bit for spikes)."""
    if isinstance(population, FixedInput):
        return population.word
    message = message_format(population, variable)
    return message.word if message is not None else Word(1, signed=False)


def require_range(name: str, value: int, lowest: int, highest: int) -> None:
    """Raise unless ``lowest <= value <= highest``."""
    if not lowest <= value <= highest:
        raise InvalidValueError(name, value, f"{lowest} to {highest}")


def recorded_dtype(network: FixedNetwork) -> npt.DTypeLike:
    """Type of recorded integers: int32 where every word fits it, int64 otherwise."""
    widest = max(
        population.word.bits if isinstance(population, FixedInput) else population.state.bits
        for population in network.populations
    )
    return np.int32 if widest <= 32 else np.int64
