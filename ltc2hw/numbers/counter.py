"""Counter-based random bits: a pure function of (seed, step, index), so that order cannot matter.

Every synapse draws by its own index, in whatever order an engine visits synapses. The mixing is
that of two published hashes: splitmix64 (Steele, Lea, Flood, OOPSLA 2014) for the key of a step,
and a 32-bit multiply-xorshift (constants of Wellons' hash prospector, public domain) for the draw.
All arithmetic is modulo 2^64 and 2^32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import IntArray

MASK_32 = 0xFFFFFFFF
MASK_64 = 0xFFFFFFFFFFFFFFFF
GOLDEN_64 = 0x9E3779B97F4A7C15
SPLIT_1, SPLIT_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
SPREAD, MIX_1, MIX_2 = 0x9E3779B1, 0x7FEB352D, 0x846CA68B


def mix(value: int) -> int:
    """Finalizer of splitmix64 on one 64-bit number.

    >>> hex(mix(GOLDEN_64))  # first output of splitmix64 seeded with 0
    '0xe220a8397b1dcdaf'
    """
    value = ((value ^ (value >> 30)) * SPLIT_1) & MASK_64
    value = ((value ^ (value >> 27)) * SPLIT_2) & MASK_64
    return value ^ (value >> 31)


def step_key(seed: int, step: int) -> tuple[int, int]:
    """The two 32-bit halves (low, high) of ``mix(mix(seed + G) + (step + 1) G)``.

    Raises:
        InvalidValueError: unless 0 <= seed < 2^64 and step >= 0.
    """
    if not 0 <= seed <= MASK_64:
        raise InvalidValueError("seed", seed, "0 to 2^64 - 1")
    if step < 0:
        raise InvalidValueError("step", step, "an integer >= 0")
    key = mix((mix((seed + GOLDEN_64) & MASK_64) + (step + 1) * GOLDEN_64) & MASK_64)
    return key & MASK_32, key >> 32


def draw(key: tuple[int, int], index: IntArray) -> IntArray:
    """32 random bits per index (0 .. 2^32 - 1), as int64; any shape.

    ``h = index·SPREAD + low; h ^= h >> 16; h = h·MIX_1 ^ high; h ^= h >> 15; h *= MIX_2;
    h ^= h >> 16``, all modulo 2^32.

    >>> draw(step_key(seed=1, step=0), np.arange(2))
    array([1777988070, 4254057234])
    """
    low, high = (np.uint32(half) for half in key)
    bits: npt.NDArray[np.uint32] = index.astype(np.uint32) * np.uint32(SPREAD) + low
    bits = (bits ^ (bits >> np.uint32(16))) * np.uint32(MIX_1) ^ high
    bits = (bits ^ (bits >> np.uint32(15))) * np.uint32(MIX_2)
    return (bits ^ (bits >> np.uint32(16))).astype(np.int64)
