"""A rule and an integer network as connections of Lava's learning engine.

Every plastic projection becomes a learning connection whose weights are 9-bit integers, as Lava's
simulator holds them. A bias becomes one from a neuron that always spikes. Third factors are the
integer rule's post-synaptic factors, rounded to seven bits and a sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from ltc2hw.errors import InvalidValueError, UnsupportedError
from ltc2hw.graph.fixed import (
    FixedNetwork,
    FixedProjection,
    message_fraction,
    message_word,
)
from ltc2hw.graph.state import zero_state
from ltc2hw.graph.trace import Array
from ltc2hw.learning.checks import require_choice, require_integer, require_seed
from ltc2hw.learning.engine_rule import (
    EXPONENTS,
    GRAMMAR,
    OFFSET,
    EngineForm,
    SourceTrace,
    SynapseRule,
    SynapseScale,
    ThirdFactor,
    synapse_rule,
)
from ltc2hw.learning.fixed import IntegerRule, constant_fraction, draw_count, integer_rule
from ltc2hw.learning.learned import Eligibility, Learning
from ltc2hw.learning.rule import FPTTRule, Memory, Parameter, parameter_name
from ltc2hw.learning.scope import Scope, scope_of
from ltc2hw.learning.values import read_parameter, write_parameters
from ltc2hw.learning.words import PlasticRounding, PlasticWords
from ltc2hw.numbers.counter import step_key
from ltc2hw.numbers.fields import set_field
from ltc2hw.numbers.scalars import require_range
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import IntArray, Word
from ltc2hw.simulations.learning_engine.presynaptic import BEYOND_MEMBRANE, presynaptic

Graded = Literal["trace", "held"]
Kept = Literal["none", "presynaptic"]
DrawKind = Literal["shared", "own"]

WEIGHT_WORD, GIVEN_WORD = Word(9), Word(8)
"""Weights that learn have 9 bits; those that a connection is given have 8: Lava cuts the last."""
PAYLOAD_BITS = 8
"""Graded spikes carry unsigned bytes; half of one fits a trace."""


TRACE = "x1"
"""Name of the trace of sources among what a state of learning keeps of the past."""

LEAST_PORTS = 3
"""Ports of every population for whose third factors draws are reserved, at least."""


@dataclass(frozen=True)
class EngineOptions:
    """Choices that the engine leaves open, and two ways around its limits.

    Raises:
        InvalidValueError: for numbers out of range.
        UnknownNameError: for unknown names.
    """

    form: EngineForm = "damped"
    """See :func:`~ltc2hw.learning.engine_rule.synapse_rule`."""
    eligibility: Kept = "none"
    """How a rule with eligibility learns: not at all, or by a trace of what each source sent, which
    leaves out reset and adaptation; see :mod:`~ltc2hw.simulations.learning_engine.presynaptic`."""
    third_factor: ThirdFactor = "signed"
    output_reach: int = 0
    """Third factors of the readout saturate beyond ``±2^this``."""
    hidden_reach: int = -3
    """Those of other populations."""
    bias_reach: int = 2
    """Biases can come to ``±2^this``."""
    finer: int = 1
    """One step of λ is ``2^-this`` of the weight's."""
    least: int = EXPONENTS[0]
    """A third factor of 1 changes a weight by at least ``2^this`` of its steps; with 0 neurons
    round what spikes change, instead of the engine."""
    graded: Graded = "trace"
    """Projections of graded inputs learn through the trace x1, or are held."""
    factor_rounding: PlasticRounding = "stochastic"
    """How neurons round third factors."""
    seed: int = 0
    """Of that rounding and of the engine's traces."""
    epoch: int = 1
    """Chip steps per update."""
    arrival: int = 1
    """The chip step of an update, from 1, in which messages arrive."""
    extra_bits: int = 0
    """More bits in third factors and accumulators than the engine has."""
    draws: DrawKind = "shared"
    """One random number per update rounds all synapses, as in Lava, or each has its own."""

    def __post_init__(self) -> None:
        for name, lowest, highest in (
            ("output_reach", -20, 6),
            ("hidden_reach", -20, 6),
            ("bias_reach", -8, 8),
            ("finer", 0, 7),
            ("least", *EXPONENTS),
            ("epoch", 1, 63),
            ("extra_bits", 0, 12),
        ):
            self._require(name, lowest, highest)
        self._require("arrival", 1, self.epoch)
        set_field(self, "seed", require_seed("learning engine's seed", self.seed))
        for name, known in (
            ("form", get_args(EngineForm)),
            ("third_factor", get_args(ThirdFactor)),
            ("graded", get_args(Graded)),
            ("eligibility", get_args(Kept)),
            ("factor_rounding", get_args(PlasticRounding)),
            ("draws", get_args(DrawKind)),
        ):
            require_choice(f"learning engine's {name}", getattr(self, name), known)

    def _require(self, name: str, lowest: int, highest: int) -> None:
        value = getattr(self, name)
        checked = require_integer(f"learning engine's {name}", value, lowest, highest)
        set_field(self, name, checked)


