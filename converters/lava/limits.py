"""What Lava's fixed-point models can hold, checked before anything is built. Needs no Lava."""

from __future__ import annotations

from ltc2hw.converters.populations import FixedLIF
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.fixed import (
    FixedInput,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    message_word,
)
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.integer_limits import largest
from ltc2hw.numbers.words import Overflow, Word
from ltc2hw.quantization.rules import worst_arrivals

WEIGHT_BITS = 8
"""Widest weight mantissa of Lava's connections."""

MIXED_SIGN_BITS = 9
"""Lava holds weights of either sign as ``mantissa << (9 - num_weight_bits)``."""

CHANNEL = Word(32)
"""Type of what Lava's ports carry and its connections add up in."""

LIF_STATE_BITS = 24
LIF_DECAY_FRACTION = 12
LIF_ALIGNMENT = 6
LIF_BIAS = Word(16)
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


def _check_population(population: FixedPopulation) -> None:
    word = population.word if isinstance(population, FixedInput) else population.state
    if word.bits > CHANNEL.bits:
        raise UnsupportedError(
            "lava", f"population {population.name}", f"registers of {word.bits} bits", _REMEDY
        )
    if word.overflow is not Overflow.SATURATE:
        raise UnsupportedError(
            "lava", f"population {population.name}", f"{word.overflow.value} on overflow", _REMEDY
        )
    for message in getattr(population, "messages", ()):
        if message.word.overflow is not Overflow.SATURATE:
            raise UnsupportedError(
                "lava", f"message {population.name}.{message.variable}",
                f"{message.word.overflow.value} on overflow", _REMEDY,
            )  # fmt: skip


def _check_projection(network: FixedNetwork, projection: FixedProjection) -> None:
    name = f"projection {connection_name(projection)}"
    if projection.bits > WEIGHT_BITS:
        raise UnsupportedError("lava", name, f"weights of {projection.bits} bits", _REMEDY)
    lowest = MIXED_SIGN_BITS - projection.bits
    if projection.exponent < lowest:
        raise UnsupportedError(
            "lava", name, f"weight exponent {projection.exponent}, at least {lowest}", _REMEDY
        )
    word = message_word(network.population(projection.source), projection.variable)
    if word.bits - word.signed >= CHANNEL.bits:
        raise UnsupportedError("lava", name, f"messages of {word.bits} bits", _REMEDY)


def suits_lava_lif(population: FixedLIF, period: int, skew: int) -> bool:
    """Whether Lava's own LIF computes exactly what this population specifies.

    It has one stage per chip step and computes in every chip step, so it must stay silent until
    its first own one. It adds the membrane up in 32 bits without a look at overflow: the current
    stays 2^24 inside of them, so that a bias of up to 2^23 has room.
    """
    if (population.state.bits, population.decay_fraction, population.alignment) != (
        LIF_STATE_BITS,
        LIF_DECAY_FRACTION,
        LIF_ALIGNMENT,
    ):
        return False
    bias = population.bias_mantissa
    if bias.min() < LIF_BIAS.minimum or bias.max() > LIF_BIAS.maximum:
        return False
    stays_silent = bool(population.threshold.min() >= 0) and (skew == 0 or not bias.any())
    stays_within = largest(bias) << population.bias_exponent <= 1 << (LIF_STATE_BITS - 1)
    return period == 1 and stays_silent and stays_within
