"""The state that a run starts from and ends in: registers and past messages."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import ShapeError
from ltc2hw.graph import Connection, Graph, Population, history_length
from ltc2hw.trace import Array, State


def zero_state(network: Graph[Population, Connection], batch: int, dtype: npt.DTypeLike) -> State:
    """Zero registers (B, N) and no past messages (D, B, N), for every population."""
    state: dict[str, dict[str, Array]] = {}
    for population in network.populations:
        registers: dict[str, Array] = {
            name: np.zeros((batch, population.size), dtype) for name in population.registers
        }
        for variable in population.variables:
            length = history_length(network.projections, population.name, variable)
            if length:
                registers[f"sent:{variable}"] = np.zeros((length, batch, population.size), dtype)
        state[population.name] = registers
    return state


def check_state(state: State, zero: State) -> State:
    """Return the state if it has the names and shapes of the zero state.

    Raises:
        ShapeError: naming the first register that is missing or of another shape.
    """
    for name, registers in zero.items():
        for register, expected in registers.items():
            given = state.get(name, {}).get(register)
            shape = None if given is None else given.shape
            if shape != expected.shape:
                raise ShapeError(
                    f"state {name}.{register}",
                    shape,
                    f"an array of shape {expected.shape}",
                    "continue with the trace.state of the same network and batch",
                )
    return state
