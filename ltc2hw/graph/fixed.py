"""The integer graph: the same network as a chip holds it. NumPy int64, frozen.

Every scale is a power of two: ``real = integer / 2^fraction``. The bit specification of each
population is in ``docs/numerics.md`` and, as readable NumPy, in ``simulations/integer.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.structure import (
    Port,
    Variable,
    check_connection,
    check_graph,
    check_population,
    connection_name,
    named,
)
from ltc2hw.numbers.fields import (
    ArrayFields,
    integer_array,
    integer_vector,
    parts,
    set_field,
    texts,
)
from ltc2hw.numbers.integer_limits import (
    EXACT_BITS,
    FINEST_GATE,
    FINEST_RESULT,
    LARGEST_SHIFT,
    largest,
    magnitude,
    require_exact,
    require_fraction,
    require_state,
)
from ltc2hw.numbers.nonlinearity import (
    GATE_FUNCTIONS,
    PLAN_MINIMUM_FRACTION,
    TABLE_SPAN_BITS,
    GateFunction,
    table_index_bits,
)
from ltc2hw.numbers.scalars import require_range, require_type
from ltc2hw.numbers.weights import Weights
from ltc2hw.numbers.words import WIDEST_WORD, IntArray, Word

LIF_CURRENT_BITS = 32
"""Bits in which Lava 0.10.0's fixed-point LIF computes its current of 24 bits."""

GRADED_VARIABLES: tuple[Variable, ...] = ("current", "membrane", "adaptation")


@dataclass(frozen=True, eq=False)
class Factor(ArrayFields):
    """A constant multiplier per neuron: ``rsz(values * x, shift)``, values int64 of shape (N,)."""

    values: IntArray
    shift: int

    def sized(self, name: str, size: int) -> Factor:
        """Return the factor with its array checked to be of shape (size,)."""
        require_range(f"{name} shift", self.shift, 0, LARGEST_SHIFT)
        return Factor(integer_vector(name, self.values, size), int(self.shift))

    def largest(self, name: str, reach: int) -> int:
        """Largest magnitude of its product with values up to ``reach``.

        Raises:
            InvalidValueError: if it is beyond 62 bits before the shift.
        """
        product = largest(self.values) * reach
        require_exact(name, product)
        return product >> self.shift


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
        require_type(f"{name} function", self.function, str)
        if self.function not in GATE_FUNCTIONS:
            raise UnknownNameError(f"{name} function", self.function, GATE_FUNCTIONS)
        bits = self.output_fraction
        require_range(f"{name} output_fraction", bits, PLAN_MINIMUM_FRACTION, FINEST_RESULT)
        table = integer_array(f"{name} table", self.table)
        lowest = max(3, bits - 2) if self.function == "plan" else self._check_table(name, table)
        require_range(f"{name} fraction", self.fraction, lowest, FINEST_GATE)
        if self.function == "plan" and table.size:
            raise ShapeError(f"{name} table", table.shape, "(0,) for plan")
        if self.function == "interpolated":
            require_exact(f"interpolation of {name}", 1 << bits + self.fraction - lowest)
        for factor in ("from_state", "from_current"):
            require_type(f"{name} {factor}", getattr(self, factor), Factor)
        return FixedGate(
            integer_vector(f"{name} bias", self.bias, size),
            self.from_state.sized(f"{name} from_state", size),
            self.from_current.sized(f"{name} from_current", size),
            int(self.fraction),
            int(bits),
            self.function,
            table,
        )

    def _check_table(self, name: str, table: IntArray) -> int:
        """Check a table's shape and entries; returns the smallest fraction that it serves."""
        if table.ndim != 1:
            raise ShapeError(f"{name} table", table.shape, "one dimension")
        index_bits = table_index_bits(table.size, self.function)
        one = 1 << self.output_fraction
        if table.min() < 0 or table.max() > one:
            worst = table.min() if table.min() < 0 else table.max()
            raise InvalidValueError(f"entry of the table of {name}", worst, f"0 to {one}")
        return index_bits - TABLE_SPAN_BITS

    def check_products(self, name: str, steered: int, current: int) -> int:
        """Check both products for states up to these magnitudes; returns the largest argument.

        What arrives is not part of it.
        """
        own = self.from_state.largest(f"product {name} from_state", steered)
        own += self.from_current.largest(f"product {name} from_current", current)
        return largest(self.bias) + own


