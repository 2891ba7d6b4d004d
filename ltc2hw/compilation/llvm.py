"""What compiled code of several packages says to LLVM, and which instructions it may name."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba.core import cgutils, codegen, config

emit: Any = cgutils  # without types of its own
numba_codegen: Any = codegen


@dataclass(frozen=True)
class Processor:
    """What may be said to LLVM beyond its portable instructions: the one place that decides it.

    Elsewhere than on x86, and where a feature is missing, kernels are LLVM's portable code, with
    the same bits.
    """

    vector_bytes: int
    """Bytes of a vector register."""
    multiply_pairs: str | None
    """LLVM's name of the instruction that multiplies pairs of 16 bits and adds the two products."""
    permute: str | None
    """LLVM's name of the one that looks 32-bit entries up in two vectors."""
    rounding_mode: bool
    """Whether the rounding of vector instructions can be set."""
    matrix_unit: bool
    """Whether it multiplies blocks of bytes (AMX)."""

    @classmethod
    def of(cls, machine: str, features: str) -> Processor:
        """By the system's name of the machine and LLVM's list of features.

        >>> Processor.of("x86_64", "+sse2,+avx2,-avx512bw").vector_bytes
        32
        >>> Processor.of("arm64", "+neon,+sve")
        Processor(vector_bytes=16, multiply_pairs=None, permute=None, rounding_mode=False, \
matrix_unit=False)
        """
        names = frozenset(features.split(","))
        if machine not in ("x86_64", "AMD64"):
            return cls(16, None, None, rounding_mode=False, matrix_unit=False)
        matrices = {"+amx-tile", "+amx-int8"} <= names
        if "+avx512bw" in names and "-evex512" not in names:
            multiply, permute = "llvm.x86.avx512.pmaddw.d.512", "llvm.x86.avx512.vpermi2var.d.512"
            return cls(64, multiply, permute, rounding_mode=True, matrix_unit=matrices)
        if "+avx2" in names:
            return cls(32, "llvm.x86.avx2.pmadd.wd", None, True, matrices)
        return cls(16, None, None, rounding_mode=True, matrix_unit=matrices)


def processor_features() -> str:
    """Features of the processor that Numba compiles for, by LLVM's names.

    They are not always the machine's own: Numba's settings ``NUMBA_CPU_FEATURES`` and
    ``NUMBA_ENABLE_AVX`` change them.
    """
    settings = vars(config)
    features: str | None = settings["CPU_FEATURES"]
    return numba_codegen.get_host_cpu_features() if features is None else features


PROCESSOR = Processor.of(platform.machine(), processor_features())
"""The processor that kernels are compiled for."""


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
