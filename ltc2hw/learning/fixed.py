"""A rule, word widths and an integer network, turned into constants: shifts, words, tables.

Every rate is a power of two, so the rule is products of factor and message, shifts and adds. The
readable engine, the compiled one and the Lava processes all read the same :class:`IntegerRule`.
``docs/on-chip-learning.md`` has the equations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ltc2hw.dynamics.formats import SurrogateFormat
from ltc2hw.dynamics.learning import (
    LoweredReverse,
    LoweredTangent,
    lower_reverse,
    lower_tangent,
)
from ltc2hw.dynamics.reverse import ONE
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork, message_fraction, message_word
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.learning.backwards import credited, passes, reverse_of, tangent_of
from ltc2hw.learning.bounds import Errors, check_products
from ltc2hw.learning.descent import kept
from ltc2hw.learning.eligible import EligibilityFormat, eligibility_format
from ltc2hw.learning.neurons import Learnable, fixed_of, learnable_at, with_format, word_of
from ltc2hw.learning.rule import (
    FPTTRule,
    Memory,
    Parameter,
    error_paths,
    parameter_name,
    plastic_parameters,
)
from ltc2hw.learning.scope import crosses_spikes, reached_populations
from ltc2hw.learning.values import read_parameter
from ltc2hw.learning.words import (
    SURROGATE_SPAN_BITS,
    PlasticWords,
    power_of_two,
    power_table,
    slope_table,
)
from ltc2hw.numbers.operators import expanded
from ltc2hw.numbers.words import WIDEST_WORD, IntArray, Word, shift_toward_zero

FACTOR_WORD = Word(16)
"""Multipliers of a neuron's own state that learn."""

PRODUCT_BITS = 50
"""States behind self terms are cut so that their products with factors stay this narrow."""

STATE = "state."
"""First part of the message of a self term that is a state before the step."""

INTEGER_CHOICES: Mapping[str, tuple[str, ...]] = {
    "descent": ("instantaneous", "eligibility"),
    "update": ("fptt",),
    "feedback": ("symmetric", "random"),
}
"""What a rule may choose on integers."""

SMALLEST_BIAS_RANGE, SMALLEST_TERM_RANGE = 2, 1
"""Learned constants of neurons can reach at least ±2^this: those added, and those multiplied."""


@dataclass(frozen=True)
class Rates:
    """Exponents of the powers of two: ``2^-learning_rate``, ``2^-alpha``, ``2^-beta``."""

    learning_rate: int
    alpha: int
    beta: int

    @classmethod
    def of(cls, rule: FPTTRule) -> Rates:
        """Take them from a rule.

        Raises:
            InvalidValueError: for a rate that is no power of two, or above 1.
        """
        return cls(
            power_of_two("learning_rate", rule.learning_rate),
            power_of_two("alpha", rule.alpha),
            power_of_two("beta", rule.beta),
        )


@dataclass(frozen=True)
class PlasticWord:
    """Where a parameter's integers live.

    ``value``, ``mean``, ``gradient``: words of Φ, Φ̄, λ, and their fractions. The network computes
    with ``Φ >> network_shift`` (a left shift if negative). Factors meet the message
    ``rsz(x, message_shift)``, which has ``message_bits`` bits and ``message_fraction``.
    """

    value: Word
    mean: Word
    gradient: Word
    fraction: int
    mean_fraction: int
    gradient_fraction: int
    network_shift: int
    message_shift: int
    message_bits: int
    message_fraction: int


@dataclass(frozen=True)
class UpdateFormat:
    """Words and shifts of one parameter's update; the equations are in :func:`update_format`."""

    word: PlasticWord
    value_up: int
    mean_up: int
    product_up: int
    gradient_up: int
    departure_up: int
    value_down: int
    back_up: int
    gradient_down: int
    mean_departure_up: int
    mean_gradient_up: int
    mean_down: int
    largest: int
    """No sum of an update exceeds this in magnitude."""
    first: int
    """Index of the parameter's first draw."""
    product: int
    """Fraction of the descent."""
    eligibility: EligibilityFormat | None
    """Words that its values keep for states of their neurons, None where there are none."""


