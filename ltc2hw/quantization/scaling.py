"""Scales of an integer network: how many fractional bits each port, weight and message gets."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ltc2hw.dynamics.model import LIF_WORDS, SPIKES
from ltc2hw.dynamics.roles import biases, integrates, landing_register, signals, unit_port
from ltc2hw.errors import HardwareRuleError, InvalidValueError, UnknownNameError
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import Port, Variable, connection_name
from ltc2hw.graph.target import Target
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.nonlinearity import (
    GATE_FUNCTIONS,
    TABLE_SPAN_BITS,
    GateCurve,
    GateFunction,
    Nonlinearity,
)
from ltc2hw.numbers.scalars import require_type
from ltc2hw.numbers.words import FloatArray, Word, largest_fraction
from ltc2hw.quantization.calibration import Ranges
from ltc2hw.quantization.integrator_scale import integrated_fraction
from ltc2hw.quantization.limits import check_allowed
from ltc2hw.quantization.rules import exponent_range, fits_synapse, weight_bits_violation

FAR_BIAS = 1024.0
"""A constant current of more than this multiple of all that can arrive pins its neuron."""

CLIPPING_CANDIDATES = 3
"""Weight scales tried: no clipping, and the largest weights clipped by 2x and by 4x."""

COARSEST_GATE = 3
"""Fewest fractional bits of a gate's argument: PLAN's breaks are multiples of 1/8."""

WIDEST_OPTION = 24
"""Most bits that any width may be asked to have; targets allow less."""

NARROWEST_MESSAGE = 2
"""Fewest bits of a signed graded message: sign and magnitude."""


@dataclass(frozen=True)
class QuantizeOptions:
    """Choices of quantization; None means what the target's file says.

    ``weight_bits`` for every projection, ``projection_bits`` for some of them by name
    (``source.variable->target.port``), ``message_bits`` for graded messages between populations,
    ``gate_function`` and ``table_index_bits`` for gates trained with the true sigmoid (gates
    trained with ``plan`` stay ``plan``). ``weight_reach`` leaves every weight room from minus
    this up to nearly this, and every accumulator room for all of them at once: for networks that
    will learn on the chip, where kernels, which do not learn, need none. ``fine_states`` gives
    states that only move toward a register, as the membranes of gated neurons do, all fractional
    bits that the state word has room for beside the largest possible current, so that slow leaks
    keep their resolution. ``allow`` names the limits
    of :mod:`ltc2hw.quantization.limits` that the network may exceed.
    """

    weight_bits: int | None = None
    projection_bits: Mapping[str, int] | None = None
    message_bits: int | None = None
    gate_function: GateFunction | None = None
    table_index_bits: int | None = None
    weight_reach: float | None = None
    allow: Collection[str] = ()
    fine_states: bool = False

    def bits_of(self, projection: Projection, chip: Target) -> int:
        """Width of a projection's weights."""
        default = self.weight_bits if self.weight_bits is not None else DEFAULT_WEIGHT_BITS
        if self.weight_bits is None and chip.words.weight_maximum > DEFAULT_WEIGHT_BITS:
            default = chip.words.weight_maximum
        return (self.projection_bits or {}).get(connection_name(projection), default)

    def function_of(self, nonlinearity: Nonlinearity, chip: Target) -> GateFunction:
        """Integer function of a gate trained with the given non-linearity."""
        return "plan" if nonlinearity == "plan" else (self.gate_function or chip.gates.sigmoid)


DEFAULT_WEIGHT_BITS = 8
"""Weights of a chip unless asked otherwise; the ideal target takes its widest."""


@dataclass(frozen=True)
class ProjectionScale:
    """Weight width, fractional bits of the mantissas, and left shift to the port."""

    bits: int
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


def check_options(options: QuantizeOptions, network: Network, chip: Target) -> None:
    """Raise for options that mean nothing.

    Raises:
        UnknownNameError: an unknown gate function or limit, or a projection that does not exist.
        InvalidValueError: a width that is not in its range.
        HardwareRuleError: weights wider or narrower than the chip's.
    """
    if options.gate_function is not None and options.gate_function not in GATE_FUNCTIONS:
        raise UnknownNameError("gate function", options.gate_function, GATE_FUNCTIONS)
    check_allowed(options.allow)
    require_type("fine_states", options.fine_states, bool)
    widths = dict(options.projection_bits or {})
    names = [connection_name(projection) for projection in network.projections]
    for name in widths:
        if name not in names:
            raise UnknownNameError("projection", name, names)
    require_width("weight_bits", options.weight_bits, 1)
    require_width("message_bits", options.message_bits, NARROWEST_MESSAGE)
    require_width("table_index_bits", options.table_index_bits, 1)
    for name, bits in widths.items():
        require_width(f"bits of {name}", bits, 1)
    reach = options.weight_reach
    if reach is not None and not 0 < reach < np.inf:
        raise InvalidValueError("weight_reach", reach, "a finite number > 0")
    # No scale exists for weights of one bit, so this rule is asked before scales are chosen.
    broken = [
        weight_bits_violation(name, options.bits_of(projection, chip), chip)
        for name, projection in zip(names, network.projections, strict=True)
    ]
    violations = tuple(violation for violation in broken if violation is not None)
    if violations:
        raise HardwareRuleError(chip.name, violations)


