"""Scales of an integer network: how many fractional bits each port, weight and message gets."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ltc2hw.dynamics.model import LIF_WORDS, SPIKES
from ltc2hw.dynamics.roles import (
    MEMBRANE,
    biases,
    integrates,
    landing_register,
    signals,
    unit_port,
)
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import Port, Variable, connection_name
from ltc2hw.graph.target import Target
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.nonlinearity import (
    TABLE_SPAN_BITS,
    GateCurve,
    GateFunction,
    Nonlinearity,
)
from ltc2hw.numbers.words import FloatArray, Width, Word, largest_fraction, weight_word
from ltc2hw.quantization.calibration import Ranges
from ltc2hw.quantization.integrator_scale import integrated_fraction
from ltc2hw.quantization.rules import exponent_range, fits_synapse
from ltc2hw.quantization.widths import INPUT, message_name, state_name, table_name

WeightRounding = Literal["nearest", "arriving"]
"""How weights become integers: each to nearest, or for the least change of what arrives."""

FAR_BIAS = 1024.0
"""A constant current of more than this multiple of all that can arrive pins its neuron."""

CLIPPING_CANDIDATES = 3
"""Weight scales tried: no clipping, and the largest weights clipped by 2x and by 4x."""

COARSEST_GATE = 3
"""Fewest fractional bits of a gate's argument: PLAN's breaks are multiples of 1/8."""


@dataclass(frozen=True)
class QuantizeOptions:
    """Choices of quantization; None means what the target's file says.

    ``weight_bits`` for every projection (``"ternary"``: mantissas -1, 0 and 1), ``projection_bits``
    for some of them by name (``source.variable->target.port``), ``message_bits`` for graded
    messages between populations, ``gate_function`` and ``table_index_bits`` for gates trained with
    the true sigmoid (gates trained with ``plan`` stay ``plan``). ``weight_reach`` leaves every
    weight room from minus this up to nearly this, and every accumulator room for all of them at
    once: for networks that will learn on the chip, where kernels, which do not learn, need none.
    ``fine_states`` gives states that only move toward a register, as the membranes of gated neurons
    do, all fractional bits that the state word has room for beside the largest possible current, so
    that slow leaks keep their resolution. ``allow`` names the limits
    of :mod:`ltc2hw.quantization.limits` that the network may exceed.

    ``bits`` has widths by the names of :mod:`ltc2hw.quantization.widths`, which go before all
    others; ``scale`` has bits by which a fraction is moved from what quantization chooses: up for
    finer steps and a smaller range, down for the reverse. ``rounding`` is ``nearest`` for each
    weight by itself, or ``arriving`` for what arrives to change least on the calibration samples
    (:mod:`ltc2hw.quantization.remedies.rounding`), which matters from 4 bits down.

    >>> options = QuantizeOptions(bits={"message:hidden.membrane": 6})
    >>> [options.message_bits_of("hidden", name, 12) for name in ("membrane", "current")]
    [6, 12]
    """

    weight_bits: Width | None = None
    projection_bits: Mapping[str, Width] | None = None
    message_bits: int | None = None
    gate_function: GateFunction | None = None
    table_index_bits: int | None = None
    weight_reach: float | None = None
    allow: Collection[str] = ()
    fine_states: bool = False
    bits: Mapping[str, Width] = field(default_factory=dict)
    scale: Mapping[str, int] = field(default_factory=dict)
    rounding: WeightRounding = "nearest"

    def width_of(self, projection: Projection, chip: Target) -> Width:
        """Width of a projection's weights."""
        default = self.weight_bits if self.weight_bits is not None else DEFAULT_WEIGHT_BITS
        if self.weight_bits is None and chip.words.weight_maximum > DEFAULT_WEIGHT_BITS:
            default = chip.words.weight_maximum
        return {**(self.projection_bits or {}), **self.bits}.get(
            connection_name(projection), default
        )

    def function_of(self, nonlinearity: Nonlinearity, chip: Target) -> GateFunction:
        """Integer function of a gate trained with the given non-linearity."""
        return "plan" if nonlinearity == "plan" else (self.gate_function or chip.gates.sigmoid)

    def message_bits_of(self, population: str, variable: str, default: int) -> int:
        """Width of a graded message between populations."""
        asked = self.asked(message_name(population, variable))
        return asked or self.message_bits or default

    def table_bits_of(self, population: str, gate: str, chip: Target) -> int:
        """Index bits of a gate's table."""
        asked = self.asked(table_name(population, gate))
        return asked or self.table_index_bits or chip.gates.table_index

    def asked(self, name: str) -> int | None:
        """Bits that were asked for by name, of anything but weights."""
        found = self.bits.get(name)
        return None if found is None else int(found)

    def with_moves(self, moves: Mapping[str, int]) -> QuantizeOptions:
        """The same with these fractions moved; one that is moved by 0 is where it was chosen.

        >>> QuantizeOptions(scale={"input": 1}).with_moves({"input": 0, "a.b->c.d": 2}).scale
        {'a.b->c.d': 2}
        """
        scale = {**self.scale, **moves}
        return replace(self, scale={name: move for name, move in scale.items() if move})

    def moved(self, name: str) -> int:
        """Bits by which a fraction is moved by name."""
        return int(self.scale.get(name, 0))


