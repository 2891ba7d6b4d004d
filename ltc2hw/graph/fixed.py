"""The integer graph: the same network as a chip holds it. NumPy int64, frozen.

Every scale is a power of two: ``real = integer / 2^fraction``. The bit specification of each
population is in ``docs/numerics.md`` and, as readable NumPy, in ``simulations/integer.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.bounds import bounds, register_ranges, require_exact_program
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.neurons import FixedNeurons, Message
from ltc2hw.graph.structure import (
    InputNames,
    Port,
    Variable,
    check_connection,
    check_graph,
    check_population,
    connection_name,
    named,
    population_shape,
    summary_of,
)
from ltc2hw.numbers.convolution import Shape
from ltc2hw.numbers.fields import (
    ArrayFields,
    parts,
    set_field,
    texts,
)
from ltc2hw.numbers.integer_limits import (
    EXACT_BITS,
    LARGEST_SHIFT,
    largest,
    magnitude,
    require_exact,
    require_fraction,
)
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.scalars import require_range, require_type
from ltc2hw.numbers.words import WIDEST_WORD, Word
from ltc2hw.showing import Shown


@dataclass(frozen=True, eq=False)
class FixedInput(ArrayFields, InputNames):
    """Encoder of samples: ``word.fit(round_half_even(x * 2^fraction))``.

    Spiking inputs have a one-bit unsigned word and fraction 0; they accept only 0 and 1.
    """

    name: str
    size: int
    graded: bool
    word: Word
    fraction: int
    shape: Shape = ()

    def __post_init__(self) -> None:
        check_population("FixedInput", self.name, self.size)
        set_field(self, "shape", population_shape(self.name, self.size, self.shape))
        require_type(f"{self.name} graded", self.graded, bool, np.bool_)
        require_type(f"word of {self.name}", self.word, Word)
        require_fraction(f"{self.name} fraction", self.fraction)
        if not self.graded and (self.word.bits, self.word.signed, self.fraction) != (1, False, 0):
            raise InvalidValueError(
                f"word of spiking input {self.name}", self.word, "one unsigned bit, fraction 0"
            )


FixedPopulation = FixedInput | FixedNeurons


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
class FixedNetwork(ArrayFields, Shown):
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
        kinds = (FixedInput, FixedNeurons)
        set_field(self, "populations", parts("populations", self.populations, *kinds))
        set_field(self, "projections", parts("projections", self.projections, FixedProjection))
        set_field(self, "provenance", texts("provenance", self.provenance))
        require_type("target", self.target, str)
        inputs = [p for p in self.populations if isinstance(p, FixedInput)]
        check_graph(self.populations, self.projections, inputs, self.output)
        check_sums(self)

    def __repr__(self) -> str:
        return f"<FixedNetwork for {self.target}: {summary_of(self)}>"

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

    def with_output(self, name: str) -> FixedNetwork:
        """The same network read out at another population; see :meth:`Network.with_output`.

        Its integers stay what they are: a network is quantized once for all of its readouts.

        Raises:
            UnknownNameError: if there is none of that name, or it is the input.
        """
        return replace(self, output=name)


def variable_fraction(population: FixedPopulation, variable: str) -> int:
    """Fractional bits of a variable as an engine records it (0 for spikes).

    Raises:
        UnknownNameError: if the population has no such variable.
    """
    if variable not in population.recordable:
        raise UnknownNameError(f"variable of {population.name}", variable, population.recordable)
    if isinstance(population, FixedInput):
        return population.fraction
    return population.fractions[variable]


def message_fraction(population: FixedPopulation, variable: Variable) -> int:
    """Fractional bits of what a projection from this variable carries."""
    message = message_format(population, variable)
    shift = message.shift if message is not None else 0
    return variable_fraction(population, variable) - shift


def message_format(population: FixedPopulation, variable: Variable) -> Message | None:
    """Format of a graded message, or None where the variable is sent as it is."""
    if isinstance(population, FixedNeurons):
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
        InvalidValueError: naming the population and its value or port.
    """
    arriving = largest_arrivals(network)
    for (name, port), total in arriving.items():
        require_exact(f"sum at {name}.{port}", total)
    for population in network.populations:
        if isinstance(population, FixedNeurons):
            own = {port: arriving.get((population.name, port), 0) for port in population.ports}
            require_exact_program(population, own)


def largest_arrivals(network: FixedNetwork) -> dict[tuple[str, Port], int]:
    """At least the largest magnitude that can arrive at each port where something lands."""
    arriving: dict[tuple[str, Port], int] = {}
    for projection in network.projections:
        key = (projection.target, projection.port)
        arriving[key] = arriving.get(key, 0) + largest_contribution(network, projection)
    return arriving


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
    if isinstance(population, FixedInput):
        return population.word.maximum <= record.maximum
    whatever = dict.fromkeys(population.ports, 1 << EXACT_BITS)
    ends = bounds(population, whatever, register_ranges(population)).results.values()
    return all(record.minimum <= low and high <= record.maximum for low, high in ends)