def require_width(what: str, bits: int | None, narrowest: int) -> None:
    """Raise unless a width is an integer in its range, or None.

    Raises:
        InvalidValueError: naming the width.
    """
    if bits is None:
        return
    if not isinstance(bits, (int, np.integer)) or isinstance(bits, bool):
        raise InvalidValueError(what, repr(bits), f"an integer, {narrowest} to {WIDEST_OPTION}")
    if not narrowest <= bits <= WIDEST_OPTION:
        raise InvalidValueError(what, bits, f"{narrowest} to {WIDEST_OPTION}")


def choose_scales(
    network: Network, chip: Target, ranges: Ranges, options: QuantizeOptions
) -> Scales:
    """Choose the finest scales with which nothing can overflow.

    A graded message cannot be finer than the state that it is cut from; where the first choice
    is, messages are coarsened and the ports chosen again, until nothing changes.
    """
    messages = _message_formats(network, chip, ranges, options)
    while True:
        ports, projections = _port_scales(network, chip, ranges, options, messages)
        coarser: dict[tuple[str, Variable], tuple[Word, int]] = {
            key: (word, state)
            for key, (word, fraction) in messages.items()
            if (state := _state_fraction(network, key, ports)) is not None and fraction > state
        }
        if not coarser:
            return Scales(ports, messages, projections)
        messages = {**messages, **coarser}


def _state_fraction(
    network: Network, key: tuple[str, Variable], ports: Mapping[tuple[str, Port], int]
) -> int | None:
    """Fraction of a graded variable in the unit of its population's registers; None for others."""
    population = network.population(key[0])
    if not isinstance(population, Neurons) or key[1] not in signals(population.model):
        return None
    return ports[key[0], unit_port(population.model)]


def _message_formats(
    network: Network, chip: Target, ranges: Ranges, options: QuantizeOptions
) -> dict[tuple[str, Variable], tuple[Word, int]]:
    formats: dict[tuple[str, Variable], tuple[Word, int]] = {}
    name = network.input.name
    if network.input.graded:
        word = Word(chip.words.input, signed=ranges.input_negative)
        fraction = largest_fraction(ranges.magnitude(name, "value"), word)
        formats[name, "value"] = (word, fraction)
    else:
        formats[name, "spikes"] = (Word(1, signed=False), 0)
    graded = Word(options.message_bits or chip.words.message_default)
    for projection in network.projections:
        key = (projection.source, projection.variable)
        if key in formats:
            continue
        if projection.variable == "spikes":
            formats[key] = (Word(1, signed=False), 0)
        else:
            fraction = largest_fraction(ranges.magnitude(*key), graded)
            source = network.population(projection.source)
            if isinstance(source, Neurons) and projection.variable in source.model.unit:
                fraction = min(fraction, chip.words.adaptation)
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
        finest.append(integrated_fraction(population, chip, ranges, register) - alignment)
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
    index_bits = options.table_index_bits or chip.gates.table_index
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
    bits: int
    weight_fraction: int
    message_fraction: int
    message_limit: int
    lowest_exponent: int
    highest_exponent: int
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
        bits = options.bits_of(projection, chip)
        lowest, highest = exponent_range(bits, chip)
        fraction = weight_fraction(projection.weights.values, Word(bits))
        reach, learns = options.weight_reach, False
        if reach is not None and not isinstance(projection.weights, Conv):
            fraction, learns = min(fraction, bits - 1 - math.ceil(math.log2(reach))), True
        mantissas, _ = Word(bits).encode(projection.weights.values, fraction)
        smallest = Word(bits).minimum if learns else int(mantissas.min(initial=0))
        return cls(
            projection,
            bits,
            fraction,
            message_fraction,
            max(word.maximum, -word.minimum),
            lowest,
            # Where the chip's largest weight is one unit short of the most negative mantissa at the
            # largest exponent, the exponent yields.
            highest - (not fits_synapse(smallest, highest, chip)),
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
        return self.weight_fraction + self.message_fraction + self.highest_exponent

    @property
    def exact_port(self) -> int:
        """Smallest port fraction at which the weights keep all their bits."""
        return self.weight_fraction + self.message_fraction + self.lowest_exponent

    def worst_arrival(self, port_fraction: int) -> FloatArray:
        """Largest integer magnitude that can arrive at each target neuron, (N_target,)."""
        scale = self.scale(port_fraction)
        weights = self.projection.weights
        mantissas, _ = Word(self.bits).encode(weights.values, scale.weight_fraction)
        if self.will_learn:
            mantissas = np.full_like(mantissas, Word(self.bits).minimum)
        limits = np.full(weights.shape[1], self.message_limit, dtype=np.int64)
        rows = weights.with_values(mantissas).row_magnitudes(limits)
        return np.ldexp(rows.astype(np.float64), scale.exponent)

    def scale(self, port_fraction: int) -> ProjectionScale:
        """Align the weights to the port; weights finer than it can tell become coarser."""
        finest = port_fraction - self.message_fraction - self.lowest_exponent
        fraction = min(self.weight_fraction, finest)
        if not self.has_scale:
            fraction = finest
        return ProjectionScale(
            self.bits, fraction, port_fraction - self.message_fraction - fraction
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