@dataclass(frozen=True)
class LearningConnection:
    """How one parameter learns.

    ``shift``: the network computes with ``w << shift`` (0 but for biases); ``third_shift``: right
    shift (left if negative) from the integer rule's factors to third factors; ``first``: index of
    the first synapse's own draw; ``graded``: messages are payloads, not spikes.
    """

    scale: SynapseScale
    rule: SynapseRule
    shift: int
    third_shift: int
    first: int
    graded: bool


@dataclass(frozen=True, eq=False)
class EnginePlan:
    """A network, its forward and backward rule in integers, and its learning connections.

    ``given``: the rule asked for, of which ``chip`` runs what the engine expresses.
    """

    given: FPTTRule
    chip: IntegerRule
    options: EngineOptions
    connections: Mapping[Parameter, LearningConnection]

    @property
    def network(self) -> FixedNetwork:
        """The network with 9-bit weights where they learn."""
        return self.chip.network

    def start(self) -> Learning:
        """Weights as the network has them, biases of 8 bits, ``Φ̄ = Φ``, ``λ = 0``, at rest.

        Raises:
            InvalidValueError: for a bias beyond its reach.
        """
        memories: dict[Parameter, Memory] = {}
        for parameter, connection in self.connections.items():
            held = read_parameter(self.network, parameter)
            given, misfits = GIVEN_WORD.fit(
                (held + (1 << connection.shift)) >> (connection.shift + 1)
            )
            weight = given << 1
            if misfits:
                raise InvalidValueError(
                    f"largest {parameter_name(self.network, parameter)}",
                    int(np.abs(held).max()),
                    f"at most {GIVEN_WORD.maximum << (connection.shift + 1)}",
                    "raise bias_reach",
                )
            memories[parameter] = Memory(weight, weight, np.full_like(weight, OFFSET))
        rest = zero_state(self.network, 1, np.int64)
        return Learning(memories, rest, 0, eligibility=self.untraced())

    def untraced(self) -> Eligibility:
        """Traces of sources (N_source,) that have sent nothing, of connections that keep them."""
        return {
            parameter: {TRACE: np.zeros(sources(self.network, parameter), np.int64)}
            for parameter, connection in self.connections.items()
            if connection.rule.kept is not None
        }

    def adapted(self, memories: Mapping[Parameter, Memory]) -> FixedNetwork:
        """The network that computes with the memories' weights."""
        return write_parameters(
            self.network,
            {
                parameter: memories[parameter].value << connection.shift
                for parameter, connection in self.connections.items()
            },
        )

    def scope(self) -> Scope:
        """What learns, and what is held: also what the options hold."""
        graph = self.network
        scope = scope_of(graph, self.given)
        learning = {parameter_name(graph, p) for p in self.connections}
        graded = {parameter_name(graph, p) for p in self.chip.parameters}
        learns = tuple(name for name in scope.learns if name in learning)
        reasons = {
            name: "the options hold graded messages" if name in graded else BEYOND_MEMBRANE
            for name in scope.learns
            if name not in learning
        }
        return replace(scope, learns=learns, held={**scope.held, **reasons})

    def update_key(self, update: int) -> tuple[int, int]:
        """Key of the draws of an update that are not Lava's own."""
        return step_key(self.options.seed, update)

    def third_index(self, parameter: Parameter) -> IntArray:
        """Index of every neuron's draw that rounds its third factor: port, then neuron."""
        size = self.network.population(parameter.population).size
        first = 0
        for population in self.network.populations:
            if population.name == parameter.population:
                break
            first += population.size
        ports = self.network.population(parameter.population).ports
        return ports.index(parameter.port) * neurons(self.network) + first + np.arange(size)


