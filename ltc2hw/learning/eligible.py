"""Words in which every synapse keeps what it left in its neuron's states, and their shifts."""

from __future__ import annotations

from dataclasses import dataclass

from ltc2hw.errors import InvalidValueError
from ltc2hw.learning.words import PlasticWords
from ltc2hw.numbers.words import WIDEST_WORD, IntArray, Word

ELIGIBLE = 1 << 63
"""The draws of eligibility are those of the seed with this bit turned."""

TURN = 8
"""The draw is rotated left by this many bits more for each state of the neuron."""

DRAW_MASK = (1 << 32) - 1


@dataclass(frozen=True)
class EligibilityFormat:
    """Words of what a parameter's values keep, one for each of ``states``.

    With E the fraction of entries and factors, p that of the message, h that of the words and
    ``P = E + max(p, h)``::

        descent = (F x << P-E-p) + (Σ K_i ε_i << P-E-h)
        ε_i     = sat(round((Σ_j A_ij ε_j << P-E-h) + (b_i x << P-E-p), P-h))

    ``kept_up`` is P-E-h, ``entering_up`` P-E-p, ``down`` P-h, ``product`` P.
    """

    states: tuple[str, ...]
    word: Word
    fraction: int
    product: int
    kept_up: int
    entering_up: int
    down: int
    largest: int
    """No sum of a descent exceeds this in magnitude."""


def eligibility_format(
    words: PlasticWords, states: tuple[str, ...], message_bits: int, message: int, name: str
) -> EligibilityFormat:
    """Words for messages of so many bits and this fraction.

    Raises:
        InvalidValueError: naming the parameter, if a sum could leave 62 bits.

    >>> eligibility_format(PlasticWords(), ("membrane",), 1, 0, "weights").fraction
    12
    """
    fraction = words.eligibility - message_bits - words.eligibility_range + message
    product = words.factor_fraction + max(message, fraction)
    kept_up = product - words.factor_fraction - fraction
    entering_up = product - words.factor_fraction - message
    entering = 1 << (words.factor - 1 + message_bits + entering_up)
    kept = len(states) << (words.factor - 1 + words.eligibility - 1 + kept_up)
    down = product - fraction
    if entering + kept + (1 << down) > 1 << WIDEST_WORD:
        raise InvalidValueError(
            f"widest sum of the eligibility of {name}",
            f"{(entering + kept).bit_length()} bits",
            f"below {WIDEST_WORD} bits",
            "narrow the factor word or that of eligibility",
        )
    return EligibilityFormat(
        states, Word(words.eligibility), fraction, product, kept_up, entering_up, down,
        entering + kept,
    )  # fmt: skip


def turned(bits: IntArray, state: int) -> IntArray:
    """32 random bits as they round the word of a state: rotated left.

    >>> import numpy as np
    >>> [hex(int(turned(np.array(0x12345678), k))) for k in (0, 1)]
    ['0x12345678', '0x34567812']
    """
    turn = TURN * state % 32
    return ((bits << turn) | (bits >> (32 - turn))) & DRAW_MASK