DEFAULT_WEIGHT_BITS = 8
"""Weights of a chip unless asked otherwise; the ideal target takes its widest."""


@dataclass(frozen=True)
class ProjectionScale:
    """Word of the weights, fractional bits of the mantissas, and left shift to the port."""

    word: Word
    weight_fraction: int
    exponent: int


@dataclass(frozen=True)
class Scales:
    """Fractional bits of every port, format of every message, scale of every projection.

    ``ports`` has that of the registers under :func:`~ltc2hw.dynamics.roles.unit_port`.
    ``projections`` is in the order of the network's projections.
    """

    ports: Mapping[tuple[str, Port], int]
    messages: Mapping[tuple[str, Variable], tuple[Word, int]]
    projections: tuple[ProjectionScale, ...]


def choose_scales(
    network: Network,
    chip: Target,
    ranges: Ranges,
    options: QuantizeOptions,
    moves: Mapping[tuple[str, str], int] | None = None,
) -> Scales:
    """Choose the finest scales with which nothing can overflow.

    A graded message cannot be finer than the state that it is cut from; where the first choice
    is, messages are coarsened and the ports chosen again, until nothing changes. ``moves``: bits by
    which words of populations are finer than what arrives, below 0 for coarser ones.
    """
    messages = _message_formats(network, chip, ranges, options)
    while True:
        ports, projections = _port_scales(network, chip, ranges, options, messages)
        coarser: dict[tuple[str, Variable], tuple[Word, int]] = {
            key: (word, state)
            for key, (word, fraction) in messages.items()
            if (state := _state_fraction(network, key, ports, moves or {})) is not None
            and fraction > state
        }
        if not coarser:
            return Scales(ports, messages, projections)
        messages = {**messages, **coarser}


def _state_fraction(
    network: Network,
    key: tuple[str, Variable],
    ports: Mapping[tuple[str, Port], int],
    moves: Mapping[tuple[str, str], int],
) -> int | None:
    """Fraction of a graded variable in the unit of its population's registers; None for others.

    Finer states than what arrives make no finer messages.
    """
    population = network.population(key[0])
    if not isinstance(population, Neurons) or key[1] not in signals(population.model):
        return None
    return ports[key[0], unit_port(population.model)] + min(moves.get(key, 0), 0)


def _message_formats(
    network: Network, chip: Target, ranges: Ranges, options: QuantizeOptions
) -> dict[tuple[str, Variable], tuple[Word, int]]:
    formats: dict[tuple[str, Variable], tuple[Word, int]] = {}
    name = network.input.name
    if network.input.graded:
        bits = options.asked(INPUT) or chip.words.input
        word = Word(bits, signed=ranges.input_negative)
        fraction = largest_fraction(ranges.magnitude(name, "value"), word)
        formats[name, "value"] = (word, fraction + options.moved(INPUT))
    else:
        formats[name, "spikes"] = (Word(1, signed=False), 0)
    for projection in network.projections:
        key = (projection.source, projection.variable)
        if key in formats:
            continue
        if projection.variable == "spikes":
            formats[key] = (Word(1, signed=False), 0)
        else:
            graded = Word(options.message_bits_of(*key, chip.words.message_default))
            fraction = largest_fraction(ranges.magnitude(*key), graded)
            fraction += options.moved(message_name(*key))
            source = network.population(projection.source)
            if isinstance(source, Neurons) and projection.variable in source.model.unit:
                own = options.asked(state_name(*key)) or chip.words.adaptation
                fraction = min(fraction, own)
            formats[key] = (graded, fraction)
    return formats


def _port_scales(
    network: Network,
    chip: Target,
    ranges: Ranges,
    options: QuantizeOptions,
    messages: Mapping[tuple[str, Variable], tuple[Word, int]],
) -> tuple[dict[tuple[str, Port], int], tuple[ProjectionScale, ...]]:
    drafts = [_Draft.make(p, options, messages, chip) for p in network.projections]
    ports: dict[tuple[str, Port], int] = {}
    for population in network.populations:
        if isinstance(population, Input):
            continue
        for port in dict.fromkeys((*population.ports, unit_port(population.model))):
            landing = [
                draft
                for draft in drafts
                if (draft.projection.target, draft.projection.port) == (population.name, port)
            ]
            ports[population.name, port] = _port_fraction(
                population, port, landing, chip, ranges, options
            )
    scales = tuple(
        draft.scale(ports[draft.projection.target, draft.projection.port]) for draft in drafts
    )
    return ports, scales