def neurons(network: FixedNetwork) -> int:
    """Neurons of all populations, inputs included."""
    return sum(population.size for population in network.populations)


def engine_plan(
    network: FixedNetwork, rule: FPTTRule, options: EngineOptions | None = None
) -> EnginePlan:
    """Work out how every parameter of a network learns in the engine.

    Raises:
        UnsupportedError: eligibility that the options do not make a trace or that is none (see
            :func:`~ltc2hw.simulations.learning_engine.presynaptic.presynaptic`), self terms that
            learn, graded messages with a sign or more than 8 bits, sparse weights that learn,
            products that the grammar cannot express.
        InvalidValueError: rules that integers cannot run; see
            :func:`~ltc2hw.learning.fixed.integer_rule`.
    """
    chosen = options or EngineOptions()
    if rule.self_terms:
        raise UnsupportedError(
            GRAMMAR,
            "self terms of event gates",
            "messages with a sign, one neuron to itself",
            "hold them with FPTTRule(self_terms=False)",
        )
    own, kept = rule, dict[str, float]()
    if chosen.eligibility == "presynaptic":
        own, kept = presynaptic(network, rule)
    elif rule.descent != "instantaneous":
        raise UnsupportedError(
            GRAMMAR,
            f"the descent by {rule.descent}",
            "traces of a synapse that follow its neuron's state",
            "learn with engine='fast', or the instantaneous descent; a trace of each source can"
            " stand for some eligibility with eligibility='presynaptic'",
        )
    words = PlasticWords(WEIGHT_WORD.bits, WEIGHT_WORD.bits, PAYLOAD_BITS, seed=chosen.seed)
    wide = widened(network, integer_rule(network, own, words).parameters)
    chip = integer_rule(wide, own, words)
    connections: dict[Parameter, LearningConnection] = {}
    most = max(LEAST_PORTS, *(len(population.ports) for population in wide.populations))
    first = most * neurons(wide)
    for parameter in chip.parameters:
        if not (is_graded(wide, parameter) and chosen.graded == "held"):
            part = kept.get(parameter.population)
            connections[parameter] = learning_connection(chip, chosen, parameter, first, part)
            first += draw_count(wide, parameter)
    return EnginePlan(rule, chip, chosen, connections)


def is_graded(network: FixedNetwork, parameter: Parameter) -> bool:
    """Whether a parameter's messages are integers instead of spikes."""
    if parameter.projection is None:
        return False
    return network.projections[parameter.projection].variable != "spikes"


