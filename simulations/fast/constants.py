"""A population's numbers as kernels read them: constants, tables of gates, limits of words."""

from __future__ import annotations

import numpy as np

from ltc2hw.converters.populations import FixedGate, FixedLIF, FixedLTC
from ltc2hw.graph.fixed import FixedInput, FixedPopulation
from ltc2hw.numbers.words import IntArray, Overflow, Word
from ltc2hw.simulations.fast.kinds import Types
from ltc2hw.simulations.fast.tables import Constant, Table
from ltc2hw.simulations.fast.vectors import BLOCK_BITS


def limits(word: Word) -> tuple[int, int, int]:
    """Smallest and largest value, and the mask of a word that wraps (0 for one that saturates)."""
    wraps = (1 << word.bits) - 1 if word.overflow is Overflow.WRAP else 0
    return word.minimum, word.maximum, wraps


def state_limits(population: FixedPopulation) -> tuple[int, int, int]:
    """:func:`limits` of a population's states; the mask of LIF neurons is that of their current."""
    if isinstance(population, FixedLIF):
        low, high, _ = limits(population.state)
        return low, high, (1 << population.current_bits) - 1
    return limits(population.word if isinstance(population, FixedInput) else population.state)


def entries_of(gate: FixedGate, types: Types) -> IntArray:
    """Entries of a gate's table as kernels read them.

    An interpolated table has one per cell: the rise to the next knot in the upper half of its bits,
    the knot in the lower half. Short ones have room behind them to be read whole.
    """
    table = gate.table
    if gate.function != "interpolated":
        return table
    entries: IntArray = (np.diff(table) << 4 * np.dtype(types.entries).itemsize) | table[:-1]
    return np.pad(entries, (0, max(0, (1 << BLOCK_BITS) - entries.size)))


def constants_of(population: FixedPopulation, types: Types) -> dict[Constant, Table]:
    """A population's constants by region."""
    if isinstance(population, FixedInput):
        return {}
    if isinstance(population, FixedLIF):
        bits = population.decay_fraction
        full = 1 << bits
        return {
            Constant.BIAS_CURRENT: population.bias_mantissa << population.bias_exponent,
            Constant.THRESHOLD: population.threshold << population.alignment,
            Constant.CURRENT_KEPT: types.shifted(full - population.current_decay, bits),
            Constant.MEMBRANE_KEPT: types.shifted(full - population.membrane_decay, bits),
        }
    gate = population.tau_mem
    constants = {
        Constant.BIAS_CURRENT: population.bias_current,
        Constant.MEM_BIAS: gate.bias,
        Constant.MEM_FROM_STATE: types.factor(gate.from_state),
        Constant.MEM_FROM_CURRENT: types.factor(gate.from_current),
    }
    if isinstance(population, FixedLTC):
        gate, strength = population.tau_adp, population.adaptation_strength
        constants |= {
            Constant.ADP_BIAS: gate.bias,
            Constant.ADP_FROM_STATE: types.factor(gate.from_state),
            Constant.ADP_FROM_CURRENT: types.factor(gate.from_current),
            Constant.THRESHOLD: population.threshold,
            Constant.STRENGTH: types.factor(strength),
        }
    return constants