@dataclass(frozen=True)
class Message:
    """How a graded variable is sent: ``word.fit(rsz(value, shift))``."""

    variable: Variable
    word: Word
    shift: int

    def __post_init__(self) -> None:
        require_type("graded variable", self.variable, str)
        if self.variable not in GRADED_VARIABLES:
            raise UnknownNameError("graded variable", self.variable, GRADED_VARIABLES)
        require_type(f"word of message {self.variable}", self.word, Word)
        require_range(f"shift of message {self.variable}", self.shift, 0, LARGEST_SHIFT)


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
        require_type(f"{self.name} graded", self.graded, bool, np.bool_)
        require_type(f"word of {self.name}", self.word, Word)
        require_fraction(f"{self.name} fraction", self.fraction)
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

    ``state`` is the signed word of current, membrane, gate arguments and threshold; current,
    membrane, threshold and ``bias_current`` have ``fraction`` fractional bits; adaptation has
    ``adaptation_fraction`` and lies in ``0 .. 2^adaptation_fraction``.
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
        name, size, adaptation = self.name, self.size, self.adaptation_fraction
        check_leaky(self, ("tau_mem", "tau_adp"), GRADED_VARIABLES)
        threshold = integer_vector(f"{name} threshold", self.threshold, size)
        set_field(self, "threshold", threshold)
        require_type(f"{name} adaptation_strength", self.adaptation_strength, Factor)
        strength = self.adaptation_strength.sized(f"{name} adaptation_strength", size)
        set_field(self, "adaptation_strength", strength)
        bits = self.tau_adp.output_fraction
        require_range(f"{name} adaptation_fraction", adaptation, bits, FINEST_RESULT)
        set_field(self, "adaptation_fraction", int(adaptation))
        raised = strength.largest(f"product {name} adaptation_strength", 1 << adaptation)
        require_exact(f"threshold of {name}", largest(threshold) + raised)

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
        name = self.name
        require_state(name, self.state, wraps=False)
        require_fraction(f"{name} fraction", self.fraction)
        for field_name in ("current_decay", "membrane_decay", "threshold", "bias_mantissa"):
            value = getattr(self, field_name)
            vector = integer_vector(f"{name} {field_name}", value, self.size)
            set_field(self, field_name, vector)
        for field_name, lowest in (("decay_fraction", 1), ("alignment", 0), ("bias_exponent", 0)):
            value = getattr(self, field_name)
            require_range(f"{name} {field_name}", value, lowest, FINEST_RESULT)
            set_field(self, field_name, int(value))
        full = 1 << self.decay_fraction
        for field_name, lowest in (("current_decay", 1), ("membrane_decay", 0)):
            decay = getattr(self, field_name)
            require_range(f"{name} {field_name}", int(decay.min()), lowest, full)
            require_range(f"{name} {field_name}", int(decay.max()), lowest, full)
        reach = 1 << (self.current_bits - 1)
        require_exact(f"decaying current of {name}", reach << self.decay_fraction)
        bias = largest(self.bias_mantissa) << self.bias_exponent
        require_exact(f"membrane of {name}", magnitude(self.state) + reach + bias)
        require_exact(f"threshold of {name}", largest(self.threshold) << self.alignment)

    @property
    def current_bits(self) -> int:
        """Bits of the register of the current: 32 as in Lava, four more than a wider state has."""
        return max(LIF_CURRENT_BITS, self.state.bits + 4)


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
        check_leaky(self, ("tau_mem",), ("current", "membrane"))

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The graded variables that have a message format."""
        return tuple(message.variable for message in self.messages)


FixedPopulation = FixedInput | FixedLTC | FixedLIF | FixedReadout


def check_leaky(
    population: FixedLTC | FixedReadout, gates: Sequence[str], graded: Sequence[Variable]
) -> None:
    """Check what LTC neurons and readouts share: state, bias, gates, messages; size the arrays.

    Raises:
        InvalidValueError, ShapeError, UnknownNameError: naming the population and its field.
    """
    name, size = population.name, population.size
    require_state(name, population.state, wraps=True)
    require_fraction(f"{name} fraction", population.fraction)
    bias = integer_vector(f"{name} bias_current", population.bias_current, size)
    set_field(population, "bias_current", bias)
    for gate_name in gates:
        gate = getattr(population, gate_name)
        require_type(f"{name} {gate_name}", gate, FixedGate)
        set_field(population, gate_name, gate.sized(f"{name} {gate_name}", size))
    bits = population.tau_mem.output_fraction
    require_exact(f"leak of {name}", 2 * magnitude(population.state) << bits)
    messages = parts(f"messages of {name}", population.messages, Message)
    set_field(population, "messages", messages)
    sent = [message.variable for message in messages]
    for variable in sent:
        if variable not in graded:
            raise UnknownNameError(f"message of {name}", variable, graded)
    if len(set(sent)) != len(sent):
        raise InvalidValueError(f"messages of {name}", sent, "one format for each variable")


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
        require_range(f"bits of {label}", self.bits, 1, WIDEST_WORD)
        require_fraction(f"fraction of {label}", self.weight_fraction)
        word = Word(self.bits)
        values = self.weights.values
        if values.dtype.kind != "i":
            raise InvalidValueError(f"type of {label}", values.dtype, "integers")
        if values.size and (values.min() < word.minimum or values.max() > word.maximum):
            worst = values[np.argmax(np.abs(values))]
            raise InvalidValueError(label, worst, f"{word.minimum} to {word.maximum}")
        require_range(f"exponent of {connection_name(self)}", self.exponent, 0, LARGEST_SHIFT)


@dataclass(frozen=True, eq=False)
class FixedNetwork(ArrayFields):
    """An integer network for one target; construction checks what :class:`Network` checks.

    It also checks that no sum can leave 62 bits, whatever the samples
    (:mod:`ltc2hw.numbers.integer_limits`).
    """

    populations: tuple[FixedPopulation, ...]
    projections: tuple[FixedProjection, ...]
    output: str
    target: str
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = (FixedInput, FixedLTC, FixedLIF, FixedReadout)
        set_field(self, "populations", parts("populations", self.populations, *kinds))
        set_field(self, "projections", parts("projections", self.projections, FixedProjection))
        set_field(self, "provenance", texts("provenance", self.provenance))
        require_type("target", self.target, str)
        inputs = [p for p in self.populations if isinstance(p, FixedInput)]
        check_graph(self.populations, self.projections, inputs, self.output)
        check_sums(self)

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


def check_sums(network: FixedNetwork) -> None:
    """Check that sums and products stay within 62 bits whatever arrives.

    Raises:
        InvalidValueError: naming the population and its port.
    """
    arriving: dict[tuple[str, Port], int] = {}
    for projection in network.projections:
        key = (projection.target, projection.port)
        arriving[key] = arriving.get(key, 0) + largest_contribution(network, projection)
    for population in network.populations:
        if isinstance(population, FixedInput):
            continue
        for port, own in own_terms(population).items():
            total = arriving.get((population.name, port), 0)
            if isinstance(population, FixedLIF):
                total <<= population.alignment
            require_exact(f"sum at {population.name}.{port}", total + own)


def own_terms(population: FixedLTC | FixedLIF | FixedReadout) -> dict[Port, int]:
    """Largest magnitude of what a population adds to what arrives at each of its ports.

    Raises:
        InvalidValueError: if a product of a gate is beyond 62 bits.
    """
    if isinstance(population, FixedLIF):
        return {"current": 1 << (population.current_bits - 1)}
    name, state = population.name, magnitude(population.state)
    own: dict[Port, int] = {
        "current": largest(population.bias_current),
        "tau_mem": population.tau_mem.check_products(f"{name} tau_mem", state, state),
    }
    if isinstance(population, FixedLTC):
        adaptation = 1 << population.adaptation_fraction
        own["tau_adp"] = population.tau_adp.check_products(f"{name} tau_adp", adaptation, state)
    return own


def largest_contribution(network: FixedNetwork, projection: FixedProjection) -> int:
    """At least the largest magnitude that a projection can bring to a neuron."""
    source = network.population(projection.source)
    weights, message = projection.weights, magnitude(message_word(source, projection.variable))
    total = largest(weights.values) * source.size * message << projection.exponent
    if total <= 1 << EXACT_BITS or largest(weights.values) * source.size > 1 << EXACT_BITS:
        return total
    rows = weights.row_magnitudes(np.ones(source.size, dtype=np.int64))
    return int(rows.max()) * message << projection.exponent


def recorded_dtype(network: FixedNetwork) -> npt.DTypeLike:
    """Type of recorded integers: int32 where it holds all of them, int64 otherwise."""
    return np.int32 if all(map(fits_record, network.populations)) else np.int64


def fits_record(population: FixedPopulation) -> bool:
    """Whether 32 bits hold everything that is recorded of a population."""
    record = Word(32)
    if isinstance(population, FixedLIF):
        return population.current_bits <= record.bits
    word = population.word if isinstance(population, FixedInput) else population.state
    return word.maximum <= record.maximum
