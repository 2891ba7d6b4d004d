"""No number that integer learning computes leaves 64 bits, whatever the samples: checked once.

Engines compute on 64-bit integers, which wrap without a word. So intervals go through both halves
of every population's learning step (:mod:`ltc2hw.dynamics.bounds`), with constants and weights as
far as they can learn to be, and through what lies between populations. The names are those of
``docs/on-chip-learning.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ltc2hw.dynamics.bounds import bounds, register_ranges
from ltc2hw.dynamics.facts import facts
from ltc2hw.dynamics.formats import SURROGATE_TABLE, Formats
from ltc2hw.dynamics.intervals import Interval, transfer
from ltc2hw.dynamics.learning import LoweredReverse, LoweredTangent
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.reverse import CREDIT
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork, FixedProjection, message_word
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.learning.neurons import fixed_of, word_of
from ltc2hw.learning.rule import FEEDBACK_BITS, FPTTRule
from ltc2hw.learning.words import EXPONENT_FRACTION, LOG2_E, WEIGHT_FRACTION, PlasticWords
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.scalars import require_range
from ltc2hw.numbers.words import WIDEST_WORD, IntArray

MAGNITUDE_BITS = 63
"""Bits of a magnitude that a signed 64-bit integer holds."""

REMEDY = "narrow the factor word"

Bound = tuple[str, int]
"""What is computed, and its largest magnitude."""

Reach = Mapping[tuple[str, str], int]
"""Largest magnitude of the integers that a constant can learn to be, by population and name."""


@dataclass(frozen=True)
class Errors:
    """Everything that bounds depend on: a network with room, a rule in words, and its path."""

    network: FixedNetwork
    rule: FPTTRule
    words: PlasticWords
    crossed: Collection[int]
    reverses: Mapping[str, LoweredReverse]
    tangents: Mapping[str, LoweredTangent]
    slopes: IntArray
    reach: Reach

    @property
    def factor(self) -> int:
        """Largest magnitude of the factor word."""
        return 1 << (self.words.factor - 1)


def check_products(errors: Errors) -> None:
    """Raise unless every product, sum and shift on the way of an error fits 64-bit integers.

    Raises:
        InvalidValueError: naming the first of the first population that does not.
    """
    for name in dict.fromkeys((*errors.reverses, *errors.tangents)):
        neurons = fixed_of(errors.network.population(name))
        _check_fans(errors, neurons)
        for what, largest in _bounds(errors, neurons):
            if largest.bit_length() > MAGNITUDE_BITS:
                raise InvalidValueError(
                    f"widest {what} in {name}",
                    f"{largest.bit_length()} bits",
                    f"at most {MAGNITUDE_BITS} bits",
                    REMEDY,
                )


def _check_fans(errors: Errors, neurons: FixedNeurons) -> None:
    """Raise unless factors times states, and times sums of weights, leave room for rounding."""
    fan_out = sum(
        projection.weights.shape[0] << (_back_bits(errors, projection) - 1)
        for projection in errors.network.projections
        if projection.source == neurons.name
    )
    state = max(word_of(neurons, register).bits for register in neurons.registers)
    widest = errors.words.factor + max(state, fan_out.bit_length())
    if widest >= WIDEST_WORD:
        raise InvalidValueError(
            f"widest product of a factor in {neurons.name}",
            f"{widest} bits",
            f"below {WIDEST_WORD} bits",
            REMEDY,
        )


def _back_bits(errors: Errors, projection: FixedProjection) -> int:
    """Width of the weights through which errors come back."""
    return projection.bits if errors.rule.feedback == "symmetric" else FEEDBACK_BITS


def _bounds(errors: Errors, neurons: FixedNeurons) -> Iterator[Bound]:
    credits = {f"{CREDIT}.{neurons.output_variable}": errors.factor}
    if neurons.name == errors.network.output:
        yield from _error(errors, neurons)
    spikes = 0
    for index in errors.crossed:
        projection = errors.network.projections[index]
        if projection.source == neurons.name:
            symmetric = errors.rule.feedback == "symmetric"
            fraction = projection.weight_fraction if symmetric else FEEDBACK_BITS
            sent = projection.weights.shape[0] * errors.factor
            largest = _rescaled(sent << (_back_bits(errors, projection) - 1), fraction)
            yield "credit of a projection", largest
            spikes += largest
            credits[f"{CREDIT}.{projection.variable}"] = spikes
    yield "sum of credits", spikes
    yield from _halves(errors, neurons, credits)


def _error(errors: Errors, readout: FixedNeurons) -> Iterator[Bound]:
    """Softmax or difference, and its weight in time."""
    read = readout.output_variable
    output, span = readout.fractions[read], 1 << word_of(readout, read).bits
    require_range(f"fraction of {readout.name}", output, 0, WIDEST_WORD)
    fraction = errors.words.factor_fraction
    error = 1 << fraction
    if errors.rule.error == "softmax":
        shift = output + EXPONENT_FRACTION - errors.words.softmax_index
        yield "exponent of the softmax", _rescaled(span * LOG2_E, shift)
        yield "probability of the softmax", error << fraction
    else:
        error = _rescaled(span, output - fraction)
    yield "weighted error", error << WEIGHT_FRACTION


@dataclass(frozen=True)
class _Widest:
    """A step, and the ends of what each constant can learn to be."""

    name: str
    formats: Formats
    program: Program
    constants: Mapping[str, IntArray]
    tables: Mapping[str, IntArray]


def _halves(errors: Errors, neurons: FixedNeurons, credits: Mapping[str, int]) -> Iterator[Bound]:
    """Every value of the programs of a population: back, and on with the past moving."""
    held = {name: Interval(-n, n) for name, n in credits.items()}
    back, on = errors.reverses.get(neurons.name), errors.tangents.get(neurons.name)
    if back is not None:
        yield from _after_step(errors, neurons, back.forward, back.backward, held)
    if on is not None:
        yield from _after_step(errors, neurons, on.forward, on.jacobian, {})
        entry = Interval(-errors.factor, errors.factor)
        ports = {name: held.get(name, entry) for name in on.past.ports}
        for index, interval in enumerate(_walk(on.past, {}, {}, ports)):
            yield described(on.past, index), interval.magnitude


def _after_step(
    errors: Errors,
    neurons: FixedNeurons,
    forward: Program,
    reader: Program,
    given: Mapping[str, Interval],
) -> Iterator[Bound]:
    """Every value of a step, and of a program that reads its results and what is given."""
    learned = {
        name: np.array([-largest, largest])
        for (population, name), largest in errors.reach.items()
        if population == neurons.name
    }
    constants = {**neurons.constants, **learned}
    tables = {**neurons.tables, SURROGATE_TABLE: errors.slopes}
    widest = _Widest(neurons.name, neurons.formats, forward, constants, tables)
    arriving = {port: _arriving(errors, neurons.name, port) for port in neurons.ports}
    found = bounds(widest, arriving, register_ranges(widest))
    for index, interval in enumerate(found.values):
        yield described(forward, index), interval.magnitude
    ends = {name: Interval(int(v.min()), int(v.max())) for name, v in constants.items()}
    kept = {name: described(forward, at) for name, at in forward.results.items()}
    for index, interval in enumerate(_walk(reader, tables, ends, {**found.results, **given})):
        yield described(reader, index, kept), interval.magnitude


def _walk(
    program: Program,
    tables: Mapping[str, IntArray],
    constants: Mapping[str, Interval],
    ports: Mapping[str, Interval],
) -> Iterator[Interval]:
    """Interval of every value of a program without states."""
    leaves = {Operation.PARAMETER: constants, Operation.PORT: ports}
    known: list[Interval] = []
    for index, value in enumerate(program.values):
        if value.operation in leaves:
            known.append(leaves[value.operation][value.name])
        else:
            arguments = [known[argument] for argument in value.arguments]
            plain = transfer(value, arguments, tables)
            known.append(facts(program.values).narrowed(index, plain, known))
    yield from known


def _arriving(errors: Errors, name: str, port: str) -> int:
    """Largest magnitude of what can arrive at a port, whatever is learned."""
    total = 0
    for projection in errors.network.projections:
        if (projection.target, projection.port) == (name, port):
            source = errors.network.population(projection.source)
            word = message_word(source, projection.variable)
            largest = max(-word.minimum, word.maximum)
            if isinstance(projection.weights, Conv):
                limits = np.full(source.size, largest, dtype=np.int64)
                sums = int(projection.weights.row_magnitudes(limits).max())
            else:
                sums = source.size * (largest << (projection.bits - 1))
            total += sums << projection.exponent
    return total


def described(program: Program, index: int, kept: Mapping[str, str] | None = None) -> str:
    """What a value is made of, in names: ``product of strength and credit``."""
    value = program.values[index]
    if value.name:
        return (kept or {}).get(value.name, value.name)
    if value.operation in (Operation.ADD, Operation.SUBTRACT):
        return "sum"
    parts = [described(program, argument, kept) for argument in value.arguments]
    if value.operation is Operation.MULTIPLY:
        return f"product of {parts[0]} and {parts[1]}"
    return parts[-1] if parts else "number"


def _rescaled(largest: int, bits: int) -> int:
    """Bound of ``rescale(x, bits)``; beyond 62 bits of shift nothing is bounded.

    >>> _rescaled(12, 2), _rescaled(12, -2), _rescaled(1, 63) > 2**63
    (3, 48, True)
    """
    if abs(bits) > WIDEST_WORD:
        return 1 << (MAGNITUDE_BITS + abs(bits))
    return largest >> bits if bits >= 0 else largest << -bits
