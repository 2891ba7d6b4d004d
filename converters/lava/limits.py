"""What Lava's fixed-point models can hold, checked before anything is built. Needs no Lava."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from ltc2hw.converters.lava.convolution import stays_in_lavas_sums
from ltc2hw.converters.populations import LIFWords
from ltc2hw.dynamics.lowering import lower
from ltc2hw.dynamics.models.lif import lif
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.fixed import (
    FixedInput,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    message_word,
)
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.capacity import MAXIMUM_NUMBERS
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.integer_limits import largest
from ltc2hw.numbers.words import Word, bits_for
from ltc2hw.quantization.rules import worst_arrivals

WEIGHT_BITS = 8
"""Widest weight mantissa of Lava's connections."""

MIXED_SIGN_BITS = 9
"""Lava holds weights of either sign as ``mantissa << (9 - num_weight_bits)``."""

CHANNEL = Word(32)
"""Type of what Lava's ports carry and its connections add up in."""

LIF_STATE = Word(24)
LIF_DECAY_FRACTION = 12
LIF_ALIGNMENT = 6
LIF_BIAS = Word(16)
LARGEST_BIAS_EXPONENT = LIF_STATE.bits - 1
"""Lava's LIF: widths that its model has built in (``lava/proc/lif/models.py``)."""

_REMEDY = "quantize for loihi2"


def check_expressible(network: FixedNetwork) -> None:
    """Raise unless every word of the network fits Lava's.

    Raises:
        UnsupportedError: naming the population, port or projection.
    """
    for population in network.populations:
        _check_population(population)
    for projection in network.projections:
        _check_projection(network, projection)
    for (name, port), worst in worst_arrivals(network).items():
        if worst > CHANNEL.maximum:
            raise UnsupportedError(
                "lava", f"port {name}.{port}", f"sums of {worst.bit_length() + 1} bits", _REMEDY
            )


def programmed(population: FixedPopulation) -> FixedNeurons | None:
    """The program of a population; None for the input."""
    return None if isinstance(population, FixedInput) else population


def _check_population(population: FixedPopulation) -> None:
    neurons = programmed(population)
    held = [] if neurons is None else [w for v in neurons.program.values for w in _words(v)]
    words = [population.word] if isinstance(population, FixedInput) else held
    for word in words:
        if word.bits > CHANNEL.bits:
            raise UnsupportedError(
                "lava", f"population {population.name}", f"registers of {word.bits} bits", _REMEDY
            )
    for message in () if neurons is None else neurons.messages:
        _check_message(f"message {population.name}.{message.variable}", message.word)


def _check_message(label: str, word: Word) -> None:
    if word.bits - word.signed >= CHANNEL.bits:
        raise UnsupportedError("lava", label, f"messages of {word.bits} bits", _REMEDY)


def _words(value: Value) -> Iterator[Word]:
    """The word in which a value is held, if it is held in one."""
    numbers = [int(number) for number in value.numbers]
    if value.operation is Operation.SATURATE:
        yield Word(bits_for(max(numbers[1], -numbers[0] - 1)))
    elif value.operation in (Operation.WRAP, Operation.WRAP_ONCE):
        yield Word(numbers[0])


def _check_projection(network: FixedNetwork, projection: FixedProjection) -> None:
    name = f"projection {connection_name(projection)}"
    if projection.bits > WEIGHT_BITS:
        raise UnsupportedError("lava", name, f"weights of {projection.bits} bits", _REMEDY)
    lowest = MIXED_SIGN_BITS - projection.bits
    weights = projection.weights
    shared = isinstance(weights, Conv) and stays_in_lavas_sums(network, projection)
    if isinstance(weights, Conv) and not shared and weights.synapses > MAXIMUM_NUMBERS:
        raise UnsupportedError(
            "lava", name, f"a convolution of {weights.synapses} synapses with sums beyond 24 bits",
            _REMEDY,
        )  # fmt: skip
    # Lava's Conv has no such alignment.
    if projection.exponent < lowest and not shared:
        raise UnsupportedError(
            "lava", name, f"weight exponent {projection.exponent}, at least {lowest}", _REMEDY
        )
    _check_message(name, message_word(network.population(projection.source), projection.variable))


def suits_lava_lif(neurons: FixedNeurons, period: int, skew: int) -> bool:
    """Whether Lava's own LIF computes exactly what the program of these neurons says.

    It has one stage per chip step and computes in every chip step, so it must stay silent until
    its first own one. It adds the membrane up in 32 bits without a look at overflow: the current
    stays 2^24 inside of them, so that a bias of up to 2^23 has room.
    """
    exponent = lava_bias_exponent(neurons)
    if exponent is None:
        return False
    bias, threshold = neurons.constants["bias"], neurons.constants["threshold"]
    if bias.min() < LIF_BIAS.minimum or bias.max() > LIF_BIAS.maximum:
        return False
    stays_silent = bool(threshold.min() >= 0) and (skew == 0 or not bias.any())
    stays_within = largest(bias) << exponent <= 1 << (LIF_STATE.bits - 1)
    return period == 1 and stays_silent and stays_within


def lava_bias_exponent(neurons: FixedNeurons) -> int | None:
    """Exponent of the bias with which a program is that of Lava's own LIF, None if it is not."""
    membrane = neurons.formats.held.get("membrane")
    bias = neurons.formats.constants.get("bias")
    if membrane is None or bias is None:
        return None
    exponent = membrane.fraction - bias
    if not 0 <= exponent <= LARGEST_BIAS_EXPONENT or neurons.program != lava_lif(exponent):
        return None
    return exponent


@lru_cache(maxsize=LARGEST_BIAS_EXPONENT + 1)
def lava_lif(bias_exponent: int) -> Program:
    """The program of Lava's own LIF, whatever the fraction of its membrane."""
    words = LIFWords(LIF_STATE, 0, LIF_DECAY_FRACTION, LIF_ALIGNMENT, bias_exponent)
    return lower(lif.program, words.formats)
