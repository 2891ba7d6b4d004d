"""A layer's derivatives as machine code: one pass over the planes of a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ltc2hw.dynamics.operations import LEAVES, Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.specialise import specialise
from ltc2hw.neurons.form import Form
from ltc2hw.neurons.fused_step import KERNEL
from ltc2hw.neurons.kernels import Array
from ltc2hw.neurons.vector_code import Leaf, Machine, Source

AFTER = "after"
"""First part of the names of ports at which a register after the step is given."""

Values = Mapping[str, Tensor]


class LocalCode:
    """Some results of a program of a form, for planes (L, B, N) of one float type on the CPU.

    Registers after the step are given; ``results`` are written to places of their own.
    """

    def __init__(self, form: Form, program: Program, results: Sequence[str]) -> None:
        self.form, self.results = form, tuple(results)
        known = {
            index: Value(Operation.PORT, (), f"{AFTER}.{name}")
            for name in form.registers
            if program.values[index := program.results[name]].operation
            not in (*LEAVES, Operation.NUMBER)
        }
        wanted = {name: program.results[name] for name in self.results}
        self.program = specialise(Program(program.language, program.values, wanted), known)
        self.leaves: tuple[Leaf, ...] = tuple(
            (operation, name) for operation in LEAVES for name in self.program.names(operation)
        )
        self.machines: dict[torch.dtype, Machine] = {}

    def __call__(
        self, constants: Values, ports: Values, before: Values, after: Values, places: Values
    ) -> None:
        """Write the results; constants are (N,)."""
        arrived = {**ports, **{f"{AFTER}.{name}": plane for name, plane in after.items()}}
        given = {
            Operation.PARAMETER: constants,
            Operation.PORT: arrived,
            Operation.STATE: before,
        }
        planes = [given[operation][name] for operation, name in self.leaves]
        planes = [plane if plane.stride(-1) == 1 else plane.contiguous() for plane in planes]
        planes += [places[name] for name in self.results]
        table: Array = np.array([_operand(plane) for plane in planes], np.int64)
        steps, batch, size = planes[-1].shape
        function = KERNEL(self._machine(planes[-1].dtype).addresses[0])
        for step in range(steps):
            function(table.ctypes.data, step, batch, size)

    def _machine(self, dtype: torch.dtype) -> Machine:
        if dtype not in self.machines:
            form, nothing = self.form, frozenset[str]()
            source = Source(
                self.program, self.leaves, self.results, nothing, form.functions, form.surrogate
            )
            self.machines[dtype] = Machine([source], torch.empty((), dtype=dtype).element_size())
        return self.machines[dtype]


def _operand(plane: Tensor) -> tuple[int, int, int]:
    """Address, bytes from step to step, bytes from sample to sample."""
    size = plane.element_size()
    if plane.dim() == 1:
        return plane.data_ptr(), 0, 0
    return plane.data_ptr(), plane.stride(0) * size, plane.stride(1) * size