@dataclass(frozen=True, eq=False)
class IntegerRule:
    """A rule, word widths and an integer network, turned into constants.

    ``network`` is the one given, with room for its self terms to grow. ``parameters`` in the order
    of their draws; ``reached``: the populations that learn, the output first; ``crossed``: indices
    of the projections that carry errors back. ``reverses``: both halves of a learning step of each
    population that errors pass, in integers; ``tangents``: of those whose synapses keep
    eligibility, how a step moves. ``slopes``: table of ψ (empty for the triangle);
    ``powers``: table of ``2^-x``.
    """

    network: FixedNetwork
    rule: FPTTRule
    words: PlasticWords
    parameters: tuple[Parameter, ...]
    formats: Mapping[Parameter, UpdateFormat]
    reached: tuple[str, ...]
    crossed: tuple[int, ...]
    reverses: Mapping[str, LoweredReverse]
    tangents: Mapping[str, LoweredTangent]
    slopes: IntArray
    powers: IntArray

    @property
    def output(self) -> FixedNeurons:
        """The neurons that are compared with targets."""
        return fixed_of(self.network.population(self.network.output))

    @property
    def factor(self) -> Word:
        """Word of errors, credits and factors."""
        return Word(self.words.factor)

    @property
    def bytes_per_synapse(self) -> float:
        """Bytes of one plastic synapse; of one that keeps most, where words differ."""
        weights = (p for p in self.parameters if p.projection is not None)
        words = self.words
        least = (words.value + words.mean + words.gradient) / 8
        return max((self.bytes_of(parameter) for parameter in weights), default=least)

    def bytes_of(self, parameter: Parameter) -> float:
        """Bytes of Φ, Φ̄ and λ of one value, and of what it keeps of the past."""
        form, bits = self.formats[parameter], self.words.eligibility
        own = form.word.value.bits + form.word.mean.bits + form.word.gradient.bits
        return (own + (0 if form.eligibility is None else len(form.eligibility.states) * bits)) / 8


def integer_rule(
    network: FixedNetwork, rule: FPTTRule, words: PlasticWords | None = None
) -> IntegerRule:
    """Work out every constant with which a rule runs on a network's integers.

    Errors cross projections of spikes alone: an error of a graded message would need a product per
    synapse on its way back.

    Raises:
        InvalidValueError: rates that are not powers of two, ``own_current``, a descent, update or
            feedback that integers do not have, words too narrow for the network's weights or too
            wide for 64-bit sums, no plastic path.
        UnknownNameError: populations or ports of the rule that do not exist.
    """
    for name, known in INTEGER_CHOICES.items():
        if getattr(rule, name) not in known:
            raise InvalidValueError(
                name, repr(getattr(rule, name)), f"{' or '.join(known)} for integers",
                'learn the float network, with engine="float64"',
            )  # fmt: skip
    if rule.own_current:
        raise InvalidValueError(
            "own_current", True, "False for integers", "errors through own currents are not local"
        )
    chosen = words or PlasticWords()
    reached = reached_populations(network, rule)
    parameters = plastic_parameters(network, rule, reached)
    roomy = with_room(network, parameters)
    crossed = error_paths(network, reached, crosses_spikes, own_current=False)
    slopes = slope_table(rule, chosen)
    arriving = {name: credited(network, crossed, name) for name in reached}
    lowering = _Lowering(roomy, rule, chosen)
    reverses = {
        name: lowering.reverse(name, variables)
        for name, variables in arriving.items()
        if any(passes(network.population(name), variable) for variable in variables)
    }
    remembering = {p: own.states for p, own in kept(network, rule, parameters, crossed).items()}
    tangents = {
        name: lowering.tangent(name, arriving[name])
        for name in dict.fromkeys(p.population for p, states in remembering.items() if states)
    }
    reach = {
        (p.population, learnable_of_parameter(roomy, p).constant): _reach(roomy, p)
        for p in parameters
        if p.projection is None
    }
    check_products(Errors(roomy, rule, chosen, crossed, reverses, tangents, slopes, reach))
    formats: dict[Parameter, UpdateFormat] = {}
    first = 0
    for parameter in parameters:
        states = remembering.get(parameter, ())
        formats[parameter] = update_format(roomy, rule, chosen, parameter, first, states)
        first += draw_count(roomy, parameter)
    if first > 1 << 32:
        raise InvalidValueError("plastic synapses", first, "at most 2^32", "learn fewer ports")
    return IntegerRule(
        roomy,
        rule,
        chosen,
        parameters,
        formats,
        reached,
        crossed,
        reverses,
        tangents,
        slopes,
        power_table(chosen),
    )


