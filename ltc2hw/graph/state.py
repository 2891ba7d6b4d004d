"""The state that a run starts from and ends in: registers and past messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.structure import Connection, Graph, Population, history_length
from ltc2hw.graph.trace import Array, State
from ltc2hw.numbers.fields import integer_array, number_array, require_finite
from ltc2hw.numbers.scalars import require_type

CONTINUE = "continue with the trace.state of the same network and batch"

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
    """Return the state, as arrays of the zero state's types, if it is one of the same network.

    Raises:
        InvalidValueError: if it is no mapping of arrays by population and register, or holds
            unknown ones, or numbers that are not integers or not finite where they must be.
        ShapeError: naming the first register that is missing or of another shape.
    """
    require_type("state", state, Mapping)
    unknown(state, zero, "state")
    checked: dict[str, dict[str, Array]] = {}
    for name, registers in zero.items():
        given = state.get(name, {})
        require_type(f"state {name}", given, Mapping)
        unknown(given, registers, f"state {name}")
        checked[name] = {
            register: check_register(f"state {name}.{register}", given.get(register), expected)
            for register, expected in registers.items()
        }
    return checked


def check_register(name: str, given: Any, expected: Array) -> Array:
    """Return a register as an array of the type of ``expected``, if it has its shape."""
    if given is None:
        raise ShapeError(name, None, f"an array of shape {expected.shape}", CONTINUE)
    integers = expected.dtype.kind == "i"
    what = "integers" if integers else "real numbers"
    array = number_array(name, given, "iub" if integers else "iubf", what)
    if array.shape != expected.shape:
        raise ShapeError(name, array.shape, f"an array of shape {expected.shape}", CONTINUE)
    if integers:
        return integer_array(name, array)
    reals: Array = array.astype(expected.dtype)
    require_finite(name, reals)
    return reals


def unknown(given: Mapping[str, Any], known: Mapping[str, Any], name: str) -> None:
    """Raise if there are keys that the network does not know."""
    for key in given:
        if key not in known:
            raise UnknownNameError(f"entry of {name}", key, tuple(known), CONTINUE)


def check_ranges(state: State, ranges: Mapping[tuple[str, str], tuple[int, int]]) -> None:
    """Check that every register holds values that it can have.

    ``ranges`` has the smallest and the largest one, by population and register.

    Raises:
        InvalidValueError: naming the register and its worst value.
    """
    for (name, register), (low, high) in ranges.items():
        values = state[name].get(register)
        if values is not None and (values.min() < low or values.max() > high):
            worst = values.min() if values.min() < low else values.max()
            raise InvalidValueError(f"state {name}.{register}", worst, f"{low} to {high}", CONTINUE)
