"""What the registers of an integer network can hold, and states that a run may start from."""

from __future__ import annotations

import numpy as np

from ltc2hw.graph.fixed import (
    FixedInput,
    FixedLIF,
    FixedLTC,
    FixedNetwork,
    FixedPopulation,
    message_word,
)
from ltc2hw.graph.state import check_ranges, check_state, zero_state
from ltc2hw.graph.trace import State

Range = tuple[int, int]


def starting_state(network: FixedNetwork, state: State | None, batch: int) -> State:
    """The state, checked, as int64; zeros for None.

    Raises:
        ShapeError, InvalidValueError, UnknownNameError: naming the register that does not fit.
    """
    zero = zero_state(network, batch, np.int64)
    if state is None:
        return zero
    checked = check_state(state, zero)
    check_ranges(checked, word_ranges(network))
    return checked


def word_ranges(network: FixedNetwork) -> dict[tuple[str, str], Range]:
    """Smallest and largest value of every register and past message, by population and name."""
    ranges: dict[tuple[str, str], Range] = {}
    for population in network.populations:
        for variable in population.variables:
            word = message_word(population, variable)
            ranges[population.name, f"sent:{variable}"] = word.minimum, word.maximum
        for register in population.registers:
            ranges[population.name, register] = register_range(population, register)
    return ranges


def register_range(population: FixedPopulation, register: str) -> Range:
    """Smallest and largest value of a register.

    The current of LIF neurons, which wraps in its register and then once at ±h = ±2^(bits - 1),
    stays within ±h or 2h inside the ends of that register.
    """
    if register == "spikes":
        return 0, 1
    if isinstance(population, FixedLTC) and register == "adaptation":
        return 0, 1 << population.adaptation_fraction
    assert not isinstance(population, FixedInput)
    word = population.state
    if not isinstance(population, FixedLIF):
        return word.minimum, word.maximum
    bound = word.maximum
    if register == "current":
        half = 1 << (word.bits - 1)
        bound = max(half, (1 << (population.current_bits - 1)) - 2 * half)
    return -bound, bound
