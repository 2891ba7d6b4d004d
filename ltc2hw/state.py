"""The state that a run starts from and ends in: registers and past messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import ShapeError
from ltc2hw.graph import Connection, Graph, Population, history_length
from ltc2hw.trace import Array, State

Shapes = Mapping[str, Mapping[str, tuple[int, ...]]]
"""Shapes of registers by population and name, without the batch: (N,), or (D, N) of messages."""


def register_shapes(network: Graph[Population, Connection]) -> Shapes:
    """What every population keeps: its registers, and messages as far back as they are read."""
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for population in network.populations:
        registers: dict[str, tuple[int, ...]] = dict.fromkeys(
            population.registers, (population.size,)
        )
        for variable in population.variables:
            length = history_length(network.projections, population.name, variable)
            if length:
                registers[f"sent:{variable}"] = (length, population.size)
        shapes[population.name] = registers
    return shapes


def zero_state(network: Graph[Population, Connection], batch: int, dtype: npt.DTypeLike) -> State:
    """Zero registers (B, N) and no past messages (D, B, N), for every population."""
    return make_state(register_shapes(network), batch, dtype, np.zeros)


def make_state(
    shapes: Shapes, batch: int, dtype: npt.DTypeLike, make: Callable[..., Array]
) -> State:
    """Registers of a batch, each by ``make(shape, dtype)``."""
    return {
        name: {
            register: make((*shape[:-1], batch, shape[-1]), dtype)
            for register, shape in registers.items()
        }
        for name, registers in shapes.items()
    }


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
