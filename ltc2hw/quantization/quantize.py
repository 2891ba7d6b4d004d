"""Network -> FixedNetwork: choose every scale, round every number, check every rule.

All scales are powers of two. A population's fraction is the largest with which no message,
however extreme, can overflow its accumulators; LTC and readout membranes then cannot overflow
either, because they only move toward the current. Only LIF neurons, which integrate, need
calibration data for their scale, as do graded inputs and graded messages between populations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.formats import Formats, GateFormat, Held, current_register_bits
from ltc2hw.dynamics.lowering import result_fractions
from ltc2hw.dynamics.model import LIF_WORDS, SPIKES
from ltc2hw.dynamics.roles import (
    Place,
    constant_places,
    landing_register,
    registers,
    signals,
    unit_port,
)
from ltc2hw.dynamics.survey import Survey
from ltc2hw.errors import InvalidValueError, Violation
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedPopulation, FixedProjection
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Message, Neurons
from ltc2hw.graph.structure import Port
from ltc2hw.graph.target import Target
from ltc2hw.numbers.nonlinearity import TABLE_SPAN_BITS, sigmoid_table
from ltc2hw.numbers.scalars import require_type
from ltc2hw.numbers.words import (
    FloatArray,
    IntArray,
    Word,
    decompose,
    largest_fraction,
)
from ltc2hw.quantization.account import bands, leaks, messages, tensor_changes
from ltc2hw.quantization.calibration import Key, Ranges, measure
from ltc2hw.quantization.history import CALIBRATION, OPTIONS, options_entry
from ltc2hw.quantization.limits import COARSE_BITS, exceeded
from ltc2hw.quantization.mixing import WEIGHTS, Tensor, tensor_of, worked_out
from ltc2hw.quantization.option_checks import check_options
from ltc2hw.quantization.remedies.rounding import rounded_by_arrivals
from ltc2hw.quantization.report import KEY, bounded
from ltc2hw.quantization.rules import check_network, fixed_violations, raise_violations
from ltc2hw.quantization.scaling import (
    ProjectionScale,
    QuantizeOptions,
    Scales,
    choose_scales,
    gate_fraction,
    named_function,
    port_alignment,
)
from ltc2hw.quantization.state_words import moved_words, names_words, wide_words
from ltc2hw.quantization.widths import INPUT, state_name, table_name
from ltc2hw.registry import find_target

SATURATED = "saturated_constants"
"""Entry of the provenance that lists the constants beyond their words."""

MAXIMUM_SHIFT = 62
"""Shifts beyond the widest word would only say zero."""


def quantize(
    network: Network,
    target: str | Target = "loihi2",
    calibration: npt.ArrayLike | None = None,
    options: QuantizeOptions | None = None,
    *,
    lengths: object = None,
) -> FixedNetwork:
    """Turn a float network into the integers of a chip, or refuse with every broken rule.

    ``calibration``: samples (T, B, N_in), float, time first; needed for graded inputs, graded
    messages between populations, and LIF neurons; ``lengths`` (B,) are the steps of those that end
    before T, and what comes after an end changes nothing. What was made of every number is in
    ``provenance["quantization"]`` (:func:`ltc2hw.quantization.report.read_report`); constants
    beyond their word (say a threshold that no membrane can reach) saturate and are also listed in
    ``provenance["saturated_constants"]``. Options that are not the usual ones are in
    ``provenance["quantized with"]`` (:mod:`ltc2hw.quantization.history`). Integers that no longer
    mean the float network break a limit of :mod:`ltc2hw.quantization.limits`, which
    ``options.allow`` may allow by name.

    Raises:
        HardwareRuleError: with all rules of the target that the network breaks, and all limits.
        InvalidValueError: if calibration data are needed and missing, or hold NaN; for lengths
            beyond 1 to T.
        UnknownNameError: for an unknown target, gate function, projection or limit.
    """
    require_type("network", network, Network)
    chip = find_target(target)
    chosen = options or QuantizeOptions()
    check_options(chosen, network, chip)
    check_network(network, chip)
    network = worked_out(network)
    ranges = measure(network, calibration, lengths)
    made = convert(network, chip, ranges, chosen, Samples(calibration, lengths))
    fixed = made.fixed
    raise_violations(chip, made.refused(chip, chosen))
    report = bounded(
        tuple(tensor_changes(network, fixed, made.clipped)),
        tuple(leak.row() for leak in leaks(network, fixed)),
        tuple(band.row() for band in bands(network, fixed, ranges)),
        tuple(sent.row() for sent in messages(fixed, ranges)),
        ranges.steps,
        tuple(str(violation) for violation in made.over),
    )
    over = {violation.rule for violation in made.over}
    # A limit that is allowed and not exceeded changes nothing.
    asked = replace(chosen, allow=tuple(name for name in chosen.allow if name in over))
    made_by = {**options_entry(asked), KEY: report.to_text()}
    return replace(fixed, provenance={**fixed.provenance, **made_by})


@dataclass(frozen=True)
class Conversion:
    """An integer network before anybody asked whether it may be one.

    ``clipped``: how many values of each tensor did not fit their word; ``over``: every limit that
    is exceeded, allowed or not.
    """

    fixed: FixedNetwork
    clipped: Mapping[Tensor, int]
    over: tuple[Violation, ...]

    def refused(self, chip: Target, options: QuantizeOptions) -> Iterator[Violation]:
        """Every rule of the chip that is broken, and every limit that is not allowed."""
        limits = (violation for violation in self.over if violation.rule not in options.allow)
        return chain(fixed_violations(self.fixed, chip), limits)


@dataclass(frozen=True)
class Samples:
    """What ranges were measured on: samples (T, B, N_in), None for none, and their lengths (B,)."""

    x: npt.ArrayLike | None = None
    lengths: object = None


def convert(
    network: Network,
    chip: Target,
    ranges: Ranges,
    options: QuantizeOptions,
    samples: Samples = Samples(),
) -> Conversion:
    """Choose scales and round, whatever comes of it; constants of the network are worked out.

    Raises:
        InvalidValueError: for rounding by what arrives without samples.
    """
    scales = choose_scales(network, chip, ranges, options)
    moves: Mapping[Key, int] = {}
    while names_words(options):
        wide = _Builder(chip, wide_words(options), scales, moves).network(network)
        found = moved_words(wide, scales.ports, chip, ranges, options)
        # Coarser states make coarser messages, which may make finer ports: then once more, and
        # nothing becomes finer again.
        found |= {key: min(move, found.get(key, 0)) for key, move in moves.items()}
        if found == moves:
            break
        moves = found
        scales = choose_scales(network, chip, ranges, options, moves)
    builder = _Builder(chip, options, scales, moves)
    fixed = builder.network(network)
    if options.rounding == "arriving":
        fixed = builder.rounded(network, fixed, samples)
    over = exceeded(
        network,
        fixed,
        ranges,
        builder.clipped,
        learns=options.weight_reach is not None,
        coarse_messages=coarse_messages(network, options),
        function_chosen=function_chosen(network, options),
    )
    return Conversion(fixed, builder.clipped, tuple(over))


def coarse_messages(network: Network, options: QuantizeOptions) -> frozenset[Key]:
    """Populations and variables of messages, and of the input, that were asked to be coarse."""
    found = {
        (population.name, variable)
        for population in network.populations
        if isinstance(population, Neurons)
        for variable in population.variables
        if options.message_bits_of(population.name, variable, COARSE_BITS + 1) <= COARSE_BITS
    }
    if (options.asked(INPUT) or COARSE_BITS + 1) <= COARSE_BITS:
        found |= {(network.input.name, variable) for variable in network.input.variables}
    return frozenset(found)


def function_chosen(network: Network, options: QuantizeOptions) -> frozenset[Key]:
    """Populations and gates whose function the caller chose."""
    every = (options.gate_function, options.table_index_bits) != (None, None)
    return frozenset(
        (population.name, gate)
        for population in network.populations
        if isinstance(population, Neurons)
        for gate in population.model.gates
        if every or options.asked(table_name(population.name, gate)) is not None
    )


class _Builder:
    """Rounds every number of a network at scales already chosen; remembers what saturated."""

    def __init__(
        self,
        chip: Target,
        options: QuantizeOptions,
        scales: Scales,
        moves: Mapping[Key, int],
    ) -> None:
        self.chip = chip
        self.options = options
        self.scales = scales
        self.moves = moves
        """Bits by which words are finer than what arrives at their population."""
        self.state = Word(chip.words.state)
        self.clipped: dict[Tensor, int] = {}

    def network(self, network: Network) -> FixedNetwork:
        populations = tuple(self.population(p) for p in network.populations)
        projections = tuple(
            self.projection(projection, scale)
            for projection, scale in zip(network.projections, self.scales.projections, strict=True)
        )
        # A network that was quantized before may still carry what was said then.
        stale = (KEY, SATURATED, OPTIONS, CALIBRATION)
        provenance = {key: text for key, text in network.provenance.items() if key not in stale}
        saturated = [
            f"{tensor.owner}.{tensor.field}: {count}"
            for tensor, count in self.clipped.items()
            if tensor.field != WEIGHTS
        ]
        if saturated:
            provenance[SATURATED] = "; ".join(saturated)
        return FixedNetwork(populations, projections, network.output, self.chip.name, provenance)

    def rounded(self, network: Network, fixed: FixedNetwork, samples: Samples) -> FixedNetwork:
        """The network with weights rounded by what arrives.

        Raises:
            InvalidValueError: without samples.
        """
        if samples.x is None:
            raise InvalidValueError(
                "calibration for rounding by what arrives", "missing",
                "samples of shape (T, B, N_in)", "pass calibration=x",
            )  # fmt: skip
        words = tuple(scale.word for scale in self.scales.projections)
        return rounded_by_arrivals(network, fixed, samples.x, samples.lengths, words=words)

    def population(self, population: FloatPopulation) -> FixedPopulation:
        if isinstance(population, Input):
            return self.input(population)
        rough = self.formats(population)
        values, constants = self.constants(population, rough)
        formats = replace(rough, constants=constants)
        gates = {gate: self.gate(population, gate) for gate in population.model.gates}
        fractions = result_fractions(population.model.program, formats)
        return FixedNeurons(
            population.name,
            population.size,
            population.model,
            formats,
            values,
            {gate: table for gate, (_, table) in gates.items()},
            self.messages(population.name, fractions),
            shape=population.shape,
        )

    def input(self, population: Input) -> FixedInput:
        word, fraction = self.scales.messages[population.name, population.variables[0]]
        name, size, shape = population.name, population.size, population.shape
        return FixedInput(name, size, population.graded, word, fraction, shape)

    def formats(self, population: Neurons) -> Formats:
        """Formats of everything but the constants that multiply, whose fractions follow them."""
        name, model = population.name, population.model
        fraction = self.scales.ports[name, unit_port(model)]
        fraction += port_alignment(population, self.chip)
        landing = {landing_register(model, port): port for port in model.ports}
        held: dict[str, Held] = {}
        for word in dict.fromkeys((*registers(model), *model.states)):
            if word in model.gates:
                held[word] = self.argument(population, word, landing.get(word))
            elif word in model.unit:
                bits = self.options.asked(state_name(name, word))
                held[word] = Held(bits or self.chip.words.adaptation)
            elif word in signals(model):
                own = fraction + self.moves.get((name, word), 0)
                held[word] = self.register(population, word, own, lands=word in landing)
        return Formats(
            held,
            {port: self.scales.ports[name, port] for port in model.ports},
            {},
            {gate: self.gate(population, gate)[0] for gate in model.gates},
        )

    def argument(self, population: Neurons, gate: str, port: Port | None) -> Held:
        """Format of a gate's argument: that of its port, or all of its span where none lands."""
        chip, name = self.chip, population.name
        fraction = (
            gate_fraction(population, gate, chip, self.options)
            if port is None
            else self.scales.ports[name, port]
        )
        bits = self.options.asked(state_name(name, gate))
        if bits is None:
            return Held.within(self.state, fraction)
        return Held.within(Word(bits), min(fraction, bits - 1 - TABLE_SPAN_BITS))

    def register(self, population: Neurons, word: str, fraction: int, *, lands: bool) -> Held:
        """Format of a register or state in the unit of what arrives."""
        model = population.model
        if word not in registers(model):
            return Held(fraction)
        if model.words != LIF_WORDS:
            bits = self.options.asked(state_name(population.name, word)) or self.state.bits
            return Held.within(Word(bits), fraction)
        if lands:
            bits = self.state.bits
            return Held.wrapping_once(bits, current_register_bits(bits), fraction)
        return Held.between(self.state.maximum, fraction)

    def constants(
        self, population: Neurons, formats: Formats
    ) -> tuple[dict[str, IntArray], dict[str, int]]:
        """Every constant rounded into its word, and its fraction."""
        places = constant_places(population.model)
        survey = Survey(population.model.program, formats)
        values: dict[str, IntArray] = {}
        fractions: dict[str, int] = {}
        for name, real in population.constants.items():
            if population.model.words == LIF_WORDS:
                fraction, word = self.lif_constant(places[name], real, formats)
            else:
                fraction, word = self.constant_format(survey, name, real)
            values[name] = self.encode(population.name, name, real, fraction, word)
            fractions[name] = fraction
        return values, fractions

    def constant_format(self, survey: Survey, name: str, values: FloatArray) -> tuple[int, Word]:
        """Fraction and word of a constant: what its place asks for, or all that a factor holds."""
        if name not in survey.factors:
            return survey.added(name, 0), self.state
        needed = survey.factors[name]
        fraction = self.factor(values, needed)
        if survey.is_added(name):
            fraction = max(min(fraction, survey.added(name, fraction)), needed)
        return fraction, Word(self.chip.words.factor)

    def lif_constant(self, place: Place, values: FloatArray, formats: Formats) -> tuple[int, Word]:
        """Decays, aligned thresholds, and biases with an exponent, as Lava's LIF has them."""
        words, asked = self.chip.lif, formats.held[place.word].fraction
        if place.operand is not None:
            return words.decay, Word(words.decay + 1, signed=False)
        if place.compared:
            # Signed, so that the rule on thresholds sees those below zero.
            return asked - words.alignment, Word(words.threshold_mantissa + 1)
        return asked - self.bias_exponent(values, asked), Word(words.bias_mantissa)

    def bias_exponent(self, bias: FloatArray, fraction: int) -> int:
        """Smallest exponent with which every rounded bias fits its mantissa, or the largest."""
        words = self.chip.lif
        limit, highest = Word(words.bias_mantissa).maximum, (1 << words.bias_exponent) - 1
        scaled = np.ldexp(np.max(np.abs(bias)), fraction)
        largest = int(min(np.rint(scaled), limit << highest))
        _, exponent = decompose(largest, words.bias_mantissa, highest)
        rounds_up = np.rint(np.ldexp(scaled, -exponent)) > limit
        return min(exponent + int(rounds_up), highest)

    def projection(self, projection: Projection, scale: ProjectionScale) -> FixedProjection:
        tensor, values = tensor_of(projection), projection.weights.values
        word = scale.word
        mantissas = self.encode(tensor.owner, WEIGHTS, values, scale.weight_fraction, word)
        return FixedProjection(
            source=projection.source,
            variable=projection.variable,
            target=projection.target,
            port=projection.port,
            weights=projection.weights.with_values(mantissas),
            bits=word.bits,
            exponent=scale.exponent,
            weight_fraction=scale.weight_fraction,
            delay=projection.delay,
        )

    def gate(self, population: Neurons, gate: str) -> tuple[GateFormat, IntArray]:
        """Integer form of a gate, and its table."""
        output = self.chip.words.gate
        named = named_function(population, gate)
        function = self.options.function_of(named, self.chip)
        if function == "plan":
            return GateFormat(function, output), np.zeros(0, dtype=np.int64)
        bits = self.options.table_bits_of(population.name, gate, self.chip)
        table = sigmoid_table(
            bits, output, interpolated=function == "interpolated", nonlinearity=named
        )
        return GateFormat(function, output, bits), table

    def encode(
        self, owner: str, field: str, values: FloatArray, fraction: int, word: Word
    ) -> IntArray:
        """Round reals into a word and remember how many did not fit."""
        encoded, misfits = word.encode(values, fraction)
        if misfits:
            self.clipped[Tensor(owner, field)] = misfits
        return encoded

    def factor(self, values: FloatArray, needed: int) -> int:
        """Fraction of a constant that multiplies, at least what its product needs."""
        largest = float(np.max(np.abs(values)))
        if largest == 0.0:
            return needed
        # The product is shifted right only; a multiplier too large for that saturates.
        fraction = max(largest_fraction(largest, Word(self.chip.words.factor)), needed)
        return min(fraction, needed + MAXIMUM_SHIFT)

    def messages(self, name: str, fractions: Mapping[str, int]) -> tuple[Message, ...]:
        """Formats of the graded variables that some projection sends."""
        return tuple(
            Message(variable, word, fractions[variable] - fraction)
            for (source, variable), (word, fraction) in self.scales.messages.items()
            if source == name and variable != SPIKES
        )