def _port_fraction(
    population: Neurons,
    port: Port,
    drafts: Sequence[_Draft],
    chip: Target,
    ranges: Ranges,
    options: QuantizeOptions,
) -> int:
    """Most fractional bits with which a port can neither overflow nor need too large a shift."""
    model = population.model
    finest = [draft.finest_port for draft in drafts if draft.finest_port is not None]
    exact = max((draft.exact_port for draft in drafts if draft.has_scale), default=None)
    gate = gate_of_port(population, port)
    if gate is None and integrates(model):
        alignment = port_alignment(population, chip)
        register = None if exact is None else exact + alignment
        chosen = integrated_fraction(population, chip, ranges, register)
        if model.words == LIF_WORDS:
            chosen += options.moved(state_name(population.name, MEMBRANE))
        finest.append(chosen - alignment)
        return _without_overflow(min(finest), drafts, np.zeros(population.size), chip)
    if gate is None:
        finest.append(chip.words.state - 1)
        bias = sum(
            (np.abs(population.constants[b]) for b in biases(model)), np.zeros(population.size)
        )
        whole = _without_overflow(min(finest), drafts, bias, chip)
        if exact is None or whole >= exact or SPIKES not in model.results:
            return whole
        # A spiking neuron with such a current is pinned: its word saturates, so that it does not
        # take the bits of its neighbours' weights.
        arriving = _arrivals(whole, drafts, population.size).max()
        pinned = bias > FAR_BIAS * float(np.ldexp(arriving, -whole))
        without = _without_overflow(min(finest), drafts, np.where(pinned, 0.0, bias), chip)
        return max(whole, min(without, exact))
    # A gate's argument far outside [-8, 8) changes nothing: its bias and self terms may saturate,
    # and more than the non-linearity's own resolution is enough.
    finest.append(chip.words.state - 1 - TABLE_SPAN_BITS)
    fraction = _without_overflow(min(finest), drafts, np.zeros(population.size), chip)
    return max(fraction, coarsest_gate(population, gate, chip, options))


def gate_fraction(population: Neurons, gate: str, chip: Target, options: QuantizeOptions) -> int:
    """Fractional bits of a gate's argument at which nothing arrives: all of its span fits."""
    finest = chip.words.state - 1 - TABLE_SPAN_BITS
    return max(finest, coarsest_gate(population, gate, chip, options))


def coarsest_gate(population: Neurons, gate: str, chip: Target, options: QuantizeOptions) -> int:
    """Fewest fractional bits with which a gate's argument meets every step of its function."""
    function = options.function_of(named_function(population, gate), chip)
    index_bits = options.table_bits_of(population.name, gate, chip)
    coarsest = chip.words.gate - 2 if function == "plan" else index_bits - TABLE_SPAN_BITS
    return max(coarsest, COARSEST_GATE)


def _without_overflow(
    fraction: int, drafts: Sequence[_Draft], bias: FloatArray, chip: Target
) -> int:
    """Lower a port's fraction until the largest possible sum fits the accumulator.

    Weights that learn may come to sums that no scale holds; those saturate and are counted, and
    only the bias itself must fit then.
    """
    limit = Word(min(chip.words.accumulator, chip.words.state)).maximum
    learning = any(draft.will_learn for draft in drafts)
    arriving = _arrivals(fraction, drafts, bias.size)
    while True:
        constant = np.ldexp(bias, fraction)
        # The bias is rounded to nearest, so it may be half a unit larger.
        if float((arriving + constant).max()) + 0.5 <= limit:
            return fraction
        coarser = _arrivals(fraction - 1, drafts, bias.size)
        stuck = learning and float(arriving.max()) > limit and np.array_equal(coarser, arriving)
        if stuck and float(constant.max()) + 0.5 <= limit:
            return fraction
        fraction, arriving = fraction - 1, coarser


def _arrivals(fraction: int, drafts: Sequence[_Draft], size: int) -> FloatArray:
    """Largest integer magnitude that projections can bring to each neuron of a port, (size,)."""
    arriving: FloatArray = np.zeros(size)
    for draft in drafts:
        arriving = arriving + draft.worst_arrival(fraction)
    return arriving


def gate_of_port(population: Neurons, port: Port) -> str | None:
    """The gate whose argument a port is part of; None for other ports."""
    register = landing_register(population.model, port)
    return register if register in population.model.gates else None


