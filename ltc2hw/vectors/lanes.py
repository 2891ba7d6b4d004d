"""Real numbers in the lanes of a vector register, as LLVM's portable vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

from llvmlite import ir

from ltc2hw.compilation.llvm import emit

Number = Union["Lanes", float]

FLAGS = ("contract",)
"""A product and a sum may be one rounding."""


@dataclass(frozen=True, eq=False)
class Pointer:
    """Where a table of reals lies that code is given when it runs."""

    value: Any


@dataclass(frozen=True, eq=False)
class Lanes:
    """A vector of reals, or of truths; arithmetic writes instructions.

    ``flags``: what LLVM may do with it; nothing, where every rounding is to be NumPy's.
    """

    builder: Any
    value: Any
    flags: tuple[str, ...] = FLAGS

    def like(self, number: Number) -> Lanes:
        """A number in every lane."""
        if isinstance(number, Lanes):
            return number
        same = [number] * self.value.type.count
        return self._made(ir.Constant(self.value.type, same))

    def _made(self, value: Any) -> Lanes:
        return Lanes(self.builder, value, self.flags)

    def __add__(self, other: Number) -> Lanes:
        return self._made(self.builder.fadd(self.value, self.like(other).value, flags=self.flags))

    __radd__ = __add__

    def __sub__(self, other: Number) -> Lanes:
        return self._made(self.builder.fsub(self.value, self.like(other).value, flags=self.flags))

    def __rsub__(self, other: float) -> Lanes:
        return self.like(other) - self

    def __mul__(self, other: Number) -> Lanes:
        return self._made(self.builder.fmul(self.value, self.like(other).value, flags=self.flags))

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Lanes:
        return self._made(self.builder.fdiv(self.value, self.like(other).value))

    def __rtruediv__(self, other: float) -> Lanes:
        return self.like(other) / self

    def compared(self, operator: str, other: Number) -> Lanes:
        """Truths: whether each lane is ``<``, ``>``, ``!=``, ... than another."""
        return self._made(
            self.builder.fcmp_unordered("!=", self.value, self.like(other).value)
            if operator == "!="
            else self.builder.fcmp_ordered(operator, self.value, self.like(other).value)
        )

    def chosen(self, then: Lanes, otherwise: Lanes) -> Lanes:
        """Of truths: one value where they hold, another elsewhere."""
        return self._made(self.builder.select(self.value, then.value, otherwise.value))

    def smaller(self, other: Number) -> Lanes:
        """The smaller of two, the second of equal ones."""
        return self.compared("<", other).chosen(self, self.like(other))

    def larger(self, other: Number) -> Lanes:
        """The larger of two, the second of equal ones."""
        return self.compared(">", other).chosen(self, self.like(other))

    @property
    def magnitude(self) -> Lanes:
        """Without the sign."""
        return self.larger(0.0 - self)

    def whole(self, direction: str) -> Lanes:
        """An integer beside each: LLVM's ``trunc``, ``floor`` or ``rint`` (ties to even)."""
        kind = self.value.type
        name, signature = f"llvm.{direction}.*", ir.FunctionType(kind, (kind,))
        function = intrinsic(self.builder, name, signature, kind)
        return self._made(self.builder.call(function, [self.value]))

    def entries(self, table: Sequence[float] | Pointer) -> Lanes:
        """The numbers of a table at these places, which are integers within it."""
        builder, kind = self.builder, self.value.type
        base = table.value if isinstance(table, Pointer) else self._constants(table)
        number, found = ir.IntType(32), ir.Constant(kind, ir.Undefined)
        places = builder.fptosi(self.value, ir.VectorType(number, kind.count))
        for lane in range(kind.count):
            place = builder.extract_element(places, number(lane))
            entry = builder.load(builder.gep(base, [place]))
            found = builder.insert_element(found, entry, number(lane))
        return self._made(found)

    def _constants(self, table: Sequence[float]) -> Any:
        """Address of a table that is part of the code."""
        module, element = self.builder.module, self.value.type.element
        entries = ir.ArrayType(element, len(table))
        constant = ir.GlobalVariable(module, entries, module.get_unique_name("table"))
        constant.initializer = ir.Constant(entries, [float(entry) for entry in table])
        constant.global_constant, constant.linkage = True, "internal"
        return self.builder.bitcast(constant, element.as_pointer())

    @property
    def is_truth(self) -> bool:
        """Whether these are truths instead of reals."""
        return bool(self.value.type.element == ir.IntType(1))


def intrinsic(builder: Any, name: str, kind: Any, vector: Any) -> Any:
    """LLVM's function of that name for a type of vectors."""
    bits = 32 if vector.element == ir.FloatType() else 64
    own = name.replace("*", f"v{vector.count}f{bits}")
    return emit.get_or_insert_function(builder.module, kind, own)


def polynomial(x: Lanes, factors: Sequence[float]) -> Lanes:
    """``Σ factors[k] x^k`` by pairs (Estrin), which leaves less to wait for than Horner's rule."""
    terms: list[Number] = list(factors)
    while len(terms) > 1:
        pairs: list[Number] = [
            terms[k] if k + 1 == len(terms) else x * terms[k + 1] + terms[k]
            for k in range(0, len(terms), 2)
        ]
        terms, x = pairs, x * x
    return x.like(terms[0])
