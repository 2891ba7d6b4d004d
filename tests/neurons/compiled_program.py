"""A real program run as machine code on arrays, by its address."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.operations import LEAVES
from ltc2hw.dynamics.program import Program
from ltc2hw.neurons.vector_code import Leaf, Machine, Source

Array = npt.NDArray[Any]


def run_compiled(
    program: Program,
    leaves: Mapping[Leaf, Array],
    functions: Mapping[str, str],
    surrogate: str = "triangle",
    added: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Results (B, N) of a program from leaves (B, N) or (N,), all of one type.

    ``added``: results that are added to given arrays.
    """
    program = program.needed(tuple(program.results))
    read = [(leaf, name) for leaf in LEAVES for name in program.names(leaf)]
    source = Source(
        program, read, tuple(program.results), frozenset(added or {}), functions, surrogate
    )
    given = [leaves[leaf] for leaf in read]
    (like,) = {array.dtype for array in given}
    batch = max(len(array) for array in given if array.ndim == 2)
    size = given[0].shape[-1]
    found: dict[str, Array] = {name: np.full((batch, size), 7.0, like) for name in program.results}
    for name, values in (added or {}).items():
        found[name][:] = values
    table = np.array(
        [
            (array.ctypes.data, 0, array.strides[0] if array.ndim == 2 else 0)
            for array in (*given, *found.values())
        ],
        np.int64,
    )
    machine = Machine([source], like.itemsize)
    number = ctypes.c_int64
    kernel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, number, number, number)(machine.addresses[0])
    kernel(table.ctypes.data, 0, batch, size)
    return found