class _Lowering:
    """Lowers the programs of learning, population by population."""

    def __init__(self, network: FixedNetwork, rule: FPTTRule, words: PlasticWords) -> None:
        self.network = network
        self.word, self.fraction = Word(words.factor), words.factor_fraction
        self.surrogate = SurrogateFormat()
        if rule.surrogate != "triangle":
            self.surrogate = SurrogateFormat(
                words.factor_fraction, words.surrogate_index, SURROGATE_SPAN_BITS
            )

    def reverse(self, name: str, credits: tuple[str, ...]) -> LoweredReverse:
        """Both halves of a population's learning step."""
        neurons = fixed_of(self.network.population(name))
        found = reverse_of(neurons.model, credits)
        with _naming(f"factors of {name}"):
            return lower_reverse(found, neurons.formats, self.word, self.fraction, self.surrogate)

    def tangent(self, name: str, credits: tuple[str, ...]) -> LoweredTangent:
        """How a step of a population moves, and what errors find in its past."""
        neurons = fixed_of(self.network.population(name))
        found, formats = tangent_of(neurons.model), neurons.formats
        with _naming(f"eligibility in {name}"):
            return lower_tangent(found, credits, formats, self.word, self.fraction, self.surrogate)


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Say of what a program could not be lowered."""
    try:
        yield
    except InvalidValueError as error:
        raise InvalidValueError(
            what, error, "shifts and numbers of at most 62 bits",
            "quantize the network again, or hold this population",
        ) from error  # fmt: skip


def update_format(
    network: FixedNetwork,
    rule: FPTTRule,
    words: PlasticWords,
    parameter: Parameter,
    first: int,
    states: tuple[str, ...] = (),
) -> UpdateFormat:
    """Words and shifts of one parameter, whose values keep a word for each of ``states``.

    With fractions ``v``, ``m``, ``l`` of Φ, Φ̄, λ, ``c = max(v, m)``, rates ``2^-k`` (learning),
    ``2^-a`` (alpha), ``2^-b`` (beta), ``p`` the fraction of the descent g
    (that of factor times message, F x, or that of an
    :class:`~ltc2hw.learning.eligible.EligibilityFormat`), and
    ``s = max(p, c + a, l, v - k + 1)``, ``h = max(c + a, l + 1)``,
    ``q = max(c + b, l + b - a, m + 1)``::

        D  = (Φ << c-v) - (Φ̄ << c-m)
        Φ' = sat(Φ + round((g << s-p) + (λ << s-l) - (D << s-c-a), s+k-v))
        D' = (Φ' << c-v) - (Φ̄ << c-m)
        λ' = sat(λ + round(-(D' << h-c-a), h-l))
        Φ̄' = sat(Φ̄ + round((D' << q-c-b) - (λ' << q-l-b+a), q-m))

    Raises:
        InvalidValueError: if a word is narrower than the weight that is read from it, or the sums
            leave 64-bit integers.
    """
    rates = Rates.of(rule)
    k, a, b = rates.learning_rate, rates.alpha, rates.beta
    word = plastic_word(network, words, parameter)
    v, m = word.fraction, word.mean_fraction
    l = word.gradient_fraction  # noqa: E741
    product, p = 1 << (words.factor - 1 + word.message_bits), word.message_fraction
    p += words.factor_fraction
    eligibility = None
    if states:
        name = parameter_name(network, parameter)
        eligibility = eligibility_format(
            words, states, word.message_bits, word.message_fraction, name
        )
        product, p = eligibility.largest, eligibility.product
    c = max(v, m)
    s = max(p, c + a, l, v - k + 1)
    h = max(c + a, l + 1)
    q = max(c + b, l + b - a, m + 1)
    departure = 1 << max(word.value.bits + c - v, word.mean.bits + c - m)
    remembered = 1 << (word.gradient.bits - 1)
    sums = (
        (product << (s - p)) + (remembered << (s - l)) + (departure << (s - c - a)),
        departure << (h - c - a),
        (departure << (q - c - b)) + (remembered << (q - l - b + a)),
    )
    downs = (s + k - v, h - l, q - m)
    largest = max(total + (1 << down) for total, down in zip(sums, downs, strict=True))
    if largest > 1 << WIDEST_WORD:
        raise InvalidValueError(
            f"widest sum of {parameter_name(network, parameter)}",
            f"{largest.bit_length()} bits",
            f"{WIDEST_WORD} bits",
            "narrow the plastic words or raise the rates",
        )
    return UpdateFormat(
        word=word,
        value_up=c - v,
        mean_up=c - m,
        product_up=s - p,
        gradient_up=s - l,
        departure_up=s - c - a,
        value_down=downs[0],
        back_up=h - c - a,
        gradient_down=downs[1],
        mean_departure_up=q - c - b,
        mean_gradient_up=q - l - b + a,
        mean_down=downs[2],
        largest=largest,
        first=first,
        product=p,
        eligibility=eligibility,
    )


def plastic_word(network: FixedNetwork, words: PlasticWords, parameter: Parameter) -> PlasticWord:
    """Words and scales of one parameter, and of the message that its factor meets.

    Raises:
        InvalidValueError: if Φ is narrower than the weight that is read from it.
    """
    if parameter.projection is None:
        return _constant_word(network, words, parameter)
    projection = network.projections[parameter.projection]
    shift = words.value - projection.bits
    if shift < 0:
        raise InvalidValueError(
            f"plastic value word of {parameter_name(network, parameter)}",
            f"{words.value} bits",
            f"at least the {projection.bits} bits of the weight",
            "widen the word or quantize to narrower weights",
        )
    source = network.population(projection.source)
    fraction = projection.weight_fraction + shift
    return PlasticWord(
        Word(words.value),
        Word(words.mean),
        Word(words.gradient),
        fraction,
        fraction + words.mean - words.value,
        fraction + words.gradient - words.value + words.gradient_shift,
        shift,
        0,
        message_word(source, projection.variable).bits,
        message_fraction(source, projection.variable),
    )


def _constant_word(network: FixedNetwork, words: PlasticWords, parameter: Parameter) -> PlasticWord:
    """A neuron's bias or self term; ±2^r leaves it room to double."""
    held = constant_fraction(network, parameter)
    fraction = words.neuron - 1 - range_bits(network, parameter, held)
    shift, bits, message = 0, 1, 0
    own = learnable_of_parameter(network, parameter)
    if own.message != ONE:
        state = word_of(gated(network, parameter), own.message.removeprefix(STATE)).bits
        shift = max(0, words.factor + state - PRODUCT_BITS)
        bits, message = state - shift, state_fraction(network, parameter) - shift
    word, network_shift = Word(words.neuron), fraction - held
    finer = fraction + words.gradient_shift
    widest = word.bits + max(0, -network_shift)
    if network_shift > WIDEST_WORD or widest > WIDEST_WORD:
        raise InvalidValueError(
            f"fraction of {parameter_name(network, parameter)}",
            held,
            f"one that is at most {WIDEST_WORD} bits from the learned {fraction}",
            "quantize the network again, or hold this port",
        )
    return PlasticWord(
        word, word, word, fraction, fraction, finer, network_shift, shift, bits, message
    )


def range_bits(network: FixedNetwork, parameter: Parameter, fraction: int) -> int:
    """The r of the smallest range ±2^r in which constants of this fraction can double."""
    largest = int(np.max(np.abs(read_parameter(network, parameter))))
    needed = math.ceil(math.log2(largest)) + 1 - fraction if largest else 0
    added = learnable_of_parameter(network, parameter).message == ONE
    return max(SMALLEST_BIAS_RANGE if added else SMALLEST_TERM_RANGE, needed)


def _reach(network: FixedNetwork, parameter: Parameter) -> int:
    """Largest magnitude that the integers of a neuron's constant can learn to have."""
    held = constant_fraction(network, parameter)
    return 1 << max(0, range_bits(network, parameter, held) + held)


def gated(network: FixedNetwork, parameter: Parameter) -> FixedNeurons:
    """The neurons of a parameter."""
    return fixed_of(network.population(parameter.population))


def learnable_of_parameter(network: FixedNetwork, parameter: Parameter) -> Learnable:
    """The constant that a parameter of neurons is."""
    return learnable_at(network.population(parameter.population), parameter.port, parameter.term)


def constant_fraction(network: FixedNetwork, parameter: Parameter) -> int:
    """Fractional bits of a neuron's constant as the network holds it."""
    constant = learnable_of_parameter(network, parameter).constant
    return gated(network, parameter).formats.constants[constant]


def state_fraction(network: FixedNetwork, parameter: Parameter) -> int:
    """Fractional bits of what a self term multiplies: a state, or a result of the step."""
    message = learnable_of_parameter(network, parameter).message
    neurons = gated(network, parameter)
    if message.startswith(STATE):
        return neurons.formats.held[message.removeprefix(STATE)].fraction
    return neurons.fractions[message]


def draw_count(network: FixedNetwork, parameter: Parameter) -> int:
    """Indices reserved for a parameter's draws: every pair of neurons, connected or not."""
    if parameter.projection is None:
        return gated(network, parameter).size
    targets, sources = network.projections[parameter.projection].weights.shape
    return targets * sources


def draw_indices(network: FixedNetwork, parameter: Parameter, first: int) -> IntArray:
    """Index of every value's draw: ``first + j N_source + i``, or ``first + j`` for constants."""
    if parameter.projection is None:
        return first + np.arange(gated(network, parameter).size, dtype=np.int64)
    weights = expanded(network.projections[parameter.projection].weights)
    rows, columns = weights.coordinates
    return first + rows * weights.shape[1] + columns


def first_memory(form: UpdateFormat, value: IntArray) -> Memory:
    """``Φ`` in the middle of what the network's integer stands for, ``Φ̄ = Φ``, ``λ = 0``."""
    word = form.word
    if word.network_shift > 0:
        value = (value << word.network_shift) + (1 << (word.network_shift - 1))
    else:
        value = value >> -word.network_shift
    first, _ = word.value.fit(value)
    finer = word.mean.bits - word.value.bits
    mean = first << finer if finer >= 0 else first >> -finer
    return Memory(first, mean, np.zeros_like(first))


def network_value(form: UpdateFormat, value: IntArray) -> IntArray:
    """The top bits of Φ: ``Φ >> network_shift`` (floor), or a left shift."""
    shift = form.word.network_shift
    return value >> shift if shift >= 0 else value << -shift


def with_room(network: FixedNetwork, parameters: tuple[Parameter, ...]) -> FixedNetwork:
    """Rescale the self terms that learn, so that they can at least double."""
    populations: dict[str, Any] = {p.name: p for p in network.populations}
    for parameter in parameters:
        if parameter.projection is not None:
            continue
        own = learnable_of_parameter(network, parameter)
        if own.message == ONE:
            continue
        held = constant_fraction(network, parameter)
        landing = gated(network, parameter).formats.ports[own.port]
        lowest = landing - state_fraction(network, parameter)
        room = range_bits(network, parameter, held)
        fraction = max(FACTOR_WORD.bits - 1 - room, lowest)
        old = read_parameter(network, parameter)
        values, _ = FACTOR_WORD.fit(rescale(old, held - fraction))
        population = populations[parameter.population]
        populations[parameter.population] = with_format(population, own.constant, values, fraction)
    return replace(network, populations=tuple(populations.values()))


def rescale(values: IntArray, bits: int) -> IntArray:
    """Right shift toward zero by ``bits``, or left shift by ``-bits``.

    >>> rescale(np.array([-7]), 1), rescale(np.array([-7]), -1)
    (array([-3]), array([-14]))
    """
    return shift_toward_zero(values, bits) if bits >= 0 else values << -bits