def widened(network: FixedNetwork, parameters: tuple[Parameter, ...]) -> FixedNetwork:
    """The same network, weights that learn written as 9-bit integers: ``m << (9 - bits)``.

    Raises:
        UnsupportedError: for sparse weights, or ones of less than half a step of their port.
    """
    projections = list(network.projections)
    for parameter in parameters:
        if parameter.projection is None:
            continue
        old = projections[parameter.projection]
        shift = WEIGHT_WORD.bits - old.bits
        name = f"projection {parameter_name(network, parameter)}"
        if not isinstance(old.weights, Dense):
            raise UnsupportedError(GRAMMAR, name, "sparse weights", "make them dense")
        if not 0 <= shift <= old.exponent:
            raise UnsupportedError(
                GRAMMAR,
                name,
                f"{old.bits}-bit weights of exponent {old.exponent}",
                "quantize to 8 bits for loihi2",
            )
        projections[parameter.projection] = replace(
            old,
            weights=old.weights.with_values(old.weights.values << shift),
            bits=WEIGHT_WORD.bits,
            exponent=old.exponent - shift,
            weight_fraction=old.weight_fraction + shift,
        )
    return replace(network, projections=tuple(projections))


def sources(network: FixedNetwork, parameter: Parameter) -> int:
    """Sources of a parameter's connection: one that always spikes, of a bias."""
    if parameter.projection is None:
        return 1
    return network.projections[parameter.projection].weights.shape[1]


def learning_connection(
    chip: IntegerRule,
    options: EngineOptions,
    parameter: Parameter,
    first: int,
    part: float | None = None,
) -> LearningConnection:
    """Scale, strings and shifts of one parameter; ``part``: of a trace that is kept in a step."""
    network, shift, trace = chip.network, 0, None
    graded = is_graded(network, parameter)
    if parameter.projection is None:
        weight = WEIGHT_WORD.bits - 1 - options.bias_reach
        shift = constant_fraction(network, parameter) - weight
        require_range(f"shift of {parameter_name(network, parameter)}", shift, 0, 40)
    else:
        projection = network.projections[parameter.projection]
        weight = projection.weight_fraction
        if graded:
            trace = payload_fraction(network, projection) - 1
    kept = None
    if part is not None:
        kept = SourceTrace.of(part, spikes=not graded, epoch=options.epoch, arrival=options.arrival)
        trace = kept.fraction(0 if trace is None else trace + 1)
    reach = options.output_reach if parameter.population == network.output else options.hidden_reach
    scale = SynapseScale.finest(
        chip.rule, weight, reach=reach, finer=options.finer, trace=trace, least=options.least
    )
    third_shift = chip.words.factor_fraction - scale.factor - options.extra_bits
    require_range("shift of third factors", third_shift, -16, 31)
    rule = synapse_rule(chip.rule, scale, options.form, options.third_factor, kept)
    return LearningConnection(scale, rule, shift, third_shift, first, graded)


def payload_fraction(network: FixedNetwork, projection: FixedProjection) -> int:
    """Fraction of a graded message that fits a spike's payload.

    Raises:
        UnsupportedError: for messages with a sign or more than 8 bits.
    """
    source = network.population(projection.source)
    word = message_word(source, projection.variable)
    if word.signed or word.bits > PAYLOAD_BITS:
        raise UnsupportedError(
            GRAMMAR,
            f"message {projection.variable} of {projection.source}",
            f"{word.bits} bits{' with a sign' if word.signed else ''}",
            "traces hold unsigned messages of 8 bits; hold the projection with graded='held'",
        )
    return message_fraction(source, projection.variable)


def third_factor(factor: Array, shift: int, bits: IntArray | None, extra_bits: int) -> IntArray:
    """``(F + r) >> shift`` (left if negative), saturated at ``±127`` (``±(2^(7+extra) - 1)``).

    ``bits``: 32-bit draws that make r, None to round to nearest.
    """
    limit = (1 << (7 + extra_bits)) - 1
    if shift < 0:
        factor = factor << -shift
    elif shift > 0:
        dither = (1 << (shift - 1)) if bits is None else bits >> (32 - shift)
        factor = (factor + dither) >> shift
    return np.clip(np.asarray(factor, dtype=np.int64), -limit, limit)
