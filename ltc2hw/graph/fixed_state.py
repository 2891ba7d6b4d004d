"""What the registers of an integer network can hold, and states that a run may start from."""

from __future__ import annotations

import numpy as np

from ltc2hw.dynamics.bounds import register_ranges
from ltc2hw.graph.fixed import FixedNetwork, message_word
from ltc2hw.graph.neurons import FixedNeurons
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
        if isinstance(population, FixedNeurons):
            for register, (low, high) in register_ranges(population).items():
                ranges[population.name, register] = low, high
    return ranges
