"""Samples and labels that are the same for ever: splitmix64 written out, no generator of NumPy.

Draw i of a seed is ``mix(seed 2^32 + i)`` modulo 2^64 (Steele, Lea, Flood, OOPSLA 2014).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def bits(seed: int, shape: tuple[int, ...]) -> npt.NDArray[np.uint64]:
    """64 random bits for every place of an array, in the order of C.

    >>> [hex(int(value)) for value in bits(0, (2,))]
    ['0xe220a8397b1dcdaf', '0x6e789e6aa1b965f4']
    """
    count = int(np.prod(shape))
    index = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)
    value = index * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (value ^ (value >> np.uint64(31))).reshape(shape)


def integers(seed: int, low: int, high: int, shape: tuple[int, ...]) -> Integers:
    """Integers from ``low`` to ``high``, both included; at most 2^32 different ones.

    >>> integers(0, -3, 3, (4,))
    array([ 3,  0, -3,  3])
    """
    top = bits(seed, shape) >> np.uint64(32)
    spread = (top * np.uint64(high - low + 1)) >> np.uint64(32)
    return spread.astype(np.int64) + low


def samples(drawn: Mapping[str, Any], steps: int, count: int) -> Floats:
    """Samples (T, B, N_in) as a case describes them: integers, times 2^-fraction.

    ``drawn`` has ``seed``, ``inputs``, and either ``rate`` (spikes in 256 steps) or ``low``,
    ``high`` and ``fraction``.
    """
    shape = (steps, count, int(drawn["inputs"]))
    if "rate" in drawn:
        return (integers(drawn["seed"], 0, 255, shape) < int(drawn["rate"])).astype(np.float64)
    whole = integers(drawn["seed"], drawn["low"], drawn["high"], shape)
    values: Floats = np.ldexp(whole.astype(np.float64), -drawn["fraction"])
    return values
