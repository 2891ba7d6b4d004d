"""Real programs as machine code: one table from operations to vector instructions.

A kernel walks over the samples and neurons of a layer, a register of neurons at a time; all values
of the program in between stay in registers. Its code is made in a fraction of a second, so that
nothing of it has to be kept between processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from ltc2hw.compilation.llvm import PROCESSOR, emit
from ltc2hw.dynamics.operations import LEAVES, Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.neurons.function_code import SURROGATES, gate_code
from ltc2hw.neurons.rounding import GateFunction
from ltc2hw.vectors.lanes import Lanes, intrinsic
from ltc2hw.vectors.meaning import MEANING
from ltc2hw.vectors.native import native
from ltc2hw.vectors.rounding import ROUNDING

INT, VOID = ir.IntType(64), ir.VoidType()

SIGNATURE = ir.FunctionType(VOID, (INT.as_pointer(), INT, INT, INT))
"""A table of operands (n, 3), the step, the samples, the neurons.

Of each operand: its address, the bytes from a step to the next, and from a sample to the next.
"""

COLUMNS = 3

REALS = {4: ir.FloatType(), 8: ir.DoubleType()}
"""Types of reals by their bytes."""

Leaf = tuple[Operation, str]


@dataclass(frozen=True)
class Source:
    """What a kernel computes: operands are the leaves, then the results, in the given order."""

    program: Program
    leaves: Sequence[Leaf]
    results: Sequence[str]
    added: frozenset[str]
    """Results that are added to what is in their place."""
    functions: Mapping[str, GateFunction]
    """The non-linearity of every gate."""
    surrogate: str


class _Body:
    """Writes what is done with one register of neurons."""

    def __init__(self, source: Source, builder: Any, vector: Any) -> None:
        self.source, self.builder, self.vector = source, builder, vector

    def real(self, number: float) -> Lanes:
        return Lanes(self.builder, ir.Constant(self.vector, [number] * self.vector.count))

    def results(self, leaves: Mapping[Leaf, Lanes]) -> list[Lanes]:
        """All results as reals."""
        program, values = self.source.program, list[Lanes]()
        for value in program.values:
            values.append(self.made(value, [values[index] for index in value.arguments], leaves))
        one, zero = self.real(1.0), self.real(0.0)
        found = [values[program.results[name]] for name in self.source.results]
        return [value.chosen(one, zero) if value.is_truth else value for value in found]

    def made(self, value: Value, arguments: list[Lanes], leaves: Mapping[Leaf, Lanes]) -> Lanes:
        operation = value.operation
        if operation in LEAVES:
            return leaves[operation, value.name]
        if operation is Operation.NUMBER:
            return self.real(float(value.numbers[0]))
        one, zero = self.real(1.0), self.real(0.0)
        reals = [
            argument.chosen(one, zero)
            if argument.is_truth and not (operation is Operation.SELECT and place == 0)
            else argument
            for place, argument in enumerate(arguments)
        ]
        if operation is Operation.GATE:
            return gate_code(self.source.functions[value.name]).value(reals[0])
        if operation is Operation.SLOPE:
            return gate_code(self.source.functions[value.name]).slope(reals[0])
        if operation is Operation.SURROGATE:
            return SURROGATES[self.source.surrogate](reals[0])
        if operation in ROUNDING:
            rounding = ROUNDING[operation]
            return rounding.code(reals[0], *rounding.scalars(*map(int, value.numbers)))
        return MEANING[operation](*reals)


class _Walk:
    """Writes the loops over samples and neurons around a body."""

    def __init__(self, source: Source, function: Any, real: Any, size: int) -> None:
        self.source, self.size = source, size
        self.builder = ir.IRBuilder(function.append_basic_block())
        self.table, self.step, self.samples, self.neurons = function.args
        self.vector = ir.VectorType(real, PROCESSOR.vector_bytes // size)
        self.body = _Body(source, self.builder, self.vector)
        self.truths = ir.VectorType(ir.IntType(1), self.vector.count)

    def write(self) -> None:
        builder, lanes = self.builder, INT(self.vector.count)
        count = len(self.source.leaves) + len(self.source.results)
        columns = [[self.entry(row, column) for column in range(COLUMNS)] for row in range(count)]
        first = [
            builder.add(address, builder.mul(self.step, each_step))
            for address, each_step, _ in columns
        ]
        whole = builder.sdiv(self.neurons, lanes)
        done = builder.mul(whole, lanes)
        rest = builder.sub(self.neurons, done)
        mask = self.mask(rest)
        with emit.for_range(builder, self.samples) as sample:
            rows = [
                builder.add(start, builder.mul(sample.index, column[2]))
                for start, column in zip(first, columns, strict=True)
            ]
            with emit.for_range(builder, whole) as block:
                self.block(rows, builder.mul(block.index, lanes), None)
            with builder.if_then(builder.icmp_signed(">", rest, INT(0))):
                self.block(rows, done, mask)
        builder.ret_void()

    def entry(self, row: int, column: int) -> Any:
        place = self.builder.gep(self.table, [INT(row * COLUMNS + column)])
        return self.builder.load(place)

    def mask(self, rest: Any) -> Any:
        """Truths in as many lanes as neurons are left."""
        wide = ir.VectorType(INT, self.vector.count)
        every = ir.Constant(wide, ir.Undefined)
        for lane in range(self.vector.count):
            every = self.builder.insert_element(every, rest, ir.IntType(32)(lane))
        order = ir.Constant(wide, list(range(self.vector.count)))
        return self.builder.icmp_signed("<", order, every)

    def block(self, rows: list[Any], neuron: Any, mask: Any) -> None:
        builder = self.builder
        offset = builder.mul(neuron, INT(self.size))
        pointers = [
            builder.inttoptr(builder.add(row, offset), self.vector.as_pointer()) for row in rows
        ]
        split = len(self.source.leaves)
        leaves = {
            leaf: Lanes(builder, self.load(pointer, mask))
            for leaf, pointer in zip(self.source.leaves, pointers[:split], strict=True)
        }
        results = self.body.results(leaves)
        for name, pointer, value in zip(
            self.source.results, pointers[split:], results, strict=True
        ):
            if name in self.source.added:
                value = Lanes(builder, self.load(pointer, mask)) + value
            self.store(value.value, pointer, mask)

    def load(self, pointer: Any, mask: Any) -> Any:
        builder = self.builder
        if mask is None:
            return builder.load(pointer, align=self.size)
        kinds = (pointer.type, ir.IntType(32), self.truths, self.vector)
        kind = ir.FunctionType(self.vector, kinds)
        function = intrinsic(builder, "llvm.masked.load.*.p0*", kind, self.vector)
        zero = ir.Constant(self.vector, [0.0] * self.vector.count)
        return builder.call(function, [pointer, ir.IntType(32)(self.size), mask, zero])

    def store(self, value: Any, pointer: Any, mask: Any) -> None:
        builder = self.builder
        if mask is None:
            builder.store(value, pointer, align=self.size)
            return
        kinds = (self.vector, pointer.type, ir.IntType(32), self.truths)
        kind = ir.FunctionType(VOID, kinds)
        function = intrinsic(builder, "llvm.masked.store.*.p0*", kind, self.vector)
        builder.call(function, [value, pointer, ir.IntType(32)(self.size), mask])


class Machine:
    """Machine code of kernels; it lives as long as this object."""

    def __init__(self, sources: Sequence[Source], bytes_of_real: int) -> None:
        real = REALS[bytes_of_real]
        module = ir.Module()
        names = [f"kernel{index}" for index in range(len(sources))]
        for name, source in zip(names, sources, strict=True):
            _Walk(source, ir.Function(module, SIGNATURE, name), real, bytes_of_real).write()
        self._engine = native(str(module))
        self.addresses = [int(self._engine.get_function_address(name)) for name in names]