def port_alignment(population: Neurons, chip: Target) -> int:
    """Bits by which a register is finer than what arrives at it."""
    return chip.lif.alignment if population.model.words == LIF_WORDS else 0


def named_function(population: Neurons, gate: str) -> Nonlinearity:
    """The non-linearity of a gate.

    Raises:
        InvalidValueError: for a curve without a name, which is itself made of integers.
    """
    function = population.functions[gate]
    if isinstance(function, GateCurve):
        raise InvalidValueError(
            f"function of {population.name} {gate}", "an integer gate's", "sigmoid or plan"
        )
    return function


@dataclass(frozen=True)
class _Draft:
    """A projection whose weights have a scale, while its port has none yet."""

    projection: Projection
    weight_word: Word
    weight_fraction: int
    message_fraction: int
    message_limit: int
    lowest_exponent: int
    highest_exponent: int
    move: int
    """Bits by which the weights are finer than they would be."""
    will_learn: bool
    """Any weight may come to any value of its word."""

    @classmethod
    def make(
        cls,
        projection: Projection,
        options: QuantizeOptions,
        messages: Mapping[tuple[str, Variable], tuple[Word, int]],
        chip: Target,
    ) -> _Draft:
        word, message_fraction = messages[projection.source, projection.variable]
        mantissa = weight_word(options.width_of(projection, chip))
        lowest, highest = exponent_range(mantissa.bits, chip)
        fraction = weight_fraction(projection.weights.values, mantissa)
        move = options.moved(connection_name(projection))
        reach, learns = options.weight_reach, False
        if reach is not None and not isinstance(projection.weights, Conv):
            widest = mantissa.bits - 1 - math.ceil(math.log2(reach))
            fraction, learns = min(fraction, widest - max(move, 0)), True
        mantissas, _ = mantissa.encode(projection.weights.values, fraction + move)
        smallest = mantissa.minimum if learns else int(mantissas.min(initial=0))
        return cls(
            projection,
            mantissa,
            fraction,
            message_fraction,
            max(word.maximum, -word.minimum),
            lowest,
            # Where the chip's largest weight is one unit short of the most negative mantissa at the
            # largest exponent, the exponent yields.
            highest - (not fits_synapse(smallest, highest, chip)),
            move,
            learns,
        )

    @property
    def has_scale(self) -> bool:
        """Whether the weights ask for one: zeros that stay zeros do not."""
        return self.will_learn or bool(np.any(self.projection.weights.values))

    @property
    def finest_port(self) -> int | None:
        """Largest port fraction that the exponent's range reaches; None for all-zero weights."""
        if not self.has_scale:
            return None
        fraction = self.weight_fraction + self.move
        return fraction + self.message_fraction + self.highest_exponent

    @property
    def exact_port(self) -> int:
        """Smallest port fraction at which the weights keep all their bits."""
        fraction = self.weight_fraction + self.move
        return fraction + self.message_fraction + self.lowest_exponent

    def worst_arrival(self, port_fraction: int) -> FloatArray:
        """Largest integer magnitude that can arrive at each target neuron, (N_target,)."""
        scale = self.scale(port_fraction)
        weights = self.projection.weights
        mantissas, _ = self.weight_word.encode(weights.values, scale.weight_fraction)
        if self.will_learn:
            mantissas = np.full_like(mantissas, self.weight_word.minimum)
        limits = np.full(weights.shape[1], self.message_limit, dtype=np.int64)
        rows = weights.with_values(mantissas).row_magnitudes(limits)
        return np.ldexp(rows.astype(np.float64), scale.exponent)

    def scale(self, port_fraction: int) -> ProjectionScale:
        """Align the weights to the port; weights finer than it can tell become coarser."""
        finest = port_fraction - self.message_fraction - self.lowest_exponent
        fraction = min(min(self.weight_fraction, finest) + self.move, finest)
        if not self.has_scale:
            fraction = finest
        return ProjectionScale(
            self.weight_word, fraction, port_fraction - self.message_fraction - fraction
        )


def weight_fraction(values: FloatArray, word: Word) -> int:
    """Fractional bits of weights that minimize the squared rounding and clipping error.

    >>> weight_fraction(np.array([0.5, -0.25]), Word(8))
    7
    """
    largest = float(np.max(np.abs(values), initial=0.0))
    first = largest_fraction(largest, word)

    def error(fraction: int) -> float:
        encoded, _ = word.encode(values, fraction)
        # Of weights beyond 1e150 every error is infinite, and the first scale is taken.
        with np.errstate(over="ignore"):
            return float(np.sum((values - np.ldexp(encoded, -fraction)) ** 2))

    return min(range(first, first + CLIPPING_CANDIDATES), key=error)
