"""What compiled code of several packages says to LLVM."""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, config

emit: Any = cgutils  # without types of its own


def processor_features() -> str:
    """Features of the processor that Numba compiles for, by LLVM's names."""
    features: str | None = vars(config)["CPU_FEATURES"]
    return binding.get_host_cpu_features().flatten() if features is None else features


def element_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Address of an element of an array, counted in memory whatever the array's shape."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def shuffled(builder: Any, vector: Any, places: Any) -> Any:
    """The entries of a vector at ``places``."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


def spread(builder: Any, value: Any, lanes: int) -> Any:
    """A number in all lanes of a vector."""
    empty = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = builder.insert_element(empty, value, ir.IntType(32)(0))
    return shuffled(builder, first, [0] * lanes)
